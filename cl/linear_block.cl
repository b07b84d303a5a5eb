/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T of many tokens in float32 on GPUs: the portable counterpart of matmul.cl, with the arguments of the
 * kernels of those names over linear.clh. A group makes BLOCK tokens by BLOCK rows, each of its ITEMS = 256 work-items
 * 8 by 8 of them in registers; both operands pass through local memory DEPTH columns at a time, the next ones already
 * on their way in registers. Sums run over the columns in order; where there are too few blocks for the device, columns
 * are split among groups, whose sums linear_sum adds in order. */

#include "dtype.clh"

#define BLOCK 128
#define DEPTH 16
#define SIDE 8                    /* outputs of a work-item in either direction */
#define ROW (BLOCK + 4)           /* local memory holds columns; four more keep them in different banks */
#define LOADS (BLOCK * DEPTH / ITEMS / 4)   /* vectors of 4 that a work-item brings, of each operand */

typedef struct weights {
    int rows, stride, block_rows, block_columns, scale_columns;
} weights;

/* Which row (or token) and column of a step load i of this work-item brings: neighbours bring a row's DEPTH columns. */
inline int load_row(int i)
{
    return (int)get_local_id(0) / (DEPTH / 4) + i * (ITEMS / (DEPTH / 4));
}

inline int load_column(void)
{
    return (int)get_local_id(0) % (DEPTH / 4) * 4;
}

/* Four weights in one access: rows are whole units of 16 elements. */
inline float4 load_four(__global const weight_t *from)
{
#if defined(WEIGHT_F32)
    return *(__global const float4 *)from;
#elif defined(WEIGHT_F8)
    return f8_values(*(__global const uchar4 *)from);
#else
    uint2 words = *(__global const uint2 *)from;
#ifdef WEIGHT_F16
    return (float4)(f16_word(words.x), f16_word(words.y));
#else
    return as_float4((uint4)(words.x << 16, words.x & 0xffff0000u, words.y << 16, words.y & 0xffff0000u));
#endif
#endif
}

/* Of the step from `column` on, all of whose columns are of one block of scales. */
inline void load_rows(float4 loaded[LOADS], __global const weight_t *weight, __global const float *scales,
                      const weights *w, int first_row, int column)
{
#ifdef WEIGHT_F8
    scales += column / w->block_columns;
#endif
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        int row = min(first_row + load_row(i), w->rows - 1);
        loaded[i] = load_four(weight + (size_t)row * w->stride + column + load_column());
#ifdef WEIGHT_F8
        loaded[i] *= scales[row / w->block_rows * w->scale_columns];
#endif
    }
}

inline void load_tokens(float4 loaded[LOADS], __global const float *const inputs[LOADS], int column)
{
#pragma unroll
    for (int i = 0; i < LOADS; i++)
        loaded[i] = *(__global const float4 *)(inputs[i] + column + load_column());
}

/* Work-items of a warp make 32 rows by 64 tokens, each 2 by 2 squares of 4 by 4, so that what they read of a column at
 * once lies in 128 bytes; row and token of the first square. */
inline int first_sum_row(void)
{
    return (int)get_local_id(0) / 64 * 32 + (int)get_local_id(0) % 32 / 8 * 4;
}

inline int first_sum_token(void)
{
    return (int)get_local_id(0) / 32 % 2 * 64 + (int)get_local_id(0) % 8 * 4;
}

#define NEXT_ROW 16   /* from one square to the next */
#define NEXT_TOKEN 32

/* Row and token of sums[r][t] in the block. */
inline int sum_row(int r)
{
    return first_sum_row() + r % 4 + r / 4 * NEXT_ROW;
}

inline int sum_token(int t)
{
    return first_sum_token() + t % 4 + t / 4 * NEXT_TOKEN;
}

/* The second half of a step's columns have their rows in exchanged eights: so a store meets each bank once. */
#define EXCHANGED(column) ((column)&8)

inline void store_columns(__local float *operand, const float4 loaded[LOADS])
{
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        __local float *target = operand + load_column() * ROW + (load_row(i) ^ EXCHANGED(load_column()));
        target[0] = loaded[i].x;
        target[ROW] = loaded[i].y;
        target[2 * ROW] = loaded[i].z;
        target[3 * ROW] = loaded[i].w;
    }
}

