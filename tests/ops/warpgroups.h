/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* cl/attend_tiles.cl as C: its work-items are threads, and what cl/tile_attend.clh does by instructions of the matrix
 * unit is computed in plain C, from the operands' places as the PTX ISA draws them. What goes on while a work-item
 * computes other things is here done at once: that copies and products are waited for is not shown by it. */

#pragma GCC system_header /* OpenCL C is not written to the warnings of C */

#ifndef HADAL_TESTS_OPS_WARPGROUPS_H
#define HADAL_TESTS_OPS_WARPGROUPS_H

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TILE_ATTEND_CLH /* instead of it */

#define __kernel static
#define __global
#define __local
#define LOCAL_ARRAY static
#define inline static inline
#define min(a, b) ((a) < (b) ? (a) : (b))
#define CLK_LOCAL_MEM_FENCE 0

typedef unsigned int uint;
typedef unsigned long ulong;

#define WARPGROUP 128
#define CHUNK 2048
#define HALF (4 * CHUNK)

typedef struct float2 {
    float x, y;
} float2;

typedef struct uint4 {
    _Alignas(16) uint x;
    uint y, z, w;
} uint4;

/* ---- Threads -------------------------------------------------------------------------------------- */

enum { THREADS = 3 * WARPGROUP, WARPS = THREADS / 32, MEETINGS = 4, EVENTS = 8 };

/* What all threads of the group share. */
static struct {
    size_t group[3], groups[3];
    pthread_barrier_t all, warpgroups[3], warps[WARPS];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int arrived[MEETINGS], met[MEETINGS];
    uint event_addresses[EVENTS];
    int event_arrivals[EVENTS], event_arrived[EVENTS], event_rounds[EVENTS], events;
    float lanes[THREADS];
    float queries[64][36 * 16], weights[3][64][16]; /* A operands of the warpgroups */
    _Alignas(1024) char anchor[1024];               /* local addresses count from here */
} group;

static _Thread_local int me;
static _Thread_local float scores[8], sums[128]; /* as the instruction numbers them */
static _Thread_local struct {
    char *to;
    const char *from;
} copies[16];
static _Thread_local int copies_begun;

static size_t get_local_id(int dimension)
{
    return dimension == 0 ? (size_t)me : 0;
}

static size_t get_group_id(int dimension)
{
    return group.group[dimension];
}

static size_t get_num_groups(int dimension)
{
    return group.groups[dimension];
}

static void barrier(int flags)
{
    (void)flags;
    pthread_barrier_wait(&group.all);
}

static void warpgroup_barrier(void)
{
    pthread_barrier_wait(&group.warpgroups[me / WARPGROUP]);
}

#define ROLE_REGISTERS_MORE(n)
#define ROLE_REGISTERS_LESS(n)
#define ATTEND_REGISTERS
#define ROLE_MEET(id, items) role_meet(id, items, true)
#define ROLE_ARRIVE(id, items) role_meet(id, items, false)

static void role_meet(int id, int items, bool wait)
{
    pthread_mutex_lock(&group.lock);
    int round = group.met[id];
    if (++group.arrived[id] == items) {
        group.arrived[id] = 0;
        group.met[id]++;
        pthread_cond_broadcast(&group.changed);
    }
    while (wait && group.met[id] == round)
        pthread_cond_wait(&group.changed, &group.lock);
    pthread_mutex_unlock(&group.lock);
}

static int event_number(uint event)
{
    for (int i = 0; i < group.events; i++)
        if (group.event_addresses[i] == event)
            return i;
    abort();
}

static void event_create(uint event, int arrivals)
{
    pthread_mutex_lock(&group.lock);
    group.event_addresses[group.events] = event;
    group.event_arrivals[group.events++] = arrivals;
    pthread_mutex_unlock(&group.lock);
}

static void event_when_copied(uint event)
{
    while (copies_begun > 0) {
        copies_begun--;
        memcpy(copies[copies_begun].to, copies[copies_begun].from, 16);
    }
    pthread_mutex_lock(&group.lock);
    int i = event_number(event);
    if (++group.event_arrived[i] == group.event_arrivals[i]) {
        group.event_arrived[i] = 0;
        group.event_rounds[i]++;
        pthread_cond_broadcast(&group.changed);
    }
    pthread_mutex_unlock(&group.lock);
}

static void event_wait(uint event, uint phase)
{
    pthread_mutex_lock(&group.lock);
    int i = event_number(event);
    while ((uint)group.event_rounds[i] % 2 == phase)
        pthread_cond_wait(&group.changed, &group.lock);
    pthread_mutex_unlock(&group.lock);
}

static void copied_fence(void)
{
}

/* ---- Memory, lanes --------------------------------------------------------------------------------- */

static uint local_address(const void *array)
{
    return (uint)((const char *)array - group.anchor);
}

/* What has that address: of some other array, which compilers that know the anchor's size would not believe. */
static char *local_pointer(uint address)
{
    return (char *)((uintptr_t)group.anchor + (uintptr_t)(intptr_t)(int)address);
}

static void copy_piece(uint to, const char *from)
{
    copies[copies_begun].to = local_pointer(to);
    copies[copies_begun++].from = from;
}

static void prefetch_line(const char *line) /* reads, so that sanitizers see where */
{
    volatile char first = line[0], last = line[127];
    (void)first, (void)last;
}

