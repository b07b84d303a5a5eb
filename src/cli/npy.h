/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Writes a float32 matrix as a NumPy file, row by row, so that it never has to be in memory. The file gets its name
 * only when it is whole: until then a temporary one stands beside it. */

#ifndef HADAL_CLI_NPY_H
#define HADAL_CLI_NPY_H

#include <stddef.h>
#include <stdio.h>

/* Start with {0}. */
typedef struct npy_file {
    FILE *stream;
    char *path;      /* the name in the end */
    char *temporary; /* the name until then; NULL when path is no regular file and is written directly */
    size_t columns;
} npy_file;

/* Begins a file of float[rows][columns] (format version 1.0 of numpy.lib.format). */
int npy_create(npy_file *file, const char *path, size_t rows, size_t columns);

/* Appends row[columns]. */
int npy_write_row(npy_file *file, const float *row);

/* Completes the file, gives it its name and releases it. */
int npy_finish(npy_file *file);

/* Removes and releases an unfinished file; nothing when there is none. */
void npy_discard(npy_file *file);

#endif
