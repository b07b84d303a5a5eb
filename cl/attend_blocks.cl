/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* attend of attend.cl on matrix units by way of cl/tile.clh, for caches of bfloat16: queries and softmax's weights are
 * rounded to bfloat16, all sums are float32. Built with -D HEADS, LATENT, ROPE, TILE_COLUMNS: the heads of a group,
 * ITEMS, TILE_BF16 and WEIGHT_BF16.
 *
 * A group takes one token, TILE_COLUMNS heads and one split of the list, KEYS rows (a tile) at a time, online as in
 * FlashAttention (https://arxiv.org/abs/2205.14135, algorithm 1). The cache is A of both products, straight from global
 * memory to registers, each value to one work-item, so that no loop over it waits for others:
 *   scores[key, head] = row . query           B: queries, in local memory from the beginning
 *   sums[latent, head] += values^T weights    B: the tile's weights; A: the same rows, across (cl/tile_across.clh)
 * Teams share a tile's keys, and the depth of their scores, for the first, and the latents for the second. */

#include "dtype.clh"
#include "copy.clh"
#include "tile.clh"
#include "tile_across.clh"

#define ROW (LATENT + ROPE)
#define KEYS TILE_DEPTH
#define TEAMS (ITEMS / TILE_TEAM)
#define KEY_TEAMS (KEYS / TILE_ROWS)
#define PARTS (TEAMS / KEY_TEAMS) /* teams with the same keys: each takes every PARTS-th step of TILE_DEPTH columns */
#define STEPS (ROW / TILE_DEPTH)
#define ROUNDS ((STEPS + PARTS - 1) / PARTS)
#if ROUNDS > 3 || TILE_HELD_ROWS > 8 /* unrolled, these would need too many registers */
#define ROUNDS_UNROLL _Pragma("unroll 1")
#else
#define ROUNDS_UNROLL MATRIX_UNROLL
#endif
#define STEP (TILE_COLUMNS * TILE_DEPTH) /* elements of B */
#define WHOLE_ROWS INT_MAX /* no row ends within a step */
#define LATENT_TILES (LATENT / (TEAMS * TILE_ROWS))

/* Where in B a row has what belongs at that place. */
#define B_PLACE(row, place) (TILE_CHUNK(row, (place) / TILE_CHUNK_ELEMENTS) + (place) % TILE_CHUNK_ELEMENTS)

/* Where a head's scores begin in local memory: work-items that store or load together meet different banks. */
#define SCORES (KEYS + 4)

/* In softmax a head belongs to SLOTS work-items, with each SLOTS-th key. */
#define SLOTS (ITEMS / TILE_COLUMNS)
#define SLOT_KEYS (KEYS / SLOTS)
#define FACTOR(head) ((head)*SLOTS)

/* queries[STEPS][TILE_COLUMNS][TILE_DEPTH] as B from query [heads, ROW]; heads beyond repeat the last. */
inline void load_queries(__local tile_b *queries, __global const float *query, int heads)
{
    for (int i = get_local_id(0); i < TILE_COLUMNS * ROW; i += ITEMS) {
        int head = i / ROW, step = i % ROW / TILE_DEPTH, place = i % TILE_DEPTH;
        float value = query[(size_t)min(head, heads - 1) * ROW + step * TILE_DEPTH + tile_b_source(place)];
        queries[step * STEP + B_PLACE(head, place)] = bf16_round(value);
    }
}

/* The team's part of the products for scores: which keys of the tile, which steps. */
inline int first_key(void)
{
    return TILE_TEAM_INDEX % KEY_TEAMS * TILE_ROWS;
}

inline int first_step(void)
{
    return TILE_TEAM_INDEX / KEY_TEAMS;
}

/* raw = `step` of the team's keys; rows[KEYS]: where the tile's rows begin in the cache. */
inline void load_keys(uint raw[TILE_RAW], __global const weight_t *cache, __local const uint *rows, int step)
{
    __global const weight_t *held[TILE_HELD_ROWS];
    MATRIX_UNROLL
    for (int j = 0; j < TILE_HELD_ROWS; j++)
        held[j] = cache + rows[first_key() + tile_held_row(j)];
    tile_load_rows(raw, held, step * TILE_DEPTH, WHOLE_ROWS);
}

/* Asks for all steps of rows but those that teams load first. */
inline void look_ahead(__global const weight_t *cache, __local const uint *rows)
{
    for (int i = get_local_id(0); i < KEYS * (STEPS - PARTS); i += ITEMS)
        prefetch_line(cache + rows[i % KEYS] + (PARTS + i / KEYS) * TILE_DEPTH);
}

/* sums = the team's part of its keys' scores, of which raw holds the first step. */
inline void multiply_keys(float sums[TILE_SUMS], uint raw[TILE_RAW], __local const tile_b *queries,
                          __global const weight_t *cache, __local const uint *rows, __local tile_b *scratch)
{
    uint a[TILE_A];
    const float unused[TILE_HELD_ROWS] = {0};
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
    ROUNDS_UNROLL
    for (int round = 0; round < ROUNDS; round++) {
        int step = round * PARTS + first_step();
        tile_convert(a, raw, unused);
        if (step + PARTS < STEPS)
            load_keys(raw, cache, rows, step + PARTS);
#ifdef TILE_EMULATED /* for all teams at once, those that have nothing left with zeros */
        for (int i = 0; i < TILE_A; i++)
            a[i] = step < STEPS ? a[i] : 0;
#else
        if (step < STEPS)
#endif
            tile_multiply(sums, a, queries + min(step, STEPS - 1) * STEP, scratch);
    }
}

/* scores[TILE_COLUMNS][SCORES] = the parts of all teams, one after the other: in a turn each team adds another share of
 * its sums, so that all have something to do. */
inline void add_scores(__local float *scores, const float sums[TILE_SUMS])
{
    for (int turn = 0; turn < PARTS; turn++) {
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS; i++) {
            __local float *score = scores + TILE_COLUMN(i) * SCORES + first_key() + TILE_ROW(i);
            if ((i * PARTS / TILE_SUMS + turn) % PARTS == first_step())
                *score = turn ? *score + sums[i] : sums[i];
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* What a work-item knows of its head's softmax: the largest score so far, the sum of its own keys' weights. */
typedef struct softmax {
    float largest, total;
} softmax;

/* bf16_round without a branch, for what can be no other NaN than the usual one. */
inline tile_b weight_round(float weight)
{
    uint u = as_uint(weight);
    return (tile_b)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

/* Scores of a tile, of which `count` keys exist, become its weights as B, in the same memory, and factors[ITEMS] what
 * earlier sums must be multiplied by, that of a head at FACTOR(head). maxima[ITEMS]: scratch. */
inline void weigh_tile(softmax *s, __local float *scores, __local float *factors, __local float *maxima, int count)
{
    int head = (int)get_local_id(0) / SLOTS, slot = (int)get_local_id(0) % SLOTS;
    __local tile_b *weights = (__local tile_b *)scores;
    float own[SLOT_KEYS], largest = s->largest;
    for (int i = 0; i < SLOT_KEYS; i++) {
        int key = tile_b_source(slot + i * SLOTS);
        own[i] = scores[head * SCORES + key];
        own[i] = key < count ? own[i] : -INFINITY;
        largest = fmax(largest, own[i]);
    }
    maxima[get_local_id(0)] = largest;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < SLOTS; i++)
        largest = fmax(largest, maxima[head * SLOTS + i]);
    float factor = exp(s->largest - largest);
    s->largest = largest;
    s->total *= factor;
    for (int i = 0; i < SLOT_KEYS; i++) {
        int place = slot + i * SLOTS;
        tile_b weight = weight_round(exp(own[i] - largest));
        s->total += bf16_value(weight);
        weights[B_PLACE(head, place)] = weight;
    }
    factors[get_local_id(0)] = factor;
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* The latents of this team begin there. */
inline int first_latent(void)
{
    return TILE_TEAM_INDEX * LATENT_TILES * TILE_ROWS;
}

/* raw = ACROSS_TILES of the team's tiles of latents, from tile t on, of the rows. */
inline void load_values(uint raw[ACROSS_TILES][TILE_RAW], __global const weight_t *cache, __local const uint *rows,
                        int t)
{
    tile_load_across(raw, cache + first_latent() + t * TILE_ROWS, rows);
}

/* sums[latents][heads] = sums * factors + values^T weights. raw: the first values. */
inline void add_tile(float sums[LATENT_TILES][TILE_SUMS], uint raw[ACROSS_TILES][TILE_RAW], uint keys[TILE_RAW],
                     __local const tile_b *weights, __local const float *factors, __global const weight_t *cache,
                     __local const uint *rows, __local const uint *next, __local tile_b *scratch)
{
    uint a[TILE_A];
    const float unused[TILE_HELD_ROWS] = {0};
    MATRIX_UNROLL
    for (int t = 0; t < LATENT_TILES; t++) {
        tile_convert(a, raw[t % ACROSS_TILES], unused);
        if ((t + 1) % ACROSS_TILES == 0 && t + 1 < LATENT_TILES)
            load_values(raw, cache, rows, t + 1);
        if (t + 1 == LATENT_TILES)
            load_keys(keys, cache, next, first_step());
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS; i++)
            sums[t][i] *= factors[FACTOR(TILE_COLUMN(i))];
        tile_multiply(sums[t], a, weights, scratch);
    }
}

/* factors[ITEMS] = what makes means of the sums, where they are `whole`; else 1. Returns the head's sum of weights. */
inline float finish_totals(const softmax *s, __local float *factors, __local float *totals, bool whole)
{
    int head = (int)get_local_id(0) / SLOTS;
    float total = 0.0f;
    totals[get_local_id(0)] = s->total;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < SLOTS; i++)
        total += totals[head * SLOTS + i];
    factors[get_local_id(0)] = whole ? 1.0f / total : 1.0f;
    barrier(CLK_LOCAL_MEM_FENCE);
    return total;
}

/* A group's results: with one split, the mean to out [T, HEADS, LATENT]; else sums and totals to scratch as attend.cl
 * has them, for attend_combine. */
inline void store_results(__global float *out, __global float *scratch, float sums[LATENT_TILES][TILE_SUMS],
                          const softmax *s, __local float *factors, __local float *totals, int heads)
{
    size_t splits = get_num_groups(1), all_heads = get_num_groups(2) * HEADS;
    size_t first = (get_group_id(2) * HEADS + get_group_id(0) * TILE_COLUMNS) * splits + get_group_id(1);
    bool whole = splits == 1;
    int head = (int)get_local_id(0) / SLOTS;
    float total = finish_totals(s, factors, totals, whole);
    __global float *to = (whole ? out : scratch) + first * LATENT + first_latent();
    MATRIX_UNROLL
    for (int t = 0; t < LATENT_TILES; t += ACROSS_TILES)
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS / TILE_HELD_ROWS; i++) {
            int column = TILE_COLUMN(TILE_SUM(0, i));
            if (column < heads)
                tile_store_across(to + column * splits * LATENT + t * TILE_ROWS, sums + t, i, factors[FACTOR(column)]);
        }
    if (!whole && head < heads && get_local_id(0) % SLOTS == 0)
        ((__global float2 *)(scratch + all_heads * splits * LATENT))[first + head * splits] =
            (float2)(s->largest, total);
}

/* Where row i of the list of `count` rows begins in a cache; behind the list's end the last one again. */
inline uint row_of(__global const int *selected, int first, int i, int count)
{
    i = first + min(i, count - 1);
    return (uint)(selected ? selected[i] : i) * ROW;
}

/* Arguments as of attend in attend.cl. Groups: blocks of TILE_COLUMNS heads, splits of `split_length` positions, a
 * multiple of KEYS, tokens. */
__kernel TILE_KERNEL void
attend_blocks(__global float *out, __global float *scratch, __global const float *query,
              __global const weight_t *cache, __global const int *positions, __global const int *selected,
              int selected_stride, __global const int *counts, __global const int *sequences, int sequence_stride,
              int split_length)
{
    __local __attribute__((aligned(1024))) tile_b queries[STEPS * STEP + TILE_SCRATCH];
    __local __attribute__((aligned(1024))) float scores[TILE_COLUMNS * SCORES];
    __local float factors[ITEMS], maxima[ITEMS];
    __local __attribute__((aligned(16))) uint rows[2 * KEYS];
    __local tile_b *team_scratch = queries + STEPS * STEP;
    uint keys[TILE_RAW], values[ACROSS_TILES][TILE_RAW]; /* of what comes next: loads take as long as barriers */
    float sums[LATENT_TILES][TILE_SUMS];
    softmax s;
    size_t token = get_group_id(2);
    int me = get_local_id(0), first_head = (int)get_group_id(0) * TILE_COLUMNS;
    int heads = min(HEADS - first_head, TILE_COLUMNS), first = (int)get_group_id(1) * split_length;
    int count = min((selected ? counts[token] : positions[token] + 1) - first, split_length);
    if (sequences)
        cache += (size_t)sequences[token] * sequence_stride * ROW;
    if (selected)
        selected += token * selected_stride;
    MATRIX_UNROLL
    for (int t = 0; t < LATENT_TILES; t++)
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS; i++)
            sums[t][i] = 0.0f;
    s.largest = -INFINITY;
    s.total = 0.0f;
    load_queries(queries, query + (token * HEADS + first_head) * ROW, heads);
    if (me < KEYS && count > 0)
        rows[me] = row_of(selected, first, me, count);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (count > 0)
        load_keys(keys, cache, rows, first_step());
    for (int begin = 0, now = 0; begin < count; begin += KEYS, now = KEYS - now) {
        uint next = me < KEYS ? row_of(selected, first, begin + KEYS + me, count) : 0;
        float parts[TILE_SUMS];
        multiply_keys(parts, keys, queries, cache, rows + now, team_scratch);
        if (me < KEYS)
            rows[KEYS - now + me] = next;
        add_scores(scores, parts);
        load_values(values, cache, rows + now, 0);
        weigh_tile(&s, scores, factors, maxima, count - begin);
        look_ahead(cache, rows + KEYS - now);
        add_tile(sums, values, keys, (__local const tile_b *)scores, factors, cache, rows + now, rows + KEYS - now,
                 team_scratch);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    store_results(out, scratch, sums, &s, factors, maxima, heads);
}
