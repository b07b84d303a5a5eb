/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Exact choice of the k largest scores of each row: a radix select, one bit a pass, over integer keys in the order of
 * the scores. One group of GROUP work-items a row. Most passes run over a short list in shared memory instead of the
 * row: the maxima of `slots` interleaved parts give a bound that at least k scores reach, and what lies above it is
 * hardly more than k scores, whatever the order of the row. Rows that defeat this are searched in place. Built with
 * -D LIST_SIZE, the most keys that the list holds. */

#include "group.clh"
#include "vector.clh"

/* Scores that are looked at together, since few blocks hold a chosen one. */
#if GROUP == 1
#define BLOCK (4 * VECTOR)
#else
#define BLOCK VECTOR
#endif

#define ABSENT INT_MIN          /* no score */
#define LOWEST (INT_MIN + 1)    /* NaN */
#define KEY_BITS 32
#define SIGN_BIT 0x80000000u

/* Integers in the order of floats; -0 is 0. */
inline intv score_keys(floatv scores)
{
    intv bits = as_intv(scores);
    intv keys = bits ^ ((bits >> 31) & 0x7fffffff);
    keys = select(keys, (intv)(0), keys == -1);
    /* below -infinity or above infinity: NaN */
    return select(keys, (intv)(LOWEST), as_uintv(keys) - 0x807fffffu > (uintv)(0xff000001u));
}

inline int score_key(float score)
{
    return score_keys((floatv)(score)).s0;
}

inline int vector_largest(intv keys)
{
#if VECTOR == 16
    int8 pairs = max(keys.lo, keys.hi);
    int4 fours = max(pairs.lo, pairs.hi);
#elif VECTOR == 8
    int4 fours = max(keys.lo, keys.hi);
#else
    int4 fours = keys;
#endif
    return max(max(fours.x, fours.y), max(fours.z, fours.w));
}

/* Keys i..i + VECTOR - 1 of a row of `count` scores. */
inline intv row_keys(__global const float *row, int i, int count)
{
    intv keys = score_keys(vloadv(0, row + i));
    return i + VECTOR <= count ? keys : select(keys, (intv)(ABSENT), VECTOR_NUMBERS + i >= count);
}

/* Sum of `value` over the group, in *cell, which was zero; every work-item gets it. */
inline int group_count(int value, SHARED int *cell)
{
#if GROUP == 1
    return value;
#else
    atomic_add(cell, value);
    barrier(CLK_LOCAL_MEM_FENCE);
    return *cell;
#endif
}

/* How many of the vector of -1 (counted) and 0. */
inline int count_lanes(intv counted)
{
    return (int)-vector_sum(convert_floatv(counted));
}

/* How many of the first `count` keys reach the threshold: of the list, or of the row itself. (Not by a null pointer:
 * local memory may begin at 0.) */
inline int count_from(bool listed, SHARED const int *list, __global const float *row, int count, int threshold,
                      SHARED int *cell)
{
    intv counted = (intv)(0);
    if (listed)
        for (int i = (int)get_local_id(0) * VECTOR; i < count; i += GROUP * VECTOR)
            counted += vloadv(0, list + i) >= threshold;
    else
        for (int i = (int)get_local_id(0) * VECTOR; i < count; i += GROUP * VECTOR)
            counted += row_keys(row, i, count) >= threshold;
    return group_count(count_lanes(counted), cell);
}

inline void clear_cells(SHARED int *cells)
{
    group_barrier();
    for (int i = get_local_id(0); i <= KEY_BITS; i += GROUP)
        cells[i] = 0;
    group_barrier();
}

/* The choice: all keys above x, and the first y keys equal to x. At least k keys are there. */
inline int2 search(bool listed, SHARED const int *list, __global const float *row, int count, int k, SHARED int *cells)
{
    uint prefix = 0; /* of the k-th largest key, as unsigned; after all bits, keys above it are counted */
    int reached = 0;
    clear_cells(cells);
    for (int bit = KEY_BITS - 1; bit >= -1; bit--) {
        uint trial = bit < 0 ? prefix + 1 : prefix | 1u << bit;
        reached = count_from(listed, list, row, count, (int)(trial ^ SIGN_BIT), cells + bit + 1);
        if (reached == k)
            return (int2)((int)((trial - 1) ^ SIGN_BIT), 0);
        if (reached > k)
            prefix = trial;
    }
    return (int2)((int)(prefix ^ SIGN_BIT), k - reached);
}

