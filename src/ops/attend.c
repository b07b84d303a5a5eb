/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend.h"

#include "base/memory.h"

/* Groups that fill a device, of which a CPU has fewer and larger ones. */
enum { ENOUGH_GROUPS = 512, ENOUGH_CPU_GROUPS = 8, MOST_HEAD_BLOCK = 16 };

static size_t row_elements(const attend_dims *dims)
{
    return round_up(dims->latent, ROW_UNIT) + round_up(dims->rope, ROW_UNIT);
}

static size_t row_bytes(const attend_dims *dims)
{
    return row_elements(dims) * (dims->cache == HADAL_KV_BF16 ? 2 : sizeof(float));
}

/* Heads of a group: a power of two, up to 16 (on CPUs up to the vector), not many more than there are. */
static uint32_t choose_head_block(const device_shape *shape, const attend_dims *dims)
{
    uint32_t most = shape->group == 1 ? shape->vector : MOST_HEAD_BLOCK, block = 4;
    while (block < dims->heads && block * 2 <= most)
        block *= 2;
    return block;
}

/* Cached rows that a group holds at once: as many as fit in local memory with room to spare; on CPUs as many as leave
 * their scores in registers. */
static uint32_t choose_key_tile(const device_shape *shape, const attend_dims *dims)
{
    enum { TILE_BYTES = 20000, MOST_ROWS = 16 };
    uint32_t tile = shape->group == 1 && shape->vector < 16 ? MOST_ROWS / 2 : MOST_ROWS;
    while (shape->group > 1 && tile > 1 && tile * (row_bytes(dims) + 16) > TILE_BYTES)
        tile /= 2;
    return tile;
}

/* Work-items that share a column of the latents, each with a part of the heads. */
static uint32_t choose_head_parts(const device_shape *shape, const attend_dims *dims, uint32_t head_block)
{
    size_t latent = round_up(dims->latent, ROW_UNIT);
    uint32_t parts = 1;
    while (parts * 2 <= head_block && shape->group / (parts * 2) >= latent)
        parts *= 2;
    return parts;
}

hadal_status attend_create(attend_op *op, hadal_device *device, const attend_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (attend_op){
        .dims = *dims,
        .head_block = choose_head_block(shape, dims),
        .key_tile = choose_key_tile(shape, dims),
        .group = shape->group,
    };
    TRY_OR(done, bytes_format(&options, " -D HEADS=%u -D LATENT=%u -D ROPE=%u -D HEAD_BLOCK=%u -D KEY_TILE=%u"
                              " -D HEAD_PARTS=%u -D %s", dims->heads, dims->latent, dims->rope, op->head_block,
                              op->key_tile, choose_head_parts(shape, dims, op->head_block),
                              dims->cache == HADAL_KV_BF16 ? "CACHE_BF16" : "CACHE_F32"));
    TRY_OR(done, kernel_get(&op->attend, device, "attend", "attend", options.data));
    TRY_OR(done, kernel_get(&op->combine, device, "attend", "attend_combine", options.data));
done:
    bytes_free(&options);
    return status;
}

/* Splits of lists of that length, each with enough positions to be worth a group. */
static size_t most_splits(size_t longest)
{
    enum { WORTH_A_GROUP = 64 };
    return divide_up(longest, WORTH_A_GROUP);
}

size_t attend_scratch_bytes(const attend_dims *dims, size_t tokens, size_t longest)
{
    /* There are several splits only while that gives no more than enough groups. */
    size_t rows = min_size(ENOUGH_GROUPS * MOST_HEAD_BLOCK, tokens * dims->heads * most_splits(longest));
    return rows * (round_up(dims->latent, ROW_UNIT) + 2) * sizeof(float);
}

hadal_status attend(const attend_op *op, buffer *out, const buffer *query, const buffer *cache, const buffer *positions,
                    const buffer *selected, size_t selected_stride, const buffer *counts, size_t longest, size_t tokens,
                    buffer *scratch)
{
    const attend_dims *dims = &op->dims;
    size_t head_blocks = divide_up(dims->heads, op->head_block);
    size_t enough = op->group == 1 ? ENOUGH_CPU_GROUPS : ENOUGH_GROUPS;
    size_t splits = min_size(max_size(enough / (tokens * head_blocks), 1), most_splits(longest));
    size_t split_length = round_up(divide_up(longest, splits), op->key_tile);
    splits = divide_up(longest, split_length);
    uint64_t pairs = (uint64_t)tokens * longest;
    launch_shape shape = {
        .groups = {splits, head_blocks, tokens},
        .size = {op->group},
        .bytes = pairs * row_bytes(dims) + tokens * dims->heads * (row_elements(dims) + dims->latent) * sizeof(float),
        .operations = pairs * dims->heads * 2 * (2 * (uint64_t)dims->latent + dims->rope),
    };
    TRY(LAUNCH(op->attend, shape, arg_buffer(out), arg_buffer(scratch), arg_buffer(query), arg_buffer(cache),
               arg_buffer(positions), arg_buffer(selected), arg_int((int64_t)selected_stride), arg_buffer(counts),
               arg_int((int64_t)split_length)));
    if (splits == 1)
        return HADAL_OK;
    launch_shape combine = {
        .groups = {dims->heads, tokens},
        .size = {op->group},
        .bytes = tokens * dims->heads * (splits + 1) * dims->latent * sizeof(float),
        .operations = tokens * dims->heads * splits * 2 * dims->latent,
    };
    return LAUNCH(op->combine, combine, arg_buffer(out), arg_buffer(scratch), arg_int((int64_t)splits));
}
