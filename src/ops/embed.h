/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Rows of the embedding matrix. Kernels in cl/embed.cl. */

#ifndef HADAL_OPS_EMBED_H
#define HADAL_OPS_EMBED_H

#include "ops/matrix.h"

typedef struct embed_op {
    kernel *rows;
    dtype type;
    uint32_t group;
} embed_op;

/* Gets the kernel for an embedding matrix of this dtype; it belongs to the device. */
HADAL_CHECKED hadal_status embed_create(embed_op *op, hadal_device *device, dtype type);

/* out float32 [count, pad(embedding columns)] = the embedding's rows tokens[0 .. count - 1], padding included; tokens
 * int32 [count], each below embedding->rows. One launch a slab, which writes its own tokens only. */
HADAL_CHECKED hadal_status embed_rows(const embed_op *op, buffer *out, const matrix *embedding, const buffer *tokens,
                                      size_t count);

#endif
