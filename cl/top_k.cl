/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Exact choice of the k largest scores of each row on a CPU, a work-item a row; top_k_group.cl is the same for GPUs.
 * A radix select, one bit a pass, over integer keys in the order of the scores. Most passes run over a short list
 * instead of the row: the maxima of `slots` interleaved parts give a bound that at least k scores reach, and what lies
 * above it is hardly more than k scores, whatever the order of the row. Rows that defeat this are searched in place.
 * Built with -D LIST_SIZE, the most keys that the list holds. */

#include "vector.clh"

/* Scores that are looked at together, since few blocks hold a chosen one. */
#define BLOCK (4 * VECTOR)

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

/* How many of the vector of -1 (counted) and 0. */
inline int count_lanes(intv counted)
{
    return (int)-vector_sum(convert_floatv(counted));
}

/* How many of the first `count` keys reach the threshold: of the list, or of the row itself. */
inline int count_from(bool listed, const int *list, __global const float *row, int count, int threshold)
{
    intv counted = (intv)(0);
    if (listed)
        for (int i = 0; i < count; i += VECTOR)
            counted += vloadv(0, list + i) >= threshold;
    else
        for (int i = 0; i < count; i += VECTOR)
            counted += row_keys(row, i, count) >= threshold;
    return count_lanes(counted);
}

/* The choice: all keys above x, and the first y keys equal to x. At least k keys are there. */
inline int2 search(bool listed, const int *list, __global const float *row, int count, int k)
{
    uint prefix = 0; /* of the k-th largest key, as unsigned; after all bits, keys above it are counted */
    int reached = 0;
    for (int bit = KEY_BITS - 1; bit >= -1; bit--) {
        uint trial = bit < 0 ? prefix + 1 : prefix | 1u << bit;
        reached = count_from(listed, list, row, count, (int)(trial ^ SIGN_BIT));
        if (reached == k)
            return (int2)((int)((trial - 1) ^ SIGN_BIT), 0);
        if (reached > k)
            prefix = trial;
    }
    return (int2)((int)(prefix ^ SIGN_BIT), k - reached);
}

/* list[slots] = the largest keys of interleaved parts of the row; slots a multiple of VECTOR. */
inline void list_maxima(int *list, int slots, __global const float *row, int count)
{
    for (int slot = 0; slot < slots; slot += VECTOR)
        vstorev((intv)(ABSENT), 0, list + slot);
    for (int start = 0; start < count; start += slots)
        for (int slot = 0; slot < min(slots, count - start); slot += VECTOR)
            vstorev(max(vloadv(0, list + slot), row_keys(row, start + slot, count)), 0, list + slot);
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
inline void append_above(int *list, int *length, intv keys, int bound)
{
    int each[VECTOR];
    vstorev(keys, 0, each);
    int at = *length;
    for (int j = 0; j < VECTOR; j++) { /* branches here would be mispredicted */
        list[min(at, LIST_SIZE - 1)] = each[j];
        at += each[j] > bound;
    }
    *length = at;
}

/* Appends the row's keys above `bound` in any order while there is room; returns how many there are. */
inline int list_above(int *list, __global const float *row, int count, int bound)
{
    int above = 0;
    for (int i = 0; i < count; i += BLOCK) {
        if (block_largest(row, i, count) <= bound)
            continue;
        for (int start = i; start < min(i + BLOCK, count); start += VECTOR) {
            intv keys = row_keys(row, start, count);
            if (vector_largest(keys) > bound)
                append_above(list, &above, keys, bound);
        }
    }
    for (int i = above; i < (above + VECTOR - 1) / VECTOR * VECTOR && i < LIST_SIZE; i++)
        list[i] = ABSENT;
    return above;
}

/* search over the row, by way of the list where that helps. */
inline int2 choose(int *list, __global const float *row, int count, int k, int slots)
{
    int bound = ABSENT, listed = 0;
    if (count <= LIST_SIZE && count < 4 * slots) {
        for (int i = 0; i < count; i += VECTOR)
            vstorev(row_keys(row, i, count), 0, list + i);
        listed = count;
    } else if (slots) {
        list_maxima(list, slots, row, count);
        int2 best = search(true, list, row, slots, k);
        bound = best.x;
        listed = list_above(list, row, count, bound);
        if (listed < k)
            return (int2)(bound, k - listed);
    }
    bool fits = listed > 0 && listed < LIST_SIZE;
    int2 choice = search(fits, list, row, fits ? listed : count, k);
    return (int2)(max(choice.x, bound), choice.y);
}

/* Writes the k chosen positions in ascending order. */
inline void write_chosen(__global int *selected, __global const float *row, int count, int k, int2 choice)
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

/* Row t = first_row + r of selected [T, selected_stride] gets the positions of the min(k, positions[t] + 1) largest of
 * scores[r, 0..positions[t]] in ascending order, the lower position first among equals; counts[t] says how many.
 * scores [rows, stride]; slots: a multiple of VECTOR that is at least 2 k and at most LIST_SIZE, or 0. */
__kernel void top_k(__global int *selected, int selected_stride, __global int *counts, __global const float *scores,
                    int stride, __global const int *positions, int first_row, int k, int slots)
{
    int list[LIST_SIZE];
    size_t row = get_group_id(0), token = first_row + row;
    int count = positions[token] + 1;
    scores += row * stride;
    selected += token * selected_stride;
    counts[token] = min(count, k);
    if (count <= k) {
        for (int i = 0; i < count; i++)
            selected[i] = i;
        return;
    }
    int2 choice = choose(list, scores, count, k, slots);
    write_chosen(selected, scores, count, k, choice);
}
