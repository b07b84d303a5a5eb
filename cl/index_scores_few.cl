/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* index_scores.cl on matrix units, for few queries, each of a sequence of its own or not: bound by reading keys. The
 * rows' tiles of TILE_ROWS keys form one list, row after row, that is shared out evenly among the groups, however many
 * there are; of its part a group takes one row after the other. Keys go from global memory straight into registers,
 * AHEAD tiles ahead; the query lies in local memory. Built with -D HEADS, ITEMS = 128: one team a group. */

#define TILE_COLUMNS 64

#include "index_tile.clh"

#define AHEAD 2
#define WORD(v, i) ((i) == 0 ? (v).x : (i) == 1 ? (v).y : (i) == 2 ? (v).z : (v).w)

/* What a work-item holds of a tile of keys, as it is loaded: of both of its keys chunks `quarter` and `quarter` + 4. */
typedef struct held {
    uint4 low[2], high[2];
    float scale; /* of key 8 (quarter % 2) */
} held;

inline void load_tile(held *h, __global const uint4 *cache, __global const float *scales, int s, int keys)
{
    __global const uint4 *low = cache + (size_t)min(s, keys - 1) * KEY_CHUNKS + TILE_QUARTER;
    __global const uint4 *high = cache + (size_t)min(s + 8, keys - 1) * KEY_CHUNKS + TILE_QUARTER;
    h->low[0] = tile_load_once(low);
    h->low[1] = tile_load_once(low + 4);
    h->high[0] = tile_load_once(high);
    h->high[1] = tile_load_once(high + 4);
    h->scale = scales[min(s + 8 * (TILE_QUARTER & 1), keys - 1)];
}

/* The words in the order of TILE_A: a step takes two words of each row's chunk, the first as the step's lower half. So
 * the values of a row are numbered anew, which store_query does likewise. */
inline void order_words(uint a[TILE_A], const held *h)
{
#pragma unroll
    for (int step = 0; step < 4; step++)
#pragma unroll
        for (int j = 0; j < 2; j++) {
            a[4 * step + 2 * j] = WORD(h->low[step / 2], step % 2 * 2 + j);
            a[4 * step + 2 * j + 1] = WORD(h->high[step / 2], step % 2 * 2 + j);
        }
}

/* A work-item's part of a query: half of the values of head ITEM / 2, and a weight. */
typedef struct query_part {
    uint4 chunks[4];
    float weight;
} query_part;

inline void load_query(query_part *q, __global const uint4 *queries, __global const float *head_weights, int token)
{
    __global const uint4 *from = queries + (size_t)token * QUERY_CHUNKS + min(TILE_ITEM / 2, HEADS - 1) * KEY_CHUNKS +
                                 TILE_ITEM % 2 * 4;
#pragma unroll
    for (int i = 0; i < 4; i++)
        q->chunks[i] = tile_load_first(from + i);
    if (TILE_ITEM < TILE_HEADS)
        q->weight = index_weight(head_weights + (size_t)token * PADDED_HEADS, TILE_ITEM);
}

/* Word j of each of 4 chunks, which the quarters hold, makes chunk j of the half in B. */
inline void store_query(__local uint4 *block, __local float4 *weights, const query_part *q)
{
#pragma unroll
    for (int j = 0; j < 4; j++)
        block[TILE_CHUNK(TILE_ITEM / 2, TILE_ITEM % 2 * 4 + j)] =
            (uint4)(WORD(q->chunks[0], j), WORD(q->chunks[1], j), WORD(q->chunks[2], j), WORD(q->chunks[3], j));
    if (TILE_ITEM < TILE_HEADS)
        ((__local float *)weights)[TILE_ITEM] = q->weight;
}

/* Scores of keys first..last - 1 of one row, whose query is in local memory; `ahead` holds the first tiles. */
inline void score_row(__global float *scores, __global const uint4 *cache, __global const float *scales, int first,
                      int last, int position, int keys, held ahead[AHEAD], __local const uint4 *block,
                      __local const float4 *weights, __local uint4 *scratch)
{
    int stop = min(last, position + 1), s = first + TILE_ROW;
    while (first < stop) {
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            uint a[TILE_A];
            int counts[TILE_COUNTS];
            float partial[2], scale = ahead[i].scale * TILE_UNIT;
            order_words(a, &ahead[i]);
            load_tile(&ahead[i], cache, scales, s + AHEAD * TILE_ROWS, keys);
            tile_product(counts, a, block, scratch);
            index_partial(partial, counts, weights + TILE_QUARTER);
            float pairs = index_pairs(partial, scratch);
            float score = pairs + tile_exchange(pairs, 2, scratch);
            int mine = s + 8 * (TILE_QUARTER & 1);
            if (TILE_QUARTER < 2 && mine < last)
                scores[mine] = mine <= position ? score * scale : -INFINITY;
            s += TILE_ROWS;
            first += TILE_ROWS;
            if (first >= stop)
                break;
        }
    }
    for (first += TILE_ITEM; first < last; first += ITEMS)
        scores[first] = -INFINITY;
}

/* row_tiles: tiles of a row's `keys` keys. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void index_scores_few(__global float *restrict scores, int stride, __global const uint4 *restrict queries,
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
        int count = min(left, row_tiles - tile), first = tile * TILE_ROWS, last = min(first + count * TILE_ROWS, keys);
        int token = first_row + row;
        size_t base = sequence_stride ? (size_t)sequences[token] * sequence_stride : 0;
        query_part part;
        held ahead[AHEAD];
        load_query(&part, queries, head_weights, token);
#pragma unroll
        for (int i = 0; i < AHEAD; i++)
            load_tile(&ahead[i], cache + base * KEY_CHUNKS, scales + base, first + i * TILE_ROWS + TILE_ROW, keys);
        if (again)
            barrier(CLK_LOCAL_MEM_FENCE);
        store_query(block, weights, &part);
        tile_fence();
        barrier(CLK_LOCAL_MEM_FENCE);
        score_row(scores + (size_t)row * stride, cache + base * KEY_CHUNKS, scales + base, first, last,
                  positions[token], keys, ahead, block, weights, scratch);
        left -= count;
    }
}
