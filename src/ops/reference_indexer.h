/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The lightning indexer and the choice of positions, as ops/reference.h: plain C, double precision. */

#ifndef HADAL_OPS_REFERENCE_INDEXER_H
#define HADAL_OPS_REFERENCE_INDEXER_H

#include "ops/index_rotate.h"

/* row[dim] = LayerNorm(row) * weight + bias, epsilon 1e-6. */
void reference_layer_norm(double *row, size_t dim, const float *weight, const float *bias);

/* The first rope dims of row rotated by position, in place; pairs are i and i + rope/2, frequencies[rope/2]. */
void reference_rotate_halves(double *row, size_t rope, const double *frequencies, int32_t position);

/* out[dim] = in[dim] times the normalised Hadamard matrix, by its definition: element (i, j) is (-1)^(number of ones
 * in i & j). A dim that is no power of two consists of blocks of its binary digits, largest first. */
void reference_hadamard(double *out, const double *in, size_t dim);

/* out[dims->dim]: what a stored index key or query of row[dims->dim] stands for. row is rotated on the way. */
void reference_index_row(double *out, double *row, const index_dims *dims, const double *frequencies, int32_t position);

/* How far a stored row [pad(dim)] with its scale is from expected[dim], relative to what rounding allows: right up to
 * 1. INFINITY if the scale is not the one that the row's largest element asks for, or padding is not zero. */
double reference_index_error(const index_dims *dims, const void *stored, double scale, const double *expected);

/* The score, without the key's scale, of cached position s for a token of queries [tokens, heads, pad(dim)] and
 * weights [tokens, pad(heads)]. */
double reference_index_score(const index_dims *dims, const void *queries, const float *weights, const void *cache,
                             size_t token, size_t s);

/* selected[*chosen] = the min(k, count) positions of largest score as ops/top_k.h orders them, ascending; by a sort. */
HADAL_CHECKED hadal_status reference_top_k(int32_t *selected, size_t *chosen, const float *scores, size_t count,
                                           size_t k);

#endif
