/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Normalisation of rows. Kernels in cl/norm.cl. */

#ifndef HADAL_OPS_NORM_H
#define HADAL_OPS_NORM_H

#include "device/device.h"

typedef struct norm_op {
    kernel *rms;
    uint32_t group;
} norm_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status norm_create(norm_op *op, hadal_device *device);

/* out[rows, columns] = RMSNorm(in[rows, columns]) * weight[columns]; float32, rows padded with zeros to a multiple of
 * ROW_UNIT. out may be in. */
HADAL_CHECKED hadal_status norm_rms(const norm_op *op, buffer *out, const buffer *in, const buffer *weight, size_t rows,
                                    size_t columns, double epsilon);

#endif
