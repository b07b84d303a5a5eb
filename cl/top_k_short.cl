/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Exact choice of the k largest scores of each row that the registers of one group hold; top_k_group.cl takes longer
 * rows.
 *
 * A work-item holds the vectors me, me + ITEMS, ... of four scores. A radix select finds the k-th largest key. A map of
 * the row then puts what is chosen in order, a byte a vector: bits 0 to 3 say which of its scores are chosen for sure,
 * bits 4 to 7 which have the k-th largest key itself, where only the first in the row are chosen.
 *
 * What stands behind the row's last score is taken for NaN there: at least k scores come first.
 * Built with -D ITEMS, a power of two from LANES to 512. */

#include "radix.clh"

#define VECTORS 8 /* of a work-item */
#define OWN_WORDS (VECTORS / 4) /* of the map, at most */

/* The vectors of which the row has any: the same for all work-items. */
#define HAS(j, count) ((j)*ITEMS * 4 < (count))

/* Counts the keys. */
ALWAYS_INLINE void tally_row(__local uint *bins, const uint4 *keys, int count, interval in)
{
#pragma unroll
    for (int j = 0; j < VECTORS; j++)
        if (HAS(j, count)) {
            atomic_inc(bins + bin_place(keys[j].x, in));
            atomic_inc(bins + bin_place(keys[j].y, in));
            atomic_inc(bins + bin_place(keys[j].z, in));
            atomic_inc(bins + bin_place(keys[j].w, in));
        }
}

ALWAYS_INLINE uint four_bits(int4 true_for)
{
    int4 bits = true_for & (int4)(1, 2, 4, 8);
    return (uint)(bits.x | bits.y | bits.z | bits.w);
}

/* Sets this work-item's bytes of the map: keys from `sure` on, and keys equal to `tie` where there are ties. */
ALWAYS_INLINE void write_map(__local uchar *map, const uint4 *keys, int count, uint sure, uint tie, bool ties)
{
#pragma unroll
    for (int j = 0; j < VECTORS; j++) {
        uint bits = 0;
        if (HAS(j, count)) {
            bits = four_bits(keys[j] >= sure);
            if (ties)
                bits |= four_bits(keys[j] == tie) << 4;
        }
        map[j * ITEMS + get_local_id(0)] = (uchar)bits;
    }
}

/* Writes what the map says in ascending order, of those that are tied only the first `ties`. A work-item takes `each`
 * consecutive words. */
ALWAYS_INLINE void write_chosen(__global int *selected, __local const uint *map, int each, uint ties,
                                __local uint *scan)
{
    const uint sure = 0x0f0f0f0fu;
    int first = (int)get_local_id(0) * each;
    uint words[OWN_WORDS], here = 0, total;
#pragma unroll
    for (int i = 0; i < OWN_WORDS; i++) {
        words[i] = i < each ? map[first + i] : 0;
        here += popcount(words[i] & sure) + (popcount(words[i] & ~sure) << 16);
    }
    uint before = sum_before(here, &total, scan), tied_before = min(before >> 16, ties);
    uint at = (before & 0xffffu) + tied_before;
    ties -= tied_before;
#pragma unroll
    for (int i = 0; i < OWN_WORDS; i++) {
        uint chosen = words[i] & sure;
        for (uint tied = words[i] >> 4 & sure; tied && ties; tied &= tied - 1, ties--)
            chosen |= tied & -tied;
        for (; chosen; chosen &= chosen - 1) {
            uint bit = 31 - clz(chosen & -chosen);
            selected[at++] = (int)(((first + i) * 4 + bit / 8) * 4 + bit % 8);
        }
    }
}

/* As top_k_group. stride is at most 4 VECTORS ITEMS. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void top_k_short(__global int *selected, int selected_stride, __global int *counts, __global const float *scores,
                 int stride, __global const int *positions, int first_row, int k)
{
    __local uint4 bins_memory[BIN_WORDS / 4];
    __local uint map[OWN_WORDS * ITEMS], scan[SCAN_WORDS], cells[4];
    __local uint *bins = (__local uint *)bins_memory;
    uint4 keys[VECTORS];
    int me = get_local_id(0);
    size_t r = get_group_id(0), token = first_row + r;
    __global const float4 *row = (__global const float4 *)(scores + r * stride);
    float4 loaded[VECTORS];
#pragma unroll
    for (int j = 0; j < VECTORS; j++) /* before it is known how many count */
        loaded[j] = j * ITEMS + me < stride / 4 ? row[j * ITEMS + me] : (float4)(NAN);
    int count = positions[token] + 1;
    selected += token * selected_stride;
    if (me == 0)
        counts[token] = min(count, k);
    if (count <= k) {
        for (int i = me; i < count; i += ITEMS)
            selected[i] = i;
        return;
    }
#pragma unroll
    for (int j = 0; j < VECTORS; j++) {
        int left = count - (j * ITEMS + me) * 4;
        if (HAS(j, count))
            keys[j] = select((uint4)(0), score_keys(loaded[j]), left > (int4)(0, 1, 2, 3));
    }
    clear_words(bins, BINS);
    interval in = {.span = UINT_MAX, .wanted = k};
    do {
        tally_row(bins, keys, count, in);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, 0, 0, bins, scan, cells);
    } while (in.inside != in.wanted && in.span);
    bool ties = in.inside != in.wanted;
    write_map((__local uchar *)map, keys, count, in.low + ties, in.low, ties);
    barrier(CLK_LOCAL_MEM_FENCE);
    int words = (count + 15) / 16;
    write_chosen(selected, map, (words + ITEMS - 1) / ITEMS, ties ? in.wanted : 0, scan);
}
