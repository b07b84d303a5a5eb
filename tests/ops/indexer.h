/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the tests of the lightning indexer share: its formulas in double, and the table of rotations. */

#ifndef HADAL_TESTS_OPS_INDEXER_H
#define HADAL_TESTS_OPS_INDEXER_H

#include "ops/index_rotate.h"
#include "tests/ops/device.h"

enum { TEST_ROPE_LOW = 256 };

static inline double test_rope_angle(size_t rope, size_t pair, size_t position)
{
    return (double)position * pow(10000.0, -2.0 * (double)pair / (double)rope);
}

/* The table that cl/rope.clh describes, for positions below `positions`. */
static inline buffer *test_rope_table(size_t rope, size_t positions)
{
    size_t pairs = rope / 2, rows = TEST_ROPE_LOW + divide_up(positions, TEST_ROPE_LOW);
    float *table = calloc(rows * pairs * 2 + 1, sizeof *table);
    assert_non_null(table);
    for (size_t row = 0; row < rows; row++)
        for (size_t pair = 0; pair < pairs; pair++) {
            size_t position = row < TEST_ROPE_LOW ? row : (row - TEST_ROPE_LOW) * TEST_ROPE_LOW;
            table[(row * pairs + pair) * 2] = (float)cos(test_rope_angle(rope, pair, position));
            table[(row * pairs + pair) * 2 + 1] = (float)sin(test_rope_angle(rope, pair, position));
        }
    buffer *made = test_buffer(table, (rows * pairs * 2 + 1) * sizeof *table);
    free(table);
    return made;
}

static inline void reference_layer_norm(double *row, size_t dim, const float *weight, const float *bias)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < dim; i++)
        mean += row[i] / (double)dim;
    for (size_t i = 0; i < dim; i++)
        variance += (row[i] - mean) * (row[i] - mean) / (double)dim;
    for (size_t i = 0; i < dim; i++)
        row[i] = (row[i] - mean) / sqrt(variance + 1e-6) * weight[i] + bias[i];
}

/* Pairs are i and i + rope/2. */
static inline void reference_rotate_halves(double *row, size_t rope, size_t position)
{
    for (size_t i = 0; i < rope / 2; i++) {
        double c = cos(test_rope_angle(rope, i, position)), s = sin(test_rope_angle(rope, i, position));
        double a = row[i], b = row[i + rope / 2];
        row[i] = a * c - b * s;
        row[i + rope / 2] = b * c + a * s;
    }
}

/* By the matrix's definition: element (i, j) is (-1)^(number of ones in i & j); blocks of dim's binary digits. */
static inline void reference_hadamard(double *row, size_t dim)
{
    double *in = malloc(dim * sizeof *in);
    assert_non_null(in);
    memcpy(in, row, dim * sizeof *in);
    size_t start = 0;
    for (size_t size = (size_t)1 << 31; size; size >>= 1) {
        if (!(dim & size))
            continue;
        for (size_t i = 0; i < size; i++) {
            row[start + i] = 0;
            for (size_t j = 0; j < size; j++)
                row[start + i] += (__builtin_popcountll(i & j) & 1 ? -1 : 1) * in[start + j] / sqrt((double)size);
        }
        start += size;
    }
    free(in);
}

/* OCP e4m3fn, by its definition. */
static inline double reference_f8(uint8_t stored)
{
    int exponent = (stored >> 3) & 15, mantissa = stored & 7;
    double magnitude = (stored & 127) == 127 ? (double)NAN
                       : exponent            ? ldexp(8 + mantissa, exponent - 10)
                                             : ldexp(mantissa, -9);
    return stored & 128 ? -magnitude : magnitude;
}

/* The value of element i of stored index keys or queries, without scale. */
static inline double reference_element(hadal_index_cache type, const void *stored, size_t i)
{
    if (type == HADAL_INDEX_F32)
        return ((const float *)stored)[i];
    return type == HADAL_INDEX_INT8 ? ((const int8_t *)stored)[i] : reference_f8(((const uint8_t *)stored)[i]);
}

#endif
