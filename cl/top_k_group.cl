/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Exact choice of the k largest scores of each row, by groups of ITEMS work-items; top_k.cl is the same for CPUs.
 *
 * A sample of the row gives a bound that little more than k scores reach. One pass over the row lists those; the k
 * largest of the list are found by a radix select and written through a bitmap of the row, which puts them in order.
 * The sample decides only how long the list gets: a list that holds fewer than k scores, or more than LIST_SIZE, is
 * discarded and the row itself searched.
 *
 * A row may be cut into slices, one group each. Each appends its list to the row's in global memory, and the group that
 * comes last goes on alone; no group ever waits for another.
 *
 * Scores become integers in their order: "keys", 0 for NaN. Positions become "places", ~position, so that the larger
 * place comes first among equal keys, and (key, place) orders all scores strictly.
 *
 * Built with -D LIST_SIZE, at most SAMPLES and a multiple of 64, and -D ITEMS, a power of two of at least 64. */

#include "lane.clh"

#define SAMPLES 4096
#define EACH (SAMPLES / ITEMS) /* samples, or entries of the list, of a work-item */
#define AHEAD 4                /* vectors that a work-item loads before it looks at them */
#define BINS 2048              /* 11 bits of a key a round */
#define BIN_BITS 11
#define OWN_BINS (BINS / ITEMS ? BINS / ITEMS : 1)
#define WINDOW 131072 /* positions that the bitmap holds */
#define BLOCK 16      /* work-items that sum_before takes together */

/* Words of local memory. The list lies over the rest: it is read into registers before the others are used. */
#define BINS_AT 0
#define BITMAP_AT BINS
#define SCAN_AT (BITMAP_AT + WINDOW / 32)
#define LOCAL_WORDS (2 * LIST_SIZE)

/* Words of a row's scratch: how many scores are listed, how many slices are done, and from HEADER on the list. */
#define HEADER 32
#define SCRATCH_WORDS (HEADER + 2 * LIST_SIZE)

#define LOWEST_NUMBER 0x007fffffu   /* the key of -infinity */
#define LOWEST_DENORMAL 0x7f7fffffu /* the keys of -FLT_MIN, which is none, and FLT_MIN */
#define LOWEST_NORMAL 0x80800000u

/* A call would put the arrays that are registers into memory. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Keys of the interval low..low + span; of those the `wanted` largest are chosen, and `inside` are there. An open
 * interval has no upper end: what lies above counts to its last bin. */
typedef struct interval {
    uint low, span, wanted, inside;
    bool open;
} interval;

/* Chosen is who has a larger key, or this key and at least this place. */
typedef struct choice {
    uint key, place;
} choice;

ALWAYS_INLINE uint4 score_keys(float4 scores)
{
    uint4 bits = as_uint4(scores);
    bits = select(bits, (uint4)(0), bits == 0x80000000u); /* -0 is 0 */
    uint4 keys = bits ^ (as_uint4(as_int4(bits) >> 31) | 0x80000000u);
    return select(keys, (uint4)(0), (bits & 0x7fffffffu) > 0x7f800000u);
}

ALWAYS_INLINE float key_score(uint key)
{
    return as_float(key & 0x80000000u ? key ^ 0x80000000u : ~max(key, LOWEST_NUMBER));
}

ALWAYS_INLINE bool is_chosen(choice chosen, uint key, uint place)
{
    return key > chosen.key || (key == chosen.key && place >= chosen.place);
}

