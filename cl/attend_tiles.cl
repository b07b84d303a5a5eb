/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* attend.cl's attention on matrix units, for rows of 512 latents and 64 rope values in bfloat16: queries and softmax's
 * weights are rounded to bfloat16, all sums are float32.
 *
 * A group takes one token, 64 heads and one split of the list, 16 rows (a tile) at a time. Its three warpgroups have
 * roles, because neither local memory (48 KiB) nor registers allow much else:
 *   scorer    holds the queries in registers; makes scores and the softmax's weights, online (FlashAttention,
 *             https://arxiv.org/abs/2205.14135, algorithm 1)
 *   adders    two; each holds the sums of half of the latents in registers, adds weights times values, and copies its
 *             half of the rows to local memory
 * While the adders work on one tile, the scorer works on the next and copies of the next but one are under way: there
 * is room for three tiles of the first half of the latents and two of the second, which scores need later. Copies take
 * about as long as a tile: what a tile's weights have been made of is copied over as soon as they are taken (rope) or
 * added (latents), and is wanted only after the next tile's weights are made.
 *
 * The largest score so far, by which weights are scaled, is raised only when a score exceeds it by RAISE: until then
 * weights are at most e^RAISE, as exact as others, and sums need no rescaling. */

#define LATENT 512
#define ROPE 64
#define ROW (LATENT + ROPE)
#define KEYS 16
#define RAISE 8.0f
#define LOG2_E 1.44269504f

/* Tiles ahead of those being copied that are brought into the cache. */
#define TILES_AHEAD 2

#include "tile_attend.clh"

#define FIRST_SLOTS 3
#define SECOND_SLOTS 2
#define ROPE_SLOTS 2

/* Meetings: the scorer has something for the adders, weights; they have something for it, room for the next. */
#define FOR_ADDERS 1
#define FOR_SCORER 2
#define MEET(id) ROLE_MEET(id, 384)
#define ARRIVE(id) ROLE_ARRIVE(id, 384)
#define ADDERS_MEET ROLE_MEET(3, 256)

/* What the roles share, by address in local memory. */
typedef struct attend_shared {
    uint latents;            /* slots of HALF bytes: FIRST_SLOTS, then SECOND_SLOTS */
    uint rope;               /* slots of CHUNK bytes */
    uint events;             /* of the slots, in that order: copied */
    __local uint4 *weights;  /* this work-item's; the top bit of x: its warp's sums are to be scaled first */
    __local float2 *factors; /* [32]: by what */
} attend_shared;

/* Where a row of these 64 heads belongs in [T, HEADS, splits]. */
inline size_t result_row(int row)
{
    size_t head = get_group_id(2) * HEADS + get_group_id(0) * 64 + row;
    return head * get_num_groups(1) + get_group_id(1);
}

/* Weights of a tile from its scores, for the adders; raises the largest scores, *a of the first row and *b of the
 * second. */
__attribute__((always_inline)) inline void weigh(float score[8], float *a, float *b, attend_shared shared)
{
    float largest_a = fmax(fmax(score[0], score[1]), fmax(score[4], score[5]));
    float largest_b = fmax(fmax(score[2], score[3]), fmax(score[6], score[7]));
    bool raise = warp_any(largest_a > *a + RAISE || largest_b > *b + RAISE);
    float2 factors = pair_of(1.0f, 1.0f);
    if (raise) {
        largest_a = fmax(quad_max(largest_a), *a);
        largest_b = fmax(quad_max(largest_b), *b);
        factors = pair_of(power_of_2((*a - largest_a) * LOG2_E), power_of_2((*b - largest_b) * LOG2_E));
        *a = largest_a;
        *b = largest_b;
    }
    float scaled_a = *a * LOG2_E, scaled_b = *b * LOG2_E;
#pragma unroll
    for (int i = 0; i < 8; i++)
        score[i] = power_of_2(score[i] * LOG2_E - (i & 2 ? scaled_b : scaled_a));
    uint4 weights = words_of(bf16_pair(score[0], score[1]), bf16_pair(score[2], score[3]),
                            bf16_pair(score[4], score[5]), bf16_pair(score[6], score[7]));
    weights.x |= (uint)raise << 31; /* weights are not negative */
    MEET(FOR_SCORER);
    *shared.weights = weights;
    if (raise && warpgroup_item() % 4 == 0)
        shared.factors[warpgroup_item() / 4] = factors;
    ARRIVE(FOR_ADDERS);
}

