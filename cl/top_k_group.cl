/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Exact choice of the k largest scores of each row, by groups of ITEMS work-items; top_k.cl is the same for CPUs, and
 * top_k_short.cl takes rows that fit in registers.
 *
 * A sample of the row gives a bound that little more than k scores reach. One pass over the row lists those; the k
 * largest of the list are found by a radix select and written through a bitmap of the row, which puts them in order.
 * The sample decides only how long the list gets: a list that holds fewer than k scores, or more than LIST_SIZE, is
 * discarded and the row itself searched.
 *
 * A row may be cut into slices, one group each. Each appends its list to the row's in global memory, and the group that
 * comes last goes on alone; no group ever waits for another.
 *
 * Positions become "places", ~position, so that the larger place comes first among equal keys, and (key, place) orders
 * all scores strictly.
 *
 * Built with -D LIST_SIZE, at most SAMPLES and a multiple of 64, and -D ITEMS, a power of two from LANES to 512. */

#include "radix.clh"

#define SAMPLES 4096        /* of a slice; twice as many of a row by itself */
#define EACH (SAMPLES / ITEMS) /* entries of the list of a work-item */
#define AHEAD 8    /* vectors that a work-item loads before it looks at them */
#define FIRST 2    /* and those that arrive while the bound is sought: all of a short slice */
#define SEARCHED 2 /* and where the row itself is searched, which is rare: fewer registers */
#define OWN_WORDS 8 /* of the bitmap, for a work-item */
#define WINDOW (OWN_WORDS * 32 * ITEMS) /* positions that it holds */
#define RUN 16 /* consecutive positions of a work-item where ties are counted */

/* Words of local memory. The list lies over the rest: it is read into registers before the others are used. */
#define BINS_AT 0
#define BITMAP_AT BIN_WORDS
#define BITMAP_WORDS ((OWN_WORDS | 1) * ITEMS)
#define SCAN_AT (BITMAP_AT + BITMAP_WORDS)
#define LOCAL_WORDS (2 * LIST_SIZE)

/* Words of a row's scratch. The first counts its listed scores, and in its upper bits the slices that are done; the
 * list begins at HEADER. */
#define HEADER 32
#define SCRATCH_WORDS (HEADER + 2 * LIST_SIZE)
#define SLICE_DONE (1u << 26)

#define LOWEST_NUMBER 0x007fffffu /* the key of -infinity */

/* Chosen is who has a larger key, or this key and at least this place; and of the key `tie` the first `ties`. */
typedef struct choice {
    uint key, place, tie, ties;
} choice;

ALWAYS_INLINE float key_score(uint key)
{
    return as_float(key & 0x80000000u ? key ^ 0x80000000u : ~max(key, LOWEST_NUMBER));
}

ALWAYS_INLINE bool is_chosen(choice chosen, uint key, uint place)
{
    return key > chosen.key || (key == chosen.key && place >= chosen.place);
}

/* ---- Radix select --------------------------------------------------------------------------------- */

/* Counts the listed values, of which a work-item has `each`. */
ALWAYS_INLINE void tally_list(__local uint *bins, const uint *keys, const uint *places, int each, uint listed,
                              interval in, bool tied, uint tie)
{
#pragma unroll
    for (int j = 0; j < each; j++)
        if (j * ITEMS + get_local_id(0) < listed)
            atomic_inc(bins + bin_place(!tied ? keys[j] : keys[j] == tie ? places[j] : in.low - 1, in));
}

/* Vectors i, i + ITEMS, ... of the row, as many as `loaded` holds. */
ALWAYS_INLINE void load_ahead(float4 *loaded, int vectors, __global const float4 *row, int i, int end)
{
#pragma unroll
    for (int j = 0; j < vectors; j++)
        loaded[j] = i + j * ITEMS < end ? row[i + j * ITEMS] : (float4)(NAN);
}

