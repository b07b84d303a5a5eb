/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Rows of the embedding matrix. Kernels in cl/embed.cl. */

#ifndef HADAL_OPS_EMBED_H
#define HADAL_OPS_EMBED_H

#include "ops/matrix.h"

typedef struct embed_op {
    kernel *rows, *one;
    dtype type;
    uint32_t group;
} embed_op;

/* Gets the kernels for an embedding matrix of this dtype; they belong to the device. */
HADAL_CHECKED hadal_status embed_create(embed_op *op, hadal_device *device, dtype type);

/* out float32 [count, pad(embedding columns)] = the embedding's rows tokens[0 .. count - 1], padding included; tokens
 * int32 [count], each below embedding->rows. One launch a slab, which writes its own tokens only. */
HADAL_CHECKED hadal_status embed_rows(const embed_op *op, buffer *out, const matrix *embedding, const buffer *tokens,
                                      size_t count);

/* What the kernels of a step read of a token: its row of the embedding, and elements 0 of three buffers of int32. */
typedef struct embed_token {
    int32_t id, position, sequence, row;
} embed_token;

/* embed_rows for one token that the host names, and positions[0], sequences[0] and rows[0] = the token's. */
HADAL_CHECKED hadal_status embed_one(const embed_op *op, buffer *out, const matrix *embedding, const embed_token *token,
                                     buffer *positions, buffer *sequences, buffer *rows);

#endif
