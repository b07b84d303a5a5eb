/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Weights as float32. */

#include "vector.clh"
#include "dtype.clh"

/* Values of rows first_row .. first_row + get_global_size(1) - 1 as floats [.., stride], for libraries that know no
 * other dtype. */
__kernel void dequantise(__global float *out, __global const weight_t *weight, __global const float *scales,
                         int first_row, int stride, int block_rows, int block_columns, int scale_columns)
{
    int k = (int)get_global_id(0) * VECTOR, row = (int)get_global_id(1);
    floatv values = weight_load(weight, (size_t)(first_row + row) * stride + k);
#ifdef WEIGHT_F8
    values *= scales[(first_row + row) / block_rows * scale_columns + k / block_columns];
#endif
    vstorev(values, 0, out + (size_t)row * stride + k);
}