/* Only the first `keys` of a tile's scores count. */
__attribute__((always_inline)) inline void mask_scores(float score[8], int keys)
{
    keys -= warpgroup_item() % 4 * 2;
#pragma unroll
    for (int i = 0; i < 8; i++)
        score[i] = (i & 1) + (i >> 2) * 8 < keys ? score[i] : -INFINITY;
}

/* Waits for the first half and the rope part of tile i, which is in that slot. */
inline void await_first(attend_shared shared, int i, uint slot, uint phase)
{
    event_wait(shared.events + slot * 8, phase);
    event_wait(shared.events + (FIRST_SLOTS + SECOND_SLOTS + i % ROPE_SLOTS) * 8, i / ROPE_SLOTS & 1);
    copied_fence();
}

inline void await_second(attend_shared shared, int i)
{
    event_wait(shared.events + (FIRST_SLOTS + i % SECOND_SLOTS) * 8, i / SECOND_SLOTS & 1);
    copied_fence();
}

#define FIRST_AT(slot) (shared.latents + (slot)*HALF)
#define SECOND_AT(i) (shared.latents + (FIRST_SLOTS + (i) % SECOND_SLOTS) * HALF)
#define ROPE_AT(i) (shared.rope + (i) % ROPE_SLOTS * CHUNK)

/* The query goes to the scorer's registers by way of the slots that the first tile leaves free: each role has read a
 * third of its columns, three chunks, and puts one at a time where the scorer takes it from. */
__attribute__((always_inline)) inline void pass_query(const query_chunk third[3], int role, attend_shared shared)
{
    const uint rooms = FIRST_AT(1), own = rooms + (role == 0 ? 0 : role == 1 ? QUERY_ROOM_1 : QUERY_ROOM_2);
#pragma unroll
    for (int chunk = 0; chunk < 3; chunk++) {
        query_put(own, third[chunk]);
        if (role == 0) {
            MEET(FOR_SCORER);
            query_take(chunk, rooms);
            ARRIVE(FOR_ADDERS);
        } else {
            ARRIVE(FOR_SCORER);
            MEET(FOR_ADDERS);
        }
    }
}

/* The scorer's work: tiles, of which the last has last_keys keys. maxima [T, HEADS, splits] of pairs, of which the
 * first is the largest score; null: not wanted. */
__attribute__((always_inline)) inline void score(__global float *maxima, attend_shared shared, int tiles,
                                                 int last_keys)
{
    float scores[8], a = -INFINITY, b = -INFINITY;
    uint slot = 0, phase = 0; /* of the next first half */
    for (int i = 0; i < tiles; i++) {
        await_first(shared, i, slot, phase);
        scores_first_half(FIRST_AT(slot), ROPE_AT(i));
        await_second(shared, i);
        scores_second_half(SECOND_AT(i));
        if (++slot == FIRST_SLOTS)
            slot = 0, phase ^= 1;
        scores_take(scores);
        if (i == tiles - 1)
            mask_scores(scores, last_keys);
        weigh(scores, &a, &b, shared);
    }
    if (maxima && warpgroup_item() % 4 == 0) {
        maxima[result_row(warpgroup_row()) * 2] = a;
        maxima[result_row(warpgroup_row() + 8) * 2] = b;
    }
}

/* An adder's copies: its half of row list[i] of the cache, or of row i; behind the end the last one again. */
typedef struct attend_rows {
    __global const char *cache;   /* where this work-item's pieces begin in row 0 */
    __global const int *selected; /* null: all */
    int row, last;                /* row of the tile that this work-item copies pieces of; the last of all */
    int side;                     /* which half */
    uint latents, rope;           /* where it copies them in slot 0 */
    uint events;                  /* of the slots of this half */
    uint rope_events;
} attend_rows;

inline int row_of(attend_rows rows, int i)
{
    i = min(i * KEYS + rows.row, rows.last);
    return rows.selected ? rows.selected[i] : i;
}

