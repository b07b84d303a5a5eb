/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The operations of a layer one by one: what they share. */

#ifndef HADAL_BENCH_OPS_H
#define HADAL_BENCH_OPS_H

#include "bench/sequences.h"
#include "ops/attend_values.h"
#include "ops/dispatch.h"
#include "ops/embed.h"
#include "ops/index_rotate.h"
#include "ops/latent.h"
#include "ops/linear.h"
#include "ops/moe_combine.h"
#include "ops/norm.h"
#include "ops/project.h"
#include "ops/rope.h"
#include "ops/rotations.h"
#include "ops/route.h"
#include "ops/swiglu.h"

enum { OPS_COPIES = 64, OPS_CHOICES = 8 };

typedef struct ops {
    bench *b;
    sequences s;          /* one sequence: caches and activations */
    const activations *a; /* of that sequence */
    size_t tokens;        /* of a step */
    const char *phase;
    buffer *rope_table;
    buffer *vector;       /* float32, as long as the longest vector of weights */
    linear_op linear;
    norm_op norm;
    rope_op rope;
    latent_op latent;
    rotations_op rotations;
    attend_values_op attend_values;
    index_rotate_op index_rotate;
    route_op route;
    dispatch_op dispatch;
    swiglu_op swiglu;
    moe_combine_op moe_combine;
    embed_op embed;
    /* Of the row under way. */
    matrix weights[OPS_COPIES]; /* repetition r uses number r % copies */
    size_t copies;
    buffer *out;
    const buffer *in;
    size_t rows;                /* of in */
    size_t splits;              /* in a->partials */
    /* Of the rows of experts: choices of experts, of which repetition r uses number r % OPS_CHOICES. */
    matrix gate, up, down, shared_gate, shared_up, shared_down;
    buffer *ids[OPS_CHOICES], *offsets[OPS_CHOICES], *slots[OPS_CHOICES];
} ops;

/* Operations and what they work on for steps of one sequence that end at `context`. o must stay where it is. After a
 * failure nothing is left. */
HADAL_CHECKED hadal_status ops_create(ops *o, bench *b, const model_config *config, size_t tokens, size_t context);
void ops_free(ops *o);

/* A row of this step; the caller adds what it has to. */
bench_case ops_case(ops *o, const char *name, const char *counted, uint64_t bytes, uint64_t operations,
                    bench_work *run);

/* Rows of products with weights. */
HADAL_CHECKED hadal_status ops_matrices(ops *o);
HADAL_CHECKED hadal_status ops_experts(ops *o);

/* Copies of one matrix, or of one a head as a stack (heads > 0), that make the working set; for ops_run_linear, from
 * o->in to o->out in o->rows rows. */
HADAL_CHECKED hadal_status ops_make_weights(ops *o, bool quantised, size_t heads, size_t rows, size_t columns);
void ops_free_weights(ops *o);
bench_work ops_run_linear;

/* Routed experts, the shared one and choices of them; for ops_run_gate, which multiplies by the lists of experts, and
 * for ops_run_experts_of_one where matvec takes them. The choices alone, for experts of another step. */
HADAL_CHECKED hadal_status ops_make_experts(ops *o);
HADAL_CHECKED hadal_status ops_make_choices(ops *o);
void ops_free_experts(ops *o);
bool ops_experts_are_fused(const ops *o);
bench_work ops_run_gate, ops_run_experts_of_one;

#endif
