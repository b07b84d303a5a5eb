/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Whole files: mapped read-only, or read into memory. Paths are the caller's; every message names them. */

#ifndef HADAL_BASE_FILE_H
#define HADAL_BASE_FILE_H

#include "base/memory.h"

/* A mapping of a whole file. size 0: data is NULL. If another program shortens the file while it is mapped, touching
 * what is gone ends the process (SIGBUS); checkpoints are not edited in place, so nothing here guards against it. */
typedef struct mapped_file {
    const unsigned char *data;
    size_t size;
} mapped_file;

/* Maps a regular file (links are followed). HADAL_ERROR_INPUT: it cannot be opened or is something else than a
 * file. Released by file_unmap. */
HADAL_CHECKED hadal_status file_map(mapped_file *file, const char *path);

/* Accepts a file of zeros, and leaves one. */
void file_unmap(mapped_file *file);

/* *content = all bytes of a file or pipe. HADAL_ERROR_INPUT: it cannot be opened; HADAL_ERROR_DATA: it holds more
 * than `limit` bytes; HADAL_ERROR_IO: reading failed. Released by bytes_free, empty after a failure. */
HADAL_CHECKED hadal_status file_read(byte_array *content, const char *path, size_t limit);

/* Whether something of that name is there, be it a link to nothing: opening that then says so. */
bool file_exists(const char *path);

/* HADAL_ERROR_INPUT unless the path leads to a directory. */
HADAL_CHECKED hadal_status file_check_directory(const char *path);

/* *path = "directory/name"; released by free(). */
HADAL_CHECKED hadal_status file_join(char **path, const char *directory, const char *name);

#endif
