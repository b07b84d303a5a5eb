/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "dtype.clh"
#include "lane.clh"
#include "rope.clh"

/* cache[rows[t]] = RMSNorm(kv[t, 0 .. latent - 1]) * weight, and at padded_latent the rope part kv[t, latent ..]
 * rotated at positions[t]; zeros behind both. kv: float rows of kv_stride; weight: float [latent]; cache: rows of
 * padded_latent + 2 * padded_pairs. One group of GROUP work-items a token. */
__kernel void latent_store(__global cache_t *cache, __global const float *kv, __global const float *weight,
                           __global const float2 *table, __global const int *positions, __global const int *rows,
                           int latent, int padded_latent, int pairs, int padded_pairs, int kv_stride, float epsilon)
{
    GROUP_SCRATCH;
    int me = (int)get_local_id(0);
    size_t token = get_group_id(0);
    int position = positions[token];
    kv += token * kv_stride;
    cache += (size_t)rows[token] * (padded_latent + 2 * padded_pairs);
    floatv squares = (floatv)(0.0f);
    for (int i = me * VECTOR; i + VECTOR <= latent; i += GROUP * VECTOR) {
        floatv x = vloadv(0, kv + i);
        squares = x * x + squares;
    }
    float sum = vector_sum(squares);
    for (int i = latent / VECTOR * VECTOR + me; i < latent; i += GROUP) /* the rope part follows without a gap */
        sum = kv[i] * kv[i] + sum;
    float scale = 1.0f / sqrt(group_sum(sum) / latent + epsilon);
    for (int i = me; i < padded_latent; i += GROUP)
        cache_store(i < latent ? kv[i] * scale * weight[i] : 0.0f, cache, i);
    for (int pair = me; pair < padded_pairs; pair += GROUP) {
        float2 turned = (float2)(0.0f);
        if (pair < pairs)
            turned = rope_turn(vload2(pair, kv + latent), rope_rotation(table, pairs, position, pair));
        cache_store(turned.x, cache, padded_latent + 2 * pair);
        cache_store(turned.y, cache, padded_latent + 2 * pair + 1);
    }
}