/* list[slots] = the largest keys of interleaved parts of the row; slots a multiple of GROUP * VECTOR. */
inline void list_maxima(SHARED int *list, int slots, __global const float *row, int count)
{
    for (int slot = (int)get_local_id(0) * VECTOR; slot < slots; slot += GROUP * VECTOR)
        vstorev((intv)(ABSENT), 0, list + slot);
    for (int start = 0; start < count; start += slots)
        for (int slot = (int)get_local_id(0) * VECTOR; slot < min(slots, count - start); slot += GROUP * VECTOR)
            vstorev(max(vloadv(0, list + slot), row_keys(row, start + slot, count)), 0, list + slot);
    group_barrier();
}

/* The largest of the keys i..i + BLOCK - 1. */
inline int block_largest(__global const float *row, int i, int count)
{
    int last = (count - 1) / VECTOR * VECTOR;
    intv largest = row_keys(row, i, count);
#pragma unroll
    for (int j = VECTOR; j < BLOCK; j += VECTOR)
        largest = max(largest, row_keys(row, min(i + j, last), count));
    return vector_largest(largest);
}

/* Appends those keys that are above `bound`, in any order, while there is room; *length counts them all. */
inline void append_above(SHARED int *list, SHARED int *length, intv keys, int bound)
{
    int each[VECTOR];
    vstorev(keys, 0, each);
#if GROUP == 1
    int at = *length;
    for (int j = 0; j < VECTOR; j++) { /* branches here would be mispredicted */
        list[min(at, LIST_SIZE - 1)] = each[j];
        at += each[j] > bound;
    }
    *length = at;
#else
    for (int j = 0; j < VECTOR; j++) {
        int at = each[j] > bound ? atomic_inc(length) : LIST_SIZE;
        if (at < LIST_SIZE)
            list[at] = each[j];
    }
#endif
}

/* Appends the row's keys above `bound` in any order while there is room; returns how many there are. */
inline int list_above(SHARED int *list, __global const float *row, int count, int bound, SHARED int *cells)
{
    clear_cells(cells);
    for (int i = (int)get_local_id(0) * BLOCK; i < count; i += GROUP * BLOCK) {
        if (block_largest(row, i, count) <= bound)
            continue;
        for (int start = i; start < min(i + BLOCK, count); start += VECTOR) {
            intv keys = row_keys(row, start, count);
            if (vector_largest(keys) > bound)
                append_above(list, cells, keys, bound);
        }
    }
    group_barrier();
    int above = cells[0];
    for (int i = above + (int)get_local_id(0); i < (above + VECTOR - 1) / VECTOR * VECTOR && i < LIST_SIZE; i += GROUP)
        list[i] = ABSENT;
    group_barrier();
    return above;
}

/* search over the row, by way of the list where that helps. */
inline int2 choose(SHARED int *list, __global const float *row, int count, int k, int slots, SHARED int *cells)
{
    int bound = ABSENT, listed = 0;
    if (count <= LIST_SIZE && count < 4 * slots) {
        for (int i = (int)get_local_id(0) * VECTOR; i < count; i += GROUP * VECTOR)
            vstorev(row_keys(row, i, count), 0, list + i);
        listed = count;
        group_barrier();
    } else if (slots) {
        list_maxima(list, slots, row, count);
        int2 best = search(true, list, row, slots, k, cells);
        bound = best.x;
        group_barrier();
        listed = list_above(list, row, count, bound, cells);
        if (listed < k)
            return (int2)(bound, k - listed);
    }
    bool fits = listed > 0 && listed < LIST_SIZE;
    int2 choice = search(fits, list, row, fits ? listed : count, k, cells);
    return (int2)(max(choice.x, bound), choice.y);
}

#if GROUP == 1

