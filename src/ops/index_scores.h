/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Scores of the lightning indexer: how much each query wants each cached position. Kernels in cl/index_scores.cl, and
 * for int8 on matrix units in cl/index_scores_few.cl and cl/index_scores_many.cl. */

#ifndef HADAL_OPS_INDEX_SCORES_H
#define HADAL_OPS_INDEX_SCORES_H

#include "ops/index_rotate.h"

typedef struct index_scores_op {
    const hadal_device *device;
    index_dims dims;
    kernel *scores;      /* NULL where the matrix unit takes them: */
    kernel *few, *many;  /* on the matrix unit, for few rows or several sequences, and for many rows of one */
    uint32_t group, key_tile, compute_units;
} index_scores_op;

/* Which sequence each token belongs to, where caches hold several. */
typedef struct index_sequences {
    const buffer *slots; /* int32, of all tokens of the step: which slot of the cache has the token's sequence */
    size_t stride;       /* positions from a slot to the next; a slot has at least `keys` */
    bool mixed;          /* the rows of one call may be of several sequences; else all are of the first one's */
} index_sequences;

/* Whether the device's matrix unit multiplies index queries and keys of those dimensions. */
bool index_scores_on_matrix_unit(const hadal_device *device, const index_dims *dims);

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status index_scores_create(index_scores_op *op, hadal_device *device, const index_dims *dims);

/* scores float32 [rows, stride]: row r is the step's token first_row + r with t = positions[first_row + r];
 *   scores[r, s] = sum over heads j of head_weights[j] * ReLU(query[j] . key[s]) * scale(s)   for s <= t
 *                = -INFINITY                                                                   for t < s < keys.
 * quantised, head_weights: of all tokens of the step, from index_query; cache, scales (NULL for F32): positions
 * 0..keys-1, from index_key; positions int32, of all tokens. stride: a multiple of ROW_UNIT, at least keys; columns
 * from keys on may be overwritten. keys: the largest position among these rows + 1 is enough for top_k.
 * sequences: NULL when there is one, whose cache begins at row 0. On a matrix unit a score's bits depend on its query,
 * its key and their scales alone, not on the rows beside it. */
HADAL_CHECKED hadal_status index_scores(const index_scores_op *op, buffer *scores, size_t stride,
                                        const buffer *quantised, const buffer *head_weights, const buffer *cache,
                                        const buffer *scales, const buffer *positions,
                                        const index_sequences *sequences, size_t first_row, size_t rows, size_t keys);

#endif