/* Sum over all work-items before this one. */
ALWAYS_INLINE uint sum_before(uint value, __local uint *scan)
{
    int me = get_local_id(0), block = me / BLOCK;
    __local uint *blocks = scan + ITEMS;
    scan[me] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (me < ITEMS / BLOCK) {
        uint sum = 0;
        for (int i = 0; i < BLOCK; i++)
            sum += scan[me * BLOCK + i];
        blocks[me] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    uint before = 0;
    for (int i = 0; i < BLOCK; i++)
        before += i < me % BLOCK ? scan[block * BLOCK + i] : 0;
    for (int i = 0; i < ITEMS / BLOCK; i++)
        before += i < block ? blocks[i] : 0;
    return before;
}

/* ---- Radix select --------------------------------------------------------------------------------- */

ALWAYS_INLINE uint bin_shift(uint span)
{
    return span < BINS ? 0 : 32 - BIN_BITS - clz(span);
}

/* The bin of a value, BINS if it lies outside. Nothing lies below an open interval. */
ALWAYS_INLINE uint bin_of(uint value, interval in)
{
    uint distance = value - in.low;
    if (in.open)
        distance = min(distance, in.span);
    return distance <= in.span ? distance >> bin_shift(in.span) : BINS;
}

/* Counts the listed values. */
ALWAYS_INLINE void tally_list(__local uint *bins, const uint *keys, const uint *places, uint listed, interval in, bool tied,
                       uint tie)
{
#pragma unroll
    for (int j = 0; j < EACH; j++)
        if (j * ITEMS + get_local_id(0) < listed) {
            uint bin = bin_of(!tied ? keys[j] : keys[j] == tie ? places[j] : in.low - 1, in);
            if (bin < BINS)
                atomic_inc(bins + bin);
        }
}

/* Counts the row's values. Neighbours in one bin are counted together: plateaus would queue up there. */
ALWAYS_INLINE void tally_row(__local uint *bins, __global const float4 *row, int count, interval in, bool tied, uint tie)
{
    for (int i = get_local_id(0); i * 4 < count; i += ITEMS) {
        uint4 keys = score_keys(row[i]);
        uint bin[4] = {keys.x, keys.y, keys.z, keys.w};
#pragma unroll
        for (int j = 0; j < 4; j++) {
            uint value = !tied ? bin[j] : bin[j] == tie ? ~(uint)(i * 4 + j) : in.low - 1;
            bin[j] = i * 4 + j < count ? bin_of(value, in) : BINS;
        }
        if (bin[0] == bin[1] && bin[0] == bin[2] && bin[0] == bin[3]) {
            if (bin[0] < BINS)
                atomic_add(bins + bin[0], 4);
        } else
#pragma unroll
            for (int j = 0; j < 4; j++)
                if (bin[j] < BINS)
                    atomic_inc(bins + bin[j]);
    }
}

/* The bin in which the wanted-th largest value lies, from the tally, which is zero afterwards. *also becomes the upper
 * end of the bin of the rank `other`. */
ALWAYS_INLINE interval narrow(interval in, uint other, uint *also, __local uint *pool, __local uint *cells)
{
    __local uint *bins = pool + BINS_AT;
    int me = get_local_id(0), top = BINS - OWN_BINS * me; /* my bins lie below */
    uint counts[OWN_BINS], sum = 0;
    if (top > 0)
#pragma unroll
        for (int i = 0; i < OWN_BINS; i++) {
            counts[i] = bins[top - 1 - i];
            bins[top - 1 - i] = 0;
            sum += counts[i];
        }
    uint above = sum_before(sum, pool + SCAN_AT);
    if (sum) {
#pragma unroll
        for (int i = 0; i < OWN_BINS; i++) {
            if (above < in.wanted && in.wanted <= above + counts[i]) {
                cells[0] = top - 1 - i;
                cells[1] = above;
                cells[2] = counts[i];
            }
            if (above < other && other <= above + counts[i])
                cells[3] = top - 1 - i;
            above += counts[i];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    uint shift = bin_shift(in.span), bin = cells[0], offset = bin << shift;
    if (other)
        *also = in.low + ((cells[3] + 1) << shift) - 1;
    bool last = in.open && bin == in.span >> shift;
    return (interval){
        .low = in.low + offset,
        .span = last ? ~(in.low + offset) : min((1u << shift) - 1, in.span - offset),
        .wanted = in.wanted - cells[1],
        .inside = cells[2],
    };
}

/* The choice of k of the list, or (if not `listed`) of the row. No key of the list lies below `low`. */
ALWAYS_INLINE choice search(uint listed, const uint *keys, const uint *places, __global const float4 *row, int count, int k,
                     uint low, uint high, __local uint *pool, __local uint *cells)
{
    interval in = {.low = low, .span = high - low, .wanted = k, .open = true};
    bool tied = false;
    uint tie = 0;
    for (;;) {
        if (listed)
            tally_list(pool + BINS_AT, keys, places, listed, in, tied, tie);
        else
            tally_row(pool + BINS_AT, row, count, in, tied, tie);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, 0, 0, pool, cells);
        if (in.inside == in.wanted)
            return (choice){tied ? tie : in.low, tied ? in.low : 0};
        if (in.span == 0) {
            tied = true;
            tie = in.low;
            in.low = ~(uint)(count - 1);
            in.span = count - 1;
        }
    }
}

/* ---- The list ------------------------------------------------------------------------------------- */

/* Reads SAMPLES scores from all over the row, four together. Their places are shifted by a hash: rows may be periodic. */
ALWAYS_INLINE void take_sample(uint *keys, __global const float4 *row, int count)
{
#pragma unroll
    for (int j = 0; j < EACH; j += 4) {
        uint part = j / 4 * ITEMS + get_local_id(0);
        uint fraction = part << 22 | part * 2654435769u >> 10; /* SAMPLES / 4 = 2^10 parts */
        uint4 four = score_keys(row[mul_hi(fraction, (uint)count / 4)]);
        keys[j] = four.x, keys[j + 1] = four.y, keys[j + 2] = four.z, keys[j + 3] = four.w;
    }
}

/* How many of the sample should reach the bound, so that at least k and at most LIST_SIZE scores of the row do: the
 * square root of a number from a sample has the same deviation whatever the number. 0: the sample is too small. */
ALWAYS_INLINE uint sample_rank(int count, int k)
{
    float share = (float)SAMPLES / count, expected = k * share, middle = (sqrt((float)LIST_SIZE) + sqrt((float)k)) / 2;
    if (k > LIST_SIZE / 4 * 3)
        return 0;
    return (uint)min(expected + 4 * sqrt(expected) + 2, middle * middle * share);
}

/* The bound, from the sample; *high is a key above which few scores lie. */
ALWAYS_INLINE uint find_bound(const uint *keys, uint rank, uint *high, __local uint *pool, __local uint *cells)
{
    interval in = {.low = 0, .span = UINT_MAX, .wanted = rank};
    for (int round = 0; round < 2; round++) {
        tally_list(pool + BINS_AT, keys, keys, SAMPLES, in, false, 0);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, round == 0 ? max(rank / 3, 1u) : 0, high, pool, cells);
    }
    /* Devices that take denormal numbers for 0 compare the others rightly. */
    return in.low > LOWEST_DENORMAL && in.low < LOWEST_NORMAL ? LOWEST_DENORMAL : in.low;
}

ALWAYS_INLINE void load_ahead(float4 *loaded, __global const float4 *row, int i, int end)
{
#pragma unroll
    for (int j = 0; j < AHEAD; j++)
        loaded[j] = i + j * ITEMS < end ? row[i + j * ITEMS] : (float4)(NAN);
}

/* Appends those of the loaded scores that reach the bound, in any order, while there is room; *length counts all. */
ALWAYS_INLINE void append(__local uint2 *list, __local uint *length, const float4 *loaded, int i, int count, float bound)
{
    uint reached = 0;
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
        int4 here = (loaded[j] >= bound) & (int4)(1, 2, 4, 8);
        reached |= (uint)(here.x | here.y | here.z | here.w) << 4 * j;
    }
    if (!reached)
        return;
    int past = (i + (AHEAD - 1) * ITEMS) * 4 + 4 - count; /* only in the last vector can scores lie past the row's end */
    if (past > 0)
#pragma unroll
        for (int j = 0; j < 4 * AHEAD; j++)
            if ((i + j / 4 * ITEMS) * 4 + j % 4 >= count)
                reached &= ~(1u << j);
    uint at = atomic_add(length, popcount(reached));
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
        uint4 keys = score_keys(loaded[j]);
        uint key[4] = {keys.x, keys.y, keys.z, keys.w};
#pragma unroll
        for (int lane = 0; lane < 4; lane++)
            if (reached >> (4 * j + lane) & 1) {
                if (at < LIST_SIZE)
                    list[at] = (uint2)(key[lane], ~(uint)((i + j * ITEMS) * 4 + lane));
                at++;
            }
    }
}