/* Counts the row's keys. Neighbours in one bin are counted together: plateaus would queue up there. */
ALWAYS_INLINE void tally_row(__local uint *bins, __global const float4 *row, int count, interval in)
{
    for (int i = get_local_id(0); i * 4 < count; i += SEARCHED * ITEMS) {
        float4 loaded[SEARCHED];
        load_ahead(loaded, SEARCHED, row, i, (count + 3) / 4);
#pragma unroll
        for (int j = 0; j < SEARCHED; j++) {
            uint4 keys = score_keys(loaded[j]);
            int here = count - (i + j * ITEMS) * 4;
            uint4 at = (uint4)(here > 0 ? bin_place(keys.x, in) : BINS, here > 1 ? bin_place(keys.y, in) : BINS,
                               here > 2 ? bin_place(keys.z, in) : BINS, here > 3 ? bin_place(keys.w, in) : BINS);
            bool same = all(at == at.x);
            atomic_add(bins + at.x, same ? 4 : 1);
            if (same)
                continue;
            atomic_inc(bins + at.y);
            atomic_inc(bins + at.z);
            atomic_inc(bins + at.w);
        }
    }
}

/* The choice of k of the list, or (if it is empty) of the row; or `chosen`, if `done`. No key of the list lies below
 * `low`. */
ALWAYS_INLINE choice search(choice chosen, bool done, uint listed, const uint *keys, const uint *places,
                            __global const float4 *row, int count, int k, uint low, uint high, __local uint *pool,
                            __local uint *cells)
{
    interval in = {.low = low, .span = high - low, .wanted = k, .open = true};
    bool tied = false;
    uint tie = 0;
    do {
        if (listed)
            tally_list(pool + BINS_AT, keys, places, EACH, listed, in, tied, tie);
        else if (!done)
            tally_row(pool + BINS_AT, row, count, in);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, 0, 0, pool + BINS_AT, pool + SCAN_AT, cells);
        if (!done) {
            done = in.inside == in.wanted || (in.span == 0 && !listed);
            if (in.inside == in.wanted)
                chosen = (choice){tied ? tie : in.low, tied ? in.low : 0, 0, 0};
            else if (done)
                chosen = (choice){.key = in.low + 1, .tie = in.low, .ties = in.wanted};
            else if (in.span == 0) {
                tied = true;
                tie = in.low;
                in.low = ~(uint)(count - 1);
                in.span = count - 1;
            }
        }
    } while (!done);
    return chosen;
}

/* ---- The list ------------------------------------------------------------------------------------- */

/* Reads `samples` scores from all over the row, four together, at distances that a hash varies: rows may be periodic.
 */
ALWAYS_INLINE void take_sample(uint *keys, uint samples, __global const float4 *row, int count)
{
    uint bits = 32 - BIN_BITS + (samples == SAMPLES); /* samples / 4 are 2^10 or 2^11 parts */
#pragma unroll
    for (int j = 0; j < 2 * EACH; j += 4) {
        uint part = j / 4 * ITEMS + get_local_id(0);
        uint fraction = part << bits | part * 2654435769u >> (32 - bits);
        uint4 four = (uint4)(0);
        if (part * 4 < samples)
            four = score_keys(row[mul_hi(fraction, (uint)count / 4)]);
        keys[j] = four.x, keys[j + 1] = four.y, keys[j + 2] = four.z, keys[j + 3] = four.w;
    }
}

/* How many of the sample should reach the bound, so that at least k and at most LIST_SIZE scores of the row do: the
 * square root of a number from a sample has the same deviation whatever the number. 0: the row is too short, or the
 * list. */
ALWAYS_INLINE uint sample_rank(uint samples, int count, int k)
{
    float share = (float)samples / count, expected = k * share, middle = (sqrt((float)LIST_SIZE) + sqrt((float)k)) / 2;
    if (count <= LIST_SIZE || k > LIST_SIZE / 4 * 3)
        return 0;
    return (uint)min(expected + 4 * sqrt(expected) + 2, middle * middle * share);
}

/* The bound, from the sample, where a rank is given; *high is a key above which few scores lie. A bound on a plateau
 * that would overflow the list is put above it, and *plateau is true. */
