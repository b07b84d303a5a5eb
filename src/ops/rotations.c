/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/rotations.h"

hadal_status rotations_create(rotations_op *op, hadal_device *device, const rope_dims *rope, const latent_dims *latent,
                              const index_dims *index)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (rotations_op){.rope = *rope, .latent = *latent, .index = *index, .lanes = shape->lanes, .cpu = shape->cpu};
    TRY_OR(done, index_options(&options, index));
    TRY_OR(done, bytes_format(&options, "%s", latent_option(latent)));
    TRY_OR(done, kernel_get(&op->all, device, "rotations", "rotations", options.data));
done:
    bytes_free(&options);
    return status;
}

hadal_status rotations(const rotations_op *op, const rotations_rows *rows, double epsilon)
{
    const rotations_rows *r = rows;
    size_t heads = op->rope.heads, index_heads = r->index_query ? op->index.heads : 0;
    size_t rope_groups = op->cpu ? 1 : heads, index_values = (index_heads + 1) * op->index.dim;
    size_t latent = (size_t)op->latent.latent + op->latent.rope;
    launch_shape shape = {
        .groups = {2 + rope_groups + index_heads},
        .size = {op->lanes},
        .bytes = (latent + 2 * heads * op->rope.rope + index_values) * sizeof(float) + latent_row_bytes(&op->latent) +
                 index_values * index_element_bytes(op->index.type),
        .operations = 5 * latent + 7 * heads * op->rope.rope + 10 * index_values,
    };
    return LAUNCH(op->all, shape, arg_buffer(r->latent_cache), arg_buffer(r->kv), arg_buffer(r->kv_weight),
                  arg_int(op->latent.latent), arg_int((int64_t)round_up(op->latent.latent, ROW_UNIT)),
                  arg_buffer(r->index_cache), arg_buffer(r->index_scales), arg_buffer(r->index_key),
                  arg_buffer(r->key_weight), arg_buffer(r->key_bias), arg_buffer(r->query), arg_buffer(r->q),
                  arg_int(op->rope.heads), arg_int(op->rope.nope), arg_float(r->scale), arg_int((int64_t)rope_groups),
                  arg_buffer(r->index_quantised), arg_buffer(r->index_head_weights), arg_buffer(r->index_query),
                  arg_buffer(r->index_weights), arg_buffer(r->table), arg_buffer(r->positions), arg_buffer(r->rows),
                  arg_float(epsilon));
}
