/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T of many tokens on matrix units, for weights in their stored dtype (-D WEIGHT_...): single matrices, and
 * stacks of experts with the tokens that chose each. A group of TEAMS teams makes TEAMS * TILE_ROWS rows of W by
 * TILE_COLUMNS tokens; W goes from global memory straight into registers, each value to one work-item, and is converted
 * there while the matrix unit works; tokens go through a ring of STAGES in local memory, copied two steps ahead.
 *
 * Tokens are packed first: 16 bits a value, columns in the order of tile_b_source. */

#include "dtype.clh"
#include "group.clh"
#include "lane.clh"
#include "copy.clh"
#include "tile.clh"

#ifdef TILE_AT_ONCE
#define STAGES (COPY_AHEAD + 1)
#else
#define STAGES 3
#endif
#define STAGE (TILE_COLUMNS * TILE_DEPTH) /* elements of B */

/* packed[row, :] = in[row, :] * factors[row] in 16 bits, factors a power of two that brings the row's largest magnitude
 * to 2^14 .. 2^15 where halves are used (they end at 65504 and lose bits below 2^-14), 1 where bfloat16s are. Row
 * token * heads + head of in begins at token * token_stride + head * head_stride; packed rows are packed_stride
 * elements long: a multiple of TILE_DEPTH, zeros beyond `columns`. Groups: heads, tokens. */
__kernel void matmul_pack(__global uint *packed, __global float *factors, __global const float *in, int token_stride,
                          int head_stride, int columns, int packed_stride)
{
    GROUP_SCRATCH;
    size_t row = get_group_id(1) * get_num_groups(0) + get_group_id(0);
    in += get_group_id(1) * token_stride + get_group_id(0) * head_stride;
    float factor = 1.0f;
#ifdef TILE_F16
    float largest = 0.0f;
    for (int i = get_local_id(0); i < columns; i += GROUP)
        largest = fmax(largest, fabs(in[i]));
    largest = group_max(largest);
    int exponent = (int)(as_uint(largest) >> 23 & 255) - 127;
    factor = largest > 0.0f && isfinite(largest) ? ldexp(1.0f, clamp(14 - exponent, -126, 126)) : 1.0f;
#endif
    packed += row * packed_stride / 2;
    for (int pair = get_local_id(0); pair < packed_stride / 2; pair += GROUP) {
        int place = 2 * pair % TILE_DEPTH, step = 2 * pair - place;
        int first = step + tile_b_source(place), second = step + tile_b_source(place + 1);
        float2 values = (float2)(first < columns ? in[first] : 0.0f, second < columns ? in[second] : 0.0f);
        values *= factor;
#ifdef TILE_F16
        vstore_half2_rte(values, pair, (__global half *)packed);
#else
        packed[pair] = bf16_round(values.x) | (uint)bf16_round(values.y) << 16;
#endif
    }
    if (get_local_id(0) == 0)
        factors[row] = factor;
}

/* A matrix [rows, stride] with its scales, as in linear.cl. */
typedef struct weights {
    __global const weight_t *values;
    __global const float *scales;
    int rows, stride, block_rows, block_columns, scale_columns;
    float scale_factor; /* power of two that keeps scaled weights within halves */
} weights;

/* The rows of A that this work-item holds. */
typedef struct held {
    __global const weight_t *rows[TILE_HELD_ROWS];
    __global const float *scales[TILE_HELD_ROWS];
} held;

inline void hold_rows(held *h, const weights *w, int first_row)
{
    MATRIX_UNROLL
    for (int j = 0; j < TILE_HELD_ROWS; j++) {
        int row = min(first_row + tile_held_row(j), w->rows - 1);
        h->rows[j] = w->values + (size_t)row * w->stride;
#ifdef WEIGHT_F8
        h->scales[j] = w->scales + (size_t)(row / w->block_rows) * w->scale_columns;
#endif
    }
}

#if defined(WEIGHT_F8) || defined(TILE_AT_ONCE)

/* Weights as they are stored wait in raw for the step after next. */
#define RAW TILE_RAW

/* a = the TILE_DEPTH columns from `column` on as operands, from raw, which takes the TILE_DEPTH after. */
inline void next_step(uint a[TILE_A], uint raw[RAW], const held *h, const weights *w, int column)
{
    float scales[TILE_HELD_ROWS] = {0};
#ifdef WEIGHT_F8
    int block = min(column / w->block_columns, w->scale_columns - 1);
    MATRIX_UNROLL
    for (int j = 0; j < TILE_HELD_ROWS; j++)
        scales[j] = h->scales[j][block] * w->scale_factor;
#endif
    tile_convert(a, raw, scales);
    tile_load_rows(raw, h->rows, column + TILE_DEPTH, w->stride);
}

#else

#define RAW 1

/* a = the TILE_DEPTH columns from `column` on: 16-bit weights are operands as they are. */
inline void next_step(uint a[TILE_A], uint raw[RAW], const held *h, const weights *w, int column)
{
    tile_load_rows(a, h->rows, column, w->stride);
}