/* Appends this slice's list to the row's. Returns whether it was the last: then *length is the row's. */
ALWAYS_INLINE bool hand_over(__global uint *scratch, int slices, __local const uint2 *list, uint *length, __local uint *cells)
{
    int me = get_local_id(0);
    if (me == 0)
        cells[4] = atomic_add(scratch, *length);
    barrier(CLK_LOCAL_MEM_FENCE);
    uint start = cells[4];
    for (uint i = me; i < *length && start + i < LIST_SIZE; i += ITEMS) {
        uint2 entry = list[i];
        device_store(scratch + HEADER + 2 * (start + i), entry.x);
        device_store(scratch + HEADER + 2 * (start + i) + 1, entry.y);
    }
    device_fence();
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (me == 0) {
        cells[4] = atomic_inc(scratch + 1) == (uint)slices - 1;
        if (cells[4]) { /* for the next launch */
            cells[5] = atomic_xchg(scratch, 0);
            atomic_xchg(scratch + 1, 0);
        }
        device_fence();
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!cells[4])
        return false;
    *length = cells[5];
    return true;
}

/* Reads the list into registers, from local memory, or (if given) from the row's in global memory. */
ALWAYS_INLINE void read_list(uint *keys, uint *places, __local const uint2 *list, bool handed_over, __global uint *scratch,
                      uint length)
{
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        uint i = j * ITEMS + get_local_id(0);
        if (i >= length)
            continue;
        if (handed_over) {
            keys[j] = device_load(scratch + HEADER + 2 * i);
            places[j] = device_load(scratch + HEADER + 2 * i + 1);
        } else {
            uint2 entry = list[i];
            keys[j] = entry.x;
            places[j] = entry.y;
        }
    }
}

/* ---- The result ----------------------------------------------------------------------------------- */

