/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The second half of one token's attention with the product behind it, in one launch. Kernels in
 * cl/attend_values.cl. */

#ifndef HADAL_OPS_ATTEND_VALUES_H
#define HADAL_OPS_ATTEND_VALUES_H

#include "ops/attend.h"
#include "ops/matvec.h"

typedef struct attend_values_op {
    attend_dims dims;
    hadal_device *device;
    kernel *by_type[DTYPE_COUNT];
} attend_values_op;

/* Kernels are got when a dtype is first used. */
void attend_values_create(attend_values_op *op, hadal_device *device, const attend_dims *dims);

/* Whether the kernels can take W_UV, a stack of [value, latent] for each head. */
bool attend_values_takes(const attend_values_op *op, const matvec_op *matvec, const matrix *weight);

/* attended = what attend_combine makes of scratch with those splits, more than one; values[head * value_step + row] =
 * weight[head][row] . attended[head]. values: float32 [heads * value_step]. */
HADAL_CHECKED hadal_status attend_values(attend_values_op *op, buffer *values, size_t value_step, buffer *attended,
                                         const buffer *scratch, size_t splits, const matrix *weight);

#endif
