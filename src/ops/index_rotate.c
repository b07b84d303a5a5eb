/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/index_rotate.h"

size_t index_element_bytes(hadal_index_cache type)
{
    return type == HADAL_INDEX_F32 ? sizeof(float) : 1;
}

hadal_status index_options(byte_array *options, const index_dims *dims)
{
    static const char *const elements[] = {
        [HADAL_INDEX_INT8] = "INDEX_INT8", [HADAL_INDEX_FP8] = "INDEX_FP8", [HADAL_INDEX_F32] = "INDEX_F32"};
    bool powers = dims->type == HADAL_INDEX_FP8 && dims->scale_ue8m0;
    return bytes_format(options, " -D HEADS=%u -D DIM=%u -D ROPE=%u -D %s%s", dims->heads, dims->dim, dims->rope,
                        elements[dims->type], powers ? " -D SCALE_UE8M0" : "");
}

hadal_status index_rotate_create(index_rotate_op *op, hadal_device *device, const index_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    *op = (index_rotate_op){.dims = *dims, .lanes = device_shape_of(device)->lanes};
    TRY_OR(done, index_options(&options, dims));
    TRY_OR(done, kernel_get(&op->key, device, "index_rotate", "index_key", options.data));
    TRY_OR(done, kernel_get(&op->query, device, "index_rotate", "index_query", options.data));
done:
    bytes_free(&options);
    return status;
}

hadal_status index_key(const index_rotate_op *op, buffer *cache, buffer *scales, const buffer *keys,
                       const buffer *weight, const buffer *bias, const buffer *rope_table, const buffer *positions,
                       const buffer *rows, size_t tokens)
{
    const double epsilon = 1e-6; /* of the indexer's LayerNorm, whatever rms_norm_eps is */
    size_t values = tokens * op->dims.dim;
    launch_shape shape = {
        .groups = {tokens},
        .size = {op->lanes},
        .bytes = values * (sizeof(float) + index_element_bytes(op->dims.type)),
        .operations = values * 10,
    };
    return LAUNCH(op->key, shape, arg_buffer(cache), arg_buffer(scales), arg_buffer(keys), arg_buffer(weight),
                  arg_buffer(bias), arg_buffer(rope_table), arg_buffer(positions), arg_buffer(rows),
                  arg_float(epsilon));
}

hadal_status index_query(const index_rotate_op *op, buffer *quantised, buffer *head_weights, const buffer *queries,
                         const buffer *weights, const buffer *rope_table, const buffer *positions, size_t tokens)
{
    size_t values = tokens * op->dims.heads * op->dims.dim;
    launch_shape shape = {
        .groups = {tokens, op->dims.heads},
        .size = {op->lanes},
        .bytes = values * (sizeof(float) + index_element_bytes(op->dims.type)),
        .operations = values * 10,
    };
    return LAUNCH(op->query, shape, arg_buffer(quantised), arg_buffer(head_weights), arg_buffer(queries),
                  arg_buffer(weights), arg_buffer(rope_table), arg_buffer(positions));
}
