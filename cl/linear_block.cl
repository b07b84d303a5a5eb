/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T of many tokens in float32 on GPUs: the portable counterpart of matmul.cl, with the arguments of the
 * kernels of the same names in linear.cl. A group makes BLOCK tokens by BLOCK rows, each of its ITEMS = 256 work-items
 * 8 by 8 of them in registers; both operands pass through local memory DEPTH columns at a time, the next ones already
 * on their way in registers. Sums run over the columns in order. */

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

inline float4 load_weight(__global const weight_t *weight, __global const float *scales, const weights *w, int row,
                          int column)
{
    row = min(row, w->rows - 1);
    float4 values = weight_load(weight, (size_t)row * w->stride + column);
#ifdef WEIGHT_F8
    values *= scales[row / w->block_rows * w->scale_columns + column / w->block_columns];
#endif
    return values;
}

inline void store_columns(__local float *operand, const float4 loaded[LOADS])
{
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        __local float *target = operand + load_column() * ROW + load_row(i);
        target[0] = loaded[i].x;
        target[ROW] = loaded[i].y;
        target[2 * ROW] = loaded[i].z;
        target[3 * ROW] = loaded[i].w;
    }
}

/* sums[row][token] of this work-item; inputs: where its loads' tokens begin. */
inline void multiply_block(float sums[SIDE][SIDE], __local float *tokens, __local float *rows,
                           __global const float *const inputs[LOADS], __global const weight_t *weight,
                           __global const float *scales, const weights *w, int first_row)
{
    float4 next_tokens[LOADS], next_rows[LOADS];
    int me = get_local_id(0), row_at = me / 16 * 4, token_at = me % 16 * 4;
#pragma unroll
    for (int r = 0; r < SIDE; r++)
#pragma unroll
        for (int t = 0; t < SIDE; t++)
            sums[r][t] = 0.0f;
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        next_tokens[i] = vload4(0, inputs[i] + load_column());
        next_rows[i] = load_weight(weight, scales, w, first_row + load_row(i), load_column());
    }
    for (int column = 0; column < w->stride; column += DEPTH) {
        barrier(CLK_LOCAL_MEM_FENCE);
        store_columns(tokens, next_tokens);
        store_columns(rows, next_rows);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (column + DEPTH < w->stride)
#pragma unroll
            for (int i = 0; i < LOADS; i++) {
                next_tokens[i] = vload4(0, inputs[i] + column + DEPTH + load_column());
                next_rows[i] =
                    load_weight(weight, scales, w, first_row + load_row(i), column + DEPTH + load_column());
            }
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float a[SIDE], b[SIDE];
            vstore4(vload4(0, rows + k * ROW + row_at), 0, a);
            vstore4(vload4(0, rows + k * ROW + row_at + BLOCK / 2), 1, a);
            vstore4(vload4(0, tokens + k * ROW + token_at), 0, b);
            vstore4(vload4(0, tokens + k * ROW + token_at + BLOCK / 2), 1, b);
#pragma unroll
            for (int r = 0; r < SIDE; r++)
#pragma unroll
                for (int t = 0; t < SIDE; t++)
                    sums[r][t] = fma(a[r], b[t], sums[r][t]);
        }
    }
}

/* Row and token of sums[r][t] in the block. */
inline int sum_row(int r)
{
    return (int)get_local_id(0) / 16 * 4 + r % 4 + r / 4 * (BLOCK / 2);
}

inline int sum_token(int t)
{
    return (int)get_local_id(0) % 16 * 4 + t % 4 + t / 4 * (BLOCK / 2);
}

/* out[token, out_column + row] (+)= in[in_row + token] . weight[row]. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
linear(__global float *out, __global const float *in, __global const weight_t *weight, __global const float *scales,
       int tokens, int in_row, int in_stride, int out_stride, int out_column, int rows, int stride, int block_rows,
       int block_columns, int scale_columns, int accumulate)
{
    __local float token_columns[DEPTH * ROW] __attribute__((aligned(16)));
    __local float row_columns[DEPTH * ROW] __attribute__((aligned(16)));
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int first_row = (int)get_group_id(0) * BLOCK, first_token = (int)get_group_id(1) * BLOCK;
    float sums[SIDE][SIDE];
    __global const float *inputs[LOADS];
#pragma unroll
    for (int i = 0; i < LOADS; i++)
        inputs[i] = in + (size_t)(in_row + min(first_token + load_row(i), tokens - 1)) * in_stride;
    multiply_block(sums, token_columns, row_columns, inputs, weight, scales, &w, first_row);
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

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T, as in linear.cl. */
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
        multiply_block(sums, token_columns, row_columns, inputs, weight, scales, &w, first_row);
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
