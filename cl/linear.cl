/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T for weights in their stored dtype (-D WEIGHT_...): single matrices, one matrix a head, one an expert.
 *
 * A lane group computes TOKENS x ROWS outputs in registers: its lanes walk along the columns together, VECTOR values
 * a lane, and add up at the end. With one lane (CPUs) this is a register-blocked matrix product, with 32 and one token
 * a matrix-vector product with coalesced loads. -D ITEMS is the work-group's size, a multiple of LANES. */

#include "vector.clh"
#include "dtype.clh"
#include "lane.clh"

/* One matrix [rows, stride] and its scales [ceil(rows / block_rows), scale_columns] (float8 only). */
typedef struct weights {
    int rows, stride, block_rows, block_columns, scale_columns;
} weights;

/* sums[t][r] = the dot product of the input row that begins at in[inputs[t]] with weight row first_row + r, still
 * spread over the lanes. Rows beyond the matrix repeat its last one. Behind a call the sums would stay in memory. */
__attribute__((always_inline)) inline void dot_products(floatv sums[TOKENS][ROWS], __global const float *in,
                                                        const size_t inputs[TOKENS], __global const weight_t *weight,
                                                        __global const float *scales, weights w, int first_row)
{
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        TILE_UNROLL
        for (int r = 0; r < ROWS; r++)
            sums[t][r] = (floatv)(0.0f);
    for (int k = LANE * VECTOR; k < w.stride; k += LANES * VECTOR) {
        floatv x[TOKENS];
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            x[t] = vloadv(0, in + inputs[t] + k);
        TILE_UNROLL
        for (int r = 0; r < ROWS; r++) {
            int row = min(first_row + r, w.rows - 1);
            floatv values = weight_load(weight, (size_t)row * w.stride + k);
#ifdef WEIGHT_F8
            values *= scales[row / w.block_rows * w.scale_columns + k / w.block_columns];
#endif
            TILE_UNROLL
            for (int t = 0; t < TOKENS; t++)
                sums[t][r] = x[t] * values + sums[t][r];
        }
    }
}

/* out[token, out_column + row] (+)= in[in_row + token] . weight[row]; in rows in_stride, out rows out_stride floats
 * apart. */
__kernel void linear(__global float *out, __global const float *in, __global const weight_t *weight,
                     __global const float *scales, int tokens, int in_row, int in_stride, int out_stride,
                     int out_column, int rows, int stride, int block_rows, int block_columns, int scale_columns,
                     int accumulate)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    int first_token = (int)get_group_id(1) * TOKENS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS][ROWS];
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        inputs[t] = (size_t)(in_row + min(first_token + t, tokens - 1)) * in_stride;
    dot_products(sums, in, inputs, weight, scales, w, first_row);
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        TILE_UNROLL
        for (int r = 0; r < ROWS; r++) {
            float value = lane_sum(vector_sum(sums[t][r]));
            __global float *target = out + (size_t)(first_token + t) * out_stride + out_column + first_row + r;
            if (LANE == 0 && first_token + t < tokens && first_row + r < rows)
                *target = accumulate ? *target + value : value;
        }
}

/* out[token, head, row] = factor * in[token, head] . weight[head][row], one matrix [rows, stride] a head. in and out
 * of a token begin token_stride floats apart, those of its heads head_stride. This slab holds the heads from
 * first_head on. */
__kernel void linear_heads(__global float *out, int out_token_stride, int out_head_stride, __global const float *in,
                           int in_token_stride, int in_head_stride, __global const weight_t *weight,
                           __global const float *scales, int tokens, int first_head, int rows, int stride,
                           int block_rows, int block_columns, int scale_columns, int scale_rows, float factor)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int here = (int)get_group_id(2), head = first_head + here;
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    int first_token = (int)get_group_id(1) * TOKENS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS][ROWS];
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        inputs[t] = (size_t)min(first_token + t, tokens - 1) * in_token_stride + head * in_head_stride;
    dot_products(sums, in, inputs, weight + (size_t)here * rows * stride,
                 scales + (size_t)here * scale_rows * scale_columns, w, first_row);
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        TILE_UNROLL
        for (int r = 0; r < ROWS; r++) {
            float value = lane_sum(vector_sum(sums[t][r]));
            if (LANE == 0 && first_token + t < tokens && first_row + r < rows)
                out[(size_t)(first_token + t) * out_token_stride + head * out_head_stride + first_row + r] =
                    value * factor;
        }
}

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T for the (token, choice) slots of each expert, as
 * ops/dispatch lists them: slots[offsets[e] .. offsets[e + 1] - 1]. A work-group takes every get_num_groups(1)-th tile
 * of TOKENS slots of its expert. This slab holds the experts from first_expert on. */
