/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/top_k.h"

#include "base/memory.h"

/* Keys of the kernel's list, 4 bytes each, which is cheap to pass over; half of the local memory that every GPU has. */
enum { LIST_SIZE = 4096, CPU_LIST_SIZE = 16384 };

hadal_status top_k_create(top_k_op *op, hadal_device *device)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (top_k_op){
        .group = shape->group,
        .vector = shape->vector,
        .list_size = shape->group == 1 ? CPU_LIST_SIZE : LIST_SIZE,
    };
    TRY_OR(done, bytes_format(&options, " -D LIST_SIZE=%u", op->list_size));
    TRY_OR(done, kernel_get(&op->select, device, "top_k", "top_k", options.data));
done:
    bytes_free(&options);
    return status;
}

/* Parts of a row whose maxima bound the k-th largest score: enough that little more than k scores reach the bound; 0
 * when they do not fit in the kernel's list. */
static size_t choose_slots(const top_k_op *op, size_t k)
{
    size_t slots = op->group * op->vector;
    while (slots < 4 * k && slots * 2 <= op->list_size)
        slots *= 2;
    return slots < 2 * k || slots > op->list_size ? 0 : slots;
}

hadal_status top_k(const top_k_op *op, buffer *selected, size_t selected_stride, buffer *counts, const buffer *scores,
                   size_t stride, const buffer *positions, size_t first_row, size_t rows, size_t k)
{
    launch_shape shape = {
        .groups = {rows},
        .size = {op->group},
        .bytes = rows * (3 * stride + k) * sizeof(float),
        .operations = rows * stride,
    };
    return LAUNCH(op->select, shape, arg_buffer(selected), arg_int((int64_t)selected_stride), arg_buffer(counts),
                  arg_buffer(scores), arg_int((int64_t)stride), arg_buffer(positions), arg_int((int64_t)first_row),
                  arg_int((int64_t)min_size(k, INT32_MAX)), arg_int((int64_t)choose_slots(op, k)));
}