#endif

/* Where this work-item's share of a stage comes from and goes: chunks of 16 bytes. */
#define COPIES (TILE_COLUMNS * TILE_CHUNKS / ITEMS)

inline int copied_row(int i)
{
    return (int)get_local_id(0) / TILE_CHUNKS + i * (ITEMS / TILE_CHUNKS);
}

inline __local tile_b *copied_place(__local tile_b *stage, int i)
{
    return stage + TILE_CHUNK(copied_row(i), (int)get_local_id(0) % TILE_CHUNKS);
}

inline void copy_step(__local tile_b *stage, __global const tile_b *const sources[COPIES], int column)
{
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        copy_16(copied_place(stage, i), sources[i] + column);
}

/* The two halves of that. */
inline void begin_step(uint4 copied[COPIES], __local tile_b *stage, __global const tile_b *const sources[COPIES],
                       int column)
{
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        copy_begin(copied[i], copied_place(stage, i), sources[i] + column);
}

inline void end_step(const uint4 copied[COPIES], __local tile_b *stage)
{
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        copy_end(copied[i], copied_place(stage, i));
}

#ifdef TILE_AT_ONCE

/* sums = rows of W times packed tokens over all columns. Loads are under way while the step before is multiplied. */
inline void multiply_columns(float sums[TILE_SUMS], __local tile_b *ring, __global const tile_b *const sources[COPIES],
                             const held *h, const weights *w)
{
    uint a[TILE_A], raw[RAW];
    uint4 copied[COPIES];
    int columns = (w->stride + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH, stage = 0;
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
    for (int ahead = 0; ahead < COPY_AHEAD; ahead++) {
        if (ahead * TILE_DEPTH < columns)
            copy_step(ring + ahead * STAGE, sources, ahead * TILE_DEPTH);
        copy_commit();
    }
    tile_load_rows(raw, h->rows, 0, w->stride);
    for (int column = 0; column < columns; column += TILE_DEPTH) {
        int ahead = column + COPY_AHEAD * TILE_DEPTH;
        __local tile_b *here = ring + stage * STAGE, *next = ring + (stage + COPY_AHEAD) % STAGES * STAGE;
        copy_wait(COPY_AHEAD - 1);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (ahead < columns)
            begin_step(copied, next, sources, ahead);
        copy_commit();
        next_step(a, raw, h, w, column);
        tile_multiply(sums, a, here, ring + STAGES * STAGE);
        if (ahead < columns)
            end_step(copied, next);
        stage = (stage + 1) % STAGES;
    }
}

#else

/* sums = rows of W times packed tokens over all columns. */
inline void multiply_columns(float sums[TILE_SUMS], __local tile_b *ring, __global const tile_b *const sources[COPIES],
                             const held *h, const weights *w)
{
    uint a[2][TILE_A], raw[RAW];
    int columns = (w->stride + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH;
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
    copy_step(ring, sources, 0);
    copy_commit();
    if (TILE_DEPTH < columns)
        copy_step(ring + STAGE, sources, TILE_DEPTH);
    copy_commit();
#ifdef WEIGHT_F8
    tile_load_rows(raw, h->rows, 0, w->stride);
#endif
    next_step(a[0], raw, h, w, 0);
    int stage = 0;
    for (int column = 0; column < columns; column += 2 * TILE_DEPTH) {
        MATRIX_UNROLL
        for (int half_step = 0; half_step < 2; half_step++) {
            int here = column + half_step * TILE_DEPTH, ahead = here + 2 * TILE_DEPTH;
            if (here < columns) {
                copy_wait(1);
                tile_fence();
                barrier(CLK_LOCAL_MEM_FENCE);
                if (ahead < columns)
                    copy_step(ring + (stage + 2) % STAGES * STAGE, sources, ahead);
                copy_commit();
                tile_multiply(sums, a[half_step], ring + stage * STAGE, ring + STAGES * STAGE);
                next_step(a[1 - half_step], raw, h, w, here + TILE_DEPTH);
                tile_wait(sums, a[half_step]);
                stage = (stage + 1) % STAGES;
            }
        }
    }
}

#endif

/* Team and rows of this work-item; tokens of this work-item's copies. */
inline int own_first_row(void)
{
    return ((int)get_group_id(1) * (ITEMS / TILE_TEAM) + TILE_TEAM_INDEX) * TILE_ROWS;
}

inline __global const tile_b *copied_chunk(__global const tile_b *packed, size_t row, int packed_stride)
{
    return packed + row * packed_stride + (int)get_local_id(0) % TILE_CHUNKS * TILE_CHUNK_ELEMENTS;
}

/* out[token, out_column + row] (+)= in[in_row + token] . weight[row], from packed rows [in_row + tokens,
 * packed_stride]. Groups: tiles of tokens, tiles of rows. */
__kernel TILE_KERNEL void
matmul(__global float *out, __global const tile_b *packed, __global const float *factors,
       __global const weight_t *weight, __global const float *scales, int tokens, int packed_stride, int out_stride,
       int out_column, int rows, int stride, int block_rows, int block_columns, int scale_columns, float scale_factor,
       int accumulate)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    weights w = {weight, scales, rows, stride, block_rows, block_columns, scale_columns, scale_factor};
    int first_token = (int)get_group_id(0) * TILE_COLUMNS, first_row = own_first_row();
    __global const tile_b *sources[COPIES];
    held h;
    float sums[TILE_SUMS];
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        sources[i] = copied_chunk(packed, min(first_token + copied_row(i), tokens - 1), packed_stride);
    hold_rows(&h, &w, first_row);
    multiply_columns(sums, ring, sources, &h, &w);
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++) {
        int token = first_token + TILE_COLUMN(i), row = first_row + TILE_ROW(i);
        if (token < tokens && row < rows) {
            __global float *target = out + (size_t)token * out_stride + out_column + row;
            float value = sums[i] / (factors[token] * scale_factor);
            *target = accumulate ? *target + value : value;
        }
    }
}

