/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cli/report.h"
#include "cli/signals.h"

enum { BLOCK_BYTES = 1 << 16, RECORD_BYTES = RECORD_MEBIBYTES << 20 };

struct records {
    const char *path;
    int descriptor;
    gzFile file;         /* of gzip data, which owns the descriptor then; else NULL */
    char end;
    bool ended;          /* the input has */
    uint64_t number;     /* records taken */
    uint64_t offset;     /* bytes taken */
    input_text text;     /* of the record */
    size_t first, count; /* bytes of the block that are not taken yet */
    char block[BLOCK_BYTES];
};

static bool is_gzip(const char *data, size_t length)
{
    return length >= 2 && memcmp(data, "\x1f\x8b", 2) == 0;
}

/* zlib waits until a whole buffer is there, so it gets only what is compressed. Looking ahead takes a file. */
static int open_gzip(records *opened)
{
    char magic[2];
    off_t position = lseek(opened->descriptor, 0, SEEK_CUR);
    ssize_t got = position < 0 ? -1 : pread(opened->descriptor, magic, sizeof magic, position);
    if (got < 0 || !is_gzip(magic, (size_t)got))
        return 0;
    opened->file = gzdopen(opened->descriptor, "rb");
    return opened->file ? 0 : report_memory();
}

int records_open(records **opened, const char *path, char end)
{
    records *made = malloc(sizeof *made);
    *opened = NULL;
    if (!made)
        return report_memory();
    *made = (records){.path = path, .descriptor = -1, .end = end};
    int code = input_open(&made->descriptor, path);
    if (code == 0)
        code = open_gzip(made);
    if (code == 0)
        *opened = made;
    else
        records_close(made);
    return code;
}

void records_close(records *opened)
{
    if (!opened)
        return;
    if (opened->file)
        gzclose_r(opened->file);
    else if (opened->descriptor >= 0)
        close(opened->descriptor);
    input_free(&opened->text);
    free(opened);
}

static int fill_from_gzip(records *from)
{
    int got = gzread(from->file, from->block, BLOCK_BYTES);
    int error = Z_OK;
    if (got == 0)
        gzerror(from->file, &error);
    if (got < 0 || (error != Z_OK && error != Z_STREAM_END))
        return input_failed(from->file, from->path);
    from->count = (size_t)got;
    return 0;
}

static int fill_from_descriptor(records *from)
{
    ssize_t got = read(from->descriptor, from->block, BLOCK_BYTES);
    if (got < 0 && errno == EINTR && signals_caught())
        return EX_STOPPED;
    if (got < 0)
        return report(EX_IOERR, "%s: %s", input_title(from->path), strerror(errno));
    if (from->offset == 0 && is_gzip(from->block, (size_t)got))
        return report(EX_DATAERR, "%s: holds gzip data, which --each reads from files alone; pipe it through gzip -dc",
                      input_title(from->path));
    from->count = (size_t)got;
    return 0;
}

/* The next block; none are left when it is empty. */
static int fill(records *from)
{
    from->first = 0;
    from->count = 0;
    if (from->ended)
        return 0;
    if (signals_caught())
        return EX_STOPPED;
    TRY(from->file ? fill_from_gzip(from) : fill_from_descriptor(from));
    from->ended = from->count == 0;
    return 0;
}

/* Moves bytes of the block to the record, up to its end or the block's. */
static int take(records *from, record *next, bool *complete)
{
    const char *data = from->block + from->first;
    const char *end = memchr(data, from->end, from->count);
    size_t length = end ? (size_t)(end - data) : from->count;
    size_t used = length + (end ? 1 : 0);
    if (length > RECORD_BYTES - from->text.length)
        next->too_long = true;
    if (!next->too_long)
        TRY(input_append(&from->text, data, length));
    from->first += used;
    from->count -= used;
    from->offset += used;
    *complete = end != NULL;
    return 0;
}

int records_next(records *from, record *next, bool *there)
{
    *next = (record){.text = &from->text, .number = from->number + 1, .offset = from->offset};
    snprintf(next->title, sizeof next->title, "record %" PRIu64 ", from byte %" PRIu64, next->number, next->offset);
    from->text.length = 0;
    *there = false;
    for (bool complete = false; !complete;) {
        if (from->count == 0)
            TRY(fill(from));
        if (from->count == 0)
            break;
        *there = true;
        TRY(take(from, next, &complete));
    }
    from->number += *there ? 1 : 0;
    return 0;
}
