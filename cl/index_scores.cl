/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Scores of the lightning indexer (DeepSeek-V3.2 report, equation 1), for rows r = 0..rows-1, of tokens
 * t = first_row + r, and cached positions s < keys:
 *   scores[r, s] = sum over heads j of head_weights[t, j] * ReLU(queries[t, j] . cache[s]) * scales[s]
 * where s <= positions[t], else -INFINITY. queries [T, HEADS, PADDED_DIM] and cache [capacity, PADDED_DIM] in
 * index.clh's element, head_weights [T, PADDED_HEADS], scores [rows, stride], stride a multiple of 16. Built with
 * -D DIM, HEADS, KEY_TILE and HEAD_TILE.
 *
 * Where sequence_stride isn't 0, cache and scales of token t's sequence begin at row sequences[t] * sequence_stride.
 *
 * Work-groups of dimension 0 take KEY_TILE positions each, those of dimension 1 query_tile rows of one sequence each.
 * Both forms below hold a tile of keys and pass all heads of all rows of the group by it; they differ in where the tile
 * lies and in how a dot product gets its operands. */

#include "group.clh"
#include "index.clh"

#define PADDED_DIM ((DIM + 15) / 16 * 16)
#define PADDED_HEADS ((HEADS + 15) / 16 * 16)

#if defined(INDEX_F32)
#define KEY_SCALE(s) 1.0f
#define KEY_SCALES(s) 1.0f
#else
#define KEY_SCALE(s) scales[s]
#define KEY_SCALES(s) vloadv(0, scales + (s))
#endif

#if GROUP == 1

/* The tile is transposed, keys side by side, so that a vector holds one dimension of VECTOR keys, and no dot product
 * needs a sum across a vector. Integers are multiplied as floats, which is exact while a sum stays within 2^24. */

#define KEY_VECTORS (KEY_TILE / VECTOR)

#if defined(INDEX_INT8)
#define EXACT_DIMS 1024 /* 1024 * 127^2 < 2^24 */
#else
#define EXACT_DIMS DIM
#endif

/* Rows become columns: each stage interleaves the halves of the block, which rotates the bits of an element's index. */
inline void transpose(floatv block[VECTOR])
{
#pragma unroll
    for (int stage = 1; stage < VECTOR; stage *= 2) {
        floatv turned[VECTOR];
#pragma unroll
        for (int i = 0; i < VECTOR / 2; i++) {
            turned[2 * i].even = block[i].lo;
            turned[2 * i].odd = block[i + VECTOR / 2].lo;
            turned[2 * i + 1].even = block[i].hi;
            turned[2 * i + 1].odd = block[i + VECTOR / 2].hi;
        }
#pragma unroll
        for (int i = 0; i < VECTOR; i++)
            block[i] = turned[i];
    }
}

#if defined(INDEX_INT8) && PADDED_DIM % (4 * VECTOR) == 0

/* Words of four elements are transposed, and then taken apart. */
#define BLOCK_DIMS (4 * VECTOR)
#define index_block(p, i) as_floatv(vloadv(0, (__global const int *)((p) + (i))))

inline void store_block(floatv *tile, const floatv block[VECTOR])
{
#pragma unroll
    for (int i = 0; i < VECTOR; i++)
#pragma unroll
        for (int byte = 0; byte < 4; byte++)
            tile[(4 * i + byte) * KEY_VECTORS] = convert_floatv(as_intv(block[i]) << (24 - 8 * byte) >> 24);
}

#else

#define BLOCK_DIMS VECTOR
#define index_block(p, i) index_values(p, i)

inline void store_block(floatv *tile, const floatv block[VECTOR])
{
#pragma unroll
    for (int i = 0; i < VECTOR; i++)
        tile[i * KEY_VECTORS] = block[i];
}

#endif

/* tile[PADDED_DIM][KEY_VECTORS] = keys first.. of the cache; beyond its last key, the last one again. */
inline void load_tile(floatv *tile, __global const index_t *cache, int first, int keys)
{
    for (int v = 0; v < KEY_VECTORS; v++)
        for (int d = 0; d < PADDED_DIM; d += BLOCK_DIMS) {
            floatv block[VECTOR];
#pragma unroll
            for (int i = 0; i < VECTOR; i++)
                block[i] = index_block(cache, (size_t)min(first + v * VECTOR + i, keys - 1) * PADDED_DIM + d);
            transpose(block);
            store_block(tile + d * KEY_VECTORS + v, block);
        }
}

