/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "vector.clh"

/* x[t] += sum over k of weights[t, k] * expert_out[t * top_k + k] + shared[t]; rows of `padded` floats, shared may be
 * NULL. Group (i, t) takes elements i * block .. (i + 1) * block - 1 of the row. */
__kernel void moe_combine(__global float *x, __global const float *expert_out, __global const float *weights,
                          __global const float *shared, int padded, int top_k, int block)
{
    size_t token = get_group_id(1);
    int end = min(((int)get_group_id(0) + 1) * block, padded);
    int step = (int)get_local_size(0) * VECTOR;
    x += token * padded;
    expert_out += token * top_k * padded;
    weights += token * top_k;
    for (int i = (int)get_group_id(0) * block + (int)get_local_id(0) * VECTOR; i < end; i += step) {
        floatv sum = (floatv)(0.0f);
        for (int k = 0; k < top_k; k++)
            sum = weights[k] * vloadv(0, expert_out + (size_t)k * padded + i) + sum;
        if (shared)
            sum += vloadv(0, shared + token * padded + i);
        vstorev(vloadv(0, x + i) + sum, 0, x + i);
    }
}
