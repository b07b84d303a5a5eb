/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "index_rotate.clh"

/* cache [capacity, pad(DIM)] and scales [capacity] get row rows[t] from keys [T, pad(DIM)]: LayerNorm, rotation,
 * Hadamard, quantisation. One group of LANES work-items a token. */
__kernel void index_key(__global index_t *cache, __global float *scales, __global const float *keys,
                        __global const float *weight, __global const float *bias, __global const float2 *rope_table,
                        __global const int *positions, __global const int *rows, float epsilon)
{
    LANE_SCRATCH(LANES);
    SHARED float row[PADDED_DIM];
    size_t token = get_group_id(0);
    int position = positions[token];
    normalise_key(row, keys + token * PADDED_DIM, weight, bias, epsilon LANE_ARGUMENT);
    group_barrier();
    rotate_halves(row, rope_table, position);
    float largest = spread_row(row LANE_ARGUMENT);
    float scale = store_row(cache + (size_t)rows[token] * PADDED_DIM, row, largest);
#if !defined(INDEX_F32)
    if (LANE == 0)
        scales[rows[token]] = scale;
#endif
}

/* quantised [T, HEADS, pad(DIM)] and head_weights [T, pad(HEADS)] from queries [T, pad(HEADS * DIM)] and weights
 * [T, pad(HEADS)]: rotation, Hadamard, quantisation; a query's scale goes into its weight. Groups: T, HEADS. */
__kernel void index_query(__global index_t *quantised, __global float *head_weights, __global const float *queries,
                          __global const float *weights, __global const float2 *rope_table,
                          __global const int *positions)
{
    LANE_SCRATCH(LANES);
    SHARED float row[PADDED_DIM];
    size_t token = get_group_id(0);
    int head = get_group_id(1);
    load_query(row, queries + token * ((HEADS * DIM + 15) / 16 * 16) + (size_t)head * DIM);
    group_barrier();
    rotate_halves(row, rope_table, positions[token]);
    float largest = spread_row(row LANE_ARGUMENT);
    float scale = store_row(quantised + (token * HEADS + head) * PADDED_DIM, row, largest);
    store_weight(head_weights + token * PADDED_HEADS, weights + token * PADDED_HEADS, head, scale);
}
