/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* One safetensors file: u64 length of the header, the header in JSON, data.
 *
 *     {"__metadata__": {...}, NAME: {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}, ...}
 *
 * Offsets count from the first byte after the header. As the format demands (github.com/huggingface/safetensors,
 * "Format"), names are unique, each tensor's bytes follow from dtype and shape, and the tensors tile the data:
 * no overlap, no hole, nothing behind the last. All of it is checked, with no trust in any number. */

#ifndef HADAL_WEIGHTS_SAFETENSORS_H
#define HADAL_WEIGHTS_SAFETENSORS_H

#include "base/file.h"
#include "weights/checkpoint.h"

/* Tensors that own their names, nothing else. Start with {0}. */
typedef struct tensor_list {
    tensor_view *views;
    size_t count, capacity;
} tensor_list;

void tensor_list_free(tensor_list *list);

/* Appends all tensors of a mapped file; their views point to `path` and into the mapping, which must outlive them.
 * After a failure (HADAL_ERROR_DATA) the list may hold some of them. */
HADAL_CHECKED hadal_status safetensors_parse(tensor_list *list, const mapped_file *file, const char *path);

#endif
