/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products of many tokens with weight matrices on matrix units, kernels over cl/matmul.clh. Operands are rounded to 16
 * bits: for fp8 and half weights, activations are halves with a power of two a row, exact to 2^-11; for bfloat16
 * weights they are bfloat16, exact to 2^-8. Sums are float32. Used behind ops/linear.h. */

#ifndef HADAL_OPS_MATMUL_H
#define HADAL_OPS_MATMUL_H

#include "ops/matrix.h"

enum { MATMUL_TILES = 3 }; /* 32, 64 or 128 tokens a group */

typedef struct matmul_op {
    hadal_device *device;
    buffer *packed;  /* 16-bit activations of one product */
    buffer *factors; /* float32 [rows of packed]: what takes back the powers of two by which they are scaled */
    bool lent;       /* both belong to the caller; else they are made when they are needed */
    kernel *pack[DTYPE_COUNT];
    kernel *pack_heads[DTYPE_COUNT];
    kernel *plain[DTYPE_COUNT][MATMUL_TILES];
    kernel *experts[DTYPE_COUNT][MATMUL_TILES];
    kernel *heads[DTYPE_COUNT][MATMUL_TILES];
} matmul_op;

/* Work-items of a team of that unit's kernels, the rows of W that it makes at once, of so many tokens at most
 * (cl/tile.clh). */
typedef struct matmul_team {
    uint32_t items, rows, tokens;
} matmul_team;

matmul_team matmul_team_of(device_matrix unit);

/* Nothing is allocated or built before the first product. */
void matmul_create(matmul_op *op, hadal_device *device);
void matmul_free(matmul_op *op);

/* Scratch memory of matmul_packed_bytes and matmul_factor_bytes for all products to come; stays the caller's. */
void matmul_lend(matmul_op *op, buffer *packed, buffer *factors);

/* Whether this device has a matrix unit for such weights, and so many tokens are worth it. */
bool matmul_takes(const matmul_op *op, const matrix *weight, size_t tokens);

/* Device bytes of packed and factors for `rows` activations of `columns` columns. */
size_t matmul_packed_bytes(size_t rows, size_t columns);
size_t matmul_factor_bytes(size_t rows);

/* Packs in [rows, pad(columns)] float32 for products with weights of that type and number of columns. Before
 * matmul_run and matmul_experts, which may follow in any number. */
HADAL_CHECKED hadal_status matmul_pack(matmul_op *op, const buffer *in, const matrix *weight, size_t rows);

/* The same for rows of each token's heads, before matmul_heads. */
HADAL_CHECKED hadal_status matmul_pack_heads(matmul_op *op, const buffer *in, head_layout in_rows,
                                             const matrix *weight, size_t tokens);

/* out[token, head, :] = factor * in[token, head, :] W[head]^T. weight: a stack of one matrix a head. */
HADAL_CHECKED hadal_status matmul_heads(matmul_op *op, buffer *out, head_layout out_rows, const matrix *weight,
                                        size_t tokens, double factor);

/* out[tokens, rows] (+)= in[tokens, columns] W^T for the packed rows of in. */
HADAL_CHECKED hadal_status matmul_run(matmul_op *op, buffer *out, const matrix *weight, size_t tokens, bool accumulate);

/* out[slot, rows] = in[slot / slots_per_input, columns] W[expert of slot]^T. offsets int32 [experts + 1], slots int32
 * [count]: see ops/dispatch.h. */
HADAL_CHECKED hadal_status matmul_experts(matmul_op *op, buffer *out, const matrix *weight, const buffer *offsets,
                                          const buffer *slots, size_t count, size_t slots_per_input);

#endif
