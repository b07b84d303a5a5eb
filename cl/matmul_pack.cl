/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Tokens as the kernels over matmul.clh take them. */

#include "dtype.clh"
#include "group.clh"
#include "lane.clh"
#include "tile.clh"

/* A packed row is made in chunks of 16 bytes, of which each work-item keeps the first few in registers. */
#define CHUNK 8
#define KEPT 4

/* Returns the largest magnitude. */
inline float chunk_load(float values[CHUNK], __global const float *in, int chunk, int columns)
{
    float largest = 0.0f;
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
        int place = chunk * CHUNK + i, column = place / TILE_DEPTH * TILE_DEPTH + tile_b_source(place % TILE_DEPTH);
        values[i] = column < columns ? in[column] : 0.0f;
        largest = fmax(largest, fabs(values[i]));
    }
    return largest;
}

inline void chunk_store(__global uint4 *packed, const float values[CHUNK], float factor)
{
    uint words[CHUNK / 2];
#pragma unroll
    for (int i = 0; i < CHUNK / 2; i++) {
        float2 pair = (float2)(values[2 * i], values[2 * i + 1]) * factor;
#ifdef TILE_F16
        vstore_half2_rte(pair, 0, (half *)&words[i]);
#else
        words[i] = bf16_round(pair.x) | (uint)bf16_round(pair.y) << 16;
#endif
    }
    *packed = (uint4)(words[0], words[1], words[2], words[3]);
}

/* A row is loaded by `items` work-items, of which this is number `me`, and its chunks number me, me + items, ... */
inline float row_load(float kept[KEPT][CHUNK], __global const float *in, int me, int items, int columns, int chunks)
{
    float largest = 0.0f, rest[CHUNK];
#pragma unroll
    for (int i = 0; i < KEPT; i++)
        if (me + i * items < chunks)
            largest = fmax(largest, chunk_load(kept[i], in, me + i * items, columns));
    for (int chunk = me + KEPT * items; chunk < chunks; chunk += items)
        largest = fmax(largest, chunk_load(rest, in, chunk, columns));
    return largest;
}

/* The power of two that brings that magnitude to 2^14 .. 2^15 where halves are used (they end at 65504 and lose bits
 * below 2^-14); 1 where bfloat16s are. */
inline float row_factor(float largest)
{
#ifdef TILE_F16
    int exponent = (int)(as_uint(largest) >> 23 & 255) - 127;
    return largest > 0.0f && isfinite(largest) ? ldexp(1.0f, clamp(14 - exponent, -126, 126)) : 1.0f;
#else
    return 1.0f;
#endif
}

inline void row_store(__global uint4 *packed, float kept[KEPT][CHUNK], float factor, __global const float *in, int me,
                      int items, int columns, int chunks)
{
#pragma unroll
    for (int i = 0; i < KEPT; i++)
        if (me + i * items < chunks)
            chunk_store(packed + me + i * items, kept[i], factor);
    for (int chunk = me + KEPT * items; chunk < chunks; chunk += items) {
        float rest[CHUNK];
        chunk_load(rest, in, chunk, columns);
        chunk_store(packed + chunk, rest, factor);
    }
}

/* packed[row, :] = in[row, :] * factor in 16 bits, restore[row] = 1 / factor. Rows of in are in_stride floats apart;
 * packed rows have packed_stride elements: a multiple of TILE_DEPTH, zeros beyond `columns`. Groups of GROUP: rows. */
__kernel void matmul_pack(__global tile_b *packed, __global float *restore, __global const float *in, int in_stride,
                          int columns, int packed_stride)
{
    GROUP_SCRATCH;
    size_t row = get_group_id(0);
    int me = (int)get_local_id(0), chunks = packed_stride / CHUNK;
    float kept[KEPT][CHUNK];
    in += row * in_stride;
    float factor = row_factor(group_max(row_load(kept, in, me, GROUP, columns, chunks)));
    row_store((__global uint4 *)(packed + row * packed_stride), kept, factor, in, me, GROUP, columns, chunks);
    if (me == 0)
        restore[row] = 1.0f / factor;
}

/* The same for short rows, one a lane group: row token * heads + head of `rows`, which in has at token * token_stride +
 * head * head_stride. */
__kernel void matmul_pack_heads(__global tile_b *packed, __global float *restore, __global const float *in,
                                int token_stride, int head_stride, int heads, int rows, int columns, int packed_stride)
{
    LANE_SCRATCH(GROUP);
    size_t row = get_global_id(0) / LANES, here = min(row, (size_t)rows - 1);
    int chunks = packed_stride / CHUNK;
    float kept[KEPT][CHUNK];
    in += here / heads * token_stride + here % heads * head_stride;
    float factor = row_factor(lane_max(row_load(kept, in, LANE, LANES, columns, chunks)));
    if (row >= rows)
        return;
    row_store((__global uint4 *)(packed + row * packed_stride), kept, factor, in, LANE, LANES, columns, chunks);
    if (LANE == 0)
        restore[row] = 1.0f / factor;
}
