/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Everything between a token's projections and its attention but for products, in one launch for one token: its rows
 * of both caches, the rotated parts of its queries, and the indexer's queries. Built with the options of latent.cl and
 * index_rotate.cl. */

#include "index_rotate.clh"
#include "latent.clh"
#include "rope.clh"

/* Groups of LANES work-items: one latent row, one index key, the heads' rope parts in `rope_groups`, and, if there are
 * any more, the indexer's heads. Arguments as in the kernels latent_store, index_key, rope_queries and index_query. */
__kernel void rotations(__global cache_t *cache, __global const float *kv, __global const float *kv_weight, int latent,
                        int padded_latent, __global index_t *index_cache, __global float *index_scales,
                        __global const float *keys, __global const float *key_weight, __global const float *key_bias,
                        __global float *query, __global const float *q, int heads, int nope, float scale,
                        int rope_groups, __global index_t *quantised, __global float *head_weights,
                        __global const float *index_queries, __global const float *index_weights,
                        __global const float2 *table, __global const int *positions, __global const int *rows,
                        float epsilon)
{
    LANE_SCRATCH(LANES);
    SHARED float row[PADDED_DIM];
    enum { PAIRS = ROPE / 2, PADDED_PAIRS = (ROPE + 15) / 16 * 8 };
    int group = (int)get_group_id(0), position = positions[0], width = padded_latent + 2 * PADDED_PAIRS;
    int head = group - 2 - rope_groups; /* of the indexer, if not negative */
    /* All groups take this path, whatever they store: PoCL 3.1 goes astray at barriers within branches. */
    float squares = lane_sum(latent_squares(kv, latent));
    normalise_key(row, keys, key_weight, key_bias, epsilon LANE_ARGUMENT);
    if (head >= 0)
        load_query(row, index_queries + head * DIM);
    group_barrier();
    rotate_halves(row, table, position);
    float largest = spread_row(row LANE_ARGUMENT);
    if (group == 0)
        store_latent(cache + (size_t)rows[0] * width, kv, kv_weight, table, position, latent, padded_latent, PAIRS,
                     PADDED_PAIRS, squares, epsilon);
    if (group == 1) {
        float key_scale = store_row(index_cache + (size_t)rows[0] * PADDED_DIM, row, largest);
#if !defined(INDEX_F32)
        if (LANE == 0)
            index_scales[rows[0]] = key_scale;
#endif
    }
    if (head >= 0)
        store_weight(head_weights, index_weights, head, store_row(quantised + head * PADDED_DIM, row, largest));
    for (int h = group - 2; h >= 0 && head < 0 && h < heads; h += rope_groups)
        rope_row(query + (size_t)h * width + padded_latent, q + h * (nope + ROPE) + nope, table, position, PAIRS,
                 PADDED_PAIRS, scale);
}
