/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "lane.clh"

/* slots = the indices 0 .. slot_count - 1 ordered by ids[slot], ascending within an expert; offsets[expert] = how many
 * have a lower id; offsets[experts] = slot_count. One group of GROUP work-items an expert: each counts a stretch of
 * slots of its own, and then knows where its finds go. No atomics, so the order is always the same. */
__kernel void dispatch_slots(__global int *offsets, __global int *slots, __global const int *ids, int slot_count)
{
    __local int lower_counts[GROUP], own_counts[GROUP];
    int me = (int)get_local_id(0), expert = (int)get_group_id(0);
    int stretch = (slot_count + GROUP - 1) / GROUP;
    int begin = min(me * stretch, slot_count), end = min(begin + stretch, slot_count);
    int lower = 0, own = 0;
    for (int slot = begin; slot < end; slot++) {
        lower += ids[slot] < expert;
        own += ids[slot] == expert;
    }
    lower_counts[me] = lower;
    own_counts[me] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    int offset = 0;
    for (int i = 0; i < GROUP; i++)
        offset += lower_counts[i];
    if (me == 0) {
        offsets[expert] = offset;
        if (expert == (int)get_num_groups(0) - 1)
            offsets[expert + 1] = slot_count;
    }
    if (own == 0)
        return;
    for (int i = 0; i < me; i++)
        offset += own_counts[i];
    for (int slot = begin; slot < end; slot++)
        if (ids[slot] == expert)
            slots[offset++] = slot;
}
