/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/top_k.h"

#include "base/memory.h"
#include "device/tuning.h"

/* Scores of the GPU kernel's list, 8 bytes each, in all but 512 bytes of the local memory that every GPU has. */
enum { GROUP_LIST_SIZE = 4032 };

/* Words of a row's scratch: SCRATCH_WORDS in top_k_group.cl. */
enum { SCRATCH_WORDS = 32 + 2 * GROUP_LIST_SIZE };

/* At most so many groups fill a device (TUNED_TOP_K_GROUPS): usually about one for each multiprocessor, since each of a
 * row's looks for the bound. More to a row than MOST_SLICES, or for fewer scores each than LEAST_SLICE, gain nothing.
 * So no more than SLICED_ROWS are cut. */
enum { ENOUGH_GROUPS = 128, MOST_SLICES = 32, LEAST_SLICE = 2048, SLICED_ROWS = ENOUGH_GROUPS / 2 };

/* Work-items of a GPU's group for short rows, where it allows them: a power of two, at least shape->lanes. */
enum { SHORT_ITEMS = 512 };

/* Scores that a work-item of top_k_short.cl holds. */
enum { SHORT_SCORES = 32 };

/* The kernel with that many work-items, or as many as the device runs it with. */
static hadal_status get_group_kernel(group_kernel *got, hadal_device *device, const char *name, uint32_t items)
{
    hadal_status status = HADAL_OK;
    uint32_t least = device_shape_of(device)->lanes;
    got->items = items;
    while (got->items > hadal_device_describe(device)->max_group_size)
        got->items /= 2;
    for (; status == HADAL_OK; got->items /= 2) {
        byte_array options = {0};
        TRY_OR(done, bytes_format(&options, " -D LIST_SIZE=%d -D ITEMS=%u", GROUP_LIST_SIZE, got->items));
        TRY_OR(done, device_limit_registers(&options, device, got->items));
        TRY_OR(done, kernel_get(&got->kernel, device, name, name, options.data));
    done:
        bytes_free(&options);
        if (status == HADAL_OK && (kernel_max_group(got->kernel) >= got->items || got->items <= least))
            break;
    }
    return status;
}

hadal_status top_k_create(top_k_op *op, hadal_device *device)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (top_k_op){.vector = shape->vector, .list = device_tuned(device, TUNED_TOP_K_LIST),
                     .enough = device_tuned(device, TUNED_TOP_K_GROUPS)};
    if (shape->group > 1) {
        TRY(get_group_kernel(&op->short_rows, device, "top_k_short", SHORT_ITEMS));
        return get_group_kernel(&op->long_rows, device, "top_k_group", device_tuned(device, TUNED_TOP_K_ITEMS));
    }
    TRY_OR(done, bytes_format(&options, " -D LIST_SIZE=%u", op->list));
    TRY_OR(done, kernel_get(&op->on_cpu, device, "top_k", "top_k", options.data));
done:
    bytes_free(&options);
    return status;
}

size_t top_k_scratch_bytes(size_t rows, size_t stride)
{
    return stride < 2 * LEAST_SLICE ? 0 : min_size(rows, SLICED_ROWS) * SCRATCH_WORDS * sizeof(uint32_t);
}

/* Groups that share a row. */
static size_t choose_slices(const top_k_op *op, size_t rows, size_t stride)
{
    return max_size(min_size(min_size(op->enough / max_size(rows, 1), MOST_SLICES), stride / LEAST_SLICE), 1);
}

/* Parts of a row whose maxima bound the k-th largest score: enough that little more than k scores reach the bound; 0
 * when they do not fit in the CPU kernel's list. */
static size_t choose_slots(const top_k_op *op, size_t k)
{
    size_t slots = op->vector;
    while (slots < 4 * k && slots * 2 <= op->list)
        slots *= 2;
    return slots < 2 * k || slots > op->list ? 0 : slots;
}

/* What all kernels are given first. */
#define ARGUMENTS \
    arg_buffer(selected), arg_int((int64_t)selected_stride), arg_buffer(counts), arg_buffer(scores), \
        arg_int((int64_t)stride), arg_buffer(positions), arg_int((int64_t)first_row), \
        arg_int((int64_t)min_size(k, INT32_MAX))

hadal_status top_k(const top_k_op *op, buffer *selected, size_t selected_stride, buffer *counts, const buffer *scores,
                   size_t stride, const buffer *positions, size_t first_row, size_t rows, size_t k, buffer *scratch)
{
    launch_shape shape = {
        .groups = {rows},
        .size = {1},
        .bytes = rows * (stride + k) * sizeof(float),
        .operations = rows * stride,
    };
    if (op->on_cpu)
        return LAUNCH(op->on_cpu, shape, ARGUMENTS, arg_int((int64_t)choose_slots(op, k)));
    if (stride <= (size_t)SHORT_SCORES * op->short_rows.items) {
        shape.size[0] = op->short_rows.items;
        return LAUNCH(op->short_rows.kernel, shape, ARGUMENTS);
    }
    size_t slices = choose_slices(op, rows, stride);
    shape.groups[0] = rows * slices;
    shape.size[0] = op->long_rows.items;
    return LAUNCH(op->long_rows.kernel, shape, ARGUMENTS, arg_int((int64_t)slices), arg_buffer(scratch));
}