ALWAYS_INLINE uint find_bound(const uint *keys, uint samples, uint rank, int count, uint *high, bool *plateau,
                              __local uint *pool, __local uint *cells)
{
    interval in = {.low = 0, .span = UINT_MAX, .wanted = rank};
    uint other = max(rank / 3, 1u);
    do {
        tally_list(pool + BINS_AT, keys, keys, 2 * EACH, rank ? samples : 0, in, false, 0);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, other, high, pool + BINS_AT, pool + SCAN_AT, cells);
        other = 0;
    } while (rank && in.span && in.inside > rank / 16 + 2);
    *plateau = false;
    if (rank == 0) {
        *high = UINT_MAX;
        return 0;
    }
    float reached = (float)(rank - in.wanted + in.inside) * count / samples;
    *plateau = in.span == 0 && reached > LIST_SIZE * 0.9f;
    return in.low + *plateau;
}

/* Appends those of the loaded scores that reach the bound, in any order, while there is room; *length counts all. The
 * comparison of floats may let more pass, where denormal numbers are taken for 0. */
ALWAYS_INLINE void append(__local uint2 *list, __local uint *length, const float4 *loaded, int vectors, int i,
                          int count, uint low, float bound)
{
    uint reached = 0;
#pragma unroll
    for (int j = 0; j < vectors; j++) {
        int4 here = (loaded[j] >= bound) & (int4)(1, 2, 4, 8);
        reached |= (uint)(here.x | here.y | here.z | here.w) << 4 * j;
    }
    while (reached) {
        int last = 31 - (int)clz(reached);
        float4 four = loaded[0];
#pragma unroll
        for (int j = 1; j < vectors; j++)
            four = last / 4 == j ? loaded[j] : four;
        float2 two = last & 2 ? four.zw : four.xy;
        uint key = score_keys((float4)(last & 1 ? two.y : two.x)).x;
        int position = (i + last / 4 * ITEMS) * 4 + last % 4;
        uint at = key >= low && position < count ? atomic_inc(length) : LIST_SIZE;
        if (at < LIST_SIZE)
            list[at] = (uint2)(key, ~(uint)position);
        reached ^= 1u << last;
    }
}

/* Appends this slice's list to the row's. Returns whether it was the last: then *length is the row's. */
ALWAYS_INLINE bool hand_over(__global uint *scratch, int slices, __local const uint2 *list, uint *length,
                             __local uint *cells)
{
    int me = get_local_id(0);
    bool shared = slices > 1;
    if (shared && me == 0)
        cells[4] = atomic_add(scratch, *length) & (SLICE_DONE - 1);
    barrier(CLK_LOCAL_MEM_FENCE);
    uint start = cells[4];
    for (uint i = me; shared && i < *length && start + i < LIST_SIZE; i += ITEMS)
        device_store2(scratch + HEADER + 2 * (start + i), list[i]);
    if (shared)
        device_fence();
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (shared && me == 0)
        cells[4] = atomic_add(scratch, SLICE_DONE);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (!shared)
        return true;
    if (cells[4] / SLICE_DONE != (uint)slices - 1)
        return false;
    *length = cells[4] & (SLICE_DONE - 1);
    device_fence();
    if (me == 0)
        atomic_xchg(scratch, 0); /* for the next launch */
    return true;
}

/* Reads the list into registers: from the row's scratch, where slices were handed over, or from local memory. */
ALWAYS_INLINE void read_list(uint *keys, uint *places, __local const uint2 *list, bool handed_over,
                             __global uint *scratch, uint length)
{
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        uint i = j * ITEMS + get_local_id(0);
        uint2 entry = (uint2)(0);
        if (i < length)
            entry = handed_over ? device_load2(scratch + HEADER + 2 * i) : list[i];
        keys[j] = entry.x;
        places[j] = entry.y;
    }
}

/* ---- The result ----------------------------------------------------------------------------------- */

