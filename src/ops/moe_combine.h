/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The end of a mixture-of-experts layer: what the experts answered, weighted, back into the residual stream. Kernels in
 * cl/moe_combine.cl. */

#ifndef HADAL_OPS_MOE_COMBINE_H
#define HADAL_OPS_MOE_COMBINE_H

#include "device/device.h"

typedef struct moe_combine_op {
    kernel *combine;
    uint32_t group;
    uint32_t block; /* elements of a row that a work-group handles */
} moe_combine_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status moe_combine_create(moe_combine_op *op, hadal_device *device);

/* x[t] += sum over k of weights[t, k] * expert_out[t * top_k + k] (k ascending) + shared[t]. x, shared float32 [tokens,
 * pad(columns)]; expert_out float32 [tokens * top_k, pad(columns)]; weights float32 [tokens, top_k]. shared may be
 * NULL. */
HADAL_CHECKED hadal_status moe_combine(const moe_combine_op *op, buffer *x, const buffer *expert_out,
                                       const buffer *weights, const buffer *shared, size_t tokens, size_t columns,
                                       size_t top_k);

#endif
