/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What lies between the projections of one token and its attention, in one launch. Kernels in cl/rotations.cl. */

#ifndef HADAL_OPS_ROTATIONS_H
#define HADAL_OPS_ROTATIONS_H

#include "ops/index_rotate.h"
#include "ops/latent.h"
#include "ops/matvec.h"
#include "ops/rope.h"

typedef struct rotations_op {
    rope_dims rope;
    latent_dims latent;
    index_dims index;
    hadal_device *device;
    kernel *by_type[DTYPE_COUNT];
} rotations_op;

/* Kernels are got when a dtype of W_UK is first used. The three share their rope dims. */
void rotations_create(rotations_op *op, hadal_device *device, const rope_dims *rope, const latent_dims *latent,
                      const index_dims *index);

/* Whether the kernels can take W_UK, a stack of [latent, nope] for each head. */
bool rotations_take(const rotations_op *op, const matvec_op *matvec, const matrix *weight);

/* The rows of one token that rotations() reads and writes, as ops/latent.h, ops/index_rotate.h and ops/rope.h say. */
typedef struct rotations_rows {
    buffer *latent_cache;
    const buffer *kv, *kv_weight;
    buffer *index_cache, *index_scales; /* scales: NULL for F32 */
    const buffer *index_key, *key_weight, *key_bias;
    buffer *query;
    const buffer *q;
    buffer *index_quantised, *index_head_weights;
    const buffer *index_query, *index_weights; /* index_query NULL: none of these four is touched */
    const buffer *table, *positions, *rows;
    double scale;
} rotations_rows;

/* latent_store, index_key, rope_queries and, unless there is no index_query, index_query of one token, and linear_heads
 * by weight into the latent part of its queries. epsilon is that of both norms. */
HADAL_CHECKED hadal_status rotations(rotations_op *op, const rotations_rows *rows, const matrix *weight,
                                     double epsilon);

#endif