/* Sets the bits of the positions start..start + WINDOW - 1 with chosen keys and places. */
ALWAYS_INLINE void mark(__local uint *bitmap, uint listed, const uint *keys, const uint *places,
                        __global const float4 *row, int count, int start, choice chosen)
{
    if (listed) {
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            uint bit = ~places[j] - start;
            if (j * ITEMS + get_local_id(0) < listed && is_chosen(chosen, keys[j], places[j]) && bit < WINDOW)
                atomic_or(bitmap + bit / 32, 1u << bit % 32);
        }
        return;
    }
    int end = min(count, start + WINDOW);
    for (int i = start / 4 + get_local_id(0); i * 4 < end; i += SEARCHED * ITEMS) {
        float4 loaded[SEARCHED];
        load_ahead(loaded, SEARCHED, row, i, (end + 3) / 4);
#pragma unroll
        for (int j = 0; j < SEARCHED; j++) {
            int at = (i + j * ITEMS) * 4;
            uint4 reached = as_uint4(score_keys(loaded[j]) >= chosen.key) & (uint4)(1, 2, 4, 8);
            uint bits = (reached.x | reached.y | reached.z | reached.w) & ((1u << clamp(end - at, 0, 4)) - 1);
            if (bits)
                atomic_or(bitmap + (at - start) / 32, bits << at % 32);
        }
    }
}

/* Sets the bits of the first `ties` positions from start on whose key is `tie`, in this window; returns how many more
 * are wanted. */
ALWAYS_INLINE uint mark_ties(__local uint *bitmap, __global const float4 *row, int count, int start, uint tie,
                             uint ties, __local uint *scan)
{
    int end = min(count, start + WINDOW);
    int first = start;
    do {
        int at = first + RUN * (int)get_local_id(0);
        uint bits = 0, total;
        if (ties) {
#pragma unroll
            for (int j = 0; j < RUN / 4; j++) {
                float4 four = at + 4 * j < end ? row[at / 4 + j] : (float4)(0);
                uint4 equal = as_uint4(score_keys(four) == tie) & (uint4)(1, 2, 4, 8);
                bits |= (equal.x | equal.y | equal.z | equal.w) << 4 * j;
            }
            bits &= (1u << clamp(end - at, 0, RUN)) - 1;
        }
        uint before = sum_before(popcount(bits), &total, scan);
        for (; bits && before < ties; bits &= bits - 1, before++)
            atomic_or(bitmap + (at - start) / 32, (bits & -bits) << at % 32);
        ties -= min(ties, total);
        barrier(CLK_LOCAL_MEM_FENCE);
        first += RUN * ITEMS;
    } while (first < end && ties);
    return ties;
}

/* Writes the chosen positions in ascending order and returns how many they are. The bitmap is clear at first. A
 * work-item takes as few words of it as the row allows, an odd number: its neighbour's lie in other banks. */
