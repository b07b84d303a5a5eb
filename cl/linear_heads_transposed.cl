/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* linear_heads by the transposed matrices: out[token, head, column] = factor * the sum over rows of
 * in[token, head, row] * weight[head][row, column], with the zeros that pad the columns. A work-item has VECTOR columns
 * of TOKENS tokens, and neighbours have neighbouring columns; nothing is summed across lanes. */

#include "dtype.clh"

__kernel void linear_heads_transposed(__global float *out, int out_token_stride, int out_head_stride,
                                      __global const float *in, int in_token_stride, int in_head_stride,
                                      __global const weight_t *weight, __global const float *scales, int tokens,
                                      int first_head, int rows, int stride, int block_rows, int block_columns,
                                      int scale_columns, int scale_rows, float factor)
{
    int here = (int)get_group_id(2), head = first_head + here, vectors = stride / VECTOR;
    int column = (int)get_global_id(0) % vectors * VECTOR, first_token = (int)get_global_id(0) / vectors * TOKENS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS];
    weight += (size_t)here * rows * stride + column;
    scales += (size_t)here * scale_rows * scale_columns + column / block_columns;
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++) {
        inputs[t] = (size_t)min(first_token + t, tokens - 1) * in_token_stride + head * in_head_stride;
        sums[t] = (floatv)(0.0f);
    }
    for (int row = 0; row < rows; row++) {
        floatv values = weight_load(weight, (size_t)row * stride);
#ifdef WEIGHT_F8
        values *= scales[row / block_rows * scale_columns];
#endif
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            sums[t] = in[inputs[t] + row] * values + sums[t];
    }
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        if (first_token + t < tokens)
            vstorev(sums[t] * factor, 0,
                    out + (size_t)(first_token + t) * out_token_stride + head * out_head_stride + column);
}
