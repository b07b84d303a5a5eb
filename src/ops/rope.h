/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Rotation of pairs of dimensions by the token's position (RoPE, https://arxiv.org/abs/2104.09864). Kernels in
 * cl/rope.cl, the table's layout in cl/rope.clh. */

#ifndef HADAL_OPS_ROPE_H
#define HADAL_OPS_ROPE_H

#include "device/device.h"

/* The table from which every kernel that rotates takes cos and sin of pair i at position p: angle p * frequencies[i],
 * for p < max_positions, both multiplied by amplitude. frequencies[pairs] in radians a position. The caller frees the
 * buffer. */
HADAL_CHECKED hadal_status rope_table_create(buffer **table, hadal_device *device, const double *frequencies,
                                             size_t pairs, size_t max_positions, double amplitude);

/* Device bytes that rope_table_create would allocate. */
size_t rope_table_bytes(size_t pairs, size_t max_positions);

/* What does not change in a model's life. */
typedef struct rope_dims {
    uint32_t heads;  /* num_attention_heads */
    uint32_t nope;   /* qk_nope_head_dim */
    uint32_t rope;   /* qk_rope_head_dim, even */
    uint32_t latent; /* kv_lora_rank */
} rope_dims;

typedef struct rope_op {
    rope_dims dims;
    kernel *queries;
    uint32_t lanes, group;
} rope_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status rope_create(rope_op *op, hadal_device *device, const rope_dims *dims);

/* Writes the last pad(rope) elements of every row of query float32 [tokens, heads, pad(latent) + pad(rope)]: the rope
 * part of the same head of q float32 [tokens, pad(heads * (nope + rope))], interleaved pairs (0,1), (2,3) ... rotated
 * at positions[t], times scale; zeros behind it. positions int32 [tokens]. The latent part is not touched. */
HADAL_CHECKED hadal_status rope_queries(const rope_op *op, buffer *query, const buffer *q, const buffer *table,
                                        const buffer *positions, size_t tokens, double scale);

#endif
