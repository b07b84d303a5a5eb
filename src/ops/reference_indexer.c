/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/reference_indexer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "weights/dtype.h"

void reference_layer_norm(double *row, size_t dim, const float *weight, const float *bias)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < dim; i++)
        mean += row[i] / (double)dim;
    for (size_t i = 0; i < dim; i++)
        variance += (row[i] - mean) * (row[i] - mean) / (double)dim;
    for (size_t i = 0; i < dim; i++)
        row[i] = (row[i] - mean) / sqrt(variance + 1e-6) * weight[i] + bias[i];
}

void reference_rotate_halves(double *row, size_t rope, const double *frequencies, int32_t position)
{
    for (size_t i = 0; i < rope / 2; i++) {
        double c = cos(position * frequencies[i]), s = sin(position * frequencies[i]);
        double a = row[i], b = row[i + rope / 2];
        row[i] = a * c - b * s;
        row[i + rope / 2] = b * c + a * s;
    }
}

static bool odd_ones(size_t value)
{
    bool odd = false;
    for (; value; value &= value - 1)
        odd = !odd;
    return odd;
}

void reference_hadamard(double *out, const double *in, size_t dim)
{
    size_t start = 0;
    for (size_t size = (size_t)1 << 31; size; size >>= 1) {
        if (!(dim & size))
            continue;
        for (size_t i = 0; i < size; i++) {
            out[start + i] = 0;
            for (size_t j = 0; j < size; j++)
                out[start + i] += (odd_ones(i & j) ? -1 : 1) * in[start + j] / sqrt((double)size);
        }
        start += size;
    }
}

void reference_index_row(double *out, double *row, const index_dims *dims, const double *frequencies, int32_t position)
{
    reference_rotate_halves(row, dims->rope, frequencies, position);
    if (dims->type == HADAL_INDEX_F32)
        memcpy(out, row, dims->dim * sizeof *out);
    else
        reference_hadamard(out, row, dims->dim);
}

/* Element i of stored index keys or queries, without scale. */
static double element(hadal_index_cache type, const void *stored, size_t i)
{
    float value;
    if (type == HADAL_INDEX_INT8)
        return ((const int8_t *)stored)[i];
    dtype_decode(&value, (const char *)stored + i * index_element_bytes(type), 1,
                 type == HADAL_INDEX_F32 ? DTYPE_F32 : DTYPE_F8_E4M3);
    return value;
}

/* Whether the scale is largest / limit, the element type's largest value; for ue8m0 the power of two not below. */
static bool scale_is_right(const index_dims *dims, double scale, double largest)
{
    double wanted = largest / (dims->type == HADAL_INDEX_INT8 ? 127 : 448);
    if (dims->type == HADAL_INDEX_FP8 && dims->scale_ue8m0)
        return scale > 0 && fabs(scale - exp2(round(log2(scale)))) <= 1e-6 * scale && scale >= wanted * (1 - 1e-5) &&
               scale < 2 * wanted * (1 + 1e-5);
    return fabs(scale - wanted) <= 1e-5 * wanted;
}

double reference_index_error(const index_dims *dims, const void *stored, double scale, const double *expected)
{
    double largest = 1e-30, worst = 0;
    for (size_t i = 0; i < dims->dim; i++)
        largest = fmax(largest, fabs(expected[i]));
    if (dims->type == HADAL_INDEX_F32)
        scale = 1;
    else if (!scale_is_right(dims, scale, largest))
        return INFINITY;
    for (size_t i = 0; i < round_up(dims->dim, ROW_UNIT); i++) {
        double got = element(dims->type, stored, i) * scale;
        if (i >= dims->dim && got != 0)
            return INFINITY;
        if (i >= dims->dim)
            continue;
        /* Half a step of the element type, and what float32 loses before: e4m3 has 3 bits of mantissa, and steps of
         * 2^-9 below its smallest normal number. */
        double step = dims->type == HADAL_INDEX_F32    ? 0
                      : dims->type == HADAL_INDEX_INT8 ? scale / 2
                                                       : fmax(fabs(expected[i]) / 16, scale * 0x1p-10);
        double error = fabs(got - expected[i]) / (step * (1 + 1e-6) + 4e-6 * largest);
        worst = error <= worst ? worst : error;
    }
    return worst;
}

double reference_index_score(const index_dims *dims, const void *queries, const float *weights, const void *cache,
                             size_t token, size_t s)
{
    size_t stride = round_up(dims->dim, ROW_UNIT);
    double score = 0;
    for (size_t head = 0; head < dims->heads; head++) {
        double dot = 0;
        for (size_t i = 0; i < dims->dim; i++)
            dot += element(dims->type, queries, (token * dims->heads + head) * stride + i) *
                   element(dims->type, cache, s * stride + i);
        score += dot > 0 ? (double)weights[token * round_up(dims->heads, ROW_UNIT) + head] * dot : 0;
    }
    return score;
}

typedef struct scored {
    float score;
    int32_t position;
} scored;

static int compare_scored(const void *left, const void *right)
{
    const scored *a = left, *b = right;
    bool a_nan = isnan(a->score), b_nan = isnan(b->score);
    if (a_nan != b_nan)
        return a_nan ? 1 : -1;
    if (!a_nan && a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static int compare_positions(const void *left, const void *right)
{
    const int32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

hadal_status reference_top_k(int32_t *selected, size_t *chosen, const float *scores, size_t count, size_t k)
{
    scored *row;
    TRY(memory_allocate(&row, count, sizeof *row));
    for (size_t i = 0; i < count; i++)
        row[i] = (scored){scores[i], (int32_t)i};
    qsort(row, count, sizeof *row, compare_scored);
    *chosen = min_size(k, count);
    for (size_t i = 0; i < *chosen; i++)
        selected[i] = row[i].position;
    qsort(selected, *chosen, sizeof *selected, compare_positions);
    free(row);
    return HADAL_OK;
}
