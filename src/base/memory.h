/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Host memory with checked sizes, and a growing string of bytes. */

#ifndef HADAL_BASE_MEMORY_H
#define HADAL_BASE_MEMORY_H

#include "base/status.h"

/* *pointer = count * size zeroed bytes (at least one); fails with HADAL_ERROR_HOST_MEMORY, also on overflow. */
HADAL_CHECKED hadal_status memory_allocate(void *pointer, size_t count, size_t size);

/* Grows *pointer to hold at least `needed` elements of `size` bytes; *capacity is in elements. */
HADAL_CHECKED hadal_status memory_grow(void *pointer, size_t *capacity, size_t needed, size_t size);

/* Copies text[length] with a NUL behind it. */
HADAL_CHECKED hadal_status memory_copy_text(char **copy, const char *text, size_t length);

/* Bytes that grow; always NUL-terminated once appended to; start with {0}. */
typedef struct byte_array {
    char *data;
    size_t length;
    size_t capacity;
} byte_array;

HADAL_CHECKED hadal_status bytes_append(byte_array *target, const void *data, size_t length);
HADAL_CHECKED hadal_status bytes_format(byte_array *target, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bytes_free(byte_array *target);

/* Smallest multiple of `unit` that is >= value. */
static inline size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static inline size_t divide_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit;
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
