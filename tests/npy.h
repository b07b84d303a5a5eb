/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Reads the .npy files of references: version 1.0, little endian, C order, two dimensions or more.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */

#ifndef HADAL_TESTS_NPY_H
#define HADAL_TESTS_NPY_H

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

typedef struct npy_array {
    void *data; /* freed with free() */
    size_t shape[3];
    unsigned rank;
} npy_array;

/* The array of a file whose elements have that type, such as "<f4" or "<i2", and that many bytes. */
static inline npy_array npy_read(const char *path, const char *type, size_t element_bytes)
{
    npy_array array = {0};
    unsigned char head[10];
    char header[4096] = {0}, wanted[32];
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, sizeof head, file) != sizeof head || memcmp(head, "\x93NUMPY\x01\x00", 8) != 0)
        fail_msg("%s is no .npy file", path);
    size_t length = head[8] + 256u * head[9];
    assert_true(length < sizeof header && fread(header, 1, length, file) == length);
    snprintf(wanted, sizeof wanted, "'%s'", type);
    if (!strstr(header, wanted) || !strstr(header, "'fortran_order': False"))
        fail_msg("%s holds %s, expected %s in C order", path, header, type);
    size_t count = 1;
    char *at = strchr(strstr(header, "'shape'"), '(');
    while (at && *at != ')' && array.rank < 3) {
        char *end;
        unsigned long dimension = strtoul(at + 1, &end, 10);
        if (end == at + 1)
            break;
        array.shape[array.rank++] = dimension;
        count *= dimension;
        at = end;
    }
    array.data = malloc(count * element_bytes);
    assert_non_null(array.data);
    assert_int_equal(fread(array.data, element_bytes, count, file), count);
    fclose(file);
    return array;
}

#endif
