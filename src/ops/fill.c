/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/fill.h"

#include "base/memory.h"

static const char *const options[] = {
    [FILL_F32] = " -D FILL_F32", [FILL_BF16] = " -D FILL_BF16", [FILL_F16] = " -D FILL_F16",
    [FILL_F8] = " -D FILL_F8",   [FILL_INT8] = " -D FILL_INT8", [FILL_INT32] = " -D FILL_INT32",
};

static const size_t element_bytes[] = {
    [FILL_F32] = 4, [FILL_BF16] = 2, [FILL_F16] = 2, [FILL_F8] = 1, [FILL_INT8] = 1, [FILL_INT32] = 4,
};

hadal_status fill_rows(hadal_device *device, buffer *target, fill_type type, size_t rows, size_t columns, size_t stride,
                       double amplitude, uint32_t seed)
{
    enum { BLOCK = 4096 }; /* elements of a group */
    kernel *fill;
    TRY(kernel_get(&fill, device, "fill", "fill_random", options[type]));
    const launch_shape shape = {
        .groups = {rows * divide_up(columns, BLOCK)},
        .size = {device_shape_of(device)->group},
        .bytes = (uint64_t)rows * columns * element_bytes[type],
    };
    return LAUNCH(fill, shape, arg_buffer(target), arg_ulong(columns), arg_ulong(stride), arg_uint(BLOCK),
                  arg_float(amplitude), arg_uint(seed));
}

hadal_status fill_buffer(hadal_device *device, buffer *target, fill_type type, double amplitude, uint32_t seed)
{
    size_t count = buffer_bytes(target) / element_bytes[type];
    return fill_rows(device, target, type, 1, count, count, amplitude, seed);
}

hadal_status fill_constant(hadal_device *device, buffer *target, double value)
{
    kernel *fill;
    size_t count = buffer_bytes(target) / sizeof(float), group = device_shape_of(device)->group;
    TRY(kernel_get(&fill, device, "fill", "fill_constant", options[FILL_F32]));
    const launch_shape shape = {.groups = {divide_up(count, group)}, .size = {group}, .bytes = count * sizeof(float)};
    return LAUNCH(fill, shape, arg_buffer(target), arg_ulong(count), arg_float(value));
}