inline void copy_latents(attend_rows rows, int row, uint slot)
{
    __global const char *from = rows.cache + (size_t)row * (ROW * 2);
#pragma unroll
    for (int chunk = 0; chunk < 4; chunk++)
        copy_piece(rows.latents + slot * HALF + chunk * CHUNK, from + chunk * 128);
    event_when_copied(rows.events + slot * 8);
}

/* The rope part follows the second half of the latents; the second adder copies it. */
inline void copy_rope(attend_rows rows, int row, int i)
{
    copy_piece(rows.rope + i % ROPE_SLOTS * CHUNK, rows.cache + (size_t)row * (ROW * 2) + HALF / KEYS);
    event_when_copied(rows.rope_events + i % ROPE_SLOTS * 8);
}

inline float pair_sum(uint pair)
{
    return as_float(pair << 16) + as_float(pair & 0xffff0000u);
}

/* An adder's next rows: of tiles that come to its slots first, of the next, of one to be brought closer. */
typedef struct coming_rows {
    int first[FIRST_SLOTS], next, ahead;
} coming_rows;

inline coming_rows find_rows(attend_rows rows, int slots)
{
    coming_rows coming;
#pragma unroll
    for (int i = 0; i < FIRST_SLOTS; i++)
        coming.first[i] = row_of(rows, i);
    coming.next = row_of(rows, slots);
    coming.ahead = row_of(rows, slots + TILES_AHEAD);
    return coming;
}

inline void copy_first(attend_rows rows, coming_rows coming, int i)
{
    copy_latents(rows, coming.first[i], i);
    if (rows.side)
        copy_rope(rows, coming.first[i], i);
}

/* An adder's work; its first tile is on its way. to [T, HEADS, splits, LATENT]; totals [T, HEADS, splits] of pairs, of
 * which the second is the sum of weights; null: the mean is wanted. */
__attribute__((always_inline)) inline void add(__global float *to, __global float *totals, attend_rows rows,
                                               coming_rows coming, attend_shared shared, int tiles)
{
    const int slots = rows.side ? SECOND_SLOTS : FIRST_SLOTS;
    const uint slots_at = shared.latents + rows.side * FIRST_SLOTS * HALF;
    int next = coming.next, ahead = coming.ahead;
#pragma unroll
    for (int i = 1; i < FIRST_SLOTS; i++)
        if (i < slots && i < tiles)
            copy_first(rows, coming, i);
    if (tiles > 0)
        ARRIVE(FOR_SCORER);
    sums_clear();
    float total_a = 0.0f, total_b = 0.0f;
    uint slot = 0;
    for (int i = 0; i < tiles; i++) {
        MEET(FOR_ADDERS);
        uint4 weights = *shared.weights;
        bool raised = (int)weights.x < 0;
        float2 factors = pair_of(1.0f, 1.0f);
        weights.x &= 0x7fffffffu;
        if (raised)
            factors = shared.factors[warpgroup_item() / 4];
        if (i + 1 < tiles)
            ARRIVE(FOR_SCORER);
        if (raised) {
            total_a *= factors.x;
            total_b *= factors.y;
            sums_scale(factors);
        }
        sums_add(weights, slots_at + slot * HALF);
        if (rows.side && i + ROPE_SLOTS < tiles)
            copy_rope(rows, next, i);
        /* Four lines of the latents, one of the rope part; 16 bytes apart to begin with. */
        if (warpgroup_item() % 8 < 4 + rows.side)
            prefetch_line(rows.cache + (size_t)ahead * (ROW * 2) + warpgroup_item() % 8 * 112);
        ahead = row_of(rows, i + 1 + slots + TILES_AHEAD);
        total_a += pair_sum(weights.x) + pair_sum(weights.z);
        total_b += pair_sum(weights.y) + pair_sum(weights.w);
        sums_wait();
        if (i + slots < tiles) {
            copy_latents(rows, next, slot);
            next = row_of(rows, i + 1 + slots);
        }
        slot = slot + 1 == (uint)slots ? 0 : slot + 1;
    }
    total_a = quad_sum(total_a);
    total_b = quad_sum(total_b);
    if (totals && !rows.side && warpgroup_item() % 4 == 0) {
        totals[result_row(warpgroup_row()) * 2 + 1] = total_a;
        totals[result_row(warpgroup_row() + 8) * 2 + 1] = total_b;
    }
    ADDERS_MEET; /* no product reads the slots any more */
    const int warp = warpgroup_item() / 32;
    sums_store(to + result_row(warp * 16) * LATENT + rows.side * (LATENT / 2), get_num_groups(1) * LATENT,
               totals ? pair_of(1.0f, 1.0f) : pair_of(1.0f / total_a, 1.0f / total_b), slots_at + warp * 4096);
}

