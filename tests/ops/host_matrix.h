/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Random weights for tests: as stored, and as values. */

#ifndef HADAL_TESTS_OPS_HOST_MATRIX_H
#define HADAL_TESTS_OPS_HOST_MATRIX_H

#include "ops/matrix.h"

#include "tests/ops/device.h"

/* A stack of weight matrices on the host: as stored, and as values. */
typedef struct host_matrix {
    matrix_source *sources;
    double *values; /* [experts, rows, columns] */
    size_t experts, rows, columns;
} host_matrix;

/* Random stored values. Exponents are kept away from NaN and infinity; all bits of the mantissa are used. */
static inline void random_element(unsigned char *stored, dtype type, uint64_t *random)
{
    float value = test_random_float(random);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (type == DTYPE_F32) {
        memcpy(stored, &bits, 4);
    } else if (type == DTYPE_BF16) {
        stored[0] = (unsigned char)(bits >> 16);
        stored[1] = (unsigned char)(bits >> 24);
    } else if (type == DTYPE_F16) {
        uint16_t half = (uint16_t)(test_random(random) & 0xbbff); /* exponent below 15, subnormals too */
        memcpy(stored, &half, 2);
    } else {
        *stored = (unsigned char)(test_random(random) & 0xb7); /* exponent below 7, subnormals too */
    }
}

static inline host_matrix make_matrix(dtype type, size_t experts, size_t rows, size_t columns, uint32_t block_rows,
                               uint32_t block_columns, uint64_t *random)
{
    host_matrix made = {.experts = experts, .rows = rows, .columns = columns};
    made.sources = calloc(experts, sizeof *made.sources);
    made.values = calloc(experts * rows * columns, sizeof *made.values);
    for (size_t e = 0; e < experts; e++) {
        size_t scale_columns = divide_up(columns, block_columns);
        unsigned char *values = malloc(rows * columns * dtype_bytes(type));
        float *scales = calloc(divide_up(rows, block_rows) * scale_columns, sizeof *scales);
        float *row_values = calloc(columns, sizeof *row_values);
        for (size_t i = 0; i < rows * columns; i++)
            random_element(values + i * dtype_bytes(type), type, random);
        for (size_t i = 0; i < divide_up(rows, block_rows) * scale_columns; i++)
            scales[i] = 1.5f + test_random_float(random);
        for (size_t r = 0; r < rows; r++) {
            dtype_decode(row_values, values + r * columns * dtype_bytes(type), columns, type);
            for (size_t c = 0; c < columns; c++)
                made.values[(e * rows + r) * columns + c] =
                    row_values[c] *
                    (double)(type == DTYPE_F8_E4M3 ? scales[r / block_rows * scale_columns + c / block_columns] : 1);
        }
        free(row_values);
        made.sources[e] = (matrix_source){type, values, scales, rows, columns, block_rows, block_columns, 0, 0};
    }
    return made;
}

static inline void free_matrix(host_matrix *freed)
{
    for (size_t e = 0; e < freed->experts; e++) {
        free((void *)(uintptr_t)freed->sources[e].values);
        free((void *)(uintptr_t)freed->sources[e].scales);
    }
    free(freed->sources);
    free(freed->values);
}

#endif
