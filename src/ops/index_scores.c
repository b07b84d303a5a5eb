/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/index_scores.h"

#include "base/memory.h"

/* How cl/index_scores.cl divides its work. */
typedef struct score_tile {
    uint32_t keys, slots, heads; /* KEY_TILE, SLOTS, HEAD_TILE */
} score_tile;

/* On CPUs as many vectors of keys as leave their sums in registers: of 32 with AVX-512, else 16. On GPUs a work-item a
 * key as far as they fit in local memory, then slots that share the heads, each with as many as fit beside the keys. */
static score_tile choose_tile(const device_shape *shape, const index_dims *dims)
{
    enum { KEY_BYTES = 17000, HEAD_BYTES = 8192, MOST_HEADS = 8 };
    if (shape->group == 1)
        return (score_tile){.keys = (shape->vector == 16 ? 4 : 2) * shape->vector, .slots = 1, .heads = 4};
    size_t row_bytes = round_up(dims->dim, ROW_UNIT) * (dims->type == HADAL_INDEX_INT8 ? 1 : sizeof(float));
    score_tile tile = {.keys = 1, .heads = MOST_HEADS};
    while (tile.keys * 2 <= shape->group && (tile.keys * 2 + 1) * row_bytes <= KEY_BYTES)
        tile.keys *= 2;
    tile.slots = shape->group / tile.keys;
    while (tile.heads > 1 && (tile.slots * tile.heads * row_bytes > HEAD_BYTES || tile.heads / 2 >= dims->heads))
        tile.heads /= 2;
    while (tile.slots > 1 && (tile.slots * row_bytes > HEAD_BYTES || tile.slots / 2 * tile.heads >= dims->heads))
        tile.slots /= 2;
    return tile;
}

hadal_status index_scores_create(index_scores_op *op, hadal_device *device, const index_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    const score_tile tile = choose_tile(shape, dims);
    *op = (index_scores_op){.dims = *dims, .group = shape->group, .key_tile = tile.keys};
    TRY_OR(done, index_options(&options, dims));
    TRY_OR(done, bytes_format(&options, " -D KEY_TILE=%u -D SLOTS=%u -D HEAD_TILE=%u", tile.keys, tile.slots,
                              tile.heads));
    TRY_OR(done, kernel_get(&op->scores, device, "index_scores", "index_scores", options.data));
done:
    bytes_free(&options);
    return status;
}

/* Rows of a work-group, which share a tile of keys: many, unless that leaves too few groups. */
static size_t choose_query_tile(size_t rows, size_t key_tiles)
{
    enum { MOST_ROWS = 64, ENOUGH_GROUPS = 512 };
    size_t row_tiles = max_size(divide_up(rows, MOST_ROWS), min_size(rows, divide_up(ENOUGH_GROUPS, key_tiles)));
    return divide_up(rows, row_tiles);
}

hadal_status index_scores(const index_scores_op *op, buffer *scores, size_t stride, const buffer *quantised,
                          const buffer *head_weights, const buffer *cache, const buffer *scales,
                          const buffer *positions, size_t first_row, size_t rows, size_t keys)
{
    size_t key_tiles = divide_up(keys, op->key_tile), query_tile = choose_query_tile(rows, key_tiles);
    launch_shape shape = {
        .groups = {key_tiles, divide_up(rows, query_tile)},
        .size = {op->group},
        .bytes = (keys + rows * op->dims.heads) * op->dims.dim * index_element_bytes(op->dims.type) +
                 rows * keys * sizeof(float),
        .operations = (uint64_t)rows * keys * op->dims.heads * (2 * (uint64_t)op->dims.dim + 2),
    };
    return LAUNCH(op->scores, shape, arg_buffer(scores), arg_int((int64_t)stride), arg_buffer(quantised),
                  arg_buffer(head_weights), arg_buffer(cache), arg_buffer(scales), arg_buffer(positions),
                  arg_int((int64_t)first_row), arg_int((int64_t)rows), arg_int((int64_t)keys),
                  arg_int((int64_t)query_tile));
}
