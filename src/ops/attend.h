/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Multi-query attention in latent space over a list of cached positions a query: the indexer's selection, or all
 * positions up to the query's own. Kernels in cl/attend.cl. */

#ifndef HADAL_OPS_ATTEND_H
#define HADAL_OPS_ATTEND_H

#include "device/device.h"

/* What does not change in a session's life. */
typedef struct attend_dims {
    uint32_t heads;  /* num_attention_heads */
    uint32_t latent; /* kv_lora_rank */
    uint32_t rope;   /* qk_rope_head_dim */
    hadal_kv_cache cache;
} attend_dims;

typedef struct attend_op {
    attend_dims dims;
    kernel *attend, *combine;
    uint32_t head_block; /* heads of a work-group, which share each row that it reads */
    uint32_t key_tile;   /* cached rows that a work-group handles at once */
    uint32_t group;
} attend_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status attend_create(attend_op *op, hadal_device *device, const attend_dims *dims);

/* Bytes of scratch that attend needs for at most `tokens` tokens with lists of at most `longest` positions; also
 * enough for fewer of either. Follows from the shapes alone, since memory is planned before there is a device. */
size_t attend_scratch_bytes(const attend_dims *dims, size_t tokens, size_t longest);

/* out float32 [tokens, heads, pad(latent)]: the mean of cached latents weighted by softmax over the query's list of
 *   query[t, h] . cache[s]
 * with query float32 [tokens, heads, pad(latent) + pad(rope)] (softmax scale included) and cache [capacity,
 * pad(latent) + pad(rope)] (BF16 or F32: latent, then rotated rope key). The list of token t is selected int32
 * [tokens, selected_stride], of which counts int32 [tokens] are valid, at most `longest`; or, when selected is NULL,
 * 0..positions[t], positions int32 [tokens] each below `longest`. No other row of the cache is read.
 * scratch: attend_scratch_bytes(&op->dims, tokens, longest). */
HADAL_CHECKED hadal_status attend(const attend_op *op, buffer *out, const buffer *query, const buffer *cache,
                                  const buffer *positions, const buffer *selected, size_t selected_stride,
                                  const buffer *counts, size_t longest, size_t tokens, buffer *scratch);

#endif