__kernel void linear_experts(__global float *out, __global const float *in, __global const weight_t *weight,
                             __global const float *scales, __global const int *offsets, __global const int *slots,
                             int first_expert, int slots_per_input, int in_stride, int out_stride, int rows, int stride,
                             int block_rows, int block_columns, int scale_columns, int scale_rows)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int here = (int)get_group_id(2), expert = first_expert + here;
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    int begin = offsets[expert], end = offsets[expert + 1];
    for (int tile = begin + (int)get_group_id(1) * TOKENS; tile < end; tile += (int)get_num_groups(1) * TOKENS) {
        size_t inputs[TOKENS];
        floatv sums[TOKENS][ROWS];
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            inputs[t] = (size_t)(slots[min(tile + t, end - 1)] / slots_per_input) * in_stride;
        dot_products(sums, in, inputs, weight + (size_t)here * rows * stride,
                     scales + (size_t)here * scale_rows * scale_columns, w, first_row);
        TILE_UNROLL
        for (int t = 0; t < TOKENS; t++)
            TILE_UNROLL
            for (int r = 0; r < ROWS; r++) {
                float value = lane_sum(vector_sum(sums[t][r]));
                if (LANE == 0 && tile + t < end && first_row + r < rows)
                    out[(size_t)slots[tile + t] * out_stride + first_row + r] = value;
            }
    }
}

/* The same for few tokens: group_id(1) is the slot itself and ids[slot] its expert. */
__kernel void linear_slots(__global float *out, __global const float *in, __global const weight_t *weight,
                           __global const float *scales, __global const int *ids, int first_expert, int experts,
                           int slots_per_input, int in_stride, int out_stride, int rows, int stride, int block_rows,
                           int block_columns, int scale_columns, int scale_rows)
{
    LANE_SCRATCH(ITEMS);
    weights w = {rows, stride, block_rows, block_columns, scale_columns};
    int slot = (int)get_group_id(1), here = ids[slot] - first_expert;
    int first_row = (int)(get_global_id(0) / LANES) * ROWS;
    size_t inputs[TOKENS];
    floatv sums[TOKENS][ROWS];
    if (here < 0 || here >= experts) /* the same for the whole work-group */
        return;
    TILE_UNROLL
    for (int t = 0; t < TOKENS; t++)
        inputs[t] = (size_t)(slot / slots_per_input) * in_stride;
    dot_products(sums, in, inputs, weight + (size_t)here * rows * stride,
                 scales + (size_t)here * scale_rows * scale_columns, w, first_row);
    TILE_UNROLL
    for (int r = 0; r < ROWS; r++) {
        float value = lane_sum(vector_sum(sums[0][r]));
        if (LANE == 0 && first_row + r < rows)
            out[(size_t)slot * out_stride + first_row + r] = value;
    }
}

/* Values of rows first_row .. first_row + get_global_size(1) - 1 as floats [.., stride], for libraries that know no
 * other dtype. */
__kernel void dequantise(__global float *out, __global const weight_t *weight, __global const float *scales,
                         int first_row, int stride, int block_rows, int block_columns, int scale_columns)
{
    int k = (int)get_global_id(0) * VECTOR, row = (int)get_global_id(1);
    floatv values = weight_load(weight, (size_t)(first_row + row) * stride + k);
#ifdef WEIGHT_F8
    values *= scales[(first_row + row) / block_rows * scale_columns + k / block_columns];
#endif
    vstorev(values, 0, out + (size_t)row * stride + k);
}
