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
 * Barriers stand under no condition, and in loops that run at least once: PoCL doubles what follows any other.
 * Built with -D LIST_SIZE, at most SAMPLES and a multiple of 64, and -D ITEMS, a power of two from LANES to 512. */

#include "lane.clh"

#define SAMPLES 4096
#define EACH (SAMPLES / ITEMS) /* samples, or entries of the list, of a work-item */
#define AHEAD 8    /* vectors that a work-item loads before it looks at them */
#define FIRST 2    /* and those that arrive while the bound is sought: all of a short slice */
#define SEARCHED 2 /* and where the row itself is searched, which is rare: fewer registers */
#define BINS 2048 /* 11 bits of a key a round */
#define BIN_BITS 11
#define OWN_BINS (BINS / ITEMS)
#define WINDOW 131072 /* positions that the bitmap holds */
#define OWN_WORDS (WINDOW / 32 / ITEMS)
#define RUN 16 /* consecutive positions of a work-item where ties are counted */

/* Words of local memory. The list lies over the rest: it is read into registers before the others are used. A
 * work-item's words of the bitmap are one apart from the next one's, so that they lie in different banks. */
#define BINS_AT 0
#define BITMAP_AT BINS
#define BITMAP_WORDS ((OWN_WORDS + 1) * ITEMS)
#define SCAN_AT (BITMAP_AT + BITMAP_WORDS)
#define LOCAL_WORDS (2 * LIST_SIZE)

/* Words of a row's scratch. The first counts its listed scores, and in its upper bits the slices that are done; the
 * list begins at HEADER. */
#define HEADER 32
#define SCRATCH_WORDS (HEADER + 2 * LIST_SIZE)
#define SLICE_DONE (1u << 26)

#define LOWEST_NUMBER 0x007fffffu /* the key of -infinity */

/* A call would put the arrays that are registers into memory. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Keys of the interval low..low + span; of those the `wanted` largest are chosen, and `inside` are there. An open
 * interval has no upper end: what lies above counts to its last bin. */
typedef struct interval {
    uint low, span, wanted, inside;
    bool open;
} interval;

/* Chosen is who has a larger key, or this key and at least this place; and of the key `tie` the first `ties`. */
typedef struct choice {
    uint key, place, tie, ties;
} choice;

ALWAYS_INLINE uint4 score_keys(float4 scores)
{
    uint4 bits = as_uint4(scores);
    bits = select(bits, (uint4)(0), bits == 0x80000000u); /* -0 is 0 */
    uint4 keys = bits ^ (as_uint4(as_int4(bits) >> 31) | 0x80000000u);
    return select(keys, (uint4)(0), (bits & 0x7fffffffu) > 0x7f800000u);
}

ALWAYS_INLINE uint score_key(float score)
{
    return score_keys((float4)(score)).x;
}

ALWAYS_INLINE float key_score(uint key)
{
    return as_float(key & 0x80000000u ? key ^ 0x80000000u : ~max(key, LOWEST_NUMBER));
}

ALWAYS_INLINE bool is_chosen(choice chosen, uint key, uint place)
{
    return key > chosen.key || (key == chosen.key && place >= chosen.place);
}

/* Sum over all work-items before this one; *total over all. */
ALWAYS_INLINE uint sum_before(uint value, uint *total, __local uint *scan)
{
    int me = get_local_id(0);
    __local uint *sums = scan + ITEMS;
    uint before = lane_sum_before(value, scan);
    if (LANE == LANES - 1)
        sums[me / LANES] = before + value;
    barrier(CLK_LOCAL_MEM_FENCE);
    uint sum = me < ITEMS / LANES ? sums[me] : 0; /* at most LANES of them */
    uint sum_start = lane_sum_before(sum, scan);
    if (me < ITEMS / LANES)
        sums[me] = sum_start;
    if (me == ITEMS / LANES - 1)
        sums[ITEMS / LANES] = sum_start + sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    *total = sums[ITEMS / LANES];
    return before + sums[me / LANES];
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

/* Counts the listed values; the largest bin comes first. */
ALWAYS_INLINE void tally_list(__local uint *bins, const uint *keys, const uint *places, uint listed, interval in,
                              bool tied, uint tie)
{
#pragma unroll
    for (int j = 0; j < EACH; j++)
        if (j * ITEMS + get_local_id(0) < listed) {
            uint bin = bin_of(!tied ? keys[j] : keys[j] == tie ? places[j] : in.low - 1, in);
            if (bin < BINS)
                atomic_inc(bins + BINS - 1 - bin);
        }
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
            uint4 bin = (uint4)(here > 0 ? bin_of(keys.x, in) : BINS, here > 1 ? bin_of(keys.y, in) : BINS,
                                here > 2 ? bin_of(keys.z, in) : BINS, here > 3 ? bin_of(keys.w, in) : BINS);
            bool same = all(bin == bin.x);
            if (bin.x < BINS)
                atomic_add(bins + BINS - 1 - bin.x, same ? 4 : 1);
            if (same)
                continue;
            if (bin.y < BINS)
                atomic_inc(bins + BINS - 1 - bin.y);
            if (bin.z < BINS)
                atomic_inc(bins + BINS - 1 - bin.z);
            if (bin.w < BINS)
                atomic_inc(bins + BINS - 1 - bin.w);
        }
    }
}

