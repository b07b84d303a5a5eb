/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* index_scores.cl on matrix units, for many queries of one sequence. A group holds GROUP_KEYS keys in registers and
 * passes rows_a_group queries by them, two a stage: while a stage is computed, the next one is copied into the other
 * half of the ring in local memory. Two signals a half, instead of barriers, let teams drift apart by half a stage, so
 * that one keeps the matrix unit busy while others weigh their counts: `ready`, all of a stage has been copied, and
 * `free`, all products have read it. Built with -D HEADS, ITEMS = 512. */

#define TILE_COLUMNS 128

#include "copy.clh"
#include "index_tile.clh"

#define TILES 2 /* tiles of keys a team */
#define PASS_KEYS (ITEMS / TILE_TEAM * TILE_ROWS)
#define GROUP_KEYS (PASS_KEYS * TILES)
#define STAGE_WEIGHTS (2 * TILE_HEADS)
#define WEIGHT_STAGES 4 /* a stage's weights are read after its products */

/* What a work-item copies: 16-byte chunk ITEM of each query, and, as far as there are such, one weight of a stage. */
typedef struct stream {
    __global const uint4 *from;
    __local uint4 *to;
    __global const float *weights; /* of the query that this item has a weight of */
    __local float *weight_to;
    float weight; /* of the stage after the next */
} stream;

inline void start_stream(stream *in, __global const uint4 *queries, __global const float *head_weights, int token,
                         __local uint4 *ring, __local float4 *weights)
{
    int column = TILE_ITEM / KEY_CHUNKS, chunk = TILE_ITEM % KEY_CHUNKS;
    in->from = queries + (size_t)token * QUERY_CHUNKS + min(column, HEADS - 1) * KEY_CHUNKS + chunk;
    in->to = ring + TILE_CHUNK(column, chunk);
    in->weights = head_weights + (size_t)(token + TILE_ITEM / TILE_HEADS) * PADDED_HEADS;
    in->weight_to = (__local float *)weights + TILE_ITEM;
    in->weight = 0.0f;
}

/* Begins to copy the next stage, of which `left` queries exist, into a half of the ring. */
inline void copy_stage(stream *in, int half_ring, int left)
{
    copy_16(in->to + half_ring * TILE_B, in->from);
    if (left > 1)
        copy_16(in->to + half_ring * TILE_B + TILE_B / 2, in->from + QUERY_CHUNKS);
    in->from += 2 * QUERY_CHUNKS;
}

/* Loads this item's weight of the next stage, of which `left` queries exist. */
inline void load_weight(stream *in, int left)
{
    if (TILE_ITEM < STAGE_WEIGHTS)
        in->weight = left > TILE_ITEM / TILE_HEADS ? index_weight(in->weights, TILE_ITEM % TILE_HEADS) : 0.0f;
    in->weights += 2 * PADDED_HEADS;
}

inline void store_weight(const stream *in, int stage)
{
    if (TILE_ITEM < STAGE_WEIGHTS)
        in->weight_to[(stage & (WEIGHT_STAGES - 1)) * STAGE_WEIGHTS] = in->weight;
}

inline void wait_copies(void)
{
    copy_commit();
    copy_wait(0);
    tile_fence();
}

/* The keys of this work-item, s and s + 8; beyond the last key, the last one again. */
inline void load_keys(uint a[TILE_A], __global const uint *cache, int s, int keys)
{
    __global const uint *low = cache + (size_t)min(s, keys - 1) * (TILE_DEPTH / 4) + TILE_QUARTER;
    __global const uint *high = cache + (size_t)min(s + 8, keys - 1) * (TILE_DEPTH / 4) + TILE_QUARTER;
#pragma unroll
    for (int step = 0; step < 4; step++) {
        a[4 * step] = low[8 * step];
        a[4 * step + 1] = high[8 * step];
        a[4 * step + 2] = low[8 * step + 4];
        a[4 * step + 3] = high[8 * step + 4];
    }
}

/* The score, but for its scale, of query quarter / 2 and key 8 (quarter % 2) of this work-item. */
inline float weigh(const int counts[TILE_COUNTS], __local const float4 *weights, __local uint4 *scratch)
{
    float first[2], second[2];
    index_partial(first, counts, weights + TILE_QUARTER);
    index_partial(second, counts + TILE_HEADS / 2, weights + QUERY_WEIGHTS + TILE_QUARTER);
    float a = index_pairs(first, scratch), b = index_pairs(second, scratch);
    bool upper = TILE_QUARTER > 1;
    return (upper ? b : a) + tile_exchange(upper ? a : b, 2, scratch);
}

