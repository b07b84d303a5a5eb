/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Keys and queries of the lightning indexer, from the output of their projections to the form in which they are
 * compared: LayerNorm (keys), rotation by position, Hadamard rotation and quantisation. Kernels in cl/index_rotate.cl.
 *
 * The index cache holds a row of round_up(dim, ROW_UNIT) elements a position, padded with zeros, and for INT8 and FP8
 * a float32 scale a position in a buffer of its own: key = element * scale. FP8 is OCP e4m3. */

#ifndef HADAL_OPS_INDEX_ROTATE_H
#define HADAL_OPS_INDEX_ROTATE_H

#include "base/memory.h"
#include "device/device.h"

/* What does not change in a model's life. */
typedef struct index_dims {
    uint32_t heads; /* index_n_heads */
    uint32_t dim;   /* index_head_dim */
    uint32_t rope;  /* the first dims of a head that positions rotate: even, at most dim */
    hadal_index_cache type;
    bool scale_ue8m0; /* FP8: scales are rounded up to powers of two */
} index_dims;

typedef struct index_rotate_op {
    index_dims dims;
    kernel *key, *query;
    uint32_t lanes;
} index_rotate_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status index_rotate_create(index_rotate_op *op, hadal_device *device, const index_dims *dims);

/* Appends the -D options that the kernels of index keys and queries are built with. */
HADAL_CHECKED hadal_status index_options(byte_array *options, const index_dims *dims);

/* Bytes of one stored element: of the index cache and of the quantised queries. */
size_t index_element_bytes(hadal_index_cache type);

/* Writes row rows[t] of cache [capacity, pad(dim)] and of scales [capacity] (NULL for F32) for each of `tokens`
 * tokens: keys float32 [tokens, pad(dim)] -> LayerNorm by weight and bias (float32 [pad(dim)], epsilon 1e-6) -> the
 * first rope dims rotated as halves (i with i + rope/2) -> Hadamard and quantisation, unless F32. positions and
 * rows int32 [tokens], rows all different; rope_table as in cl/rope.clh. */
HADAL_CHECKED hadal_status index_key(const index_rotate_op *op, buffer *cache, buffer *scales, const buffer *keys,
                                     const buffer *weight, const buffer *bias, const buffer *rope_table,
                                     const buffer *positions, const buffer *rows, size_t tokens);

/* The same rotation, Hadamard and quantisation of queries float32 [tokens, pad(heads * dim)], without LayerNorm, into
 * quantised [tokens, heads, pad(dim)] of the cache's element type; and into head_weights float32 [tokens, pad(heads)]:
 * weights[t, j] * heads^-0.5 * dim^-0.5 * (scale of the query's row). */
HADAL_CHECKED hadal_status index_query(const index_rotate_op *op, buffer *quantised, buffer *head_weights,
                                       const buffer *queries, const buffer *weights, const buffer *rope_table,
                                       const buffer *positions, size_t tokens);

#endif
