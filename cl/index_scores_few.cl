/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* index_scores.cl on matrix units, for few queries, each of a sequence of its own or not: bound by reading keys. The
 * rows' tiles of GROUP_KEYS keys form one list, row after row, that is shared out evenly among the groups, however many
 * there are; of its part a group takes one row after the other. Keys go from global memory straight into registers,
 * TILE_AHEAD tiles ahead; the query lies in local memory. Built with -D HEADS, ITEMS = 128 and GROUP_KEYS. */

#define TILE_COLUMNS 64

#include "index_tile.clh"

/* What a work-item holds of a tile of keys, as it is loaded. */
typedef struct held {
    uint4 chunks[TILE_HELD * TILE_HELD_CHUNKS];
    float scale; /* of its score's key */
} held;

/* s: the first of this work-item's keys; beyond the last key, the last one again. */
inline void load_tile(held *h, __global const uint4 *cache, __global const float *scales, int s, int keys)
{
#pragma unroll
    for (int j = 0; j < TILE_HELD; j++) {
        __global const uint4 *row = cache + (size_t)min(s + TILE_HELD_STEP * j, keys - 1) * TILE_CHUNKS + TILE_PART;
#pragma unroll
        for (int i = 0; i < TILE_HELD_CHUNKS; i++)
            h->chunks[j * TILE_HELD_CHUNKS + i] = tile_load_once(row + TILE_PARTS * i);
    }
    h->scale = scales[min(s + TILE_SCORE_OFFSET, keys - 1)];
}

/* A work-item's part of a query: half of the values of the head of column ITEM / 2, and a weight. */
typedef struct query_part {
    uint4 chunks[4];
    float weight;
} query_part;

inline void load_query(query_part *q, __global const uint4 *queries, __global const float *head_weights, int token)
{
    int head = min(TILE_COLUMN_HEAD(TILE_ITEM / 2), HEADS - 1);
    __global const uint4 *from = queries + (size_t)token * QUERY_CHUNKS + head * TILE_CHUNKS + TILE_ITEM % 2 * 4;
#pragma unroll
    for (int i = 0; i < 4; i++)
        q->chunks[i] = tile_load_first(from + i);
    if (TILE_ITEM < TILE_HEADS)
        q->weight = index_weight(head_weights + (size_t)token * PADDED_HEADS, TILE_ITEM);
}

inline void store_query(__local uint4 *block, __local float4 *weights, const query_part *q)
{
    tile_store_half(block, TILE_ITEM / 2, TILE_ITEM % 2, q->chunks);
    if (TILE_ITEM < TILE_HEADS)
        ((__local float *)weights)[TILE_ITEM] = q->weight;
}

/* What of a row a group computes: keys first..last - 1, of which the row sees those up to `position`. */
typedef struct row_part {
    __global float *scores;
    __global const uint4 *cache;
    __global const float *scales;
    int last, position, keys;
} row_part;

/* Scores of the tile that h holds, of which s is this work-item's first key, and the tile TILE_AHEAD further into h. */
inline void score_tile(held *h, const row_part *row, int s, __local const uint4 *block, __local const float4 *weights,
                       __local uint4 *scratch)
{
    uint a[TILE_A];
    int counts[TILE_COUNTS], mine = s + TILE_SCORE_OFFSET;
    float scale = h->scale * TILE_UNIT;
    tile_order(a, h->chunks);
    load_tile(h, row->cache, row->scales, s + TILE_AHEAD * GROUP_KEYS, row->keys);
    tile_product(counts, a, block, scratch);
    float score = index_score(counts, weights, scratch);
    if (TILE_SCORE_QUERY == 0 && mine < row->last)
        row->scores[mine] = mine <= row->position ? score * scale : -INFINITY;
}

/* Scores of a row's keys from `first` on; its query is in local memory; `ahead` holds the first tiles. Written out
 * instead of as a loop over `ahead`: NVIDIA's compiler does not unroll one with a large body, whatever #pragma unroll
 * says. Then `ahead`, indexed by a variable, lies in memory, where it is put as soon as it is loaded: each load is
 * waited for, and takes twice as long. */
inline void score_row(const row_part *row, int first, held ahead[TILE_AHEAD], __local const uint4 *block,
                      __local const float4 *weights, __local uint4 *scratch)
{
    int stop = min(row->last, row->position + 1), s = first + TILE_TEAM_ROW;
    while (first < stop) {
        score_tile(&ahead[0], row, s, block, weights, scratch);
        first += GROUP_KEYS;
        s += GROUP_KEYS;
        if (TILE_AHEAD > 1 && first < stop) {
            score_tile(&ahead[TILE_AHEAD - 1], row, s, block, weights, scratch);
            first += GROUP_KEYS;
            s += GROUP_KEYS;
        }
    }
    for (first += TILE_ITEM; first < row->last; first += ITEMS)
        row->scores[first] = -INFINITY;
}

/* row_tiles: tiles of a row's `keys` keys. */
__kernel TILE_KERNEL void
index_scores_few(__global float *restrict scores, int stride, __global const uint4 *restrict queries,
                 __global const float *restrict head_weights, __global const uint4 *restrict cache,
                 __global const float *restrict scales, __global const int *restrict positions,
                 __global const int *restrict sequences, int sequence_stride, int first_row, int rows, int keys,
                 int row_tiles)
{
    __local uint4 block[TILE_B] __attribute__((aligned(1024))), scratch[TILE_SCRATCH];
    __local float4 weights[QUERY_WEIGHTS];
    uint groups = get_num_groups(0), group = get_group_id(0), total = (uint)rows * (uint)row_tiles;
    uint each = total / groups, rest = total % groups, from = group * each + min(group, rest);
    int left = each + (group < rest), row = from / (uint)row_tiles, tile = from % (uint)row_tiles;
    for (bool again = false; left > 0; again = true, row++, tile = 0) {
        int count = min(left, row_tiles - tile), first = tile * GROUP_KEYS;
        int last = min(first + count * GROUP_KEYS, keys);
        int token = first_row + row;
        size_t base = sequence_stride ? (size_t)sequences[token] * sequence_stride : 0;
        query_part query;
        held ahead[TILE_AHEAD];
        load_query(&query, queries, head_weights, token);
#pragma unroll
        for (int i = 0; i < TILE_AHEAD; i++)
            load_tile(&ahead[i], cache + base * TILE_CHUNKS, scales + base,
                      first + i * GROUP_KEYS + TILE_TEAM_ROW, keys);
        if (again)
            barrier(CLK_LOCAL_MEM_FENCE);
        store_query(block, weights, &query);
        tile_fence();
        barrier(CLK_LOCAL_MEM_FENCE);
        const row_part part = {scores + (size_t)row * stride, cache + base * TILE_CHUNKS, scales + base, last,
                               positions[token], keys};
        score_row(&part, first, ahead, block, weights, scratch);
        left -= count;
    }
}
