/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/report.h"
#include "cli/signals.h"

enum { BLOCK_BYTES = 1 << 16 };

static int reserve(input_text *text, size_t more)
{
    if (text->capacity - text->length >= more)
        return 0;
    if (text->capacity > SIZE_MAX / 2 - more)
        return report_memory();
    size_t capacity = 2 * text->capacity + more;
    char *data = realloc(text->data, capacity);
    if (!data)
        return report_memory();
    text->data = data;
    text->capacity = capacity;
    return 0;
}

int input_append(input_text *text, const char *data, size_t length)
{
    TRY(reserve(text, length));
    if (length > 0)
        memcpy(text->data + text->length, data, length);
    text->length += length;
    return 0;
}

void input_free(input_text *text)
{
    free(text->data);
    *text = (input_text){0};
}

const char *input_title(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

int input_failed(gzFile file, const char *path)
{
    int error;
    const char *message = gzerror(file, &error);
    if (error == Z_ERRNO && errno == EINTR && signals_caught())
        return EX_STOPPED;
    if (error == Z_ERRNO)
        return report(EX_IOERR, "%s: %s", input_title(path), strerror(errno));
    if (error == Z_MEM_ERROR)
        return report_memory();
    if (error == Z_BUF_ERROR)
        return report(EX_DATAERR, "%s: the gzip data ends early; the file was cut off", input_title(path));
    return report(EX_DATAERR, "%s: damaged gzip data (%s)", input_title(path), message);
}

/* Reads to the end. zlib passes on what is not compressed as it is. */
static int read_all(input_text *text, gzFile file, const char *path)
{
    for (;;) {
        TRY(reserve(text, BLOCK_BYTES));
        int got = gzread(file, text->data + text->length, BLOCK_BYTES);
        if (got < 0)
            return input_failed(file, path);
        if (got == 0)
            break;
        text->length += (size_t)got;
    }
    int error;
    gzerror(file, &error);
    return error == Z_OK || error == Z_STREAM_END ? 0 : input_failed(file, path);
}

int input_open(int *descriptor, const char *path)
{
    struct stat status;
    *descriptor = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (*descriptor < 0)
        return report(EX_NOINPUT, "%s: %s", input_title(path), strerror(errno));
    if (fstat(*descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(*descriptor);
        return report(EX_NOINPUT, "%s: is a directory, not a file", input_title(path));
    }
    return 0;
}

int input_read(input_text *text, const char *path)
{
    int descriptor;
    TRY(input_open(&descriptor, path));
    gzFile file = gzdopen(descriptor, "rb");
    if (!file) {
        close(descriptor);
        return report_memory();
    }
    int code = read_all(text, file, path);
    gzclose_r(file);
    return code;
}

bool input_is_piped(void)
{
    struct stat status;
    if (fstat(STDIN_FILENO, &status) != 0)
        return false;
    return S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode);
}

int input_operand(const char **path, int count, char **operands)
{
    if (count > 1)
        return report(EX_USAGE, "one file at a time: '%s' is one too many", operands[1]);
    *path = count == 1 ? operands[0] : "-";
    return 0;
}

/* The words of text[length], each a token id. */
static int parse_tokens(hadal_tokens *tokens, const char *text, size_t length, const char *path)
{
    static const char space[] = " \t\r\n\v\f";
    size_t line = 1;
    for (size_t i = 0; i < length;) {
        if (text[i] != '\0' && strchr(space, text[i])) {
            line += text[i] == '\n';
            i++;
            continue;
        }
        size_t start = i;
        int64_t id = 0;
        for (; i < length && text[i] >= '0' && text[i] <= '9' && id <= INT32_MAX; i++)
            id = 10 * id + (text[i] - '0');
        if (i == start || id > INT32_MAX || (i < length && (text[i] == '\0' || !strchr(space, text[i]))))
            return report(EX_DATAERR, "%s: line %zu: a token id was expected, a whole number from 0 to %d",
                          input_title(path), line, INT32_MAX);
        TRY(report_status(hadal_tokens_append(tokens, &(int32_t){(int32_t)id}, 1)));
    }
    return 0;
}

int input_read_tokens(hadal_tokens *tokens, const char *path)
{
    input_text text = {0};
    int code = input_read(&text, path);
    if (code == 0)
        code = parse_tokens(tokens, text.data, text.length, path);
    input_free(&text);
    return code;
}
