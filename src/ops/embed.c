/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/embed.h"

#include "base/memory.h"

hadal_status embed_create(embed_op *op, hadal_device *device, dtype type)
{
    *op = (embed_op){.type = type, .group = device_shape_of(device)->group};
    TRY(kernel_get(&op->rows, device, "embed", "embed_rows", matrix_option(type)));
    return kernel_get(&op->one, device, "embed", "embed_one", matrix_option(type));
}

static hadal_status check_type(const embed_op *op, const matrix *embedding)
{
    if (embedding->type == op->type)
        return HADAL_OK;
    return failure(HADAL_ERROR_INTERNAL, "the embedding is %s, its kernel was made for %s; this is a bug in hadal",
                   dtype_name(embedding->type), dtype_name(op->type));
}

static launch_shape shape_of(const embed_op *op, const matrix *embedding, size_t count)
{
    return (launch_shape){
        .groups = {count},
        .size = {op->group},
        .bytes = (uint64_t)count * embedding->columns * (dtype_bytes(op->type) + sizeof(float)) / embedding->slab_count,
    };
}

/* As embed_slab of the kernels. */
typedef struct slab_argument {
    int32_t first, count, padded, stride, block_rows, block_columns, scale_columns;
} slab_argument;

static slab_argument slab_argument_of(const matrix *embedding, const matrix_slab *slab)
{
    return (slab_argument){(int32_t)slab->first,
                           (int32_t)slab->count,
                           (int32_t)round_up(embedding->columns, ROW_UNIT),
                           (int32_t)embedding->stride,
                           (int32_t)embedding->block_rows,
                           (int32_t)embedding->block_columns,
                           (int32_t)embedding->scale_columns};
}

hadal_status embed_rows(const embed_op *op, buffer *out, const matrix *embedding, const buffer *tokens, size_t count)
{
    const launch_shape shape = shape_of(op, embedding, count);
    TRY(check_type(op, embedding));
    for (size_t i = 0; i < embedding->slab_count; i++) {
        const matrix_slab *slab = &embedding->slabs[i];
        const slab_argument argument = slab_argument_of(embedding, slab);
        TRY(LAUNCH(op->rows, shape, arg_buffer(out), arg_buffer(slab->values), arg_buffer(slab->scales),
                   arg_struct(&argument, sizeof argument), arg_buffer(tokens)));
    }
    return HADAL_OK;
}

hadal_status embed_one(const embed_op *op, buffer *out, const matrix *embedding, const embed_token *token,
                       buffer *positions, buffer *sequences, buffer *rows)
{
    const launch_shape shape = shape_of(op, embedding, 1);
    TRY(check_type(op, embedding));
    for (size_t i = 0; i < embedding->slab_count; i++) {
        const matrix_slab *slab = &embedding->slabs[i];
        const slab_argument argument = slab_argument_of(embedding, slab);
        TRY(LAUNCH(op->one, shape, arg_buffer(out), arg_buffer(slab->values), arg_buffer(slab->scales),
                   arg_struct(&argument, sizeof argument), arg_struct(token, sizeof *token), arg_buffer(positions),
                   arg_buffer(sequences), arg_buffer(rows)));
    }
    return HADAL_OK;
}
