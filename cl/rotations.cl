/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Everything between a token's projections and its attention, in one launch for one token: its rows of both caches,
 * its queries, and the indexer's queries. Built with the options of latent.cl, index_rotate.cl and matvec.clh. */

#include "index_rotate.clh"
#include "latent.clh"
#include "matvec.clh"
#include "rope.clh"

#define ROWS_AT_ONCE (GROUP / LANES)

/* Sizes that a launch is told. Rows are taken by LANES work-items, ROWS_AT_ONCE a group: the latent row, the index key,
 * the heads' rope parts in `rope_rows`, the indexer's heads. The groups behind row_groups make the latent parts of the
 * queries, `block` rows each. */
typedef struct rotations_sizes {
    int latent, padded_latent, heads, nope, rope_rows, index_heads, row_groups, block;
    float scale, epsilon;
} rotations_sizes;

/* Arguments as in the kernels latent_store, index_key, rope_queries and index_query, and for query[head, row] =
 * scale * weight[head][row] . q[head]; scratch: as of multiply_block. */
__kernel void rotations(__global cache_t *cache, __global const float *kv, __global const float *kv_weight,
                        __global index_t *index_cache, __global float *index_scales, __global const float *keys,
                        __global const float *key_weight, __global const float *key_bias, __global float *query,
                        __global const float *q, __global index_t *quantised, __global float *head_weights,
                        __global const float *index_queries, __global const float *index_weights,
                        __global const float2 *table, __global const int *positions, __global const int *cache_rows,
                        __global const uchar *weight, __global const float *scales, matvec_matrix m, rotations_sizes s,
                        __local float *scratch)
{
    LANE_SCRATCH(GROUP);
    SHARED float rows[ROWS_AT_ONCE][PADDED_DIM];
    enum { PAIRS = ROPE / 2, PADDED_PAIRS = (ROPE + 15) / 16 * 8 };
    int group = (int)get_group_id(0), position = positions[0], width = s.padded_latent + 2 * PADDED_PAIRS;
    bool of_rows = group < s.row_groups;
    if (!GROUP_SKIPS(!of_rows)) {
        int here = (int)get_local_id(0) / LANES, unit = group * ROWS_AT_ONCE + here, head = unit - 2 - s.rope_rows;
        bool of_indexer = head >= 0 && head < s.index_heads;
        SHARED float *row = rows[here];
        float squares = lane_sum(latent_squares(kv, s.latent));
        normalise_key(row, keys, key_weight, key_bias, s.epsilon LANE_ARGUMENT);
        if (of_indexer)
            load_query(row, index_queries + head * DIM);
        group_barrier();
        rotate_halves(row, table, position);
        float largest = spread_row(row LANE_ARGUMENT);
        if (unit == 0)
            store_latent(cache + (size_t)cache_rows[0] * width, kv, kv_weight, table, position, s.latent,
                         s.padded_latent, PAIRS, PADDED_PAIRS, squares, s.epsilon);
        if (unit == 1) {
            float key_scale = store_row(index_cache + (size_t)cache_rows[0] * PADDED_DIM, row, largest);
#if !defined(INDEX_F32)
            if (LANE == 0)
                index_scales[cache_rows[0]] = key_scale;
#endif
        }
        if (of_indexer)
            store_weight(head_weights, index_weights, head, store_row(quantised + head * PADDED_DIM, row, largest));
        for (int h = unit - 2; h >= 0 && head < 0 && h < s.heads; h += s.rope_rows)
            rope_row(query + (size_t)h * width + s.padded_latent, q + h * (s.nope + ROPE) + s.nope, table, position,
                     PAIRS, PADDED_PAIRS, s.scale, LANE, LANES);
    }
    if (!GROUP_SKIPS(of_rows)) {
        int blocks = (m.rows + s.block - 1) / s.block, block = max(group - s.row_groups, 0), head = block / blocks;
        int first_row = block % blocks * s.block, end_row = min(first_row + s.block, m.rows);
        weight += stored_bytes(m.type, (size_t)head * m.rows * m.stride);
        scales += (size_t)head * m.scale_rows * m.scale_columns;
        const matvec_rows r = {q + head * (s.nope + ROPE), 0, weight, weight, scales, scales, m,
                               first_row, of_rows ? first_row : end_row, s.block, 1};
        product_block(query + (size_t)head * width, r, 0, 0.0f, s.scale, false, scratch LANE_ARGUMENT);
    }
}
