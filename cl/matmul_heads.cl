/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products with a matrix of each head. */

#include "matmul.clh"

/* out[token, head, row] = factor * in[token, head] . weight[head][row] from packed rows [tokens, heads,
 * packed_stride]; out of a token begins token_stride floats apart, that of its heads head_stride. weight: one matrix
 * [rows, stride] a head; this slab holds the heads from first_head on. Groups: tiles of tokens, tiles of rows,
 * heads. */
__kernel TILE_KERNEL void
matmul_heads(__global float *restrict out, __global const tile_b *packed, __global const float *restrict restore,
             __global const weight_t *weight, __global const float *scales, int tokens, int heads, int first_head,
             int packed_stride, int token_stride, int head_stride, int rows, int stride, int block_rows,
             int block_columns, int scale_columns, int scale_rows, float scale_factor, float factor)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    int here = (int)get_group_id(2), head = first_head + here;
    weights w = {weight + (size_t)here * rows * stride, scales + (size_t)here * scale_rows * scale_columns, rows,
                 stride, block_rows, block_columns, scale_columns, scale_factor};
    int first_token = (int)get_group_id(0) * TILE_COLUMNS, first_row = own_first_row();
    tokens_in in = {.packed = packed, .count = min(tokens - first_token, TILE_COLUMNS)};
    held h;
    float sums[TILE_SUMS];
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        in.chunks[i] = copied_chunk((size_t)(first_token + copied_row(i)) * heads + head, packed_stride);
    hold_rows(&h, &w);
    multiply_columns(sums, ring, &in, TILE_COLUMNS, &h, &w);
    factor /= scale_factor;
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++) {
        int token = first_token + min(TILE_COLUMN(i), in.count - 1), row = first_row + TILE_ROW(i);
        float value = sums[i] * (restore[token * heads + head] * factor);
        if (TILE_COLUMN(i) < in.count && row < rows)
            out[(size_t)token * token_stride + head * head_stride + row] = value;
    }
}