/* sums[row][token] of this work-item over columns first .. end - 1; inputs: where its loads' tokens begin. */
inline void multiply_block(float sums[SIDE][SIDE], __local float *tokens, __local float *rows,
                           __global const float *const inputs[LOADS], __global const weight_t *weight,
                           __global const float *scales, const weights *w, int first_row, int first, int end)
{
    float4 next_tokens[LOADS], next_rows[LOADS];
#pragma unroll
    for (int r = 0; r < SIDE; r++)
#pragma unroll
        for (int t = 0; t < SIDE; t++)
            sums[r][t] = 0.0f;
    load_tokens(next_tokens, inputs, first);
    load_rows(next_rows, weight, scales, w, first_row, first);
    for (int column = first; column < end; column += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE);
        store_columns(tokens, next_tokens);
        store_columns(rows, next_rows);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (column + DEPTH < end) {
            load_tokens(next_tokens, inputs, column + DEPTH);
            load_rows(next_rows, weight, scales, w, first_row, column + DEPTH);
        }
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float a[SIDE], b[SIDE];
            __local const float *row = rows + k * ROW + (first_sum_row() ^ EXCHANGED(k));
            __local const float *token = tokens + k * ROW + (first_sum_token() ^ EXCHANGED(k));
            vstore4(*(__local const float4 *)row, 0, a);
            vstore4(*(__local const float4 *)(row + NEXT_ROW), 1, a);
            vstore4(*(__local const float4 *)token, 0, b);
            vstore4(*(__local const float4 *)(token + NEXT_TOKEN), 1, b);
#pragma unroll
            for (int r = 0; r < SIDE; r++)
#pragma unroll
                for (int t = 0; t < SIDE; t++)
                    sums[r][t] = fma(a[r], b[t], sums[r][t]);
        }
    }
}

/* out[token, out_column + row] (+)= in[in_row + token] . weight[row]. Groups: blocks of rows, of tokens, and runs of
 * `run` columns, each of which has an out of its own, part_size floats behind that of the one before. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
linear(__global float *out, __global const float *in, __global const weight_t *weight, __global const float *scales,
       int tokens, int in_row, int in_stride, int out_stride, int out_column, int rows, int stride, int block_rows,
       int block_columns, int scale_columns, int accumulate, int run, int part_size)
{
    __local float token_columns[DEPTH * ROW] __attribute__((aligned(16)));
    __local float row_columns[DEPTH * ROW] __attribute__((aligned(16)));
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int first_row = (int)get_group_id(0) * BLOCK, first_token = (int)get_group_id(1) * BLOCK;
    int first = (int)get_group_id(2) * run;
    float sums[SIDE][SIDE];
    __global const float *inputs[LOADS];
#pragma unroll
    for (int i = 0; i < LOADS; i++)
        inputs[i] = in + (size_t)(in_row + min(first_token + load_row(i), tokens - 1)) * in_stride;
    multiply_block(sums, token_columns, row_columns, inputs, weight, scales, &w, first_row, first,
                   min(first + run, stride));
    out += get_group_id(2) * (size_t)part_size;
#pragma unroll
    for (int t = 0; t < SIDE; t++)
#pragma unroll
        for (int r = 0; r < SIDE; r++) {
            int token = first_token + sum_token(t), row = first_row + sum_row(r);
            if (token < tokens && row < rows) {
                __global float *target = out + (size_t)token * out_stride + out_column + row;
                *target = accumulate ? *target + sums[r][t] : sums[r][t];
            }
        }
}

/* out[token, row] (+)= the sum of parts[run, token, row] over the runs, in order; rows of both are out_stride floats
 * apart. Groups of ITEMS: rows, tokens. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
linear_sum(__global float *out, __global const float *parts, int runs, int part_size, int out_stride, int rows,
           int accumulate)
{
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    size_t at = get_group_id(1) * (size_t)out_stride + row;
    float sum = accumulate ? out[at] : 0.0f;
    for (int run = 0; run < runs; run++)
        sum += parts[run * (size_t)part_size + at];
    out[at] = sum;
}

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T, as in linear_experts.cl. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
linear_experts(__global float *out, __global const float *in, __global const weight_t *weight,
               __global const float *scales, __global const int *offsets, __global const int *slots, int first_expert,
               int slots_per_input, int in_stride, int out_stride, int rows, int stride, int block_rows,
               int block_columns, int scale_columns, int scale_rows)
{
    __local float token_columns[DEPTH * ROW] __attribute__((aligned(16)));
    __local float row_columns[DEPTH * ROW] __attribute__((aligned(16)));
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int here = (int)get_group_id(2), first_row = (int)get_group_id(0) * BLOCK;
    int begin = offsets[first_expert + here], end = offsets[first_expert + here + 1];
    weight += (size_t)here * rows * stride;
    scales += (size_t)here * scale_rows * scale_columns;
    for (int block = begin + (int)get_group_id(1) * BLOCK; block < end; block += (int)get_num_groups(1) * BLOCK) {
        float sums[SIDE][SIDE];
        __global const float *inputs[LOADS];
#pragma unroll
        for (int i = 0; i < LOADS; i++)
            inputs[i] = in + (size_t)(slots[min(block + load_row(i), end - 1)] / slots_per_input) * in_stride;
        multiply_block(sums, token_columns, row_columns, inputs, weight, scales, &w, first_row, 0, stride);
#pragma unroll
        for (int t = 0; t < SIDE; t++)
#pragma unroll
            for (int r = 0; r < SIDE; r++) {
                int at = block + sum_token(t), row = first_row + sum_row(r);
                if (at < end && row < rows)
                    out[(size_t)slots[at] * out_stride + row] = sums[r][t];
            }
    }
}
