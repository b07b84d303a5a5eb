/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Element types of stored tensors, and their exact values as float. */

#ifndef HADAL_WEIGHTS_DTYPE_H
#define HADAL_WEIGHTS_DTYPE_H

#include "base/status.h"

typedef enum dtype {
    DTYPE_F32,
    DTYPE_BF16,
    DTYPE_F16,
    DTYPE_F8_E4M3 /* OCP e4m3fn: no infinities, 0x7f and 0xff are NaN; a block scale stands beside it */
} dtype;

enum { DTYPE_COUNT = 4 };

/* Bytes of one element: 4, 2, 2, 1. */
size_t dtype_bytes(dtype type);

/* "F32", "BF16", "F16", "F8_E4M3": as safetensors headers write it. */
const char *dtype_name(dtype type);

/* false if no dtype has that safetensors name. */
bool dtype_from_name(dtype *type, const char *name);

/* values[count] = the stored elements (little endian, any alignment), exactly. */
void dtype_decode(float *values, const void *stored, size_t count, dtype type);

#endif
