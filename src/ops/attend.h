/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Multi-query attention in latent space over a list of cached positions a query: the indexer's selection, or all
 * positions up to the query's own. Kernels in cl/attend.cl, for matrix units cl/attend_tiles.cl (wgmma) and
 * cl/attend_blocks.cl (all others). */

#ifndef HADAL_OPS_ATTEND_H
#define HADAL_OPS_ATTEND_H

#include "base/memory.h"
#include "device/device.h"

/* What does not change in a session's life. */
typedef struct attend_dims {
    uint32_t heads;  /* num_attention_heads */
    uint32_t latent; /* kv_lora_rank */
    uint32_t rope;   /* qk_rope_head_dim */
    hadal_kv_cache cache;
} attend_dims;

/* Heads and cached rows that a work-group handles at once on a matrix unit, and its work-items. */
typedef struct attend_tile {
    uint32_t heads, keys, items;
} attend_tile;

typedef struct attend_op {
    attend_dims dims;
    kernel *attend, *combine;
    kernel *tiles;       /* attend on the matrix unit; NULL where there is none for these dimensions */
    attend_tile tile;
    uint32_t units;      /* work-groups of tiles that run at once */
    uint32_t head_block; /* heads of a work-group, which share each row that it reads */
    uint32_t key_tile;   /* cached rows that a work-group handles at once */
    uint32_t group, enough; /* work-items of a work-group; work-groups that fill the device */
} attend_op;

/* Whether the device's matrix unit attends to caches of those dimensions. */
bool attend_on_matrix_unit(const hadal_device *device, const attend_dims *dims);

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status attend_create(attend_op *op, hadal_device *device, const attend_dims *dims);

/* Bytes of scratch that attend needs for at most `tokens` tokens with lists of at most `longest` positions; also
 * enough for fewer of either. Follows from the shapes alone, since memory is planned before there is a device. */
size_t attend_scratch_bytes(const attend_dims *dims, size_t tokens, size_t longest);

/* Which rows of the cache each token attends to. */
typedef struct attend_lists {
    const buffer *positions; /* int32 [tokens] */
    const buffer *selected;  /* int32 [tokens, selected_stride], of which counts are valid; NULL: 0..positions[t] */
    size_t selected_stride;
    const buffer *counts;    /* int32 [tokens]; NULL without selected */
    const buffer
        *sequences; /* int32 [tokens]: position 0 of token t is row sequences[t] * sequence_stride of the cache;
                              * NULL: row 0 */
    size_t sequence_stride;
    size_t longest;          /* no list is longer */
} attend_lists;

/* out float32 [tokens, heads, pad(latent)]: the mean of cached latents weighted by softmax over the query's list of
 *   query[t, h] . cache[s]
 * with query float32 [tokens, heads, pad(latent) + pad(rope)] (softmax scale included) and cache [capacity,
 * pad(latent) + pad(rope)] (BF16 or F32: latent, then rotated rope key). No row of the cache is read that is not
 * listed. On a matrix unit queries and softmax's weights are rounded to bfloat16: means are then within 2^-8 of what
 * float32 gives, as a part of a head's mean.
 * scratch: attend_scratch_bytes(&op->dims, tokens, longest). */
HADAL_CHECKED hadal_status attend(const attend_op *op, buffer *out, const buffer *query, const buffer *cache,
                                  const attend_lists *lists, size_t tokens, buffer *scratch);

/* The two halves of attend: out is not there before the second, unless *splits is 1; what is in scratch until then,
 * cl/attend.cl says. */
HADAL_CHECKED hadal_status attend_splits(const attend_op *op, size_t *splits, buffer *out, const buffer *query,
                                         const buffer *cache, const attend_lists *lists, size_t tokens,
                                         buffer *scratch);
HADAL_CHECKED hadal_status attend_combine(const attend_op *op, buffer *out, const buffer *scratch, size_t splits,
                                          size_t tokens);

/* The -D options of kernels that combine splits. */
HADAL_CHECKED hadal_status attend_combine_options(byte_array *options, const hadal_device *device,
                                                  const attend_dims *dims);

/* Local memory that combining takes of a group (COMBINE_SHARED in cl/attend_combine.clh). */
size_t attend_combine_local_bytes(const hadal_device *device, const attend_dims *dims);

#endif
