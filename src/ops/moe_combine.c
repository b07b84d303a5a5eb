/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/moe_combine.h"

#include "base/memory.h"

/* On a CPU, elements that are worth a work-group of one work-item. */
enum { CPU_BLOCK = 1024 };

hadal_status moe_combine_create(moe_combine_op *op, hadal_device *device)
{
    const device_shape *shape = device_shape_of(device);
    *op = (moe_combine_op){.group = shape->group, .block = shape->cpu ? CPU_BLOCK : shape->group * shape->vector};
    return kernel_get(&op->combine, device, "moe_combine", "moe_combine", "");
}

hadal_status moe_combine(const moe_combine_op *op, buffer *x, const buffer *expert_out, const buffer *weights,
                         const buffer *shared, size_t tokens, size_t columns, size_t top_k)
{
    size_t padded = round_up(columns, ROW_UNIT);
    launch_shape shape = {
        .groups = {divide_up(padded, op->block), tokens},
        .size = {op->group},
        .bytes = (uint64_t)tokens * columns * (top_k + 2 + (shared ? 1 : 0)) * sizeof(float),
        .operations = (uint64_t)tokens * columns * (2 * top_k + 1 + (shared ? 1 : 0)),
    };
    return LAUNCH(op->combine, shape, arg_buffer(x), arg_buffer(expert_out), arg_buffer(weights), arg_buffer(shared),
                  arg_int((int64_t)padded), arg_int((int64_t)top_k), arg_int(op->block));
}
