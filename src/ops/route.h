/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which experts a token goes to, and how much each counts (DeepSeek-V3, https://arxiv.org/abs/2412.19437, section
 * 2.1.2: sigmoid scores, a bias that steers the choice alone, choice limited to groups). Kernels in cl/route.cl. */

#ifndef HADAL_OPS_ROUTE_H
#define HADAL_OPS_ROUTE_H

#include "ops/matvec.h"

/* What does not change in a model's life. */
typedef struct route_dims {
    uint32_t experts;    /* n_routed_experts: a multiple of groups, at most ROUTE_MOST_EXPERTS */
    uint32_t groups;     /* n_group */
    uint32_t top_groups; /* topk_group: 1 to groups */
    uint32_t top_k;      /* num_experts_per_tok: at most the experts of top_groups groups */
    bool normalise;      /* norm_topk_prob */
    double scaling;      /* routed_scaling_factor */
} route_dims;

/* A token's scores stand in local memory, 8 bytes an expert and 4 a group, of the 32 KiB that every device has. */
enum { ROUTE_MOST_EXPERTS = 1024 };

typedef struct route_op {
    route_dims dims;
    hadal_device *device;
    kernel *choose;
    kernel *router[DTYPE_COUNT];
    uint32_t group;
} route_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status route_create(route_op *op, hadal_device *device, const route_dims *dims);

/* ids int32 [tokens, top_k] and weights float32 [tokens, top_k] from logits float32 [tokens, pad(experts)] (the
 * router's output) and bias float32 [pad(experts)] (e_score_correction_bias):
 *   s = sigmoid(logits), choice = s + bias; a group's score is the sum of its two best choices (its only one's, if it
 *   has one expert); the top_k best choices in the top_groups best groups are taken, in descending order of choice,
 *   and lower index first among equals; weights = s of those, / (their sum + 1e-20) if normalise, * scaling.
 * ids are in range whatever the logits are, NaN included. */
HADAL_CHECKED hadal_status route_choose(const route_op *op, buffer *ids, buffer *weights, const buffer *logits,
                                        const buffer *bias, size_t tokens);

/* Whether route_one takes a router's weights. */
bool route_takes_one(const matvec_op *matvec, const matrix *weight);

/* route_choose of one token from its residual in one launch: logits = router weight . RMSNorm(in). counter: int32, 0
 * before and after. */
HADAL_CHECKED hadal_status route_one(route_op *op, buffer *ids, buffer *weights, buffer *logits, buffer *counter,
                                     const buffer *bias, const matvec_input *in, const matrix *weight);

#endif
