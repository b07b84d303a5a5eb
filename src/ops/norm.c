/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/norm.h"

#include "base/memory.h"

hadal_status norm_create(norm_op *op, hadal_device *device)
{
    op->group = device_shape_of(device)->group;
    return kernel_get(&op->rms, device, "norm", "rms_norm", "");
}

hadal_status norm_rms(const norm_op *op, buffer *out, const buffer *in, const buffer *weight, size_t rows,
                      size_t columns, double epsilon)
{
    size_t stride = round_up(columns, ROW_UNIT);
    launch_shape shape = {
        .groups = {rows},
        .size = {op->group},
        .bytes = 2 * rows * columns * sizeof(float),
        .operations = 4 * rows * columns,
    };
    return LAUNCH(op->rms, shape, arg_buffer(out), arg_buffer(in), arg_buffer(weight), arg_int((int64_t)columns),
                  arg_int((int64_t)stride), arg_float(epsilon));
}
