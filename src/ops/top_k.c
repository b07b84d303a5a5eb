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

/* Scores that a work-item of top_k_short.cl holds. */
enum { SHORT_SCORES = 32 };

/* Work-items of a GPU's groups for short rows: few wait less for each other, more hold longer rows. */
static const uint32_t short_items[TOP_K_SHORT] = {256, 512};

/* So many work-items of a group, or the most that the device has. */
static uint32_t limit_items(const hadal_device *device, uint32_t items)
{
    while (items > hadal_device_describe(device)->max_group_size)
        items /= 2;
    return items;
}

/* The kernels require their size of a group, and are built for it. kernel_max_group isn't asked: of all such kernels
 * NVIDIA's driver 580 says 256. */
static hadal_status get_group_kernel(group_kernel *got, hadal_device *device, const char *name)
{
    if (got->kernel)
        return HADAL_OK;
    byte_array options = {0};
    TRY(bytes_format(&options, " -D LIST_SIZE=%d -D ITEMS=%u", GROUP_LIST_SIZE, got->items));
    hadal_status status = kernel_get(&got->kernel, device, name, name, options.data);
    bytes_free(&options);
    return status;
}

hadal_status top_k_create(top_k_op *op, hadal_device *device)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (top_k_op){.device = device,
                     .long_rows.items = limit_items(device, device_tuned(device, TUNED_TOP_K_ITEMS)),
                     .vector = shape->vector,
                     .list = device_tuned(device, TUNED_TOP_K_LIST),
                     .enough = device_tuned(device, TUNED_TOP_K_GROUPS)};
    for (int i = 0; i < TOP_K_SHORT; i++)
        op->short_rows[i].items = limit_items(device, short_items[i]);
    if (shape->group > 1)
        return HADAL_OK;
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

/* The smallest groups of top_k_short that hold rows of that many scores; NULL if none do. */
static group_kernel *choose_short(top_k_op *op, size_t stride)
{
    for (int i = 0; i < TOP_K_SHORT; i++)
        if (stride <= (size_t)SHORT_SCORES * op->short_rows[i].items)
            return &op->short_rows[i];
    return NULL;
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

hadal_status top_k(top_k_op *op, buffer *selected, size_t selected_stride, buffer *counts, const buffer *scores,
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
    group_kernel *used = choose_short(op, stride);
    if (used) {
        TRY(get_group_kernel(used, op->device, "top_k_short"));
        shape.size[0] = used->items;
        return LAUNCH(used->kernel, shape, ARGUMENTS);
    }
    size_t slices = choose_slices(op, rows, stride);
    used = &op->long_rows;
    TRY(get_group_kernel(used, op->device, "top_k_group"));
    shape.groups[0] = rows * slices;
    shape.size[0] = used->items;
    return LAUNCH(used->kernel, shape, ARGUMENTS, arg_int((int64_t)slices), arg_buffer(scratch));
}
