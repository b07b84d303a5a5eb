/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Linear layers of one token. See matvec.clh for how rows and columns are shared out. Built with -D ROWS,
 * MOST_ITEMS (of a work-group), MATRICES and TYPES. */

#include "matvec.clh"

/* One of the matrices that a launch multiplies the same input by. Its groups begin at first_group and take `block` rows
 * each; this slab's rows go to out[out_row ..]. */
typedef struct matvec_segment {
    matvec_matrix matrix;
    int first_group, block, out_row;
} matvec_segment;

#if MATRICES == 1

#define SEGMENT(i)                                                                        \
    __global float *out##i, __global const uchar *weight##i, __global const float *scales##i, matvec_segment segment##i
#define CHOOSE(i)                                                                         \
    if (group >= segment##i.first_group) {                                                \
        s = segment##i;                                                                   \
        out = out##i;                                                                     \
        weight = weight##i;                                                               \
        scales = scales##i;                                                               \
    }

/* out_i[out_row_i + row] (+)= factor * RMSNorm(in) . weight_i[row] for the rows of each of the segments; no norm if
 * norm_weight is null. Group (., c) does so for matrix c of stacks, with in + in_start + c * in_step and out + c *
 * out_step. scratch: as of multiply_block. */
__kernel void matvec_segments(__global const float *in, int in_start, int in_step, __global const float *norm_weight,
                              int width, float epsilon, int out_step, float factor, int accumulate,
                              __local float *scratch, SEGMENT(0), SEGMENT(1), SEGMENT(2), SEGMENT(3))
{
    LANE_SCRATCH(MOST_ITEMS);
    int group = (int)get_group_id(0);
    size_t copy = get_group_id(1);
    matvec_segment s = segment0;
    __global float *out = out0;
    __global const uchar *weight = weight0;
    __global const float *scales = scales0;
    CHOOSE(1)
    CHOOSE(2)
    CHOOSE(3)
    weight += copy * stored_bytes(s.matrix.type, (size_t)s.matrix.rows * s.matrix.stride);
    scales += copy * s.matrix.scale_rows * s.matrix.scale_columns;
    in += in_start + copy * in_step;
    out += copy * out_step + s.out_row;
    int first_row = (group - s.first_group) * s.block, end_row = min(first_row + s.block, s.matrix.rows);
    const matvec_rows rows = {in, norm_weight, weight, weight, scales, scales, s.matrix,
                              first_row, end_row, s.block, 1};
    product_block(out, rows, width, epsilon, factor, accumulate, scratch LANE_ARGUMENT);
}

#endif

#if MATRICES == 2

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

#else

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

#endif
