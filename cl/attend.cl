/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Multi-query attention in latent space over a list of cached positions: softmax(query . row) over the list, and the
 * mean of the rows' latent parts, online as in FlashAttention (https://arxiv.org/abs/2205.14135, algorithm 1). A group
 * takes one token, HEAD_BLOCK heads and one split of the list, KEY_TILE rows at a time, each read once for all heads.
 * Built with -D HEADS, LATENT, ROPE, HEAD_BLOCK, KEY_TILE, MOST_SPLITS and CACHE_BF16 or CACHE_F32.
 *
 * The two forms of the kernel compute the same; they differ in what a vector or a work-item runs over. */

#include "attend_combine.clh"
#include "dtype.clh"
#include "group.clh"

#define ROW (PADDED_LATENT + (ROPE + 15) / 16 * 16)

/* Where a group's result goes: with one split, the mean to out [T, HEADS, PADDED_LATENT]; else unnormalised sums to
 * scratch [T, HEADS, splits, PADDED_LATENT], behind them (largest score, sum of weights) float2 [T, HEADS, splits]. */
inline size_t result_index(int head, int split)
{
    return (get_group_id(2) * HEADS + head) * get_num_groups(0) + split;
}

inline __global float2 *split_totals(__global float *scratch)
{
    return (__global float2 *)(scratch + get_num_groups(2) * HEADS * get_num_groups(0) * PADDED_LATENT);
}

#if GROUP == 1

/* Vectors run over heads for scores and softmax, over latents for the sums: nothing is summed across a vector. */

typedef VECTOR_JOIN(float, HEAD_BLOCK) headsv;
#define vload_heads VECTOR_JOIN(vload, HEAD_BLOCK)
#define vstore_heads VECTOR_JOIN(vstore, HEAD_BLOCK)

/* Vectors of a cached row, and of its latent part. PoCL stores whole ones at once, but those of vstore in quarters. */
#define ROW_VECTORS (ROW / VECTOR)
#define LATENT_VECTORS (PADDED_LATENT / VECTOR)

/* queries[ROW][HEAD_BLOCK] from query [HEAD_BLOCK, ROW], of which `heads` exist; the others repeat the last. */
inline void load_queries(float *queries, __global const float *query, int heads)
{
    for (int h = 0; h < HEAD_BLOCK; h++)
        for (int i = 0; i < ROW; i++)
            queries[i * HEAD_BLOCK + h] = query[min(h, heads - 1) * ROW + i];
}

/* tile[KEY_TILE][ROW] = the rows at list[first..first + count - 1], or at first.. when list is null; then zeros. */
inline void load_tile(floatv *tile, __global const cache_t *cache, __global const int *list, int first, int count)
{
    for (int key = 0; key < KEY_TILE; key++) {
        if (key >= count) {
            for (int i = 0; i < ROW_VECTORS; i++)
                tile[key * ROW_VECTORS + i] = (floatv)(0.0f);
            continue;
        }
        __global const cache_t *row = cache + (size_t)(list ? list[first + key] : first + key) * ROW;
        for (int i = 0; i < ROW_VECTORS; i++)
            tile[key * ROW_VECTORS + i] = cache_load(row, i * VECTOR);
    }
}

/* weights[KEY_TILE][HEAD_BLOCK] = exp(score - largest) of the tile's rows, of which `count` exist; updates the largest
 * score and the sum of weights; returns what earlier sums must be multiplied by. */
inline headsv weigh_tile(float *weights, headsv *largest, headsv *total, const float *queries, const float *tile,
                         int count)
{
    headsv scores[KEY_TILE];
#pragma unroll
    for (int key = 0; key < KEY_TILE; key++)
        scores[key] = (headsv)(0.0f);
    for (int i = 0; i < ROW; i++) {
        headsv q = vload_heads(i, queries);
#pragma unroll
        for (int key = 0; key < KEY_TILE; key++)
            scores[key] += q * tile[key * ROW + i];
    }
    headsv before = *largest, sum = (headsv)(0.0f);
#pragma unroll
    for (int key = 0; key < KEY_TILE; key++) {
        scores[key] = key < count ? scores[key] : (headsv)(-INFINITY);
        *largest = fmax(*largest, scores[key]);
    }
#pragma unroll
    for (int key = 0; key < KEY_TILE; key++) {
        headsv weight = exp(scores[key] - *largest);
        sum += weight;
        vstore_heads(weight, key, weights);
    }
    headsv factor = exp(before - *largest);
    *total = *total * factor + sum;
    return factor;
}

/* sums[HEAD_BLOCK][PADDED_LATENT] = sums * factors + weights^T tile. */
inline void add_tile(floatv *sums, const float *factors, const float *weights, const floatv *tile)
{
    for (int i = 0; i < LATENT_VECTORS; i++) {
        floatv sum[HEAD_BLOCK];
#pragma unroll
        for (int h = 0; h < HEAD_BLOCK; h++)
            sum[h] = sums[h * LATENT_VECTORS + i] * factors[h];
        for (int key = 0; key < KEY_TILE; key++) {
            floatv latent = tile[key * ROW_VECTORS + i];
#pragma unroll
            for (int h = 0; h < HEAD_BLOCK; h++)
                sum[h] += weights[key * HEAD_BLOCK + h] * latent;
        }
#pragma unroll
        for (int h = 0; h < HEAD_BLOCK; h++)
            sums[h * LATENT_VECTORS + i] = sum[h];
    }
}