/* out[token, head, row] = factor * in[token, head] . weight[head][row] from packed rows [tokens, heads,
 * packed_stride]; out of a token begins token_stride floats apart, that of its heads head_stride. weight: one matrix
 * [rows, stride] a head; this slab holds the heads from first_head on. Groups: tiles of tokens, tiles of rows,
 * heads. */
__kernel TILE_KERNEL void
matmul_heads(__global float *out, __global const tile_b *packed, __global const float *factors,
             __global const weight_t *weight, __global const float *scales, int tokens, int heads, int first_head,
             int packed_stride, int token_stride, int head_stride, int rows, int stride, int block_rows,
             int block_columns, int scale_columns, int scale_rows, float scale_factor, float factor)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    int here = (int)get_group_id(2), head = first_head + here;
    weights w = {weight + (size_t)here * rows * stride, scales + (size_t)here * scale_rows * scale_columns, rows,
                 stride, block_rows, block_columns, scale_columns, scale_factor};
    int first_token = (int)get_group_id(0) * TILE_COLUMNS, first_row = own_first_row();
    __global const tile_b *sources[COPIES];
    held h;
    float sums[TILE_SUMS];
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        sources[i] = copied_chunk(packed, (size_t)min(first_token + copied_row(i), tokens - 1) * heads + head,
                                  packed_stride);
    hold_rows(&h, &w, first_row);
    multiply_columns(sums, ring, sources, &h, &w);
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++) {
        int token = first_token + TILE_COLUMN(i), row = first_row + TILE_ROW(i);
        if (token < tokens && row < rows)
            out[(size_t)token * token_stride + head * head_stride + row] =
                sums[i] * factor / (factors[token * heads + head] * scale_factor);
    }
}

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T for the (token, choice) slots of each expert, which
 * ops/dispatch lists: slots[offsets[e] .. offsets[e + 1] - 1]. packed: a row an input. This slab holds the experts from
 * first_expert on. Groups: tiles of an expert's slots, in turns when it has more; tiles of rows; experts. */
__kernel TILE_KERNEL void
matmul_experts(__global float *out, __global const tile_b *packed, __global const float *factors,
               __global const weight_t *weight, __global const float *scales, __global const int *offsets,
               __global const int *slots, int first_expert, int slots_per_input, int packed_stride, int out_stride,
               int rows, int stride, int block_rows, int block_columns, int scale_columns, int scale_rows,
               float scale_factor)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    int here = (int)get_group_id(2), first_row = own_first_row();
    int begin = offsets[first_expert + here], end = offsets[first_expert + here + 1];
    weights w = {weight + (size_t)here * rows * stride, scales + (size_t)here * scale_rows * scale_columns, rows,
                 stride, block_rows, block_columns, scale_columns, scale_factor};
    held h;
    hold_rows(&h, &w, first_row);
    for (int tile = begin + (int)get_group_id(0) * TILE_COLUMNS; tile < end;
         tile += (int)get_num_groups(0) * TILE_COLUMNS) {
        __global const tile_b *sources[COPIES];
        float sums[TILE_SUMS];
        MATRIX_UNROLL
        for (int i = 0; i < COPIES; i++)
            sources[i] = copied_chunk(packed, slots[min(tile + copied_row(i), end - 1)] / slots_per_input,
                                      packed_stride);
        multiply_columns(sums, ring, sources, &h, &w);
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS; i++) {
            int at = tile + TILE_COLUMN(i), row = first_row + TILE_ROW(i);
            if (at < end && row < rows)
                out[(size_t)slots[at] * out_stride + row] =
                    sums[i] / (factors[slots[at] / slots_per_input] * scale_factor);
        }
        barrier(CLK_LOCAL_MEM_FENCE); /* the ring is free */
    }
}
