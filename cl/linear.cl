/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T for a weight in its stored dtype. */

#include "linear.clh"

/* out[token, out_column + row] (+)= in[in_row + token] . weight[row]; in rows in_stride, out rows out_stride floats
 * apart. */
__kernel void linear(__global float *out, __global const float *in, __global const weight_t *weight,
                     __global const float *scales, int tokens, int in_row, int in_stride, int out_stride,
                     int out_column, int rows, int stride, int block_rows, int block_columns, int scale_columns,
                     int accumulate)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    int first_token = (int)get_group_id(1) * TOKENS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS][ROWS];
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        inputs[t] = (size_t)(in_row + min(first_token + t, tokens - 1)) * in_stride;
    dot_products(sums, in, inputs, weight, scales, w, first_row);
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        TILE_UNROLL
        for (int r = 0; r < ROWS; r++) {
            float value = lane_sum(vector_sum(sums[t][r]));
            __global float *target = out + (size_t)(first_token + t) * out_stride + out_column + first_row + r;
            if (LANE == 0 && first_token + t < tokens && first_row + r < rows)
                *target = accumulate ? *target + value : value;
        }
}
