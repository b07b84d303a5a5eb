/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Exact choice of the k positions of largest score. Kernels in cl/top_k.cl for CPUs, cl/top_k_short.cl and for longer
 * rows cl/top_k_group.cl for GPUs. */

#ifndef HADAL_OPS_TOP_K_H
#define HADAL_OPS_TOP_K_H

#include "device/device.h"

/* A kernel and the work-items of its groups. */
typedef struct group_kernel {
    kernel *kernel; /* null: not needed so far */
    uint32_t items;
} group_kernel;

/* Kernels of top_k_short.cl, by the work-items of their groups. */
enum { TOP_K_SHORT = 2 };

typedef struct top_k_op {
    hadal_device *device;
    kernel *on_cpu; /* null: not on a CPU */
    group_kernel short_rows[TOP_K_SHORT], long_rows;
    uint32_t vector;
    uint32_t list, enough; /* keys of a CPU's list; groups that fill a GPU */
} top_k_op;

/* Kernels belong to the device. Those of GPUs are built at the first rows of their length: that takes a second. */
HADAL_CHECKED hadal_status top_k_create(top_k_op *op, hadal_device *device);

/* Bytes of the scratch buffer for up to that many rows of `stride` scores: all zero before its first use, as buffers
 * are made; each use leaves zero what the next needs so. */
size_t top_k_scratch_bytes(size_t rows, size_t stride);

/* For each row r of scores float32 [rows, stride], the step's token t = first_row + r: the min(k, positions[t] + 1)
 * positions s <= positions[t] of largest score, the lower position first among equals (-0 equals 0; NaN is below
 * -INFINITY). Writes them in ascending order to selected int32 [tokens, selected_stride] at row t, and how many they
 * are to counts int32 [tokens] at t. stride: a multiple of ROW_UNIT above every positions[t] of these rows;
 * selected_stride: at least min(k, the largest positions[t] + 1). scratch: of top_k_scratch_bytes. */
HADAL_CHECKED hadal_status top_k(top_k_op *op, buffer *selected, size_t selected_stride, buffer *counts,
                                 const buffer *scores, size_t stride, const buffer *positions, size_t first_row,
                                 size_t rows, size_t k, buffer *scratch);

#endif
