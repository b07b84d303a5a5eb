/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T, one matrix a head. */

#include "linear.clh"

/* out[token, head, row] = factor * in[token, head] . weight[head][row], one matrix [rows, stride] a head. in and out
 * of a token begin token_stride floats apart, those of its heads head_stride. This slab holds the heads from
 * first_head on. */
__kernel void linear_heads(__global float *out, int out_token_stride, int out_head_stride, __global const float *in,
                           int in_token_stride, int in_head_stride, __global const weight_t *weight,
                           __global const float *scales, int tokens, int first_head, int rows, int stride,
                           int block_rows, int block_columns, int scale_columns, int scale_rows, float factor)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int here = (int)get_group_id(2), head = first_head + here;
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    int first_token = (int)get_group_id(1) * TOKENS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS][ROWS];
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        inputs[t] = (size_t)min(first_token + t, tokens - 1) * in_token_stride + head * in_head_stride;
    dot_products(sums, in, inputs, weight + (size_t)here * rows * stride,
                 scales + (size_t)here * scale_rows * scale_columns, w, first_row);
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        TILE_UNROLL
        for (int r = 0; r < ROWS; r++) {
            float value = lane_sum(vector_sum(sums[t][r]));
            if (LANE == 0 && first_token + t < tokens && first_row + r < rows)
                out[(size_t)(first_token + t) * out_token_stride + head * out_head_stride + first_row + r] =
                    value * factor;
        }
}