/* total += weight_j * ReLU(query_j . key) of HEAD_TILE heads, of which `heads` exist, and all keys of the tile. */
inline void add_heads(floatv *total, const floatv *tile, __global const index_t *queries, __global const float *weights,
                      int heads)
{
    float query[HEAD_TILE * PADDED_DIM];
    for (int j = 0; j < HEAD_TILE; j++)
        for (int i = 0; i < PADDED_DIM; i += VECTOR)
            vstorev(index_values(queries, min(j, heads - 1) * PADDED_DIM + i), 0, query + j * PADDED_DIM + i);
    floatv dots[HEAD_TILE][KEY_VECTORS];
#if DIM > EXACT_DIMS
    intv exact[HEAD_TILE][KEY_VECTORS] = {{(intv)(0)}};
#endif
    for (int first = 0; first < DIM; first += EXACT_DIMS) {
#pragma unroll
        for (int j = 0; j < HEAD_TILE; j++)
#pragma unroll
            for (int v = 0; v < KEY_VECTORS; v++)
                dots[j][v] = (floatv)(0.0f);
        for (int d = first; d < min(first + EXACT_DIMS, DIM); d++) {
            floatv key[KEY_VECTORS];
#pragma unroll
            for (int v = 0; v < KEY_VECTORS; v++)
                key[v] = tile[d * KEY_VECTORS + v];
#pragma unroll
            for (int j = 0; j < HEAD_TILE; j++)
#pragma unroll
                for (int v = 0; v < KEY_VECTORS; v++)
                    dots[j][v] += query[j * PADDED_DIM + d] * key[v];
        }
#if DIM > EXACT_DIMS
        for (int j = 0; j < HEAD_TILE; j++)
            for (int v = 0; v < KEY_VECTORS; v++) {
                exact[j][v] += convert_intv(dots[j][v]);
                dots[j][v] = convert_floatv(exact[j][v]);
            }
#endif
    }
#pragma unroll
    for (int j = 0; j < HEAD_TILE; j++) {
        float weight = j < heads ? weights[j] : 0.0f;
#pragma unroll
        for (int v = 0; v < KEY_VECTORS; v++)
            total[v] += weight * fmax(dots[j][v], 0.0f);
    }
}

/* out[KEY_TILE] = total * scale, but -INFINITY beyond the position; the tile's first key is `first` of `keys`. */
inline void store_scores(__global float *out, const floatv *total, __global const float *scales, int first, int keys,
                         int position)
{
    for (int v = 0; v < KEY_VECTORS; v++) {
        int s = first + v * VECTOR;
        if (s + VECTOR <= keys) {
            floatv scaled = total[v] * KEY_SCALES(s);
            vstorev(select(scaled, (floatv)(-INFINITY), VECTOR_NUMBERS + s > position), 0, out + v * VECTOR);
        } else {
            float each[VECTOR];
            vstorev(total[v], 0, each);
            for (int i = 0; i < VECTOR && s + i < keys; i++)
                out[v * VECTOR + i] = s + i <= position ? each[i] * KEY_SCALE(s + i) : -INFINITY;
        }
    }
}

__kernel void index_scores(__global float *scores, int stride, __global const index_t *queries,
                           __global const float *head_weights, __global const index_t *cache,
                           __global const float *scales, __global const int *positions,
                           __global const int *sequences, int sequence_stride, int first_row, int rows, int keys,
                           int query_tile)
{
    floatv tile[PADDED_DIM * KEY_VECTORS];
    int first_key = (int)get_group_id(0) * KEY_TILE;
    int first = (int)get_group_id(1) * query_tile, last = min(first + query_tile, rows);
    if (sequence_stride) {
        size_t base = (size_t)sequences[first_row + first] * sequence_stride;
        cache += base * PADDED_DIM;
        scales += base;
    }
    load_tile(tile, cache, first_key, keys);
    for (int row = first; row < last; row++) {
        int token = first_row + row, position = positions[token];
        floatv total[KEY_VECTORS];
        for (int v = 0; v < KEY_VECTORS; v++)
            total[v] = (floatv)(0.0f);
        if (first_key <= position)
            for (int head = 0; head < HEADS; head += HEAD_TILE)
                add_heads(total, tile, queries + ((size_t)token * HEADS + head) * PADDED_DIM,
                          head_weights + (size_t)token * PADDED_HEADS + head, min(HEADS - head, HEAD_TILE));
        store_scores(scores + (size_t)row * stride + first_key, total, scales, first_key, keys, position);
    }
}

#else

/* The tile lies in local memory by quads of 16 bytes, keys side by side, so that neighbouring work-items read
 * neighbouring banks; beside it the queries' heads, HEAD_TILE for each of SLOTS slots. Work-item i has key i % KEY_TILE
 * and the heads of slot i / KEY_TILE. Also built with -D HEAD_TILE and SLOTS; KEY_TILE * SLOTS is at most GROUP. */

#define HEAD_BLOCK (SLOTS * HEAD_TILE)
#define TILE_STRIDE (KEY_TILE | 1) /* odd, so that stores of a key's quads, too, meet different banks */