/* Writes the k chosen positions in ascending order. */
inline void write_chosen(__global int *selected, SHARED int *list, __global const float *row, int count, int k,
                         int2 choice, SHARED int2 *scratch)
{
    int threshold = choice.x, ties = choice.y, written = 0;
    for (int i = 0; i < count && written < k; i += BLOCK) {
        if (block_largest(row, i, count) <= (ties ? threshold - 1 : threshold))
            continue;
        for (int start = i; start < min(i + BLOCK, count); start += VECTOR) {
            int each[VECTOR];
            intv keys = row_keys(row, start, count);
            if (vector_largest(keys) <= (ties ? threshold - 1 : threshold))
                continue;
            vstorev(keys, 0, each);
            for (int j = 0; j < VECTOR && written < k; j++) { /* another branch here would be mispredicted */
                bool tie = (each[j] == threshold) & (ties > 0);
                selected[written] = start + j;
                written += (each[j] > threshold) | tie;
                ties -= tie;
            }
        }
    }
}

#else

/* Sums over all work-items before this one. */
inline int2 sum_before(int2 value, __local int2 *scratch)
{
    int me = get_local_id(0);
    int2 sum = value;
    for (int distance = 1; distance < GROUP; distance *= 2) {
        scratch[me] = sum;
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me >= distance)
            sum += scratch[me - distance];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return sum - value;
}

/* Writes the chosen positions in ascending order: the list counts the keys above the threshold (low 16 bits) and equal
 * to it (high 16 bits) in each of LIST_SIZE chunks of the row; then each work-item knows where its chunks' go. */
inline void write_chosen(__global int *selected, __local int *list, __global const float *row, int count, int k,
                         int2 choice, __local int2 *scratch)
{
    enum { CHUNKS = LIST_SIZE / GROUP }; /* of a work-item */
    int me = get_local_id(0), threshold = choice.x, ties = choice.y;
    int limit = ties ? threshold - 1 : threshold;
    int chunk = (count + LIST_SIZE * VECTOR - 1) / (LIST_SIZE * VECTOR) * VECTOR;
    for (int i = me; i < LIST_SIZE; i += GROUP)
        list[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = me * VECTOR; i < count; i += GROUP * VECTOR) {
        intv keys = row_keys(row, i, count);
        if (any(keys > limit))
            atomic_add(list + i / chunk, count_lanes(keys > threshold) | count_lanes(keys == threshold) << 16);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int2 here = (int2)(0);
    for (int i = me * CHUNKS; i < (me + 1) * CHUNKS; i++)
        here += (int2)(list[i] & 0xffff, (int)((uint)list[i] >> 16));
    int2 before = sum_before(here, scratch);
    int written = before.x + min(before.y, ties);
    ties = max(ties - before.y, 0);
    for (int i = me * CHUNKS; i < (me + 1) * CHUNKS; i++) {
        if ((list[i] & 0xffff) == 0 && (list[i] == 0 || ties == 0))
            continue;
        for (int s = i * chunk; s < min((i + 1) * chunk, count); s++) {
            int key = score_key(row[s]);
            if (key > threshold || (key == threshold && ties > 0))
                selected[written++] = s;
            ties -= key == threshold && ties > 0;
        }
    }
}

#endif

/* Row t = first_row + r of selected [T, selected_stride] gets the positions of the min(k, positions[t] + 1) largest of
 * scores[r, 0..positions[t]] in ascending order, the lower position first among equals; counts[t] says how many.
 * scores [rows, stride]; slots: a multiple of GROUP * VECTOR that is at least 2 k and at most LIST_SIZE, or 0. */
__kernel void top_k(__global int *selected, int selected_stride, __global int *counts, __global const float *scores,
                    int stride, __global const int *positions, int first_row, int k, int slots)
{
    SHARED int list[LIST_SIZE];
    SHARED int cells[KEY_BITS + 1];
    SHARED int2 scratch[GROUP];
    size_t row = get_group_id(0), token = first_row + row;
    int count = positions[token] + 1;
    scores += row * stride;
    selected += token * selected_stride;
    if (get_local_id(0) == 0)
        counts[token] = min(count, k);
    if (count <= k) {
        for (int i = get_local_id(0); i < count; i += GROUP)
            selected[i] = i;
        return;
    }
    int2 choice = choose(list, scores, count, k, slots, cells);
    group_barrier();
    write_chosen(selected, list, scores, count, k, choice, scratch);
}
