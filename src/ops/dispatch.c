/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/dispatch.h"

hadal_status dispatch_create(dispatch_op *op, hadal_device *device)
{
    op->group = device_shape_of(device)->group;
    return kernel_get(&op->list, device, "dispatch", "dispatch_slots", "");
}

hadal_status dispatch_slots(const dispatch_op *op, buffer *offsets, buffer *slots, const buffer *ids, size_t slot_count,
                            size_t experts)
{
    launch_shape shape = {
        .groups = {experts},
        .size = {op->group},
        .bytes = (2 * (uint64_t)slot_count + experts + 1) * sizeof(int32_t),
        .operations = 2 * (uint64_t)slot_count * experts,
    };
    return LAUNCH(op->list, shape, arg_buffer(offsets), arg_buffer(slots), arg_buffer(ids),
                  arg_int((int64_t)slot_count));
}
