/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/swiglu.h"

#include "base/memory.h"

/* On a CPU, elements that are worth a work-group of one work-item. */
enum { CPU_BLOCK = 2048 };

hadal_status swiglu_create(swiglu_op *op, hadal_device *device)
{
    const device_shape *shape = device_shape_of(device);
    *op = (swiglu_op){.group = shape->group, .block = shape->cpu ? CPU_BLOCK : shape->group * shape->vector};
    return kernel_get(&op->gate, device, "swiglu", "swiglu", "");
}

hadal_status swiglu(const swiglu_op *op, buffer *out, const buffer *gate, const buffer *up, size_t rows, size_t columns)
{
    size_t padded = round_up(columns, ROW_UNIT);
    launch_shape shape = {
        .groups = {divide_up(padded, op->block), rows},
        .size = {op->group},
        .bytes = 3 * (uint64_t)rows * columns * sizeof(float),
        .operations = 5 * (uint64_t)rows * columns,
    };
    return LAUNCH(op->gate, shape, arg_buffer(out), arg_buffer(gate), arg_buffer(up), arg_int((int64_t)padded),
                  arg_int(op->block));
}
