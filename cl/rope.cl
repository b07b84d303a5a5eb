/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "lane.clh"
#include "rope.clh"

/* query[t, head, latent_row ..] = rope part of q[t, head] rotated at positions[t], times scale, and zeros up to
 * padded_pairs. query: float [tokens, heads, latent_row + 2 * padded_pairs]; q: float rows of q_stride, head h at
 * h * (nope + 2 * pairs), its rope part behind nope; pairs are (0,1), (2,3), ... Groups of GROUP: some, whose lane
 * groups take the heads in turns; tokens. */
__kernel void rope_queries(__global float *query, __global const float *q, __global const float2 *table,
                           __global const int *positions, int heads, int nope, int pairs, int padded_pairs,
                           int latent_row, int q_stride, float scale)
{
    size_t token = get_group_id(1);
    int position = positions[token];
    for (int head = (int)get_global_id(0) / LANES; head < heads; head += (int)get_global_size(0) / LANES) {
        __global const float *in = q + token * q_stride + head * (nope + 2 * pairs) + nope;
        __global float *out = query + (token * heads + head) * (latent_row + 2 * padded_pairs) + latent_row;
        rope_row(out, in, table, position, pairs, padded_pairs, scale, LANE, LANES);
    }
}
