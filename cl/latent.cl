/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "latent.clh"

/* cache[rows[t]] = the latent row of token t, as store_latent makes it. kv: float rows of kv_stride; cache: rows of
 * padded_latent + 2 * padded_pairs. One group of LANES work-items a token. */
__kernel void latent_store(__global cache_t *cache, __global const float *kv, __global const float *weight,
                           __global const float2 *table, __global const int *positions, __global const int *rows,
                           int latent, int padded_latent, int pairs, int padded_pairs, int kv_stride, float epsilon)
{
    LANE_SCRATCH(LANES);
    size_t token = get_group_id(0);
    int position = positions[token];
    kv += token * kv_stride;
    cache += (size_t)rows[token] * (padded_latent + 2 * padded_pairs);
    float squares = lane_sum(latent_squares(kv, latent));
    store_latent(cache, kv, weight, table, position, latent, padded_latent, pairs, padded_pairs, squares, epsilon);
}

/* out[r] = row first + r of the cache, rows of `width`. One group of LANES work-items a row. */
__kernel void latent_load(__global float *out, __global const cache_t *cache, int first, int width)
{
    size_t row = get_group_id(0);
    for (int i = (int)get_local_id(0) * VECTOR; i < width; i += LANES * VECTOR)
        vstorev(cache_load(cache, (first + row) * width + i), 0, out + row * width + i);
}
