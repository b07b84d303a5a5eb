/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T, one matrix an expert. */

#include "linear.clh"

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T for the (token, choice) slots of each expert, as
 * ops/dispatch lists them: slots[offsets[e] .. offsets[e + 1] - 1]. A work-group takes every get_num_groups(1)-th tile
 * of TOKENS slots of its expert. This slab holds the experts from first_expert on. */
__kernel void linear_experts(__global float *out, __global const float *in, __global const weight_t *weight,
                             __global const float *scales, __global const int *offsets, __global const int *slots,
                             int first_expert, int slots_per_input, int in_stride, int out_stride, int rows, int stride,
                             int block_rows, int block_columns, int scale_columns, int scale_rows)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int here = (int)get_group_id(2), expert = first_expert + here;
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    int begin = offsets[expert], end = offsets[expert + 1];
    for (int tile = begin + (int)get_group_id(1) * TOKENS; tile < end; tile += (int)get_num_groups(1) * TOKENS) {
        size_t inputs[TOKENS];
        floatv sums[TOKENS][ROWS];
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            inputs[t] = (size_t)(slots[min(tile + t, end - 1)] / slots_per_input) * in_stride;
        dot_products(sums, in, inputs, weight + (size_t)here * rows * stride,
                     scales + (size_t)here * scale_rows * scale_columns, w, first_row);
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            TILE_UNROLL
            for (int r = 0; r < ROWS; r++) {
                float value = lane_sum(vector_sum(sums[t][r]));
                if (LANE == 0 && tile + t < end && first_row + r < rows)
                    out[(size_t)slots[tile + t] * out_stride + first_row + r] = value;
            }
    }
}

/* The same for few tokens: group_id(1) is the slot itself and ids[slot] its expert. */
__kernel void linear_slots(__global float *out, __global const float *in, __global const weight_t *weight,
                           __global const float *scales, __global const int *ids, int first_expert, int experts,
                           int slots_per_input, int in_stride, int out_stride, int rows, int stride, int block_rows,
                           int block_columns, int scale_columns, int scale_rows)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int slot = (int)get_group_id(1), here = ids[slot] - first_expert;
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS][ROWS];
    if (here < 0 || here >= experts) /* the same for the whole work-group */
        return;
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        inputs[t] = (size_t)(slot / slots_per_input) * in_stride;
    dot_products(sums, in, inputs, weight + (size_t)here * rows * stride,
                 scales + (size_t)here * scale_rows * scale_columns, w, first_row);
    TILE_UNROLL
    for (int r = 0; r < ROWS; r++) {
        float value = lane_sum(vector_sum(sums[0][r]));
        if (LANE == 0 && first_row + r < rows)
            out[(size_t)slot * out_stride + first_row + r] = value;
    }
}
