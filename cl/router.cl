/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Norm, router and choice of experts for one token, in one launch: whichever group finishes last makes the choice. */

#include "matvec.clh"
#include "route.clh"

/* logits[EXPERTS] = RMSNorm(in)[width] . weight, as matvec_segments, then ids and weights [TOP_K] as route_choose.
 * counter: int, 0 before and after. */
__kernel void router(__global int *ids, __global float *weights, volatile __global float *logits,
                     volatile __global int *counter, __global const float *bias, float scaling,
                     __global const float *in, __global const float *norm_weight, int width, float epsilon, int block,
                     __local float *scratch, __global const uchar *weight, __global const float *scales,
                     matvec_matrix m)
{
    LANE_SCRATCH(MOST_ITEMS);
    ROUTE_SCRATCH;
    __local int last;
    int first_row = (int)get_group_id(0) * block, end_row = min(first_row + block, m.rows);
    const matvec_rows rows = {in, norm_weight, weight, weight, scales, scales, m, first_row, end_row, block, 1};
    product_block((__global float *)logits, rows, width, epsilon, 1.0f, false, scratch LANE_ARGUMENT);
    device_fence();
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (get_local_id(0) == 0)
        last = atomic_inc(counter) == (int)get_num_groups(0) - 1;
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!last)
        return;
    device_fence();
    route_token(ids, weights, logits, bias, scaling, ROUTE_ARGUMENTS);
    if (get_local_id(0) == 0)
        *counter = 0;
}
