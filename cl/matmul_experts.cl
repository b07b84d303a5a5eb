/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products with the experts that tokens chose. */

#include "matmul.clh"

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T for the (token, choice) slots of each expert, which
 * ops/dispatch lists: slots[offsets[e] .. offsets[e + 1] - 1]. packed: a row an input. This slab holds the experts from
 * first_expert on. Groups: tiles of an expert's slots, in turns when it has more; tiles of rows; experts. */
__kernel TILE_KERNEL void
matmul_experts(__global float *restrict out, __global const tile_b *packed, __global const float *restrict restore,
               __global const weight_t *weight, __global const float *scales, __global const int *restrict offsets,
               __global const int *restrict slots, int first_expert, int slots_per_input, int packed_stride,
               int out_stride, int rows, int stride, int block_rows, int block_columns, int scale_columns,
               int scale_rows, float scale_factor)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    __local int2 *results = (__local int2 *)ring; /* when the ring is no longer used: each token's slot and factor */
    int here = (int)get_group_id(2), first_row = own_first_row(), me = (int)get_local_id(0);
    int begin = offsets[first_expert + here], end = offsets[first_expert + here + 1];
    weights w = {weight + (size_t)here * rows * stride, scales + (size_t)here * scale_rows * scale_columns, rows,
                 stride, block_rows, block_columns, scale_columns, scale_factor};
    held h;
    hold_rows(&h, &w);
    for (int tile = begin + (int)get_group_id(0) * TILE_COLUMNS; tile < end;
         tile += (int)get_num_groups(0) * TILE_COLUMNS) {
        tokens_in in = {.packed = packed, .count = min(end - tile, TILE_COLUMNS)};
        float sums[TILE_SUMS];
        MATRIX_UNROLL
        for (int i = 0; i < COPIES; i++)
            in.chunks[i] =
                copied_chunk(slots[tile + min(copied_row(i), in.count - 1)] / slots_per_input, packed_stride);
        multiply_columns(sums, ring, &in, in.count, &h, &w);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < in.count) {
            int slot = slots[tile + me];
            results[me] = (int2)(slot, as_int(restore[slot / slots_per_input] / scale_factor));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS; i++) {
            int2 result = results[TILE_COLUMN(i)];
            int row = first_row + TILE_ROW(i);
            if (TILE_COLUMN(i) < in.count && row < rows)
                out[(size_t)result.x * out_stride + row] = sums[i] * as_float(result.y);
        }
        barrier(CLK_LOCAL_MEM_FENCE); /* the ring is free */
    }
}
