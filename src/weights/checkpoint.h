/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The weight files of a model directory, mapped read-only: model.safetensors or, where there is none, the shards
 * that model.safetensors.index.json names. Every header is checked in full before any view is handed out (the rules
 * stand in weights/safetensors.h), and an index must list exactly what its shards hold. The files must not be
 * shortened while they are open: see base/file.h. */

#ifndef HADAL_WEIGHTS_CHECKPOINT_H
#define HADAL_WEIGHTS_CHECKPOINT_H

#include "base/status.h"
#include "weights/dtype.h"

enum { TENSOR_MAX_RANK = 4 };

/* One stored tensor. Borrowed from its checkpoint. */
typedef struct tensor_view {
    const char *name;
    const char *file;    /* path of the file that holds it */
    bool supported;      /* the dtype is one of enum dtype and the rank fits; else `type` means nothing. Whoever
                            needs a tensor refuses it then; a model may hold others that nobody needs. */
    dtype type;
    char dtype_text[16]; /* the dtype as the file names it */
    unsigned rank;
    uint64_t shape[TENSOR_MAX_RANK]; /* row-major; shape[0] = rows ("out" of a linear layer) */
    const void *data;                /* inside the mapping; may be unaligned */
    uint64_t bytes;
} tensor_view;

typedef struct checkpoint checkpoint;

/* Maps and checks all weight files of a directory. HADAL_ERROR_INPUT: a file is not there or cannot be opened;
 * HADAL_ERROR_DATA: a line that names file, tensor, what was expected and what was found. */
HADAL_CHECKED hadal_status checkpoint_open(checkpoint **opened, const char *directory);
void checkpoint_close(checkpoint *opened);

/* Path of model.safetensors or of the index: where a tensor that is missing was expected. */
const char *checkpoint_path(const checkpoint *opened);

/* Whether a directory holds model.safetensors or an index, whatever is in them. */
bool checkpoint_is_present(const char *directory);

/* Tensors in all files, in name order (strcmp); the views are one array that checkpoint_at(opened, 0) starts. */
size_t checkpoint_count(const checkpoint *opened);
const tensor_view *checkpoint_at(const checkpoint *opened, size_t index);

/* NULL if there is none of that name. */
const tensor_view *checkpoint_find(const checkpoint *opened, const char *name);

/* Sum of the sizes of all weight files, in bytes. */
uint64_t checkpoint_file_bytes(const checkpoint *opened);

#endif
