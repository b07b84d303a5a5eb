/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Tokens as the kernels over matmul.clh take them. */

#include "dtype.clh"
#include "group.clh"
#include "lane.clh"
#include "tile.clh"

/* A packed row is made in chunks of 16 bytes. */
#define CHUNK 8

inline void chunk_load(float values[CHUNK], __global const float *in, uint chunk, int columns)
{
#pragma unroll
    for (uint i = 0; i < CHUNK; i++) {
        uint place = chunk * CHUNK + i;
        int column = place / TILE_DEPTH * TILE_DEPTH + tile_b_source(place % TILE_DEPTH);
        values[i] = column < columns ? in[column] : 0.0f;
    }
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

/* A row is packed by `items` work-items, of which this is number `me`. Returns its largest magnitude. */
inline float row_largest(__global const float *in, int me, int items, int columns)
{
    float largest = 0.0f;
    for (int column = me; column < columns; column += items)
        largest = fmax(largest, fabs(in[column]));
    return largest;
}

/* The power of two that brings that magnitude to 2^14 .. 2^15: halves end at 65504 and lose bits below 2^-14. */
inline float row_factor(float largest)
{
    int exponent = (int)(as_uint(largest) >> 23 & 255) - 127;
    return largest > 0.0f && isfinite(largest) ? ldexp(1.0f, clamp(14 - exponent, -126, 126)) : 1.0f;
}

/* Loops stay rolled, or compilers take longer for them than for a product. */
inline void row_store(__global uint4 *packed, float factor, __global const float *in, int me, int items, int columns,
                      int chunks)
{
#pragma unroll 1
    for (int chunk = me; chunk < chunks; chunk += items) {
        float values[CHUNK];
        chunk_load(values, in, chunk, columns);
        chunk_store(packed + chunk, values, factor);
    }
}

/* packed[row, :] = in[row, :] * factor in 16 bits, restore[row] = 1 / factor, which is 1 for bfloat16s. Rows of in are
 * in_stride floats apart; packed rows have packed_stride elements: a multiple of TILE_DEPTH, zeros beyond `columns`.
 * Groups of GROUP: rows. */
__kernel void matmul_pack(__global tile_b *packed, __global float *restore, __global const float *in, int in_stride,
                          int columns, int packed_stride)
{
    size_t row = get_group_id(0);
    int me = (int)get_local_id(0);
    float factor = 1.0f;
    in += row * in_stride;
#ifdef TILE_F16
    GROUP_SCRATCH;
    factor = row_factor(group_max(row_largest(in, me, GROUP, columns)));
#endif
    row_store((__global uint4 *)(packed + row * packed_stride), factor, in, me, GROUP, columns, packed_stride / CHUNK);
    if (me == 0)
        restore[row] = 1.0f / factor;
}

/* The same for short rows, one a lane group: row token * heads + head of `rows`, which in has at token * token_stride +
 * head * head_stride. */
__kernel void matmul_pack_heads(__global tile_b *packed, __global float *restore, __global const float *in,
                                int token_stride, int head_stride, int heads, int rows, int columns, int packed_stride)
{
    size_t row = get_global_id(0) / LANES, here = min(row, (size_t)rows - 1);
    float factor = 1.0f;
    in += here / heads * token_stride + here % heads * head_stride;
#ifdef TILE_F16
    LANE_SCRATCH(GROUP);
    factor = row_factor(lane_max(row_largest(in, LANE, LANES, columns)));
#endif
    if (row >= rows)
        return;
    row_store((__global uint4 *)(packed + row * packed_stride), factor, in, LANE, LANES, columns,
              packed_stride / CHUNK);
    if (LANE == 0)
        restore[row] = 1.0f / factor;
}