/* Arguments as of attend in attend.cl. Groups: blocks of 64 heads, splits of `split_length` positions (a multiple of
 * KEYS), tokens. */
__kernel __attribute__((reqd_work_group_size(3 * WARPGROUP, 1, 1))) void
attend_tiles(__global float *out, __global float *scratch, __global const float *query, __global const char *cache,
             __global const int *positions, __global const int *selected, int selected_stride,
             __global const int *counts, __global const int *sequences, int sequence_stride, int split_length)
{
    LOCAL_ARRAY uint4 slots[((FIRST_SLOTS + SECOND_SLOTS) * HALF + ROPE_SLOTS * CHUNK) / 16]
        __attribute__((aligned(1024)));
    LOCAL_ARRAY ulong events[FIRST_SLOTS + SECOND_SLOTS + ROPE_SLOTS];
    LOCAL_ARRAY uint4 weights[WARPGROUP];
    LOCAL_ARRAY float2 factors[WARPGROUP / 4];
    ATTEND_REGISTERS;
    const int me = get_local_id(0), role = me / WARPGROUP, begin = (int)get_group_id(1) * split_length;
    const size_t token = get_group_id(2), splits = get_num_groups(1), head = get_group_id(0) * 64;
    const int count = min(selected ? counts[token] : positions[token] + 1, begin + split_length) - begin;
    const int tiles = (count + KEYS - 1) / KEYS;
    const uint latents = local_address(slots);
    const attend_shared shared = {latents, latents + (FIRST_SLOTS + SECOND_SLOTS) * HALF, local_address(events),
                                  weights + me % WARPGROUP, factors};
    __global float *totals = splits == 1 ? 0 : scratch + get_num_groups(2) * HEADS * splits * LATENT;
    query += (token * HEADS + head) * ROW + role * (ROW / 3);
    query_chunk third[3];
#pragma unroll
    for (int chunk = 0; chunk < 3; chunk++)
        third[chunk] = query_read(query + chunk * 64, ROW);
    if (me < FIRST_SLOTS + SECOND_SLOTS + ROPE_SLOTS)
        event_create(shared.events + me * 8, WARPGROUP);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (role == 0) {
        ROLE_REGISTERS_MORE(184);
        if (tiles > 0)
            pass_query(third, role, shared);
        score(totals, shared, tiles, count - (tiles - 1) * KEYS);
    } else {
        ROLE_REGISTERS_LESS(160);
        const int side = role - 1, row = me % WARPGROUP / 8, piece = me % 8;
        const uint at = row * 128 + ((piece ^ (row & 7)) << 4);
        if (sequences)
            cache += (size_t)sequences[token] * sequence_stride * (ROW * 2);
        if (selected)
            selected += token * selected_stride + begin;
        else
            cache += (size_t)begin * (ROW * 2);
        const attend_rows rows = {
            .cache = cache + side * (HALF / KEYS) + piece * 16,
            .selected = selected,
            .row = row,
            .last = count - 1,
            .side = side,
            .latents = latents + side * FIRST_SLOTS * HALF + at,
            .rope = shared.rope + at,
            .events = shared.events + side * FIRST_SLOTS * 8,
            .rope_events = shared.events + (FIRST_SLOTS + SECOND_SLOTS) * 8,
        };
        coming_rows coming = {{0}, 0, 0};
        if (tiles > 0) {
            coming = find_rows(rows, side ? SECOND_SLOTS : FIRST_SLOTS);
            copy_first(rows, coming, 0);
            pass_query(third, role, shared);
        }
        add(splits == 1 ? out : scratch, totals, rows, coming, shared, tiles);
    }
}
