/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products with single matrices. */

#include "matmul.clh"

/* out[token, out_column + row] (+)= in[token] . weight[row], from packed rows [tokens, packed_stride]. Groups: tiles of
 * tokens, tiles of rows. */
__kernel TILE_KERNEL void
matmul(__global float *restrict out, __global const tile_b *packed, __global const float *restrict restore,
       __global const weight_t *weight, __global const float *scales, int tokens, int packed_stride, int out_stride,
       int out_column, int rows, int stride, int block_rows, int block_columns, int scale_columns, float scale_factor,
       int accumulate)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    weights w = {weight, scales, rows, stride, block_rows, block_columns, scale_columns, scale_factor};
    int first_token = (int)get_group_id(0) * TILE_COLUMNS, first_row = own_first_row();
    tokens_in in = {.packed = packed, .count = min(tokens - first_token, TILE_COLUMNS)};
    held h;
    float sums[TILE_SUMS], factor = 1.0f / scale_factor;
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        in.chunks[i] = copied_chunk(first_token + copied_row(i), packed_stride);
    hold_rows(&h, &w);
    multiply_columns(sums, ring, &in, TILE_COLUMNS, &h, &w);
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++) {
        int token = first_token + min(TILE_COLUMN(i), in.count - 1), row = first_row + TILE_ROW(i);
        float value = sums[i] * (restore[token] * factor);
        if (TILE_COLUMN(i) < in.count && row < rows) {
            __global float *target = out + (size_t)token * out_stride + out_column + row;
            *target = accumulate ? *target + value : value;
        }
    }
}
