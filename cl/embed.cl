/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "dtype.clh"

/* out[t] = row tokens[t] of the embedding, for the tokens that this slab (rows first .. first + count - 1) holds. out:
 * float [tokens, padded]; values: rows of `stride` elements. WEIGHT_F8: scales float [.., scale_columns], one a block
 * of block_rows x block_columns, the first that of row `first`. One group of GROUP work-items a token. */
__kernel void embed_rows(__global float *out, __global const weight_t *values, __global const float *scales,
                         __global const int *tokens, int first, int count, int padded, int stride, int block_rows,
                         int block_columns, int scale_columns)
{
    size_t token = get_group_id(0);
    int row = tokens[token];
    if (row < first || row - first >= count)
        return;
    out += token * padded;
    values += (size_t)(row - first) * stride;
#ifdef WEIGHT_F8
    scales += (size_t)(row / block_rows - first / block_rows) * scale_columns;
#endif
    for (int i = (int)get_local_id(0) * VECTOR; i < padded; i += GROUP * VECTOR) {
        floatv x = weight_load(values, i);
#ifdef WEIGHT_F8
        x *= scales[i / block_columns];
#endif
        vstorev(x, 0, out + i);
    }
}
