/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "dtype.clh"
#include "lane.clh"
#ifdef TILE_COLUMNS
#include "tile.clh"
#endif

/* What the device can do at most: kernels that do one thing and nothing else. */

/* Each group copies a run of `vectors` vectors (a multiple of 4 * GROUP), four loads of a work-item under way. */
__kernel void bench_copy(__global float *out, __global const float *in, int vectors)
{
    size_t first = get_group_id(0) * (size_t)vectors;
    for (int i = (int)get_local_id(0); i < vectors; i += 4 * GROUP) {
        floatv a = vloadv(first + i, in), b = vloadv(first + i + GROUP, in);
        floatv c = vloadv(first + i + 2 * GROUP, in), d = vloadv(first + i + 3 * GROUP, in);
        vstorev(a, first + i, out);
        vstorev(b, first + i + GROUP, out);
        vstorev(c, first + i + 2 * GROUP, out);
        vstorev(d, first + i + 3 * GROUP, out);
    }
}

/* Each group adds a run of `vectors` vectors, likewise; out holds a sum of each group. */
__kernel void bench_read(__global float *out, __global const float *in, int vectors)
{
    GROUP_SCRATCH;
    size_t first = get_group_id(0) * (size_t)vectors;
    floatv a = (floatv)(0.0f), b = a, c = a, d = a;
    for (int i = (int)get_local_id(0); i < vectors; i += 4 * GROUP) {
        a += vloadv(first + i, in);
        b += vloadv(first + i + GROUP, in);
        c += vloadv(first + i + 2 * GROUP, in);
        d += vloadv(first + i + 3 * GROUP, in);
    }
    float sum = group_sum(vector_sum((a + b) + (c + d)));
    if (get_local_id(0) == 0)
        out[get_group_id(0)] = sum;
}

/* `rounds` times 8 independent chains of one multiply-add a float of a vector: 16 * VECTOR operations a round. The
 * values stay near 1 whatever `rounds` is. */
__kernel void bench_multiply_add(__global float *out, float factor, float offset, int rounds)
{
    floatv a = (floatv)((float)get_local_id(0) * 0.001f), b = a + 0.1f, c = a + 0.2f, d = a + 0.3f;
    floatv e = a + 0.4f, f = a + 0.5f, g = a + 0.6f, h = a + 0.7f;
    for (int i = 0; i < rounds; i++) {
        a = a * factor + offset;
        b = b * factor + offset;
        c = c * factor + offset;
        d = d * factor + offset;
        e = e * factor + offset;
        f = f * factor + offset;
        g = g * factor + offset;
        h = h * factor + offset;
    }
    out[get_global_id(0)] = vector_sum(((a + b) + (c + d)) + ((e + f) + (g + h)));
}

/* Next to nothing: what a launch costs. */
__kernel void bench_launch(__global float *out)
{
    if (get_global_id(0) == 0)
        out[0] += 1.0f;
}

#ifdef TILE_COLUMNS

/* 16 bits of a half or bfloat16 of magnitude 1 to 2, of either sign. */
inline ushort tile_random(uint i)
{
    i = (i ^ i >> 16) * 0x7feb352du;
    i = (i ^ i >> 15) * 0x846ca68bu;
#ifdef TILE_F16
    return (ushort)((i >> 16 & 0x83ffu) | 0x3c00u);
#else
    return (ushort)((i >> 16 & 0x807fu) | 0x3f80u);
#endif
}

/* `rounds` times one product of a tile by each team, the same operands again and again: 2 * TILE_ROWS * TILE_COLUMNS *
 * TILE_DEPTH operations a team and round. */
__kernel TILE_KERNEL void bench_tile(__global float *out, int rounds)
{
    __local __attribute__((aligned(1024))) tile_b b[TILE_COLUMNS * TILE_DEPTH + TILE_SCRATCH];
    uint a[TILE_A];
    float sums[TILE_SUMS], sum = 0.0f;
    for (int i = (int)get_local_id(0); i < TILE_COLUMNS * TILE_DEPTH; i += ITEMS)
        b[i] = tile_random((uint)i);
    TILE_UNROLL
    for (int i = 0; i < TILE_A; i++) {
        uint at = 2 * ((uint)get_local_id(0) * TILE_A + i) + 0x10000u;
        a[i] = tile_random(at) | (uint)tile_random(at + 1) << 16;
    }
    TILE_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
    tile_fence();
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int round = 0; round < rounds; round++) {
        tile_multiply(sums, a, b, b + TILE_COLUMNS * TILE_DEPTH);
        tile_wait(sums, a);
    }
    TILE_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sum += sums[i];
    out[get_global_id(0)] = sum;
}

#endif
