/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Kernel sources: where they are, and includes put in by us, since drivers differ in how they take -I. */

#include "device/opencl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/paths.h"

enum { MOST_INCLUDES = 16, LARGEST_SOURCE = 1 << 20 };

/* The files that a program is made of, in the order of first inclusion. */
typedef struct inclusion {
    const char *directory;
    char *names[MOST_INCLUDES];
    size_t count;
    byte_array text;
} inclusion;

hadal_status source_find_directory(char **directory, const char *chosen)
{
    return paths_find_data(directory, chosen, "HADAL_CL_DIR", "cl", "vector.clh");
}

static hadal_status read_text(byte_array *text, const char *directory, const char *name)
{
    byte_array path = {0};
    TRY(bytes_format(&path, "%s/%s", directory, name));
    FILE *file = fopen(path.data, "rb");
    hadal_status status = HADAL_OK;
    if (!file) {
        status = failure(HADAL_ERROR_INPUT,
                         "kernel source %s cannot be opened: %s; reinstall hadal or set HADAL_CL_DIR", path.data,
                         strerror(errno));
    } else {
        char block[4096];
        size_t got;
        while (status == HADAL_OK && text->length < LARGEST_SOURCE && (got = fread(block, 1, sizeof block, file)))
            status = bytes_append(text, block, got);
        if (status == HADAL_OK && (ferror(file) || memchr(text->data ? text->data : "", '\0', text->length)))
            status = failure(HADAL_ERROR_IO, "kernel source %s cannot be read; reinstall hadal", path.data);
        fclose(file);
    }
    bytes_free(&path);
    return status;
}

static hadal_status include_file(inclusion *whole, const char *name, size_t length);

/* Appends one line, or what it includes. */
static hadal_status include_line(inclusion *whole, const char *line, size_t length)
{
    static const char directive[] = "#include \"";
    size_t skip = sizeof directive - 1;
    const char *end = length > skip ? memchr(line + skip, '"', length - skip) : NULL;
    if (!end || memcmp(line, directive, skip) != 0)
        return bytes_append(&whole->text, line, length);
    return include_file(whole, line + skip, (size_t)(end - line) - skip);
}

static hadal_status include_file(inclusion *whole, const char *name, size_t length)
{
    for (size_t i = 0; i < whole->count; i++)
        if (strlen(whole->names[i]) == length && memcmp(whole->names[i], name, length) == 0)
            return bytes_append(&whole->text, "\n", 1);
    if (whole->count == MOST_INCLUDES)
        return failure(HADAL_ERROR_INTERNAL, "kernel source %s includes more than %d files", whole->names[0],
                       MOST_INCLUDES);
    TRY(memory_copy_text(&whole->names[whole->count], name, length));
    const char *own = whole->names[whole->count++];
    byte_array text = {0};
    hadal_status status;
    TRY_OR(done, read_text(&text, whole->directory, own));
    TRY_OR(done, bytes_format(&whole->text, "#line 1 \"%s\"\n", own));
    size_t line_number = 1;
    for (size_t at = 0; at < text.length; line_number++) {
        const char *newline = memchr(text.data + at, '\n', text.length - at);
        size_t end = newline ? (size_t)(newline - text.data) + 1 : text.length;
        size_t files = whole->count;
        TRY_OR(done, include_line(whole, text.data + at, end - at));
        if (whole->count != files)
            TRY_OR(done, bytes_format(&whole->text, "\n#line %zu \"%s\"\n", line_number + 1, own));
        at = end;
    }
    status = HADAL_OK;
done:
    bytes_free(&text);
    return status;
}

hadal_status source_read(char **text, const char *directory, const char *name)
{
    inclusion whole = {.directory = directory};
    *text = NULL;
    hadal_status status = include_file(&whole, name, strlen(name));
    for (size_t i = 0; i < whole.count; i++)
        free(whole.names[i]);
    if (status == HADAL_OK)
        *text = whole.text.data;
    else
        bytes_free(&whole.text);
    return status;
}
