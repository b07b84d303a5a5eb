/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "lane.clh"

/* Built with -D EXPERTS, EXPERT_GROUPS, TOP_GROUPS and TOP_K, which divide and bound as ops/route.h says, and with
 * -D NORMALISE if weights are divided by their sum. */

enum { GROUP_EXPERTS = EXPERTS / EXPERT_GROUPS };

/* Keys that order as the floats do, so that NaN, too, has a place and each rank is taken once. Never 0: that is the
 * key of an expert out of reach, below -INFINITY. */
inline uint ordered_key(float value)
{
    uint u = as_uint(value);
    return max(u & 0x80000000u ? ~u : u | 0x80000000u, 1u);
}

inline float key_value(uint key)
{
    return as_float(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

/* How many keys come before keys[own]: the greater ones, and the equal ones of lower index. */
inline int rank_of(__local const uint *keys, int count, int own)
{
    uint key = keys[own];
    int rank = 0;
    for (int i = 0; i < own; i++)
        rank += keys[i] >= key;
    for (int i = own + 1; i < count; i++)
        rank += keys[i] > key;
    return rank;
}

/* Sum of the two best choices among keys[GROUP_EXPERTS]. */
inline float group_score(__local const uint *keys)
{
    uint best = keys[0], second = 0;
    for (int i = 1; i < GROUP_EXPERTS; i++) {
        second = max(second, min(best, keys[i]));
        best = max(best, keys[i]);
    }
    return GROUP_EXPERTS == 1 ? key_value(best) : key_value(best) + key_value(second);
}

/* ids, weights: [tokens, TOP_K], best choice first; logits: float rows of `stride`; bias: float [EXPERTS]. One group of
 * GROUP work-items a token; ranks are counted, so that all experts find their place at once. */
__kernel void route_choose(__global int *ids, __global float *weights, __global const float *logits,
                           __global const float *bias, int stride, float scaling)
{
    __local float scores[EXPERTS];
    __local uint choices[EXPERTS];
    __local uint group_choices[EXPERT_GROUPS];
    __local float chosen[TOP_K];
    int me = (int)get_local_id(0);
    size_t token = get_group_id(0);
    logits += token * stride;
    for (int expert = me; expert < EXPERTS; expert += GROUP) {
        float score = 1.0f / (1.0f + exp(-logits[expert]));
        scores[expert] = score;
        choices[expert] = ordered_key(score + bias[expert]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int group = me; group < EXPERT_GROUPS; group += GROUP)
        group_choices[group] = ordered_key(group_score(choices + group * GROUP_EXPERTS));
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int group = me; group < EXPERT_GROUPS; group += GROUP)
        if (rank_of(group_choices, EXPERT_GROUPS, group) >= TOP_GROUPS)
            for (int i = 0; i < GROUP_EXPERTS; i++)
                choices[group * GROUP_EXPERTS + i] = 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int expert = me; expert < EXPERTS; expert += GROUP) {
        int rank = choices[expert] ? rank_of(choices, EXPERTS, expert) : EXPERTS;
        if (rank < TOP_K) {
            ids[token * TOP_K + rank] = expert;
            chosen[rank] = scores[expert];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = me; k < TOP_K; k += GROUP) {
        float sum = 1.0f;
#ifdef NORMALISE
        sum = 0.0f;
        for (int i = 0; i < TOP_K; i++)
            sum += chosen[i];
        sum += 1e-20f;
#endif
        weights[token * TOP_K + k] = chosen[k] / sum * scaling;
    }
}