#if defined(INDEX_INT8)
typedef int4 quad_t; /* 16 elements */
typedef int dot_t;
#define QUADS (PADDED_DIM / 16)
#define load_quad(p, i) (((__global const quad_t *)(p))[i])
#define dot_value(dot) convert_float(dot)

inline int dot_bytes(int a, int b, int sum)
{
#if defined(LANE_PTX)
    int out;
    __asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(out) : "r"(a), "r"(b), "r"(sum));
    return out;
#else
    int4 products = convert_int4(as_char4(a)) * convert_int4(as_char4(b));
    return sum + (products.x + products.y) + (products.z + products.w);
#endif
}

inline int dot_add(quad_t a, quad_t b, int sum)
{
    return dot_bytes(a.w, b.w, dot_bytes(a.z, b.z, dot_bytes(a.y, b.y, dot_bytes(a.x, b.x, sum))));
}
#else
typedef floatv quad_t;
typedef floatv dot_t;
#define QUADS (PADDED_DIM / VECTOR)
#define load_quad(p, i) index_values(p, (i) * VECTOR)
#define dot_value(dot) vector_sum(dot)
#define dot_add(a, b, sum) ((a) * (b) + (sum))
#endif

inline void load_tile(__local quad_t *tile, __global const index_t *cache, int first, int keys)
{
    for (int i = get_local_id(0); i < KEY_TILE * QUADS; i += GROUP) {
        int key = i / QUADS, quad = i % QUADS;
        tile[quad * TILE_STRIDE + key] = load_quad(cache + (size_t)min(first + key, keys - 1) * PADDED_DIM, quad);
    }
}

/* The heads of one block, of which `heads` exist; the others stay what they were and get no weight. */
inline void load_heads(__local quad_t *block, __global const index_t *query, int heads)
{
    for (int i = get_local_id(0); i < min(heads, HEAD_BLOCK) * QUADS; i += GROUP)
        block[i] = load_quad(query, i);
}

/* The sum of weight_j * ReLU(query_j . key) over a slot's heads, of which `heads` exist. */
inline float sum_heads(__local const quad_t *key, __local const quad_t *query, __global const float *weights, int heads)
{
    dot_t dots[HEAD_TILE];
#pragma unroll
    for (int j = 0; j < HEAD_TILE; j++)
        dots[j] = (dot_t)(0);
    for (int quad = 0; quad < QUADS; quad++) {
        quad_t k = key[quad * TILE_STRIDE];
#pragma unroll
        for (int j = 0; j < HEAD_TILE; j++)
            dots[j] = dot_add(query[j * QUADS + quad], k, dots[j]);
    }
    float sum = 0.0f;
#pragma unroll
    for (int j = 0; j < HEAD_TILE; j++)
        if (j < heads)
            sum += weights[j] * fmax(dot_value(dots[j]), 0.0f);
    return sum;
}

__kernel void index_scores(__global float *scores, int stride, __global const index_t *queries,
                           __global const float *head_weights, __global const index_t *cache,
                           __global const float *scales, __global const int *positions,
                           __global const int *sequences, int sequence_stride, int first_row, int rows, int keys,
                           int query_tile)
{
    __local quad_t tile[QUADS * TILE_STRIDE], block[HEAD_BLOCK * QUADS];
    __local float partial[GROUP];
    int me = get_local_id(0), key = me % KEY_TILE, slot = me / KEY_TILE;
    int first_key = (int)get_group_id(0) * KEY_TILE, s = first_key + key;
    int first = (int)get_group_id(1) * query_tile, last = min(first + query_tile, rows);
    if (sequence_stride) {
        size_t base = (size_t)sequences[first_row + first] * sequence_stride;
        cache += base * PADDED_DIM;
        scales += base;
    }
    load_tile(tile, cache, first_key, keys);
    for (int row = first; row < last; row++) {
        int token = first_row + row, position = positions[token];
        float sum = 0.0f;
        for (int head = 0; head < HEADS && first_key <= position; head += HEAD_BLOCK) {
            barrier(CLK_LOCAL_MEM_FENCE);
            load_heads(block, queries + ((size_t)token * HEADS + head) * PADDED_DIM, HEADS - head);
            barrier(CLK_LOCAL_MEM_FENCE);
            int mine = head + slot * HEAD_TILE;
            if (slot < SLOTS && mine < HEADS)
                sum += sum_heads(tile + key, block + slot * HEAD_TILE * QUADS,
                                 head_weights + (size_t)token * PADDED_HEADS + mine, HEADS - mine);
        }
        partial[me] = sum;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (slot == 0 && s < keys) {
            for (int other = 1; other < SLOTS; other++)
                sum += partial[other * KEY_TILE + key];
            scores[(size_t)row * stride + s] = s <= position ? sum * KEY_SCALE(s) : -INFINITY;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

#endif
