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
