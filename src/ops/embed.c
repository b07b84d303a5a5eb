/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/embed.h"

#include "base/memory.h"

hadal_status embed_create(embed_op *op, hadal_device *device, dtype type)
{
    *op = (embed_op){.type = type, .group = device_shape_of(device)->group};
    return kernel_get(&op->rows, device, "embed", "embed_rows", matrix_option(type));
}

hadal_status embed_rows(const embed_op *op, buffer *out, const matrix *embedding, const buffer *tokens, size_t count)
{
    size_t padded = round_up(embedding->columns, ROW_UNIT);
    launch_shape shape = {
        .groups = {count},
        .size = {op->group},
        .bytes = (uint64_t)count * embedding->columns * (dtype_bytes(op->type) + sizeof(float)) / embedding->slab_count,
    };
    if (embedding->type != op->type)
        return failure(HADAL_ERROR_INTERNAL, "the embedding is %s, its kernel was made for %s; this is a bug in hadal",
                       dtype_name(embedding->type), dtype_name(op->type));
    for (size_t i = 0; i < embedding->slab_count; i++) {
        const matrix_slab *slab = &embedding->slabs[i];
        TRY(LAUNCH(op->rows, shape, arg_buffer(out), arg_buffer(slab->values), arg_buffer(slab->scales),
                   arg_buffer(tokens), arg_int((int64_t)slab->first), arg_int((int64_t)slab->count),
                   arg_int((int64_t)padded), arg_int((int64_t)embedding->stride), arg_int(embedding->block_rows),
                   arg_int(embedding->block_columns), arg_int((int64_t)embedding->scale_columns)));
    }
    return HADAL_OK;
}
