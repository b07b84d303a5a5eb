/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The gated unit between an MLP's projections (SwiGLU, https://arxiv.org/abs/2002.05202). Kernels in cl/swiglu.cl. */

#ifndef HADAL_OPS_SWIGLU_H
#define HADAL_OPS_SWIGLU_H

#include "device/device.h"

typedef struct swiglu_op {
    kernel *gate;
    uint32_t group;
    uint32_t block; /* elements of a row that a work-group handles */
} swiglu_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status swiglu_create(swiglu_op *op, hadal_device *device);

/* out = silu(gate) * up, silu(x) = x / (1 + exp(-x)); all float32 [rows, pad(columns)]. out may be gate or up. */
HADAL_CHECKED hadal_status swiglu(const swiglu_op *op, buffer *out, const buffer *gate, const buffer *up, size_t rows,
                                  size_t columns);

#endif
