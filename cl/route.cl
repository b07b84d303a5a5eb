/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "route.clh"

/* ids, weights: [tokens, TOP_K]; logits: float rows of `stride`; bias: float [EXPERTS]. One group of work-items a
 * token. */
__kernel void route_choose(__global int *ids, __global float *weights, __global const float *logits,
                           __global const float *bias, int stride, float scaling)
{
    ROUTE_SCRATCH;
    size_t token = get_group_id(0);
    route_token(ids + token * TOP_K, weights + token * TOP_K, logits + token * stride, bias, scaling, ROUTE_ARGUMENTS);
}
