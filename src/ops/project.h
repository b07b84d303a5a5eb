/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Several linear layers of one normalised input: for one token in one launch, for more by ops/norm.h and
 * ops/linear.h. */

#ifndef HADAL_OPS_PROJECT_H
#define HADAL_OPS_PROJECT_H

#include "ops/linear.h"
#include "ops/norm.h"

typedef struct project_input {
    buffer *in;                /* [tokens, pad(columns)] */
    const buffer *norm_weight; /* of RMSNorm, float32 [pad(columns)] */
    double epsilon;
    buffer *normed;            /* [tokens, pad(columns)], where the normalised input may be kept; may be in */
} project_input;

/* out = W RMSNorm(in) for each of up to MATVEC_SEGMENTS outputs [tokens, pad(rows)]. */
HADAL_CHECKED hadal_status project(linear_op *linear, const norm_op *norm, const matvec_output *outs, size_t count,
                                   const project_input *in, size_t tokens);

#endif
