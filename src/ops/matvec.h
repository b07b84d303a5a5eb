/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Linear layers of one token, or of few that share nothing: bound by reading weights, with as many matrices a launch as
 * have the same input. Kernels in cl/matvec.cl. Not every matrix is taken, see matvec_takes; ops/linear.h takes all.
 * All activations are float32 in rows padded with zeros to a multiple of ROW_UNIT. */

#ifndef HADAL_OPS_MATVEC_H
#define HADAL_OPS_MATVEC_H

#include "base/memory.h"
#include "ops/matrix.h"

enum { MATVEC_TYPES = 1 << DTYPE_COUNT, MATVEC_SEGMENTS = 4, MATVEC_LANES = 8 };

typedef struct matvec_op {
    hadal_device *device;
    kernel *segments[MATVEC_TYPES][MATVEC_LANES]; /* by the set of dtypes, and log2 of the lanes that share a row */
    kernel *gated[MATVEC_TYPES], *down[MATVEC_TYPES];
} matvec_op;

/* Kernels are got when a dtype is first used. */
void matvec_create(matvec_op *op, hadal_device *device);

/* Whether the kernels can take the matrix: whole tiles lie in its blocks of scales, a stack is in one slab, and what
 * they need of local memory is there. */
bool matvec_takes(const matvec_op *op, const matrix *weight);

/* The input of a product: row `row` of in [.., stride of the weights]; normalised by RMSNorm with that weight
 * (float32 [pad(columns)]) and epsilon on the way unless norm_weight is NULL. */
typedef struct matvec_input {
    const buffer *in;
    size_t row;
    const buffer *norm_weight;
    double epsilon;
} matvec_input;

typedef struct matvec_output {
    buffer *out; /* [pad(rows)] */
    const matrix *weight;
} matvec_output;

/* out = W in for every output; all weights have the same columns. accumulate: out += W in. One launch for up to
 * MATVEC_SEGMENTS slabs. */
HADAL_CHECKED hadal_status matvec_run(matvec_op *op, const matvec_input *in, const matvec_output *outs, size_t count,
                                      bool accumulate);

/* linear_heads of one token: out[head * out_step + row] = factor * W[head][row] . in[head * in_step ..], for steps at
 * which vectors of four floats can be loaded. */
bool matvec_takes_heads(const matvec_op *op, const matrix *weight, size_t in_step);
HADAL_CHECKED hadal_status matvec_heads(matvec_op *op, buffer *out, size_t out_step, const buffer *in, size_t in_step,
                                        const matrix *weight, double factor);

/* An MLP: the experts of each of a few tokens and the shared one, or with choices = 0 the shared one alone, which is
 * then a dense layer's whole. */
typedef struct matvec_experts {
    const matrix *gate, *up, *down;                      /* stacks; NULL if choices is 0 */
    const matrix *shared_gate, *shared_up, *shared_down;
    const buffer *ids, *weights;                         /* int32, float32 [tokens, choices]; NULL if choices is 0 */
    size_t tokens, choices;
} matvec_experts;

/* matvec_takes of all the matrices, of which gate and up, and those of the shared expert, are each of one dtype. */
bool matvec_takes_experts(const matvec_op *op, const matvec_experts *experts);

/* act[token, slot] = silu(gate in) * (up in) for the experts that ids name, and at slot `choices` for the shared one,
 * with in normalised as by matvec_input. act: [tokens, choices * pad(rows of gate) + pad(rows of shared_gate)]. */
HADAL_CHECKED hadal_status matvec_gated(matvec_op *op, buffer *act, const matvec_input *in,
                                        const matvec_experts *experts);

/* x[token] += sum over slots of weights[token, slot] * down act[token, slot] + shared_down act[token, choices]. */
HADAL_CHECKED hadal_status matvec_down(matvec_op *op, buffer *x, const buffer *act, const matvec_experts *experts);

/* ---- For kernels that multiply on the way to something else ------------------------------------------- */

/* As matvec_matrix of cl/matvec.clh. */
typedef struct matvec_argument {
    int32_t type, rows, stride, block_rows, block_columns, scale_columns, scale_rows;
} matvec_argument;

matvec_argument matvec_argument_of(const matrix *weight);
const buffer *matvec_scales(const matrix_slab *slab);

/* The lanes that share a row of the matrix on GPUs: fewer than the device's where more would have nothing to do. */
size_t matvec_lanes(const hadal_device *device, const matrix *weight);

/* Appends the -D options of kernels over cl/matvec.clh; types: the sum of 1 << dtype over their weights; lanes: those
 * that share a row. */
HADAL_CHECKED hadal_status matvec_options(byte_array *options, const hadal_device *device, unsigned types,
                                          unsigned matrices, size_t lanes);

/* What a launch multiplies: `copies` matrices of a stack, by groups of `items` work-items, or as many as are good if
 * that is 0; whole: all rows of a matrix by one group. */
typedef struct matvec_work {
    const matrix *weight;
    size_t copies, lanes, items;
    bool whole;
} matvec_work;

/* How it goes down a matrix: groups of `items` work-items, each with `block` rows, and bytes of local memory. */
typedef struct matvec_plan {
    size_t groups, items, block, scratch;
} matvec_plan;

matvec_plan matvec_plan_of(const hadal_device *device, const kernel *used, const matvec_work *work);

/* Whether there is local memory for groups that take a whole matrix and need `others` bytes more. */
bool matvec_takes_whole(const matvec_op *op, const matrix *weight, size_t others);

#endif
