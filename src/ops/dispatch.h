/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The tokens of a step grouped by expert. Kernels in cl/dispatch.cl. */

#ifndef HADAL_OPS_DISPATCH_H
#define HADAL_OPS_DISPATCH_H

#include "device/device.h"

typedef struct dispatch_op {
    kernel *list;
    uint32_t group;
} dispatch_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status dispatch_create(dispatch_op *op, hadal_device *device);

/* From ids int32 [slot_count], the expert of each slot (slot = token * top_k + k): slots int32 [slot_count] and offsets
 * int32 [experts + 1], so that the slots of expert e are slots[offsets[e] .. offsets[e + 1] - 1], ascending; an expert
 * without a token has none. Every id is below experts. */
HADAL_CHECKED hadal_status dispatch_slots(const dispatch_op *op, buffer *offsets, buffer *slots, const buffer *ids,
                                          size_t slot_count, size_t experts);

#endif
