/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#define _XOPEN_SOURCE 700 /* realpath */

#include "cli/npy.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/signals.h"

static int file_failed(const npy_file *file)
{
    return signals_caught() ? EX_STOPPED : report(EX_IOERR, "%s: %s", file->path, strerror(errno));
}

static void release(npy_file *file)
{
    free(file->path);
    free(file->temporary);
    *file = (npy_file){0};
}

/* Pipes and devices are written directly: renaming would replace them. */
static bool exists_irregular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

/* Opens a temporary file beside the path, with the permissions that a new file gets. */
static int open_temporary(npy_file *file)
{
    static const char suffix[] = ".XXXXXX";
    size_t size = strlen(file->path) + sizeof suffix;
    file->temporary = malloc(size);
    if (!file->temporary)
        return report_memory();
    snprintf(file->temporary, size, "%s%s", file->path, suffix);
    int descriptor = mkstemp(file->temporary);
    if (descriptor < 0) {
        free(file->temporary);
        file->temporary = NULL;
        return file_failed(file);
    }
    mode_t mask = umask(0);
    umask(mask);
    (void)fchmod(descriptor, 0666 & ~mask);
    file->stream = fdopen(descriptor, "wb");
    if (file->stream)
        return 0;
    close(descriptor);
    return report_memory();
}

/* The header: a dictionary padded with spaces so that the data starts at a multiple of 64 bytes. */
static int write_header(npy_file *file, size_t rows)
{
    enum { PREFIX = 10 };
    char text[256];
    unsigned char prefix[PREFIX] = "\x93NUMPY\x01";
    int used = snprintf(text, sizeof text, "{'descr': '<f4', 'fortran_order': False, 'shape': (%zu, %zu), }", rows,
                        file->columns);
    size_t length = ((size_t)used + 1 + PREFIX + 63) / 64 * 64 - PREFIX;
    memset(text + used, ' ', length - (size_t)used - 1);
    text[length - 1] = '\n';
    prefix[8] = (unsigned char)(length & 255);
    prefix[9] = (unsigned char)(length >> 8);
    if (fwrite(prefix, 1, PREFIX, file->stream) != PREFIX || fwrite(text, 1, length, file->stream) != length)
        return file_failed(file);
    return 0;
}

int npy_create(npy_file *file, const char *path, size_t rows, size_t columns)
{
    int code;
    char *resolved = realpath(path, NULL); /* a link stays, its target is replaced */
    *file = (npy_file){.path = resolved ? resolved : strdup(path), .columns = columns};
    if (!file->path)
        return report_memory();
    if (exists_irregular(file->path)) {
        file->stream = fopen(file->path, "wb");
        code = file->stream ? 0 : file_failed(file);
    } else {
        code = open_temporary(file);
    }
    if (code == 0)
        code = write_header(file, rows);
    if (code != 0)
        npy_discard(file);
    return code;
}

int npy_write_row(npy_file *file, const float *row)
{
    return fwrite(row, sizeof *row, file->columns, file->stream) == file->columns ? 0 : file_failed(file);
}

int npy_finish(npy_file *file)
{
    int failed = fflush(file->stream);
    if (!failed && file->temporary)
        failed = fsync(fileno(file->stream)); /* else a crash soon after could leave an empty file under the name */
    if (!failed) {
        failed = fclose(file->stream);
        file->stream = NULL;
    }
    if (!failed && file->temporary)
        failed = rename(file->temporary, file->path);
    int code = failed ? file_failed(file) : 0;
    if (failed)
        npy_discard(file);
    else
        release(file);
    return code;
}

void npy_discard(npy_file *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    release(file);
}
