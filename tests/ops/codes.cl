/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The functions of cl/dtype.clh, each alone; run by test_codes.c. Built with -D WEIGHT_F8, WEIGHT_BF16 or WEIGHT_F16. */

#include "dtype.clh"

/* vectors and singles [n] = the values of stored [n], in vectors and one by one; n / VECTOR work-items. */
__kernel void decode(__global float *vectors, __global float *singles, __global const weight_t *stored)
{
    size_t first = get_global_id(0) * VECTOR;
    vstorev(weight_load(stored, first), 0, vectors + first);
    for (size_t i = first; i < first + VECTOR; i++)
        singles[i] = weight_value(stored, i);
}

#ifndef WEIGHT_F16

/* stored [n] = values [n], rounded; n work-items. */
__kernel void encode(__global weight_t *stored, __global const float *values)
{
    size_t i = get_global_id(0);
#ifdef WEIGHT_F8
    stored[i] = f8_round(values[i]);
#else
    stored[i] = bf16_round(values[i]);
#endif
}

#endif
