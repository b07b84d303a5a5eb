/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/latent.h"

#include "base/memory.h"

static size_t element_bytes(hadal_kv_cache cache)
{
    return cache == HADAL_KV_BF16 ? sizeof(uint16_t) : sizeof(float);
}

size_t latent_row_bytes(const latent_dims *dims)
{
    return (round_up(dims->latent, ROW_UNIT) + round_up(dims->rope, ROW_UNIT)) * element_bytes(dims->cache);
}

const char *latent_option(const latent_dims *dims)
{
    return dims->cache == HADAL_KV_BF16 ? " -D CACHE_BF16" : " -D CACHE_F32";
}

hadal_status latent_create(latent_op *op, hadal_device *device, const latent_dims *dims)
{
    *op = (latent_op){.dims = *dims, .lanes = device_shape_of(device)->lanes};
    TRY(kernel_get(&op->store, device, "latent", "latent_store", latent_option(dims)));
    return kernel_get(&op->load, device, "latent", "latent_load", latent_option(dims));
}

hadal_status latent_store(const latent_op *op, buffer *cache, const buffer *kv, const buffer *weight,
                          const buffer *table, const buffer *positions, const buffer *rows, size_t tokens,
                          double epsilon)
{
    const latent_dims *dims = &op->dims;
    size_t width = (size_t)dims->latent + dims->rope;
    launch_shape shape = {
        .groups = {tokens},
        .size = {op->lanes},
        .bytes = (uint64_t)tokens * width * (sizeof(float) + element_bytes(dims->cache)),
        .operations = (uint64_t)tokens * (4 * (uint64_t)dims->latent + 6 * (uint64_t)dims->rope),
    };
    return LAUNCH(op->store, shape, arg_buffer(cache), arg_buffer(kv), arg_buffer(weight), arg_buffer(table),
                  arg_buffer(positions), arg_buffer(rows), arg_int(dims->latent),
                  arg_int((int64_t)round_up(dims->latent, ROW_UNIT)), arg_int(dims->rope / 2),
                  arg_int((int64_t)round_up(dims->rope, ROW_UNIT) / 2), arg_int((int64_t)round_up(width, ROW_UNIT)),
                  arg_float(epsilon));
}

hadal_status latent_load(const latent_op *op, buffer *out, const buffer *cache, size_t first, size_t rows)
{
    size_t width = latent_row_bytes(&op->dims) / element_bytes(op->dims.cache);
    launch_shape shape = {
        .groups = {rows},
        .size = {op->lanes},
        .bytes = rows * width * (element_bytes(op->dims.cache) + sizeof(float)),
    };
    return LAUNCH(op->load, shape, arg_buffer(out), arg_buffer(cache), arg_int((int64_t)first),
                  arg_int((int64_t)width));
}
