/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "vector.clh"
#include "dtype.clh"

/* The no-position part of each head's query, carried into latent space:
 *   query[token, head, c] = factor * sum over n < nope of q[token, head * head_width + n] * weight[head][n, c]
 * so that scores are taken against the latent cache itself (the absorbed form of multi-head latent attention,
 * https://arxiv.org/abs/2405.04434 section 2.1.2). weight: kv_b_proj as one matrix [rows, stride] a head, of which the
 * first `nope` rows are W_UK; this slab holds the heads from first_head on. q rows are q_stride floats apart, query
 * rows of a head row_width. A work-item makes VECTOR columns for TOKENS tokens of one head. */
__kernel void absorb(__global float *query, __global const float *q, __global const weight_t *weight,
                     __global const float *scales, int tokens, int heads, int first_head, int q_stride, int head_width,
                     int nope, int row_width, float factor, int rows, int stride, int block_rows, int block_columns,
                     int scale_columns, int scale_rows)
{
    int column = (int)get_global_id(0) * VECTOR;
    int first_token = (int)get_group_id(1) * TOKENS;
    int here = (int)get_group_id(2), head = first_head + here;
    if (column >= stride)
        return;
    weight += (size_t)here * rows * stride + column;
    scales += (size_t)here * scale_rows * scale_columns + column / block_columns;
    size_t inputs[TOKENS];
    floatv sums[TOKENS];
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++) {
        inputs[t] = (size_t)min(first_token + t, tokens - 1) * q_stride + head * head_width;
        sums[t] = (floatv)(0.0f);
    }
    for (int n = 0; n < nope; n++) {
        floatv values = weight_load(weight, (size_t)n * stride);
#ifdef WEIGHT_F8
        values *= scales[n / block_rows * scale_columns];
#endif
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            sums[t] = q[inputs[t] + n] * values + sums[t];
    }
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        if (first_token + t < tokens)
            vstorev(sums[t] * factor, 0, query + ((size_t)(first_token + t) * heads + head) * row_width + column);
}
