/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Writes checkpoints to try, right and wrong ones. Failures end the running test. */

#ifndef HADAL_TESTS_WEIGHTS_WRITER_H
#define HADAL_TESTS_WEIGHTS_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka setup: *state = the path of a new empty directory in the build tree; teardown: removes it. */
int directory_setup(void **state);
int directory_teardown(void **state);

/* A test that runs in such a directory. */
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, directory_setup, directory_teardown)

/* "directory/name" in a buffer that the next calls reuse in turn (four of them). */
const char *path_in(const char *directory, const char *name);

void write_file(const char *directory, const char *name, const void *data, size_t length);
void write_text(const char *directory, const char *name, const char *text);

/* A safetensors file of that header as it is, with its length before it, and `data_bytes` of zeros behind it. */
void write_with_header(const char *directory, const char *name, const char *header, size_t data_bytes);

typedef struct written_tensor {
    char name[128];
    char dtype[16];
    unsigned rank;
    uint64_t shape[4];
    const void *data; /* NULL: bytes that count up from the tensor's position in the file */
    bool left_out;    /* not written */
} written_tensor;

/* A right safetensors file of these tensors, in this order. */
void write_tensors(const char *directory, const char *name, const written_tensor *tensors, size_t count);

#endif
