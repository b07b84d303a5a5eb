/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "vector.clh"
#include "lane.clh"

/* out[row] = in[row] / sqrt(mean(in[row]^2) + epsilon) * weight, each row `columns` floats at a distance of `stride`
 * (both padded: beyond `columns` rows hold zeros up to a multiple of 16, and so does weight). RMSNorm,
 * https://arxiv.org/abs/1910.07467, equation 4. One group of GROUP work-items a row; in and out may be the same. */
__kernel void rms_norm(__global float *out, __global const float *in, __global const float *weight, int columns,
                       int stride, float epsilon)
{
    GROUP_SCRATCH;
    size_t row = get_group_id(0);
    int padded = (columns + 15) / 16 * 16;
    in += row * stride;
    out += row * stride;
    floatv squares = (floatv)(0.0f);
    for (int i = (int)get_local_id(0) * VECTOR; i < padded; i += GROUP * VECTOR) {
        floatv x = vloadv(0, in + i);
        squares = x * x + squares;
    }
    float scale = 1.0f / sqrt(group_sum(vector_sum(squares)) / columns + epsilon);
    for (int i = (int)get_local_id(0) * VECTOR; i < padded; i += GROUP * VECTOR)
        vstorev(vloadv(0, in + i) * scale * vloadv(0, weight + i), 0, out + i);
}