/* query [T, HEADS, ROW], cache [capacity, ROW]; the list of token t is selected [T, selected_stride], counts[t] of it,
 * or 0..positions[t] when selected is null. Position 0 of token t is row sequences[t] * sequence_stride of the cache,
 * or row 0 when sequences is null. Groups: splits of `split_length` positions, blocks of heads, tokens. */
__kernel void attend(__global float *out, __global float *scratch, __global const float *query,
                     __global const cache_t *cache, __global const int *positions, __global const int *selected,
                     int selected_stride, __global const int *counts, __global const int *sequences,
                     int sequence_stride, int split_length)
{
    floatv tile[KEY_TILE * ROW_VECTORS], sums[HEAD_BLOCK * LATENT_VECTORS];
    float queries[ROW * HEAD_BLOCK], weights[KEY_TILE * HEAD_BLOCK];
    float factors[HEAD_BLOCK], totals[HEAD_BLOCK], maxima[HEAD_BLOCK];
    size_t token = get_group_id(2);
    int split = get_group_id(0), first_head = (int)get_group_id(1) * HEAD_BLOCK;
    int heads = min(HEADS - first_head, HEAD_BLOCK);
    int length = selected ? counts[token] : positions[token] + 1;
    int last = min(length, (split + 1) * split_length);
    if (sequences)
        cache += (size_t)sequences[token] * sequence_stride * ROW;
    headsv largest = (headsv)(-INFINITY), total = (headsv)(0.0f);
    if (selected)
        selected += token * selected_stride;
    load_queries(queries, query + (token * HEADS + first_head) * ROW, heads);
    for (int i = 0; i < HEAD_BLOCK * LATENT_VECTORS; i++)
        sums[i] = (floatv)(0.0f);
    for (int first = split * split_length; first < last; first += KEY_TILE) {
        load_tile(tile, cache, selected, first, min(KEY_TILE, last - first));
        headsv factor = weigh_tile(weights, &largest, &total, queries, (const float *)tile, last - first);
        vstore_heads(factor, 0, factors);
        add_tile(sums, factors, weights, tile);
    }
    vstore_heads(total, 0, totals);
    vstore_heads(largest, 0, maxima);
    bool whole = get_num_groups(0) == 1;
    for (int h = 0; h < heads; h++) {
        size_t at = result_index(first_head + h, split);
        float factor = whole ? 1.0f / totals[h] : 1.0f;
        __global float *row = (whole ? out : scratch) + at * PADDED_LATENT;
        for (int i = 0; i < LATENT_VECTORS; i++)
            vstorev(sums[h * LATENT_VECTORS + i] * factor, 0, row + i * VECTOR);
        if (!whole)
            split_totals(scratch)[at] = (float2)(maxima[h], totals[h]);
    }
}

#else

/* The tile lies in local memory as stored. For scores a work-item has (row, head) pairs; for sums it has columns of the
 * latents for HEADS_EACH of the heads, in registers. Also built with -D HEAD_PARTS: how many work-items share a
 * column. */

#define TILE_ROW (ROW + 16 / (int)sizeof(cache_t)) /* neighbouring rows start in different banks */
#define HEADS_EACH (HEAD_BLOCK / HEAD_PARTS)
#define COLUMN_STEP (GROUP / HEAD_PARTS)
#define COLUMNS ((PADDED_LATENT + COLUMN_STEP - 1) / COLUMN_STEP)

#if defined(CACHE_BF16)
typedef ushortv cachev;
#else
typedef floatv cachev;
#endif

/* The rows at list[first..first + count - 1], or at first.. when list is null; then zeros. */
inline void load_tile(__local cache_t *tile, __global const cache_t *cache, __global const int *list, int first,
                      int count)
{
    enum { VECTORS = ROW / VECTOR };
    for (int item = get_local_id(0); item < KEY_TILE * VECTORS; item += GROUP) {
        int key = item / VECTORS, i = item % VECTORS * VECTOR;
        cachev values = (cachev)(0);
        if (key < count)
            values = vloadv(0, cache + (size_t)(list ? list[first + key] : first + key) * ROW + i);
        vstorev(values, 0, tile + key * TILE_ROW + i);
    }
}

/* weights[KEY_TILE][HEAD_BLOCK] = the scores of the tile's rows, of which `count` exist, with `heads` heads. */
inline void score_tile(__local float *weights, __global const float *query, __local const cache_t *tile, int count,
                       int heads)
{
    for (int pair = get_local_id(0); pair < KEY_TILE * HEAD_BLOCK; pair += GROUP) {
        int key = pair % KEY_TILE, h = pair / KEY_TILE;
        floatv products = (floatv)(0.0f);
        for (int i = 0; i < ROW; i += VECTOR)
            products += vloadv(0, query + min(h, heads - 1) * ROW + i) * cache_load(tile + key * TILE_ROW, i);
        weights[key * HEAD_BLOCK + h] = key < count ? vector_sum(products) : -INFINITY;
    }
}

