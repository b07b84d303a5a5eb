/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Rows of the embedding: values, rows first .. first + count - 1 of it, `stride` elements each. WEIGHT_F8: scales float
 * [.., scale_columns], one a block of block_rows x block_columns, the first that of row `first`. One group of GROUP
 * work-items a token, whose row goes to float out[padded]. */

#include "dtype.clh"

typedef struct embed_slab {
    int first, count, padded, stride, block_rows, block_columns, scale_columns;
} embed_slab;

/* out = that row of the embedding, if this slab holds it. */
inline void embed(__global float *out, __global const weight_t *values, __global const float *scales,
                  const embed_slab slab, int row)
{
    if (row < slab.first || row - slab.first >= slab.count)
        return;
    values += (size_t)(row - slab.first) * slab.stride;
#ifdef WEIGHT_F8
    scales += (size_t)(row / slab.block_rows - slab.first / slab.block_rows) * slab.scale_columns;
#endif
    for (int i = (int)get_local_id(0) * VECTOR; i < slab.padded; i += GROUP * VECTOR) {
        floatv x = weight_load(values, i);
#ifdef WEIGHT_F8
        x *= scales[i / slab.block_columns];
#endif
        vstorev(x, 0, out + i);
    }
}

/* out[t] = row tokens[t]. */
__kernel void embed_rows(__global float *out, __global const weight_t *values, __global const float *scales,
                         embed_slab slab, __global const int *tokens)
{
    size_t token = get_group_id(0);
    embed(out + token * slab.padded, values, scales, slab, tokens[token]);
}

typedef struct embed_token {
    int id, position, sequence, row;
} embed_token;

/* out[0] = row token.id; the rest of the token is for the kernels that follow. */
__kernel void embed_one(__global float *out, __global const weight_t *values, __global const float *scales,
                        embed_slab slab, embed_token token, __global int *positions, __global int *sequences,
                        __global int *rows)
{
    if (get_local_id(0) == 0) {
        positions[0] = token.position;
        sequences[0] = token.sequence;
        rows[0] = token.row;
    }
    embed(out, values, scales, slab, token.id);
}
