/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* index_scores.cl on matrix units, for many queries of one sequence. A group holds GROUP_KEYS keys in registers and
 * passes rows_a_group queries by them, TILE_QUERIES a stage: while a stage is computed, the next one is copied into the
 * other half of the ring in local memory. Two signals a half, instead of barriers, let teams drift apart by half a
 * stage, so that one keeps the matrix unit busy while others weigh their counts: `ready`, all of a stage has been
 * copied, and `free`, all products have read it. Built with -D HEADS, ITEMS <= 512 and GROUP_KEYS. */

#define TILE_COLUMNS TILE_WIDEST

#include "copy.clh"
#include "index_tile.clh"

#define TILES (GROUP_KEYS / PASS_KEYS) /* of keys, a team */
#define COPIES (TILE_B / ITEMS)        /* chunks of a stage a work-item */
#define COPY_COLUMNS (ITEMS / TILE_CHUNKS)
#define HEAD_COPIES (TILE_HEADS / COPY_COLUMNS) /* of a query */
#define STAGE_WEIGHTS (TILE_QUERIES * TILE_HEADS)
#define WEIGHT_STAGES 4 /* a stage's weights are read after its products */

/* What a work-item copies: its chunks of a stage, and, as far as there are such, one weight. */
typedef struct stream {
    __global const uint4 *from[HEAD_COPIES];
    __local uint4 *to;
    uint4 held[COPIES];
    __global const float *weights; /* of the query that this item has a weight of */
    __local float *weight_to;
    float weight; /* of the stage after the next */
} stream;

inline void start_stream(stream *in, __global const uint4 *queries, __global const float *head_weights, int token,
                         __local uint4 *ring, __local float4 *weights)
{
    int column = TILE_ITEM / TILE_CHUNKS, chunk = TILE_ITEM % TILE_CHUNKS;
#pragma unroll
    for (int i = 0; i < HEAD_COPIES; i++) {
        int head = min(TILE_COLUMN_HEAD(column + i * COPY_COLUMNS), HEADS - 1);
        in->from[i] = queries + (size_t)token * QUERY_CHUNKS + head * TILE_CHUNKS + chunk;
    }
    in->to = ring + TILE_CHUNK(column, chunk);
    in->weights = head_weights + (size_t)(token + TILE_ITEM / TILE_HEADS) * PADDED_HEADS;
    in->weight_to = (__local float *)weights + TILE_ITEM;
    in->weight = 0.0f;
}

/* Begins to copy the next stage, of which `left` queries exist, into a half of the ring. */
inline void copy_stage(stream *in, int half_ring, int left)
{
#pragma unroll
    for (int i = 0; i < COPIES; i++)
        if (left > i / HEAD_COPIES)
            copy_begin(in->held[i], in->to + half_ring * TILE_B + i * COPY_COLUMNS * TILE_CHUNKS,
                       in->from[i % HEAD_COPIES] + i / HEAD_COPIES * QUERY_CHUNKS);
#pragma unroll
    for (int i = 0; i < HEAD_COPIES; i++)
        in->from[i] += TILE_QUERIES * QUERY_CHUNKS;
}

/* The second half of such copies, where they go through registers. */
inline void end_copies(const stream *in, int half_ring, int left)
{
#pragma unroll
    for (int i = 0; i < COPIES; i++)
        if (left > i / HEAD_COPIES)
            copy_end(in->held[i], in->to + half_ring * TILE_B + i * COPY_COLUMNS * TILE_CHUNKS);
}