/* Whether any of `count` <= ITEMS queries sees key s; if none does, writes their scores of the group's keys. */
inline bool any_sees(__local int *seen, __global const int *positions, int count, int s, int keys,
                     __global float *scores, int stride)
{
    if (TILE_ITEM == 0)
        *seen = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (TILE_ITEM < count && positions[TILE_ITEM] >= s)
        *seen = 1;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (*seen)
        return true;
    for (int i = TILE_ITEM; i < min(GROUP_KEYS, keys - s); i += ITEMS)
        for (int row = 0; row < count; row++)
            scores[(size_t)row * stride + s + i] = -INFINITY;
    return false;
}

/* Groups: dimension 0 GROUP_KEYS keys each, dimension 1 rows_a_group rows each. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void index_scores_many(__global float *restrict scores, int stride, __global const uint4 *restrict queries,
                       __global const float *restrict head_weights, __global const uint *restrict cache,
                       __global const float *restrict scales, __global const int *restrict positions,
                       __global const int *restrict sequences, int sequence_stride, int first_row, int rows, int keys,
                       int rows_a_group)
{
    __local uint4 ring[2 * TILE_B] __attribute__((aligned(1024))), scratch[TILE_SCRATCH];
    __local float4 weights[WEIGHT_STAGES * STAGE_WEIGHTS / 4];
    __local tile_signal ready[2], free[2];
    __local int seen;
    int row = (int)get_group_id(1) * rows_a_group, left = min(rows_a_group, rows - row), token = first_row + row;
    int s = (int)get_group_id(0) * GROUP_KEYS, query = TILE_QUARTER / 2;
    scores += (size_t)row * stride;
    positions += token;
    if (TILE_ITEM == 0)
        for (int i = 0; i < 2; i++) {
            tile_signal_create(&ready[i], ITEMS);
            tile_signal_create(&free[i], ITEMS / 32);
        }
    stream in;
    start_stream(&in, queries, head_weights, token, ring, weights);
    copy_stage(&in, 0, left);
    load_weight(&in, left);
    store_weight(&in, 0);
    load_weight(&in, left - 2);
    size_t base = sequence_stride ? (size_t)sequences[token] * sequence_stride : 0;
    int first = s;
    s += TILE_ITEM / TILE_TEAM * TILE_ROWS + TILE_ROW;
    uint key[TILES][TILE_A];
    float scale[TILES];
#pragma unroll
    for (int t = 0; t < TILES; t++) {
        load_keys(key[t], cache + base * (TILE_DEPTH / 4), s + t * PASS_KEYS, keys);
        scale[t] = scales[base + min(s + t * PASS_KEYS + 8 * (TILE_QUARTER & 1), keys - 1)] * TILE_UNIT;
    }
    wait_copies(); /* and, while all that is under way, for positions */
    if (!any_sees(&seen, positions, left, first, keys, scores, stride))
        return;
    s += 8 * (TILE_QUARTER & 1);
    scores += (size_t)query * stride + s;
    int position = left > query ? positions[query] : 0;
    tile_signal_arrive(&ready[0]);
    for (int stage = 0; left > 0; stage++, left -= 2) {
        int now = stage & 1, next = 1 - now, end = left > query ? keys : 0, visible = position;
        bool more = left > 2;
        tile_signal_wait(&ready[now], stage >> 1 & 1);
        store_weight(&in, stage + 1);
        load_weight(&in, left - 4);
        positions += 2;
        position = left > 2 + query ? positions[query] : 0;
#pragma unroll
        for (int t = 0; t < TILES; t++) {
            int counts[TILE_COUNTS];
            tile_product(counts, key[t], ring + now * TILE_B, scratch);
            if (t == 0 && more) {
                if (stage)
                    tile_signal_wait(&free[next], (stage - 1) >> 1 & 1);
                copy_stage(&in, next, left - 2);
            }
            if (t == TILES - 1 && more) {
                if (TILE_LANE == 0)
                    tile_signal_arrive(&free[now]);
                wait_copies();
                tile_signal_arrive(&ready[next]);
            }
            float score = weigh(counts, weights + (stage & (WEIGHT_STAGES - 1)) * (STAGE_WEIGHTS / 4), scratch);
            tile_pin(score);
            if (s + t * PASS_KEYS < end)
                scores[t * PASS_KEYS] = s + t * PASS_KEYS <= visible ? score * scale[t] : -INFINITY;
        }
        tile_stage_end();
        scores += 2 * (size_t)stride;
    }
}
