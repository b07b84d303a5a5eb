/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The first half of an MLP of one token, or of its experts. Built as matvec.cl, with -D MATRICES=2. */

#include "matvec.clh"

/* act[0 .. rows - 1] = silu(g) u of lines g, u, g, u, ... times factor. */
#if ROW_LANES > 1
inline void store_gated(__global float *act, __local const float *lines, int rows, int pieces, float factor)
{
    for (int row = get_local_id(0); row < rows; row += (int)get_local_size(0)) {
        float g = line_sum(lines, 2 * row, pieces) * factor, u = line_sum(lines, 2 * row + 1, pieces) * factor;
        act[row] = g / (1.0f + exp(-g)) * u;
    }
}
#else
/* A line is one piece; exponentials are taken VECTOR at a time. */
inline void store_gated(__global float *act, __local const float *lines, int rows, int pieces, float factor)
{
    for (int first = 0; first < rows; first += VECTOR) {
        float gates[VECTOR], ups[VECTOR];
        for (int i = 0; i < VECTOR; i++) {
            __local const float *line = lines + 2 * min(first + i, rows - 1);
            gates[i] = line[0];
            ups[i] = line[1];
        }
        floatv g = vloadv(0, gates) * factor;
        vstorev(g / (1.0f + exp(-g)) * (vloadv(0, ups) * factor), 0, gates);
        for (int i = 0; i < min(VECTOR, rows - first); i++)
            act[first + i] = gates[i];
    }
}
#endif

/* act[token, slot, row] = silu(g) u, g and u = RMSNorm(in[token]) . row `row` of gate and of up, of the expert
 * ids[token, slot], and for slot == choices of the shared expert, whose matrices are as wide as they like. Groups:
 * blocks of rows, slots, tokens. */
__kernel void matvec_gated(__global float *act, __global const float *in, __global const float *norm_weight, int width,
                           float epsilon, int block, __local float *scratch, int in_stride, int act_stride,
                           int slot_stride, __global const int *ids, int choices, __global const uchar *gate,
                           __global const float *gate_scales, __global const uchar *up,
                           __global const float *up_scales, matvec_matrix routed, __global const uchar *shared_gate,
                           __global const float *shared_gate_scales, __global const uchar *shared_up,
                           __global const float *shared_up_scales, matvec_matrix shared)
{
    LANE_SCRATCH(MOST_ITEMS);
    int slot = (int)get_group_id(1), first_row = (int)get_group_id(0) * block;
    size_t token = get_group_id(2);
    matvec_matrix m = shared;
    if (slot < choices) {
        size_t expert = ids[token * choices + slot];
        size_t skip = stored_bytes(routed.type, expert * routed.rows * routed.stride);
        size_t skip_scales = expert * routed.scale_rows * routed.scale_columns;
        m = routed;
        shared_gate = gate + skip;
        shared_up = up + skip;
        shared_gate_scales = gate_scales + skip_scales;
        shared_up_scales = up_scales + skip_scales;
    }
    if (first_row >= m.rows)
        return;
    int end_row = min(first_row + block, m.rows);
    act += token * act_stride + slot * slot_stride;
    const matvec_rows rows = {in + token * in_stride, norm_weight, shared_gate, shared_up, shared_gate_scales,
                              shared_up_scales, m, first_row, end_row, block, 2};
    int pieces = multiply_block(rows, scratch LANE_ARGUMENT);
    store_gated(act + first_row, scratch, end_row - first_row, pieces,
                norm_factor(rows, scratch, pieces, width, epsilon));
}
