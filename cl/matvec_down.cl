/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The second half of an MLP of one token, or of its experts. Built as matvec.cl. */

#include "matvec.clh"

/* x[token] += sum over slots of weights[token, slot] * (down of its expert) act[token, slot] + (shared down)
 * act[token, choices]. The acts of all slots are one long input, the rows of their matrices one long row, added up in
 * their order. Groups: blocks of rows, 1, tokens. */
__kernel void matvec_down(__global float *x, __global const float *act, int block, __local float *scratch,
                          int x_stride, int act_stride, int slot_stride,
                          __global const int *ids, __global const float *weights, int choices,
                          __global const uchar *down, __global const float *down_scales, matvec_matrix routed,
                          __global const uchar *shared_down, __global const float *shared_scales, matvec_matrix shared)
{
    LANE_SCRATCH(MOST_ITEMS);
    int first_row = (int)get_group_id(0) * block, end_row = min(first_row + block, shared.rows);
    size_t token = get_group_id(2);
    const matvec_slots slots = {ids + token * choices, weights + token * choices, down, down_scales, routed, choices,
                                slot_stride};
    const matvec_rows rows = {act + token * act_stride, 0, shared_down, shared_down, shared_scales, shared_scales,
                              shared, first_row, end_row, block, 1, slots};
    int pieces = multiply_block(rows, scratch LANE_ARGUMENT);
    for (int row = first_row + (int)get_local_id(0); row < end_row; row += (int)get_local_size(0))
        x[token * x_stride + row] += line_sum(scratch, row - first_row, pieces);
}