/* Scores become exp(score - largest); updates the largest score and the sum of weights of each head, and leaves what
 * earlier sums must be multiplied by. */
inline void weigh_tile(__local float *weights, __local float *maxima, __local float *totals, __local float *factors)
{
    for (int h = get_local_id(0); h < HEAD_BLOCK; h += GROUP) {
        float largest = maxima[h], total = 0.0f;
        for (int key = 0; key < KEY_TILE; key++)
            largest = fmax(largest, weights[key * HEAD_BLOCK + h]);
        for (int key = 0; key < KEY_TILE; key++) {
            float weight = exp(weights[key * HEAD_BLOCK + h] - largest);
            weights[key * HEAD_BLOCK + h] = weight;
            total += weight;
        }
        factors[h] = exp(maxima[h] - largest);
        totals[h] = totals[h] * factors[h] + total;
        maxima[h] = largest;
    }
}

inline void add_tile(float sums[COLUMNS][HEADS_EACH], __local const float *factors, __local const float *weights,
                     __local const cache_t *tile, int column, int first_head)
{
#pragma unroll
    for (int c = 0; c < COLUMNS; c++)
#pragma unroll
        for (int h = 0; h < HEADS_EACH; h++)
            sums[c][h] *= factors[first_head + h];
    for (int key = 0; key < KEY_TILE; key++) {
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            float latent = cache_value(tile + key * TILE_ROW, min(column + c * COLUMN_STEP, PADDED_LATENT - 1));
#pragma unroll
            for (int h = 0; h < HEADS_EACH; h++)
                sums[c][h] += weights[key * HEAD_BLOCK + first_head + h] * latent;
        }
    }
}

__kernel void attend(__global float *out, __global float *scratch, __global const float *query,
                     __global const cache_t *cache, __global const int *positions, __global const int *selected,
                     int selected_stride, __global const int *counts, __global const int *sequences,
                     int sequence_stride, int split_length)
{
    __local cache_t tile[KEY_TILE * TILE_ROW];
    __local float weights[KEY_TILE * HEAD_BLOCK], factors[HEAD_BLOCK], totals[HEAD_BLOCK], maxima[HEAD_BLOCK];
    float sums[COLUMNS][HEADS_EACH];
    size_t token = get_group_id(2);
    int me = get_local_id(0), column = me % COLUMN_STEP, part_head = me / COLUMN_STEP * HEADS_EACH;
    int split = get_group_id(0), first_head = (int)get_group_id(1) * HEAD_BLOCK;
    int heads = min(HEADS - first_head, HEAD_BLOCK);
    int length = selected ? counts[token] : positions[token] + 1;
    int last = min(length, (split + 1) * split_length);
    if (sequences)
        cache += (size_t)sequences[token] * sequence_stride * ROW;
    if (selected)
        selected += token * selected_stride;
    query += (token * HEADS + first_head) * ROW;
    for (int h = me; h < HEAD_BLOCK; h += GROUP) {
        maxima[h] = -INFINITY;
        totals[h] = 0.0f;
    }
    for (int c = 0; c < COLUMNS; c++)
        for (int h = 0; h < HEADS_EACH; h++)
            sums[c][h] = 0.0f;
    for (int first = split * split_length; first < last; first += KEY_TILE) {
        load_tile(tile, cache, selected, first, last - first);
        barrier(CLK_LOCAL_MEM_FENCE);
        score_tile(weights, query, tile, last - first, heads);
        barrier(CLK_LOCAL_MEM_FENCE);
        weigh_tile(weights, maxima, totals, factors);
        barrier(CLK_LOCAL_MEM_FENCE);
        add_tile(sums, factors, weights, tile, column, part_head);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    bool whole = get_num_groups(0) == 1;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++)
#pragma unroll
        for (int h = 0; h < HEADS_EACH; h++) {
            int i = column + c * COLUMN_STEP, head = first_head + part_head + h;
            if (i < PADDED_LATENT && head < HEADS)
                (whole ? out : scratch)[result_index(head, split) * PADDED_LATENT + i] =
                    whole ? sums[c][h] / totals[part_head + h] : sums[c][h];
        }
    for (int h = me; h < heads && !whole; h += GROUP)
        split_totals(scratch)[result_index(first_head + h, split)] = (float2)(maxima[h], totals[h]);
}

#endif

/* out [T, HEADS, PADDED_LATENT] = the mean over all `splits` of attend's scratch. Groups: HEADS, T. */
__kernel void attend_combine(__global float *out, __global const float *scratch, int splits)
{
    COMBINE_SHARED;
    size_t row = get_group_id(1) * HEADS + get_group_id(0), rows = get_num_groups(1) * HEADS;
    combine_splits(out, scratch, row, rows, splits COMBINE_ARGUMENTS);
}
