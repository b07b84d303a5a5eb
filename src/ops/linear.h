/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products of activations with weight matrices. Kernels over cl/linear.clh, in cl/linear_block.cl (many tokens on GPUs)
 * and over cl/matmul.clh (on matrix units); large dense matrices may go to CLBlast instead, by cl/dequantise.cl. All
 * activations are float32 in rows padded with zeros to a multiple of ROW_UNIT. */

#ifndef HADAL_OPS_LINEAR_H
#define HADAL_OPS_LINEAR_H

#include "ops/matmul.h"
#include "ops/matrix.h"
#include "ops/matvec.h"

/* Seconds of own work that must lie ahead before CLBlast is tried: it compiles at its first call, 7 s on PoCL and 1.4 s
 * on an H200, and then has to earn that back. */
enum { LINEAR_WORTHWHILE_SECONDS = 60 };

/* Forms of the kernels: for one token, for several, for enough to fill blocks on a GPU, and by transposed matrices. */
typedef enum linear_form { LINEAR_ONE, LINEAR_SEVERAL, LINEAR_BLOCK, LINEAR_TRANSPOSED, LINEAR_FORMS } linear_form;

typedef struct linear_op {
    hadal_device *device;
    hadal_linear choice; /* AUTO until linear_choose has measured */
    matmul_op matmul;    /* on matrix units, where there are any */
    const buffer *packed_input; /* what matmul has packed, for weights of packed_type */
    dtype packed_type;
    matvec_op matvec;    /* for one token */
    buffer *dequantised; /* weights as float32 on their way to CLBlast */
    buffer *parts;       /* sums over runs of columns, float32 [runs, tokens, rows] */
    bool lent_dequantised, lent_parts; /* they belong to the caller; else they are made when they are needed */
    kernel *plain[DTYPE_COUNT][LINEAR_FORMS];
    kernel *heads[DTYPE_COUNT][LINEAR_FORMS];
    kernel *experts[DTYPE_COUNT][LINEAR_FORMS];
    kernel *slots[DTYPE_COUNT];
    kernel *sum[DTYPE_COUNT];
    kernel *dequantise[DTYPE_COUNT];
} linear_op;

/* Kernels are got when a dtype is first used. */
HADAL_CHECKED hadal_status linear_create(linear_op *op, hadal_device *device, hadal_linear choice);
void linear_free(linear_op *op);

/* Device bytes of dequantised for a weight [rows, columns], and of parts for any product of up to `tokens` tokens on a
 * device with so many compute units. */
size_t linear_dequantised_bytes(size_t rows, size_t columns);
size_t linear_parts_bytes(size_t units, size_t tokens);

/* Scratch memory of those sizes, or NULL, for all products to come; stays the caller's. */
void linear_lend(linear_op *op, buffer *dequantised, buffer *parts);

/* For AUTO, before `ahead` tokens are fed in steps of `tokens`: times the own kernels on one weight (in: [tokens,
 * columns], out: [tokens, rows], overwritten) and, if `parameters` such weights times `ahead` tokens would take
 * LINEAR_WORTHWHILE_SECONDS or more, CLBlast too; the faster one is used from then on. Does nothing once chosen. */
HADAL_CHECKED hadal_status linear_choose(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                         size_t tokens, size_t ahead, uint64_t parameters);

/* out[tokens, rows] (+)= in[tokens, columns] W^T. */
HADAL_CHECKED hadal_status linear_run(linear_op *op, buffer *out, const buffer *in, const matrix *weight, size_t tokens,
                                      bool accumulate);

/* The same when in is what the call before had, unchanged: it is packed once for the matrix unit. */
HADAL_CHECKED hadal_status linear_run_again(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                            size_t tokens, bool accumulate);

/* The same for the tokens of in from in_row on, for logits of a part of a step. */
HADAL_CHECKED hadal_status linear_run_from(linear_op *op, buffer *out, const buffer *in, size_t in_row,
                                           const matrix *weight, size_t tokens);

/* out[token, head, :] = factor * in[token, head, :] W[head]^T. weight: a stack of one matrix a head. in must reach up
 * to ROW_UNIT - 1 floats beyond its last row: rows are read in whole units, and what lies beyond a row's columns meets
 * the weights' padding of zeros. */
HADAL_CHECKED hadal_status linear_heads(linear_op *op, buffer *out, head_layout out_rows, const buffer *in,
                                        head_layout in_rows, const matrix *weight, size_t tokens, double factor);

/* out[token, head, :] = factor * in[token, head, :] W[head], by the own kernels on every device: for enough tokens that
 * the weights are read seldom. Rows of out take pad(columns) floats, zeros behind the columns. */
HADAL_CHECKED hadal_status linear_heads_transposed(linear_op *op, buffer *out, head_layout out_rows, const buffer *in,
                                                   head_layout in_rows, const matrix *weight, size_t tokens,
                                                   double factor);

/* The (token, choice) slots of a step, grouped by expert (see ops/dispatch.h). */
typedef struct linear_slots {
    const buffer *ids;     /* int32 [tokens * choices]: the expert of each slot */
    const buffer *offsets; /* int32 [experts + 1] */
    const buffer *slots;   /* int32 [tokens * choices] */
    size_t tokens, choices;
} linear_slots;

/* out[slot, rows] = in[slot / slots_per_input, columns] W[expert of slot]^T for every slot. slots_per_input: `choices`
 * when in has a row a token, 1 when it has a row a slot. */
HADAL_CHECKED hadal_status linear_experts(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                          const linear_slots *slots, size_t slots_per_input);

/* The same when in is what the call before had, unchanged (see linear_run_again). */
HADAL_CHECKED hadal_status linear_experts_again(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                                const linear_slots *slots, size_t slots_per_input);

/* Whether steps so small are spread by slot, so that no lists by expert are needed. */
bool linear_wants_lists(const linear_slots *slots);

#endif
