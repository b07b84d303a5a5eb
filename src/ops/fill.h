/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Random content made on the device, for what is measured rather than used. Kernels in cl/fill.cl. The same seed gives
 * the same values on every device but for rounding. */

#ifndef HADAL_OPS_FILL_H
#define HADAL_OPS_FILL_H

#include "device/device.h"

typedef enum fill_type {
    FILL_F32,
    FILL_BF16,
    FILL_F16,
    FILL_F8,    /* OCP e4m3, never NaN */
    FILL_INT8,
    FILL_INT32
} fill_type;

/* Standard deviation of fill_rows at amplitude 1. */
#define FILL_DEVIATION 0.2887

/* target[row, i] for row < rows and i < columns, `stride` elements between rows: near normally distributed values
 * within (-amplitude, amplitude), rounded to the type; FILL_INT32: whole numbers in [0, amplitude). What lies between
 * the rows is left as it is. */
HADAL_CHECKED hadal_status fill_rows(hadal_device *device, buffer *target, fill_type type, size_t rows, size_t columns,
                                     size_t stride, double amplitude, uint32_t seed);

/* The whole buffer as one row. */
HADAL_CHECKED hadal_status fill_buffer(hadal_device *device, buffer *target, fill_type type, double amplitude,
                                       uint32_t seed);

/* The whole buffer of float32 = value. */
HADAL_CHECKED hadal_status fill_constant(hadal_device *device, buffer *target, double value);

#endif