/* The bin in which the wanted-th largest value lies, from the tally, which is zero afterwards. *also becomes the upper
 * end of the bin of the rank `other`, if that is not 0. */
ALWAYS_INLINE interval narrow(interval in, uint other, uint *also, __local uint *pool, __local uint *cells)
{
    int me = get_local_id(0);
    __local uint *own = pool + BINS_AT + me * OWN_BINS;
    uint counts[OWN_BINS], sum = 0, total;
#pragma unroll
    for (int i = 0; i < OWN_BINS; i++) {
        counts[i] = own[i];
        own[i] = 0;
        sum += counts[i];
    }
    uint above = sum_before(sum, &total, pool + SCAN_AT);
    if (sum) {
#pragma unroll
        for (int i = 0; i < OWN_BINS; i++) {
            if (above < in.wanted && in.wanted <= above + counts[i]) {
                cells[0] = BINS - 1 - (me * OWN_BINS + i);
                cells[1] = above;
                cells[2] = counts[i];
            }
            if (above < other && other <= above + counts[i])
                cells[3] = BINS - 1 - (me * OWN_BINS + i);
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
            tally_list(pool + BINS_AT, keys, places, listed, in, tied, tie);
        else if (!done)
            tally_row(pool + BINS_AT, row, count, in);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, 0, 0, pool, cells);
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

/* Reads SAMPLES scores from all over the row, four together, at distances that a hash varies: rows may be periodic. */
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

/* The bound, from the sample, where a rank is given; *high is a key above which few scores lie. A bound on a plateau
 * that would overflow the list is put above it, and *plateau is true. */
ALWAYS_INLINE uint find_bound(const uint *keys, uint rank, int count, uint *high, bool *plateau, __local uint *pool,
                              __local uint *cells)
{
    interval in = {.low = 0, .span = UINT_MAX, .wanted = rank};
    uint other = max(rank / 3, 1u);
    do {
        tally_list(pool + BINS_AT, keys, keys, rank ? SAMPLES : 0, in, false, 0);
        barrier(CLK_LOCAL_MEM_FENCE);
        in = narrow(in, other, high, pool, cells);
        other = 0;
    } while (rank && in.span && in.inside > rank / 16 + 2);
    *plateau = false;
    if (rank == 0) {
        *high = UINT_MAX;
        return 0;
    }
    float reached = (float)(rank - in.wanted + in.inside) * count / SAMPLES;
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
        uint key = score_key(last & 1 ? two.y : two.x);
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
    for (uint i = me; shared && i < *length && start + i < LIST_SIZE; i += ITEMS) {
        uint2 entry = list[i];
        device_store(scratch + HEADER + 2 * (start + i), entry.x);
        device_store(scratch + HEADER + 2 * (start + i) + 1, entry.y);
    }
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
    if (me == 0)
        atomic_xchg(scratch, 0); /* for the next launch */
    device_fence();
    return true;
}

/* Reads the list into registers: from the row's scratch, where slices were handed over, or from local memory. */
ALWAYS_INLINE void read_list(uint *keys, uint *places, __local const uint2 *list, bool handed_over,
                             __global uint *scratch, uint length)
{
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        uint i = j * ITEMS + get_local_id(0);
        if (i < length && handed_over) {
            keys[j] = device_load(scratch + HEADER + 2 * i);
            places[j] = device_load(scratch + HEADER + 2 * i + 1);
        } else if (i < length) {
            keys[j] = list[i].x;
            places[j] = list[i].y;
        }
    }
}

/* The whole of a short row. */
ALWAYS_INLINE void read_row(uint *keys, uint *places, __global const float *row, uint count)
{
#pragma unroll
    for (int j = 0; j < EACH; j++) {
        uint i = j * ITEMS + get_local_id(0);
        keys[j] = i < count ? score_key(row[i]) : 0;
        places[j] = ~i;
    }
}

/* ---- The result ----------------------------------------------------------------------------------- */

/* The word of the bitmap that holds a position's bit. */
ALWAYS_INLINE __local uint *bit_word(__local uint *bitmap, uint position)
{
    uint word = position / 32;
    return bitmap + word + word / OWN_WORDS;
}

/* Sets the bits of the positions start..start + WINDOW - 1 with chosen keys and places. */
ALWAYS_INLINE void mark(__local uint *bitmap, uint listed, const uint *keys, const uint *places,
                        __global const float4 *row, int count, int start, choice chosen)
{
    if (listed) {
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            uint bit = ~places[j] - start;
            if (j * ITEMS + get_local_id(0) < listed && is_chosen(chosen, keys[j], places[j]) && bit < WINDOW)
                atomic_or(bit_word(bitmap, bit), 1u << bit % 32);
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
                atomic_or(bit_word(bitmap, at - start), bits << at % 32);
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
            atomic_or(bit_word(bitmap, at - start), (bits & -bits) << at % 32);
        ties -= min(ties, total);
        barrier(CLK_LOCAL_MEM_FENCE);
        first += RUN * ITEMS;
    } while (first < end && ties);
    return ties;
}

/* Writes the chosen positions in ascending order and returns how many they are. The bitmap is clear at first. */
ALWAYS_INLINE uint write_chosen(__global int *selected, uint listed, const uint *keys, const uint *places,
                                __global const float4 *row, int count, choice chosen, __local uint *pool)
{
    int me = get_local_id(0);
    uint written = 0, ties = chosen.ties;
    __local uint *bitmap = pool + BITMAP_AT, *own = bitmap + me * (OWN_WORDS + 1);
    int start = 0;
    do {
        mark(bitmap, listed, keys, places, row, count, start, chosen);
        ties = mark_ties(bitmap, row, count, start, chosen.tie, ties, pool + SCAN_AT);
        barrier(CLK_LOCAL_MEM_FENCE);
        uint words[OWN_WORDS], here = 0, total;
#pragma unroll
        for (int i = 0; i < OWN_WORDS; i++) {
            words[i] = own[i];
            own[i] = 0;
            here += popcount(words[i]);
        }
        uint at = written + sum_before(here, &total, pool + SCAN_AT);
#pragma unroll
        for (int i = 0; i < OWN_WORDS; i++)
            for (uint bits = words[i]; bits; bits &= bits - 1)
                selected[at++] = start + (me * OWN_WORDS + i) * 32 + 31 - (int)clz(bits & -bits);
        barrier(CLK_LOCAL_MEM_FENCE);
        written += total;
        start += WINDOW;
    } while (start < count);
    return written;
}

ALWAYS_INLINE void clear_words(__local uint *words, int count)
{
    for (int i = get_local_id(0); i < count; i += ITEMS)
        words[i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
}

/* Lists what reaches the bound in the vectors first..end - 1; returns how many scores do. */
ALWAYS_INLINE uint list_slice(__local uint *pool, __local uint *cells, __global const float4 *row, int first, int end,
                              int count, uint rank, uint *low, uint *high, bool *plateau)
{
    __local uint2 *list = (__local uint2 *)pool;
    float4 arriving[FIRST];
    uint sample[EACH];
    int i = first + get_local_id(0);
    load_ahead(arriving, FIRST, row, i, end);
    take_sample(sample, row, count);
    clear_words(pool + BINS_AT, BINS);
    *low = find_bound(sample, rank, count, high, plateau, pool, cells);
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
    uint keys[EACH], places[EACH], listed = 0, low = 0, high = UINT_MAX;
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
    bool whole = count <= LIST_SIZE;
    uint rank = whole ? 0 : sample_rank(count, k);
    int vectors = rank ? (count + 3) / 4 : 0, share = (vectors + slices - 1) / slices;
    if (rank == 0 && slice > 0)
        return;
    listed = list_slice(pool, cells, row, min(slice * share, vectors), min((slice + 1) * share, vectors), count, rank,
                        &low, &high, &plateau);
    if (!hand_over(scratch, rank ? slices : 1, (__local const uint2 *)pool, &listed, cells))
        return;
    plateau = plateau && listed < (uint)k;
    if (listed > LIST_SIZE || (listed < (uint)k && !plateau))
        listed = 0;
    if (whole) {
        listed = count;
        read_row(keys, places, (__global const float *)row, count);
    } else
        read_list(keys, places, (__local const uint2 *)pool, slices > 1, scratch, listed);
    barrier(CLK_LOCAL_MEM_FENCE);
    clear_words(pool + BINS_AT, BINS + BITMAP_WORDS);
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
