/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the heads of one token attended to, from splits to values. Built with -D LATENT, MOST_SPLITS, and the options of
 * matvec.clh. */

#include "attend_combine.clh"
#include "matvec.clh"

/* attended [HEADS, PADDED_LATENT] = the mean over the splits of attend's scratch; values[head * value_step + row] =
 * weight[head][row] . attended[head]. One group a head. products: as the scratch of multiply_block. */
__kernel void attend_values(__global float *values, int value_step, __global float *attended,
                            __global const float *scratch, int splits, __global const uchar *weight,
                            __global const float *scales, matvec_matrix m, __local float *products)
{
    LANE_SCRATCH(MOST_ITEMS);
    COMBINE_SHARED;
    size_t head = get_group_id(0);
    combine_splits(attended, scratch, head, get_num_groups(0), splits COMBINE_ARGUMENTS);
    barrier(CLK_GLOBAL_MEM_FENCE); /* the group reads what it wrote */
    weight += stored_bytes(m.type, head * m.rows * m.stride);
    scales += head * m.scale_rows * m.scale_columns;
    const matvec_rows r = {attended + head * PADDED_LATENT, 0, weight, weight, scales, scales, m, 0, m.rows, m.rows, 1};
    product_block(values + head * value_step, r, 0, 0.0f, 1.0f, false, products LANE_ARGUMENT);
}
