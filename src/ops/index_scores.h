/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Scores of the lightning indexer: how much each query wants each cached position. Kernels in cl/index_scores.cl. */

#ifndef HADAL_OPS_INDEX_SCORES_H
#define HADAL_OPS_INDEX_SCORES_H

#include "ops/index_rotate.h"

typedef struct index_scores_op {
    index_dims dims;
    kernel *scores;
    uint32_t group, key_tile;
} index_scores_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status index_scores_create(index_scores_op *op, hadal_device *device, const index_dims *dims);

/* scores float32 [rows, stride]: row r is the step's token first_row + r with t = positions[first_row + r];
 *   scores[r, s] = sum over heads j of head_weights[j] * ReLU(query[j] . key[s]) * scale(s)   for s <= t
 *                = -INFINITY                                                                   for t < s < keys.
 * quantised, head_weights: of all tokens of the step, from index_query; cache, scales (NULL for F32): positions
 * 0..keys-1, from index_key; positions int32, of all tokens. stride: a multiple of ROW_UNIT, at least keys; columns
 * from keys on may be overwritten. keys: the largest position among these rows + 1 is enough for top_k. */
HADAL_CHECKED hadal_status index_scores(const index_scores_op *op, buffer *scores, size_t stride,
                                        const buffer *quantised, const buffer *head_weights, const buffer *cache,
                                        const buffer *scales, const buffer *positions, size_t first_row, size_t rows,
                                        size_t keys);

#endif
