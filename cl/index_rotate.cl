/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Index keys and queries: rotated by position, spread by Hadamard, quantised. Built with -D DIM, ROPE, HEADS (of the
 * indexer), index.clh's element and, for scales that are powers of two, -D SCALE_UE8M0. One group of LANES work-items a
 * row of DIM values, which lies in shared memory. */

#include "group.clh"
#include "index.clh"
#include "lane.clh"
#include "rope.clh"

#define PADDED_DIM ((DIM + 15) / 16 * 16)
#define PADDED_HEADS ((HEADS + 15) / 16 * 16)
#define LANE_START ((int)get_local_id(0))

/* Turns the first ROPE values of row as halves: value i with value i + ROPE/2. */
inline void rotate_halves(SHARED float *row, __global const float2 *rope_table, int position)
{
    enum { HALF = ROPE / 2 };
    for (int i = LANE_START; i < HALF; i += LANES) {
        float2 pair = (float2)(row[i], row[i + HALF]);
        pair = rope_turn(pair, rope_rotation(rope_table, HALF, position, i));
        row[i] = pair.x;
        row[i + HALF] = pair.y;
    }
    group_barrier();
}

/* row[DIM] times the Hadamard matrix, normalised: orthogonal, so that dot products stay. For a DIM that is no power of
 * two, a block for each of its binary digits, largest first: blocks of more than half_size values end at `covered`. */
inline void hadamard(SHARED float *row)
{
    for (int half_size = 1; half_size * 2 <= DIM; half_size *= 2) {
        int covered = DIM & ~(2 * half_size - 1);
        for (int pair = LANE_START; pair < covered / 2; pair += LANES) {
            int i = (pair & ~(half_size - 1)) * 2 + (pair & (half_size - 1));
            float a = row[i] * M_SQRT1_2_F, b = row[i + half_size] * M_SQRT1_2_F;
            row[i] = a + b;
            row[i + half_size] = a - b;
        }
        group_barrier();
    }
}

#if !defined(INDEX_F32)

/* The scale by which a row of that largest magnitude is divided to fit the element. */
inline float row_scale(float largest)
{
    float scale = fmax(largest, 1e-30f) / INDEX_LARGEST;
#if defined(SCALE_UE8M0)
    scale = as_float((as_uint(scale) + 0x7fffffu) & 0xff800000u);
#endif
    return scale;
}

#endif

/* Stores row (in shared memory) with its padding, quantised; returns its scale, 1 for F32. Needs LANE_SCRATCH. */
#if defined(INDEX_F32)
#define store_row(out, row) store_plain(out, row)
inline float store_plain(__global index_t *out, SHARED const float *row)
{
    for (int i = LANE_START; i < PADDED_DIM; i += LANES)
        out[i] = i < DIM ? row[i] : 0.0f;
    return 1.0f;
}
#else
inline float lane_largest(SHARED const float *row)
{
    float largest = 0.0f;
    for (int i = LANE_START; i < DIM; i += LANES)
        largest = fmax(largest, fabs(row[i]));
    return largest;
}

inline float store_quantised(__global index_t *out, SHARED const float *row, float largest)
{
    float scale = row_scale(largest);
    for (int i = LANE_START; i < PADDED_DIM; i += LANES)
        out[i] = i < DIM ? index_round(row[i] / scale) : (index_t)0;
    return scale;
}
#define store_row(out, row) (hadamard(row), store_quantised(out, row, lane_max(lane_largest(row))))
#endif

/* cache [capacity, pad(DIM)] and scales [capacity] get row rows[t] from keys [T, pad(DIM)]: LayerNorm by weight
 * and bias [pad(DIM)], rotation, Hadamard, quantisation. */
__kernel void index_key(__global index_t *cache, __global float *scales, __global const float *keys,
                        __global const float *weight, __global const float *bias, __global const float2 *rope_table,
                        __global const int *positions, __global const int *rows, float epsilon)
{
    LANE_SCRATCH(LANES);
    SHARED float row[PADDED_DIM];
    size_t token = get_group_id(0);
    int position = positions[token], cache_row = rows[token];
    keys += token * PADDED_DIM;
    float sum = 0.0f;
    for (int i = LANE_START; i < DIM; i += LANES)
        sum += keys[i];
    float mean = lane_sum(sum) / DIM;
    float squares = 0.0f;
    for (int i = LANE_START; i < DIM; i += LANES)
        squares += (keys[i] - mean) * (keys[i] - mean);
    float inverse = 1.0f / sqrt(lane_sum(squares) / DIM + epsilon);
    for (int i = LANE_START; i < DIM; i += LANES)
        row[i] = (keys[i] - mean) * inverse * weight[i] + bias[i];
    group_barrier();
    rotate_halves(row, rope_table, position);
    float scale = store_row(cache + (size_t)cache_row * PADDED_DIM, row);
#if !defined(INDEX_F32)
    if (LANE_START == 0)
        scales[cache_row] = scale;
#endif
}

/* quantised [T, HEADS, pad(DIM)] and head_weights [T, pad(HEADS)] from queries [T, pad(HEADS * DIM)] and weights
 * [T, pad(HEADS)]: rotation, Hadamard, quantisation; a query's scale goes into its weight. Groups: T, HEADS. */
__kernel void index_query(__global index_t *quantised, __global float *head_weights, __global const float *queries,
                          __global const float *weights, __global const float2 *rope_table,
                          __global const int *positions)
{
    LANE_SCRATCH(LANES);
    SHARED float row[PADDED_DIM];
    size_t token = get_group_id(0);
    int head = get_group_id(1);
    queries += token * ((HEADS * DIM + 15) / 16 * 16) + (size_t)head * DIM;
    for (int i = LANE_START; i < DIM; i += LANES)
        row[i] = queries[i];
    group_barrier();
    rotate_halves(row, rope_table, positions[token]);
    float scale = store_row(quantised + (token * HEADS + head) * PADDED_DIM, row);
    size_t at = token * PADDED_HEADS;
    if (LANE_START == 0)
        head_weights[at + head] = weights[at + head] * scale / (sqrt((float)HEADS) * sqrt((float)DIM));
    if (head == HEADS - 1)
        for (int i = HEADS + LANE_START; i < PADDED_HEADS; i += LANES)
            head_weights[at + i] = 0.0f;
}