static float as_float(uint bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint bf16_bits(float value)
{
    uint bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}

static uint bf16_pair(float low, float high)
{
    return bf16_bits(low) | bf16_bits(high) << 16;
}

static float power_of_2(float x)
{
    return exp2f(x);
}

static float2 pair_of(float x, float y)
{
    return (float2){x, y};
}

static uint4 words_of(uint x, uint y, uint z, uint w)
{
    return (uint4){x, y, z, w};
}

static int warpgroup_item(void)
{
    return me % WARPGROUP;
}

static int warpgroup_row(void)
{
    return me % WARPGROUP / 32 * 16 + me % 32 / 4;
}

static float lane_xor(float v, int mask)
{
    pthread_barrier_wait(&group.warps[me / 32]);
    group.lanes[me] = v;
    pthread_barrier_wait(&group.warps[me / 32]);
    return group.lanes[me ^ mask];
}

static float quad_max(float v)
{
    v = fmaxf(v, lane_xor(v, 1));
    return fmaxf(v, lane_xor(v, 2));
}

static float quad_sum(float v)
{
    v += lane_xor(v, 1);
    return v + lane_xor(v, 2);
}

static bool warp_any(bool condition)
{
    bool any = false;
    lane_xor(condition, 0);
    for (int lane = 0; lane < 32; lane++)
        any |= group.lanes[me / 32 * 32 + lane] != 0;
    return any;
}

/* ---- The matrix unit --------------------------------------------------------------------------------- */

typedef struct query_chunk {
    float read[8][4];
} query_chunk;

/* The i-th row that this work-item reads four columns of. */
static int query_row(int i)
{
    return me % WARPGROUP / 32 * 16 + me / 16 % 2 + 2 * i;
}

static query_chunk query_read(const float *rows, int stride)
{
    query_chunk chunk;
    for (int i = 0; i < 8; i++)
        memcpy(chunk.read[i], rows + query_row(i) * stride + me % 16 * 4, sizeof chunk.read[i]);
    return chunk;
}

/* The place of a local address with the 128-byte swizzle: bits 4 to 6 are exchanged with bits 7 to 9. */
static char *swizzled(uint address)
{
    return local_pointer(address ^ (address >> 7 & 7) << 4);
}

static void query_put(uint to, query_chunk chunk)
{
    for (int i = 0; i < 8; i++) {
        uint row = (uint)query_row(i);
        uint pairs[2] = {bf16_pair(chunk.read[i][0], chunk.read[i][1]), bf16_pair(chunk.read[i][2], chunk.read[i][3])};
        memcpy(swizzled(to + row * 128 + (uint)(me % 16 * 8)), pairs, sizeof pairs);
    }
}

/* The bfloat16 at a local address. */
static float operand(uint address)
{
    uint16_t stored;
    memcpy(&stored, swizzled(address), sizeof stored);
    return as_float((uint)stored << 16);
}

static int sum_row(int i)
{
    return warpgroup_row() + 8 * (i >> 1 & 1);
}

static int sum_column(int i)
{
    return 8 * (i >> 2) + me % 4 * 2 + (i & 1);
}

#define QUERY_ROOM_1 8192
#define QUERY_ROOM_2 24576

static void query_take(int chunk, uint rooms)
{
    const uint thirds[] = {rooms, rooms + QUERY_ROOM_1, rooms + QUERY_ROOM_2};
    for (int third = 0; third < 3; third++)
        for (int k = 0; k < 4; k++)
            for (int i = 0; i < 8; i++) {
                int row = sum_row(i), column = k * 16 + sum_column(i);
                group.queries[row][(third * 3 + chunk) * 64 + column] =
                    operand(thirds[third] + (uint)(row * 128 + column * 2));
            }
    warpgroup_barrier();
}

static void score_steps(uint chunks, int first, int count)
{
    warpgroup_barrier();
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < count * 16; k++) {
            int key = sum_column(i);
            uint address = chunks + (uint)(k / 64 * CHUNK + key / 8 * 1024 + key % 8 * 128 + k % 64 * 2);
            scores[i] += group.queries[sum_row(i)][first * 16 + k] * operand(address);
        }
    warpgroup_barrier();
}

static void scores_first_half(uint latents, uint rope)
{
    memset(scores, 0, sizeof scores);
    score_steps(latents, 0, 16);
    score_steps(rope, 32, 4);
}

static void scores_second_half(uint latents)
{
    score_steps(latents, 16, 16);
}

static void scores_take(float taken[8])
{
    memcpy(taken, scores, sizeof scores);
}

static void sums_clear(void)
{
    memset(sums, 0, sizeof sums);
}

static void sums_scale(float2 factors)
{
    for (int i = 0; i < 128; i++)
        sums[i] *= i & 2 ? factors.y : factors.x;
}

static void sums_add(uint4 weights, uint latents)
{
    const uint pairs[] = {weights.x, weights.y, weights.z, weights.w};
    int role = me / WARPGROUP;
    warpgroup_barrier();
    for (int i = 0; i < 8; i++)
        group.weights[role][sum_row(i)][sum_column(i)] = as_float(pairs[i / 2] >> 16 * (i & 1) << 16);
    warpgroup_barrier();
    for (int i = 0; i < 128; i++)
        for (int k = 0; k < 16; k++) {
            int n = sum_column(i);
            uint address = latents + (uint)(n / 64 * CHUNK + k / 8 * 1024 + k % 8 * 128 + n % 64 * 2);
            sums[i] += group.weights[role][sum_row(i)][k] * operand(address);
        }
    warpgroup_barrier();
}

static void sums_wait(void)
{
}

static void sums_store(float *to, size_t stride, float2 factors, uint room)
{
    (void)room;
    for (int i = 0; i < 128; i++)
        to[(size_t)(sum_row(i) % 16) * stride + (size_t)sum_column(i)] = sums[i] * (i & 2 ? factors.y : factors.x);
}

#define HEADS 128
#include "cl/attend_tiles.cl"

#undef inline
#undef min

#endif
