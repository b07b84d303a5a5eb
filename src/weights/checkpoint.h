/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The weight files of a model directory, mapped read-only: model.safetensors, or the shards that
 * model.safetensors.index.json names. Every header is checked in full before any view is handed out:
 * https://huggingface.co/docs/safetensors (format) has the rules. */

#ifndef HADAL_WEIGHTS_CHECKPOINT_H
#define HADAL_WEIGHTS_CHECKPOINT_H

#include "base/status.h"
#include "weights/dtype.h"

enum { TENSOR_MAX_RANK = 4 };

/* One stored tensor. Borrowed from its checkpoint. */
typedef struct tensor_view {
    const char *name;
    const char *file; /* path of the file that holds it */
    dtype type;
    unsigned rank;
    uint64_t shape[TENSOR_MAX_RANK]; /* row-major; shape[0] = rows ("out" of a linear layer) */
    const void *data;                /* inside the mapping; may be unaligned */
    uint64_t bytes;
} tensor_view;

typedef struct checkpoint checkpoint;

/* Maps and checks all weight files of a directory. HADAL_ERROR_INPUT: nothing there; HADAL_ERROR_DATA: a line
 * that names file, tensor, what was expected and what was found. */
HADAL_CHECKED hadal_status checkpoint_open(checkpoint **opened, const char *directory);
void checkpoint_close(checkpoint *opened);

/* Tensors in all files, in name order. */
size_t checkpoint_count(const checkpoint *opened);
const tensor_view *checkpoint_at(const checkpoint *opened, size_t index);

/* NULL if there is none of that name. */
const tensor_view *checkpoint_find(const checkpoint *opened, const char *name);

/* Sum of the sizes of all weight files, in bytes. */
uint64_t checkpoint_file_bytes(const checkpoint *opened);

#endif