ALWAYS_INLINE uint write_chosen(__global int *selected, uint listed, const uint *keys, const uint *places,
                                __global const float4 *row, int count, choice chosen, __local uint *pool)
{
    const int each = (min(count, WINDOW) - 1) / (32 * ITEMS) + 1 | 1, first = (int)get_local_id(0) * each;
    uint written = 0, ties = chosen.ties;
    __local uint *bitmap = pool + BITMAP_AT;
    int start = 0;
    do {
        mark(bitmap, listed, keys, places, row, count, start, chosen);
        ties = mark_ties(bitmap, row, count, start, chosen.tie, ties, pool + SCAN_AT);
        barrier(CLK_LOCAL_MEM_FENCE);
        uint here = 0, filled = 0, total;
        for (int i = 0; i < each; i++) {
            here += popcount(bitmap[first + i]);
            filled |= (bitmap[first + i] != 0) << i;
        }
        uint at = written + sum_before(here, &total, pool + SCAN_AT);
        for (; filled; filled &= filled - 1) {
            int word = first + 31 - (int)clz(filled & -filled);
            for (uint bits = bitmap[word]; bits; bits &= bits - 1)
                selected[at++] = start + word * 32 + 31 - (int)clz(bits & -bits);
            bitmap[word] = 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        written += total;
        start += WINDOW;
    } while (start < count);
    return written;
}

/* Lists what reaches the bound in the vectors first..end - 1; returns how many scores do. */
ALWAYS_INLINE uint list_slice(__local uint *pool, __local uint *cells, __global const float4 *row, int first, int end,
                              int count, uint samples, uint rank, uint *low, uint *high, bool *plateau)
{
    __local uint2 *list = (__local uint2 *)pool;
    float4 arriving[FIRST];
    uint sample[2 * EACH];
    int i = first + get_local_id(0);
    load_ahead(arriving, FIRST, row, i, end);
    take_sample(sample, samples, row, count);
    clear_words(pool + BINS_AT, BINS);
    *low = find_bound(sample, samples, rank, count, high, plateau, pool, cells);
    if (get_local_id(0) == 0)
        cells[6] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    float bound = key_score(*low);
    append(list, cells + 6, arriving, FIRST, i, count, *low, bound);
    for (i += FIRST * ITEMS; i < end; i += AHEAD * ITEMS) {
        float4 loaded[AHEAD];
        load_ahead(loaded, AHEAD, row, i, end);
        append(list, cells + 6, loaded, AHEAD, i, count, *low, bound);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return cells[6];
}

/* Row t = first_row + r of selected [T, selected_stride] gets the positions of the min(k, positions[t] + 1) largest of
 * scores[r, 0..positions[t]] in ascending order, the lower position first among equals; counts[t] says how many.
 * scores [rows, stride]. Groups slices r..slices (r + 1) - 1 share row r; with slices > 1, scratch [rows,
 * SCRATCH_WORDS] has headers of 0, before and after. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void top_k_group(__global int *selected, int selected_stride, __global int *counts, __global const float *scores,
                 int stride, __global const int *positions, int first_row, int k, int slices, __global uint *scratch)
{
    __local uint4 memory[LOCAL_WORDS / 4];
    __local uint cells[8];
    __local uint *pool = (__local uint *)memory;
    uint keys[EACH], places[EACH], listed, low, high;
    int me = get_local_id(0), slice = get_group_id(0) % slices;
    size_t r = get_group_id(0) / slices, token = first_row + r;
    int count = positions[token] + 1;
    bool plateau = false;
    __global const float4 *row = (__global const float4 *)(scores + r * stride);
    selected += token * selected_stride;
    scratch += r * SCRATCH_WORDS;
    if (slice == 0 && me == 0)
        counts[token] = min(count, k);
    if (count <= k) {
        for (int i = slice * ITEMS + me; i < count; i += slices * ITEMS)
            selected[i] = i;
        return;
    }
    uint samples = slices > 1 ? SAMPLES : 2 * SAMPLES, rank = sample_rank(samples, count, k);
    int vectors = rank ? (count + 3) / 4 : 0, share = (vectors + slices - 1) / slices;
    if (rank == 0 && slice > 0)
        return;
    listed = list_slice(pool, cells, row, min(slice * share, vectors), min((slice + 1) * share, vectors), count,
                        samples, rank, &low, &high, &plateau);
    if (!hand_over(scratch, rank ? slices : 1, (__local const uint2 *)pool, &listed, cells))
        return;
    plateau = plateau && listed < (uint)k;
    if (listed > LIST_SIZE || (listed < (uint)k && !plateau))
        listed = 0;
    read_list(keys, places, (__local const uint2 *)pool, slices > 1, scratch, listed);
    barrier(CLK_LOCAL_MEM_FENCE);
    clear_words(pool + BINS_AT, BIN_WORDS + BITMAP_WORDS);
    uint written;
    do {
        choice chosen = {.key = low, .tie = low - 1, .ties = k - listed};
        chosen = search(chosen, plateau, listed, keys, places, row, count, k, listed ? low : 0,
                        listed ? high : UINT_MAX, pool, cells);
        written = write_chosen(selected, listed, keys, places, row, count, chosen, pool);
        plateau = false; /* where too little was written, it had fewer scores than the sample let expect */
        listed = 0;
    } while (written < (uint)k);
}
