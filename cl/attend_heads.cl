/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Causal attention of consecutive queries of one sequence to keys and values of each head's own (multi-head form):
 *   out[t, h] = softmax over s of ([q_nope; q_pe][t, h] . [k[s, h]; k_pe[s]]) v[s, h],  s up to the query's position,
 * online as in FlashAttention (https://arxiv.org/abs/2205.14135, algorithm 1). A launch brings some positions, one
 * after the other; between launches a query's unnormalised sums stay in out, its largest score and the sum of its
 * weights in totals. A group takes one head and QUERIES queries, and KEYS positions (a tile) at a time, whose weights
 * all its queries share. Built with -D HEADS, NOPE, ROPE, VALUE, LATENT.
 *
 * The two forms of the kernel compute the same; they differ in what a vector or a work-item runs over. */

#include "vector.clh"

#define PADDED(n) (((n) + 15) / 16 * 16)
#define KEY_WIDTH PADDED(NOPE)
#define ROPE_WIDTH PADDED(ROPE)
#define QUERY_WIDTH (KEY_WIDTH + ROPE_WIDTH)
#define VALUE_WIDTH PADDED(VALUE)
#define ROW (PADDED(LATENT) + ROPE_WIDTH)
#define Q_STRIDE PADDED(HEADS *(NOPE + ROPE))
#define OUT_STRIDE PADDED(HEADS *VALUE)

/* The queries and the positions of a launch: those of its first ones, and how many there are. */
typedef struct range {
    int query_position, queries, key_position, keys;
} range;

/* Element i of the query of a token and head: what a head's key and the rotated key have, one behind the other. q
 * [T, Q_STRIDE], not yet scaled; query [T, HEADS, ROW], whose part behind the latents is rotated and scaled. */
inline float query_element(__global const float *q, __global const float *query, int token, int head, int i,
                           float scale)
{
    if (i >= KEY_WIDTH)
        return query[((size_t)token * HEADS + head) * ROW + PADDED(LATENT) + i - KEY_WIDTH];
    return i < NOPE ? q[(size_t)token * Q_STRIDE + head * (NOPE + ROPE) + i] * scale : 0.0f;
}

/* How many of the launch's positions the queries up to that token attend to. */
inline int visible(range r, int token)
{
    return min(r.query_position + min(token, r.queries - 1) + 1 - r.key_position, r.keys);
}

/* Whether no later launch has positions for the queries up to that token. */
inline bool is_finished(range r, int token)
{
    return r.query_position + min(token, r.queries - 1) < r.key_position + r.keys;
}

#if GROUP == 1

/* Vectors run over queries for scores and softmax, over values for the sums: nothing is summed across a vector. */

#define QUERIES VECTOR
#define KEYS (VECTOR == 16 ? 16 : 8) /* whose scores stay in registers */
#define VALUE_VECTORS (VALUE_WIDTH / VECTOR)

/* scores[KEYS] += queries[width][QUERIES] . rows[KEYS][stride] */
__attribute__((always_inline)) inline void add_scores(floatv scores[KEYS], const float *queries,
                                                      __global const float *rows, int stride, int width)
{
    for (int i = 0; i < width; i++) {
        floatv q = vloadv(i, queries);
#pragma unroll
        for (int key = 0; key < KEYS; key++)
            scores[key] += q * rows[key * stride + i];
    }
}

/* weights[KEYS][QUERIES] = exp(score - largest) of the tile's positions, of which each query sees `counts`; updates the
 * largest score and the sum of weights; returns what earlier sums must be multiplied by. What lies in keys and rows
 * behind the launch's positions is memory of theirs, and read for nothing. */
inline floatv weigh_tile(floatv *weights, floatv *largest, floatv *total, const float *queries,
                         __global const float *keys, __global const float *rows, intv counts)
{
    floatv scores[KEYS], before = *largest, sum = (floatv)(0.0f);
#pragma unroll
    for (int key = 0; key < KEYS; key++)
        scores[key] = (floatv)(0.0f);
    add_scores(scores, queries, keys, KEY_WIDTH, KEY_WIDTH);
    add_scores(scores, queries + KEY_WIDTH * QUERIES, rows + PADDED(LATENT), ROW, ROPE_WIDTH);
#pragma unroll
    for (int key = 0; key < KEYS; key++) {
        scores[key] = select((floatv)(-INFINITY), scores[key], key < counts);
        *largest = fmax(*largest, scores[key]);
    }
#pragma unroll
    for (int key = 0; key < KEYS; key++) {
        weights[key] = exp(scores[key] - *largest);
        sum += weights[key];
    }
    floatv factor = exp(before - *largest);
    *total = *total * factor + sum;
    return factor;
}

/* sums[QUERIES][VALUE_WIDTH] = sums * factors + weights^T values, of `count` positions. */
inline void add_tile(floatv *sums, const float *factors, const float *weights, __global const float *values, int count)
{
    for (int i = 0; i < VALUE_VECTORS; i++) {
        floatv sum[QUERIES];
#pragma unroll
        for (int q = 0; q < QUERIES; q++)
            sum[q] = sums[q * VALUE_VECTORS + i] * factors[q];
        for (int key = 0; key < count; key++) {
            floatv value = vloadv(0, values + key * VALUE_WIDTH + i * VECTOR);
#pragma unroll
            for (int q = 0; q < QUERIES; q++)
                sum[q] += weights[key * QUERIES + q] * value;
        }
#pragma unroll
        for (int q = 0; q < QUERIES; q++)
            sums[q * VALUE_VECTORS + i] = sum[q];
    }
}

/* keys [HEADS, capacity, KEY_WIDTH], values [HEADS, capacity, VALUE_WIDTH] and rows [capacity, ROW] of the launch's
 * positions, of rows the rotated keys; out [T, OUT_STRIDE], totals [T, HEADS]. Groups: tiles of queries, heads. */
__kernel void attend_heads(__global float *out, __global float2 *totals, __global const float *q,
                           __global const float *query, __global const float *keys, __global const float *values,
                           __global const float *rows, int capacity, int query_position, int queries, int key_position,
                           int key_count, float scale)
{
    const range r = {query_position, queries, key_position, key_count};
    int head = (int)get_group_id(1), first = ((int)get_num_groups(0) - 1 - (int)get_group_id(0)) * QUERIES;
    int here = min(QUERIES, queries - first), end = visible(r, first + QUERIES - 1);
    floatv sums[QUERIES * VALUE_VECTORS], own[QUERY_WIDTH], weights[KEYS], factors, largest, total;
    float *sum = (float *)sums, *own_queries = (float *)own;
    if (end <= 0) /* all are positions behind those of the queries */
        return;
    largest = (floatv)(-INFINITY);
    total = (floatv)(0.0f);
    for (int i = 0; i < QUERIES * VALUE_VECTORS; i++)
        sums[i] = (floatv)(0.0f);
    for (int t = 0; t < QUERIES; t++)
        for (int i = 0; i < QUERY_WIDTH; i++)
            own_queries[i * QUERIES + t] = query_element(q, query, min(first + t, queries - 1), head, i, scale);
    totals += first * HEADS + head;
    out += (size_t)first * OUT_STRIDE + head * VALUE;
    for (int t = 0; t < here && key_position > 0; t++) {
        ((float *)&largest)[t] = totals[t * HEADS].x;
        ((float *)&total)[t] = totals[t * HEADS].y;
        for (int i = 0; i < VALUE; i++)
            sum[t * VALUE_WIDTH + i] = out[t * OUT_STRIDE + i];
    }
    keys += (size_t)head * capacity * KEY_WIDTH;
    values += (size_t)head * capacity * VALUE_WIDTH;
    intv counts = min(query_position + first + 1 - key_position + VECTOR_NUMBERS, key_count);
    for (int key = 0; key < end; key += KEYS) {
        factors = weigh_tile(weights, &largest, &total, own_queries, keys + key * KEY_WIDTH, rows + key * ROW,
                             counts - key);
        add_tile(sums, (const float *)&factors, (const float *)weights, values + key * VALUE_WIDTH,
                 min(end - key, KEYS));
    }
    bool finished = is_finished(r, first + QUERIES - 1);
    factors = finished ? 1.0f / total : (floatv)(1.0f);
    for (int t = 0; t < here; t++) {
        for (int i = 0; i < VALUE; i++)
            out[t * OUT_STRIDE + i] = sum[t * VALUE_WIDTH + i] * ((float *)&factors)[t];
        if (!finished)
            totals[t * HEADS] = (float2)(((float *)&largest)[t], ((float *)&total)[t]);
    }
}

#else

/* Both products by tiles of EACH x EACH or EACH x VALUE_EACH sums of a work-item, from slices of DEPTH columns, or
 * positions, in local memory. Work-items stand in COLUMNS columns; a row of them shares EACH queries. */

#define COLUMNS 16
#define EACH 4
#define QUERIES (GROUP / COLUMNS * EACH)
#define KEYS (COLUMNS * EACH)
#define DEPTH 16
#define VALUE_EACH (VALUE_WIDTH / COLUMNS)
#define QUERY_ROW (QUERIES + 4) /* neighbouring rows start in different banks */
#define KEY_ROW (KEYS + 4)
#define PARTS (GROUP / QUERIES) /* work-items that share a query in softmax */

#define SCORE_SLICES (DEPTH * (QUERY_ROW + KEY_ROW))
#define VALUE_SLICE (DEPTH * VALUE_WIDTH)
#define SLICES (SCORE_SLICES > VALUE_SLICE ? SCORE_SLICES : VALUE_SLICE)

/* slice[DEPTH][QUERY_ROW] = columns depth.. of the group's queries, behind them the same of the tile's keys, of which
 * `count` exist. */
inline void load_slices(__local float *slice, __global const float *q, __global const float *query, int first,
                        int queries, int head, float scale, __global const float *keys, __global const float *rows,
                        int count, int depth)
{
    for (int i = get_local_id(0); i < QUERIES * DEPTH; i += GROUP)
        slice[i % DEPTH * QUERY_ROW + i / DEPTH] =
            query_element(q, query, min(first + i / DEPTH, queries - 1), head, depth + i % DEPTH, scale);
    slice += DEPTH * QUERY_ROW;
    bool rope = depth >= KEY_WIDTH;
    for (int i = get_local_id(0); i < KEYS * DEPTH; i += GROUP) {
        int key = min(i / DEPTH, count - 1), column = depth + i % DEPTH;
        slice[i % DEPTH * KEY_ROW + i / DEPTH] =
            rope ? rows[key * ROW + PADDED(LATENT) + column - KEY_WIDTH] : keys[key * KEY_WIDTH + column];
    }
}

/* scores[EACH] += queries . keys of a slice: of each of the work-item's queries with its EACH keys. */
inline void multiply_slice(float4 scores[EACH], __local const float *slice, int row, int column)
{
#pragma unroll 4
    for (int i = 0; i < DEPTH; i++) {
        float4 own = vload4(row, slice + i * QUERY_ROW);
        float4 keys = vload4(column, slice + DEPTH * QUERY_ROW + i * KEY_ROW);
        scores[0] += own.x * keys;
        scores[1] += own.y * keys;
        scores[2] += own.z * keys;
        scores[3] += own.w * keys;
    }
}

/* weights[KEYS][QUERY_ROW] = scores, -INFINITY where there is no position or a query doesn't see it: there are `count`,
 * the first query sees `seen`, each other one more. */
inline void store_scores(__local float *weights, const float4 scores[EACH], int row, int column, int seen, int count)
{
#pragma unroll
    for (int t = 0; t < EACH; t++) {
        float own[4] = {scores[t].x, scores[t].y, scores[t].z, scores[t].w};
#pragma unroll
        for (int k = 0; k < EACH; k++) {
            int query = row * EACH + t, key = column * EACH + k;
            weights[key * QUERY_ROW + query] = key < min(seen + query, count) ? own[k] : -INFINITY;
        }
    }
}

/* What a work-item knows of its query's softmax: the largest score so far, the sum of its own keys' weights. */
typedef struct softmax {
    float largest, total;
} softmax;

/* Scores become exp(score - largest), factors[QUERIES] what earlier sums must be multiplied by. maxima[GROUP]:
 * scratch. */
inline void weigh_tile(softmax *s, __local float *weights, __local float *factors, __local float *maxima)
{
    int query = (int)get_local_id(0) % QUERIES, part = (int)get_local_id(0) / QUERIES;
    float largest = s->largest;
    for (int key = part; key < KEYS; key += PARTS)
        largest = fmax(largest, weights[key * QUERY_ROW + query]);
    maxima[get_local_id(0)] = largest;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < PARTS; i++)
        largest = fmax(largest, maxima[i * QUERIES + query]);
    float factor = exp(s->largest - largest);
    s->largest = largest;
    s->total *= factor;
    for (int key = part; key < KEYS; key += PARTS) {
        float weight = exp(weights[key * QUERY_ROW + query] - largest);
        weights[key * QUERY_ROW + query] = weight;
        s->total += weight;
    }
    if (part == 0)
        factors[query] = factor;
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* sums[EACH][VALUE_EACH] = sums * factors + weights^T values, of `count` positions. */
inline void add_tile(float sums[EACH][VALUE_EACH], __local float *slice, __local const float *weights,
                     __local const float *factors, __global const float *values, int count, int row, int column)
{
#pragma unroll
    for (int t = 0; t < EACH; t++)
#pragma unroll
        for (int c = 0; c < VALUE_EACH; c++)
            sums[t][c] *= factors[row * EACH + t];
#pragma unroll 1
    for (int first = 0; first < KEYS; first += DEPTH) {
        for (int i = get_local_id(0); i < VALUE_SLICE; i += GROUP)
            slice[i] = first + i / VALUE_WIDTH < count ? values[first * VALUE_WIDTH + i] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 4
        for (int key = 0; key < DEPTH; key++) {
            float4 own = vload4(row, weights + (first + key) * QUERY_ROW);
#pragma unroll
            for (int c = 0; c < VALUE_EACH; c++) {
                float value = slice[key * VALUE_WIDTH + c * COLUMNS + column];
                sums[0][c] += own.x * value;
                sums[1][c] += own.y * value;
                sums[2][c] += own.z * value;
                sums[3][c] += own.w * value;
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* The sum of weights of the work-item's query: that of all its keys. totals[GROUP]: scratch. */
inline float add_totals(float own, __local float *totals)
{
    float total = 0.0f;
    totals[get_local_id(0)] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < PARTS; i++)
        total += totals[i * QUERIES + (int)get_local_id(0) % QUERIES];
    return total;
}

/* Arguments and groups as above. */
__kernel void attend_heads(__global float *out, __global float2 *totals, __global const float *q,
                           __global const float *query, __global const float *keys, __global const float *values,
                           __global const float *rows, int capacity, int query_position, int queries, int key_position,
                           int key_count, float scale)
{
    __local __attribute__((aligned(16))) float slice[SLICES], weights[KEYS * QUERY_ROW];
    __local float factors[QUERIES], scratch[GROUP];
    const range r = {query_position, queries, key_position, key_count};
    int me = (int)get_local_id(0), row = me / COLUMNS, column = me % COLUMNS;
    int head = (int)get_group_id(1), first = ((int)get_num_groups(0) - 1 - (int)get_group_id(0)) * QUERIES;
    int end = max(visible(r, first + QUERIES - 1), 0); /* 0: all are positions behind those of the queries */
    int here = end ? min(QUERIES, queries - first) : 0; /* PoCL 3.1 loses its way at barriers behind a branch */
    int seen = query_position + first + 1 - key_position;
    float sums[EACH][VALUE_EACH];
    softmax s;
    totals += first * HEADS + head;
    out += ((size_t)first + row * EACH) * OUT_STRIDE + head * VALUE;
    s.largest = -INFINITY;
    s.total = 0.0f;
    if (key_position > 0 && me % QUERIES < here) {
        s.largest = totals[me % QUERIES * HEADS].x;
        s.total = me < QUERIES ? totals[me % QUERIES * HEADS].y : 0.0f;
    }
#pragma unroll
    for (int t = 0; t < EACH; t++)
#pragma unroll
        for (int c = 0; c < VALUE_EACH; c++) {
            int i = c * COLUMNS + column;
            bool kept = key_position > 0 && row * EACH + t < here && i < VALUE;
            sums[t][c] = kept ? out[t * OUT_STRIDE + i] : 0.0f;
        }
    keys += (size_t)head * capacity * KEY_WIDTH;
    values += (size_t)head * capacity * VALUE_WIDTH;
    for (int key = 0; key < end; key += KEYS) {
        float4 scores[EACH];
#pragma unroll
        for (int t = 0; t < EACH; t++)
            scores[t] = (float4)(0.0f);
#pragma unroll 1
        for (int depth = 0; depth < QUERY_WIDTH; depth += DEPTH) {
            load_slices(slice, q, query, first, queries, head, scale, keys + key * KEY_WIDTH, rows + key * ROW,
                        end - key, depth);
            barrier(CLK_LOCAL_MEM_FENCE);
            multiply_slice(scores, slice, row, column);
            barrier(CLK_LOCAL_MEM_FENCE);
        }
        store_scores(weights, scores, row, column, seen - key, end - key);
        barrier(CLK_LOCAL_MEM_FENCE);
        weigh_tile(&s, weights, factors, scratch);
        add_tile(sums, slice, weights, factors, values + key * VALUE_WIDTH, end - key, row, column);
    }
    bool finished = is_finished(r, first + QUERIES - 1);
    float total = add_totals(s.total, scratch);
    if (me < QUERIES)
        factors[me] = finished ? 1.0f / total : 1.0f;
    if (me < here && !finished)
        totals[me * HEADS] = (float2)(s.largest, total);
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
    for (int t = 0; t < EACH; t++)
#pragma unroll
        for (int c = 0; c < VALUE_EACH; c++)
            if (row * EACH + t < here && c * COLUMNS + column < VALUE)
                out[t * OUT_STRIDE + c * COLUMNS + column] = sums[t][c] * factors[row * EACH + t];
}

#endif