/* Loads this item's weight of the next stage, of which `left` queries exist. */
inline void load_weight(stream *in, int left)
{
    if (TILE_ITEM < STAGE_WEIGHTS)
        in->weight = left > TILE_ITEM / TILE_HEADS ? index_weight(in->weights, TILE_ITEM % TILE_HEADS) : 0.0f;
    in->weights += TILE_QUERIES * PADDED_HEADS;
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

/* s: the first of this work-item's keys; beyond the last key, the last one again. */
inline void load_keys(uint a[TILE_A], __global const uint4 *cache, int s, int keys)
{
    __global const uint4 *rows[TILE_HELD];
#pragma unroll
    for (int j = 0; j < TILE_HELD; j++)
        rows[j] = cache + (size_t)min(s + TILE_HELD_STEP * j, keys - 1) * TILE_CHUNKS;
    tile_load_a(a, rows);
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
__kernel TILE_KERNEL void
index_scores_many(__global float *restrict scores, int stride, __global const uint4 *restrict queries,
                  __global const float *restrict head_weights, __global const uint4 *restrict cache,
                  __global const float *restrict scales, __global const int *restrict positions,
                  __global const int *restrict sequences, int sequence_stride, int first_row, int rows, int keys,
                  int rows_a_group)
{
    __local uint4 ring[2 * TILE_B] __attribute__((aligned(1024))), scratch[TILE_SCRATCH];
    __local float4 weights[WEIGHT_STAGES * STAGE_WEIGHTS / 4];
    __local tile_signal ready[2], free[2];
    __local int seen;
    int row = (int)get_group_id(1) * rows_a_group, left = min(rows_a_group, rows - row), token = first_row + row;
    int s = (int)get_group_id(0) * GROUP_KEYS, query = TILE_SCORE_QUERY;
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
    end_copies(&in, 0, left);
    load_weight(&in, left);
    store_weight(&in, 0);
    load_weight(&in, left - TILE_QUERIES);
    size_t base = sequence_stride ? (size_t)sequences[token] * sequence_stride : 0;
    int first = s;
    s += TILE_TEAM_ROW;
    uint key[TILES][TILE_A];
    float scale[TILES];
#pragma unroll
    for (int t = 0; t < TILES; t++) {
        load_keys(key[t], cache + base * TILE_CHUNKS, s + t * PASS_KEYS, keys);
        scale[t] = scales[base + min(s + t * PASS_KEYS + TILE_SCORE_OFFSET, keys - 1)] * TILE_UNIT;
    }
    wait_copies(); /* and, while all that is under way, for positions */
    if (!any_sees(&seen, positions, left, first, keys, scores, stride))
        return;
    s += TILE_SCORE_OFFSET;
    scores += (size_t)query * stride + s;
    int position = left > query ? positions[query] : 0;
    tile_signal_arrive(&ready[0]);
    for (int stage = 0; left > 0; stage++, left -= TILE_QUERIES) {
        int now = stage & 1, next = 1 - now, end = left > query ? keys : 0, visible = position;
        bool more = left > TILE_QUERIES;
        tile_signal_wait(&ready[now], stage >> 1 & 1);
        store_weight(&in, stage + 1);
        load_weight(&in, left - 2 * TILE_QUERIES);
        positions += TILE_QUERIES;
        position = left > TILE_QUERIES + query ? positions[query] : 0;
#pragma unroll
        for (int t = 0; t < TILES; t++) {
            int counts[TILE_COUNTS];
            tile_product(counts, key[t], ring + now * TILE_B, scratch);
            if (t == 0 && more) {
                if (stage)
                    tile_signal_wait(&free[next], (stage - 1) >> 1 & 1);
                copy_stage(&in, next, left - TILE_QUERIES);
            }
            if (t == TILES - 1 && more) {
                if (TILE_LANE == 0)
                    tile_signal_arrive(&free[now]);
                wait_copies();
                tile_signal_arrive(&ready[next]);
            }
            float score = index_score(counts, weights + (stage & (WEIGHT_STAGES - 1)) * (STAGE_WEIGHTS / 4), scratch);
            tile_pin(score);
            if (s + t * PASS_KEYS < end)
                scores[t * PASS_KEYS] = s + t * PASS_KEYS <= visible ? score * scale[t] : -INFINITY;
        }
        end_copies(&in, next, left - TILE_QUERIES);
        tile_stage_end();
        scores += TILE_QUERIES * (size_t)stride;
    }
}
