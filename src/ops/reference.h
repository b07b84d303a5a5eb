/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What each kernel family computes, once more in plain C and double precision: simple, slow, and the yardstick of the
 * tests and of the self-test. One row or one token a call; rows hold `columns` elements, padding is the caller's. */

#ifndef HADAL_OPS_REFERENCE_H
#define HADAL_OPS_REFERENCE_H

#include "ops/attend.h"
#include "ops/attend_heads.h"
#include "ops/route.h"

/* ||got - expected|| / ||expected|| over count values; NaN when got holds one. */
double reference_error(const float *got, const double *expected, size_t count);

/* out[columns] = RMSNorm(in[columns]) * weight[columns]. */
void reference_rms_norm(double *out, const float *in, const float *weight, size_t columns, double epsilon);

/* frequencies[pairs] of plain RoPE, theta 10000: what tests rotate by. */
void reference_frequencies(double *frequencies, size_t pairs);

/* out[2 * pairs]: the pairs (0,1), (2,3) ... of in rotated by position * frequencies[pair], times amplitude. */
void reference_rope(double *out, const float *in, const double *frequencies, size_t pairs, int32_t position,
                    double amplitude);

/* A row of the latent cache: cache[pad(latent) + pad(rope)] from kv[latent + rope], padding zero. */
void reference_latent(double *cache, const float *kv, const float *weight, size_t latent, size_t rope, double epsilon,
                      const double *frequencies, int32_t position, double amplitude);

/* out[pad(latent)] of one query [pad(latent) + pad(rope)] over `length` rows of cache, given as values [capacity,
 * pad(latent) + pad(rope)]: those of list, or 0 .. length - 1 if list is NULL. Padding is not written. */
void reference_attend(double *out, const attend_dims *dims, const float *query, const float *cache, const int32_t *list,
                      size_t length);

/* out[value] of one query and head over the first `length` rows of cache: attend_heads of q_nope[nope], of query_rope
 * [rope] and of that head's W_UK transposed [latent, nope] and W_UV [value, latent]. */
void reference_attend_heads(double *out, const attend_heads_dims *dims, const float *q_nope, const float *query_rope,
                            const float *cache, const double *k_up, const double *v_up, size_t length, double scale);

/* out[latent] = the mean over the splits of a list, from what attend leaves of them: sums [splits, pad(latent)] and
 * totals [splits] of (largest score, total of weights). */
void reference_combine(double *out, const float *sums, const float *totals, size_t latent, size_t splits);

/* ids[top_k] and weights[top_k] of one token, as route_choose. */
void reference_route(int32_t *ids, double *weights, const float *logits, const float *bias, const route_dims *dims);

/* offsets[experts + 1] and slots[slot_count], as dispatch_slots. */
void reference_dispatch(int32_t *offsets, int32_t *slots, const int32_t *ids, size_t slot_count, size_t experts);

/* out[columns] = silu(gate) * up. */
void reference_swiglu(double *out, const float *gate, const float *up, size_t columns);

/* out[columns] = x + sum over k of weights[k] * expert_out[k * stride ..] + shared; shared may be NULL. */
void reference_moe_combine(double *out, const float *x, const float *expert_out, const float *weights,
                           const float *shared, size_t columns, size_t stride, size_t top_k);

/* The product of count activations and weights: an element of a linear layer's output. */
double reference_dot(const float *in, const double *weight, size_t count);

#endif
