/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "vector.clh"

/* out = silu(gate) * up over rows of `padded` floats. Group (i, row) takes elements i * block .. (i + 1) * block - 1 of
 * the row; out may be gate or up. */
__kernel void swiglu(__global float *out, __global const float *gate, __global const float *up, int padded, int block)
{
    size_t row = get_group_id(1) * (size_t)padded;
    int end = min(((int)get_group_id(0) + 1) * block, padded);
    int step = (int)get_local_size(0) * VECTOR;
    for (int i = (int)get_group_id(0) * block + (int)get_local_id(0) * VECTOR; i < end; i += step) {
        floatv x = vloadv(0, gate + row + i);
        vstorev(x / (1.0f + exp(-x)) * vloadv(0, up + row + i), 0, out + row + i);
    }
}