/* Sets the bits of the chosen positions start..start + WINDOW - 1. */
ALWAYS_INLINE void mark(__local uint *bitmap, uint listed, const uint *keys, const uint *places, __global const float4 *row,
                 int count, int start, choice chosen)
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
    for (int i = start + 4 * (int)get_local_id(0); i < min(count, start + WINDOW); i += 4 * ITEMS) {
        uint4 keys4 = score_keys(row[i / 4]);
        uint bits = is_chosen(chosen, keys4.x, ~(uint)i);
        bits |= (i + 1 < count && is_chosen(chosen, keys4.y, ~(uint)(i + 1))) << 1;
        bits |= (i + 2 < count && is_chosen(chosen, keys4.z, ~(uint)(i + 2))) << 2;
        bits |= (i + 3 < count && is_chosen(chosen, keys4.w, ~(uint)(i + 3))) << 3;
        if (bits)
            atomic_or(bitmap + (i - start) / 32, bits << i % 32);
    }
}

/* Writes the chosen positions in ascending order. The bitmap is clear at first. */
ALWAYS_INLINE void write_chosen(__global int *selected, uint listed, const uint *keys, const uint *places,
                         __global const float4 *row, int count, choice chosen, __local uint *pool, __local uint *cells)
{
    enum { OWN_WORDS = WINDOW / 32 / ITEMS };
    int me = get_local_id(0), written = 0;
    __local uint *bitmap = pool + BITMAP_AT, *own = bitmap + me * OWN_WORDS;
    for (int start = 0; start < count; start += WINDOW) {
        mark(bitmap, listed, keys, places, row, count, start, chosen);
        barrier(CLK_LOCAL_MEM_FENCE);
        uint here = 0;
        for (int i = 0; i < OWN_WORDS; i++)
            here += popcount(own[i]);
        uint at = written + sum_before(here, pool + SCAN_AT);
        if (me == ITEMS - 1)
            cells[0] = at + here;
        for (int i = 0; i < OWN_WORDS; i++) {
            for (uint bits = own[i]; bits; bits &= bits - 1)
                selected[at++] = start + (me * OWN_WORDS + i) * 32 + 31 - (int)clz(bits & -bits);
            own[i] = 0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        written = cells[0];
    }
}

ALWAYS_INLINE void clear_words(__local uint *words, int count)
{
    for (int i = get_local_id(0); i < count; i += ITEMS)
        words[i] = 0;
}

/* Lists what reaches the bound in the vectors first..end - 1; returns how many scores do. */
ALWAYS_INLINE uint list_slice(__local uint *pool, __local uint *cells, __global const float4 *row, int first, int end,
                       int count, uint rank, uint *low, uint *high)
{
    float4 loaded[AHEAD];
    uint sample[EACH];
    int i = first + get_local_id(0);
    load_ahead(loaded, row, i, end); /* arrives while the bound is sought */
    take_sample(sample, row, count);
    *low = find_bound(sample, rank, high, pool, cells);
    if (get_local_id(0) == 0)
        cells[6] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (float bound = key_score(*low); i < end; i += AHEAD * ITEMS) {
        append((__local uint2 *)pool, cells + 6, loaded, i, count, bound);
        load_ahead(loaded, row, i + AHEAD * ITEMS, end);
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
    uint keys[EACH], places[EACH], listed = 0, low = 0, high = UINT_MAX;
    int me = get_local_id(0), slice = get_group_id(0) % slices;
    size_t r = get_group_id(0) / slices, token = first_row + r;
    int count = positions[token] + 1;
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
    uint rank = sample_rank(count, k);
    if (count <= LIST_SIZE || rank == 0) {
        if (slice)
            return;
        if (count <= LIST_SIZE) {
            listed = count;
#pragma unroll
            for (int j = 0; j < EACH; j++) {
                int i = j * ITEMS + me;
                keys[j] = i < count ? score_keys((float4)(((__global const float *)row)[i])).x : 0;
                places[j] = ~(uint)i;
            }
        }
    } else {
        int vectors = (count + 3) / 4, share = (vectors + slices - 1) / slices;
        clear_words(pool + BINS_AT, BINS);
        barrier(CLK_LOCAL_MEM_FENCE);
        listed = list_slice(pool, cells, row, min(slice * share, vectors), min((slice + 1) * share, vectors), count,
                            rank, &low, &high);
        if (slices > 1 && !hand_over(scratch, slices, (__local const uint2 *)pool, &listed, cells))
            return;
        if (listed < (uint)k || listed > LIST_SIZE) {
            listed = low = 0;
            high = UINT_MAX;
        }
        read_list(keys, places, (__local const uint2 *)pool, slices > 1, scratch, listed);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    clear_words(pool + BINS_AT, BINS + WINDOW / 32);
    barrier(CLK_LOCAL_MEM_FENCE);
    choice chosen = search(listed, keys, places, row, count, k, low, high, pool, cells);
    write_chosen(selected, listed, keys, places, row, count, chosen, pool, cells);
}
