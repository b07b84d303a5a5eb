/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/index_scores.h"

#include "base/memory.h"
#include "device/tuning.h"

/* How cl/index_scores.cl divides its work. */
typedef struct score_tile {
    uint32_t keys, slots, heads; /* KEY_TILE, SLOTS, HEAD_TILE */
} score_tile;

/* On CPUs usually as many vectors of keys as leave their sums in registers: of 32 with AVX-512, else 16. On GPUs a
 * work-item a key as far as they fit in local memory, then slots that share the heads, each with as many as fit beside
 * the keys. */
static score_tile choose_tile(const hadal_device *device, const device_shape *shape, const index_dims *dims)
{
    enum { KEY_BYTES = 17000, HEAD_BYTES = 8192 };
    uint32_t keys = device_tuned(device, TUNED_INDEX_SCORES_KEYS);
    uint32_t heads = device_tuned(device, TUNED_INDEX_SCORES_HEADS);
    if (shape->group == 1)
        return (score_tile){.keys = keys * shape->vector, .slots = 1, .heads = heads};
    size_t row_bytes = round_up(dims->dim, ROW_UNIT) * (dims->type == HADAL_INDEX_INT8 ? 1 : sizeof(float));
    score_tile tile = {.keys = 1, .heads = heads};
    while (tile.keys * 2 <= min_size(shape->group, keys) && (tile.keys * 2 + 1) * row_bytes <= KEY_BYTES)
        tile.keys *= 2;
    tile.slots = shape->group / tile.keys;
    while (tile.heads > 1 && (tile.slots * tile.heads * row_bytes > HEAD_BYTES || tile.heads / 2 >= dims->heads))
        tile.heads /= 2;
    while (tile.slots > 1 && (tile.slots * row_bytes > HEAD_BYTES || tile.slots / 2 * tile.heads >= dims->heads))
        tile.slots /= 2;
    return tile;
}

/* Shapes of the kernels on matrix units: work-items of a group, and the keys that it takes at once. */
typedef struct tile_shape {
    uint32_t few_items, few_keys, many_items, many_keys;
} tile_shape;

static const tile_shape *tile_shape_of(const hadal_device *device)
{
    /* A team of 128 work-items takes 64 keys, and two such tiles (many); elsewhere each work-item takes one key. */
    static const tile_shape nvidia = {128, 64, 512, 512}, others = {128, 128, 256, 256};
    device_matrix unit = device_shape_of(device)->matrix;
    return unit == DEVICE_MATRIX_WGMMA || unit == DEVICE_MATRIX_MMA ? &nvidia : &others;
}

bool index_scores_on_matrix_unit(const hadal_device *device, const index_dims *dims)
{
    enum { TILE_DIM = 128, TILE_HEADS = 64 };
    return device_matrix_for(device, MATRIX_INDEX_SCORES) != DEVICE_MATRIX_NONE && dims->type == HADAL_INDEX_INT8 &&
           round_up(dims->dim, ROW_UNIT) == TILE_DIM && dims->heads <= TILE_HEADS;
}

static hadal_status get_matrix_kernel(kernel **found, hadal_device *device, const index_dims *dims, const char *name,
                                      uint32_t items, uint32_t keys)
{
    byte_array options = {0};
    TRY(bytes_format(&options, "%s -D HEADS=%u -D ITEMS=%u -D GROUP_KEYS=%u", device_matrix_option(device), dims->heads,
                     items, keys));
    hadal_status status = kernel_get(found, device, name, name, options.data);
    bytes_free(&options);
    return status;
}

hadal_status index_scores_create(index_scores_op *op, hadal_device *device, const index_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (index_scores_op){.dims = *dims, .group = shape->group, .device = device,
                            .compute_units = hadal_device_describe(device)->compute_units};
    if (index_scores_on_matrix_unit(device, dims)) {
        const tile_shape *tile = tile_shape_of(device);
        TRY(get_matrix_kernel(&op->few, device, dims, "index_scores_few", tile->few_items, tile->few_keys));
        return get_matrix_kernel(&op->many, device, dims, "index_scores_many", tile->many_items, tile->many_keys);
    }
    const score_tile tile = choose_tile(device, shape, dims);
    op->key_tile = tile.keys;
    TRY_OR(done, index_options(&options, dims));
    TRY_OR(done, bytes_format(&options, " -D KEY_TILE=%u -D SLOTS=%u -D HEAD_TILE=%u", tile.keys, tile.slots,
                              tile.heads));
    TRY_OR(done, kernel_get(&op->scores, device, "index_scores", "index_scores", options.data));
done:
    bytes_free(&options);
    return status;
}

/* Rows of a work-group, which share a tile of keys: many, unless that leaves too few groups. */
static size_t choose_query_tile(const index_scores_op *op, size_t rows, size_t key_tiles)
{
    size_t most = device_tuned(op->device, TUNED_INDEX_SCORES_ROWS);
    size_t enough = device_tuned(op->device, TUNED_INDEX_SCORES_GROUPS);
    size_t row_tiles = max_size(divide_up(rows, most), min_size(rows, divide_up(enough, key_tiles)));
    return divide_up(rows, row_tiles);
}

/* Rows that pass by a group's keys: many, as long as every compute unit gets several groups. */
static size_t choose_many_rows(const index_scores_op *op, size_t rows, size_t keys)
{
    enum { MOST_ROWS = 128, FEWEST_ROWS = 8, GROUPS_A_UNIT = 8 };
    size_t chosen = MOST_ROWS;
    while (chosen > FEWEST_ROWS &&
           divide_up(rows, chosen) * divide_up(keys, tile_shape_of(op->device)->many_keys) <
               (size_t)GROUPS_A_UNIT * op->compute_units)
        chosen /= 2;
    return chosen;
}

/* The kernel for these rows, its launch, and its last argument, how it divides its work. */
static kernel *choose_kernel(const index_scores_op *op, launch_shape *shape, size_t *division, bool mixed, size_t rows,
                             size_t keys)
{
    enum { GROUPS_A_UNIT = 4 };
    if (!op->few) {
        size_t key_tiles = divide_up(keys, op->key_tile);
        *division = mixed ? 1 : choose_query_tile(op, rows, key_tiles);
        *shape = (launch_shape){.groups = {key_tiles, divide_up(rows, *division)}, .size = {op->group}};
        return op->scores;
    }
    const tile_shape *tile = tile_shape_of(op->device);
    if (mixed || rows <= device_tuned(op->device, TUNED_INDEX_SCORES_FEW)) {
        *division = divide_up(keys, tile->few_keys);
        size_t groups = min_size(rows * *division, (size_t)GROUPS_A_UNIT * op->compute_units);
        *shape = (launch_shape){.groups = {groups}, .size = {tile->few_items}};
        return op->few;
    }
    *division = choose_many_rows(op, rows, keys);
    *shape = (launch_shape){.groups = {divide_up(keys, tile->many_keys), divide_up(rows, *division)},
                            .size = {tile->many_items}};
    return op->many;
}

hadal_status index_scores(const index_scores_op *op, buffer *scores, size_t stride, const buffer *quantised,
                          const buffer *head_weights, const buffer *cache, const buffer *scales,
                          const buffer *positions, const index_sequences *sequences, size_t first_row, size_t rows,
                          size_t keys)
{
    bool mixed = sequences && sequences->mixed;
    size_t division, caches = mixed ? rows : 1;
    launch_shape shape;
    kernel *chosen = choose_kernel(op, &shape, &division, mixed, rows, keys);
    shape.bytes = (caches * keys + rows * op->dims.heads) * op->dims.dim * index_element_bytes(op->dims.type) +
                  rows * keys * sizeof(float);
    shape.operations = (uint64_t)rows * keys * op->dims.heads * (2 * (uint64_t)op->dims.dim + 2);
    return LAUNCH(chosen, shape, arg_buffer(scores), arg_int((int64_t)stride), arg_buffer(quantised),
                  arg_buffer(head_weights), arg_buffer(cache), arg_buffer(scales), arg_buffer(positions),
                  arg_buffer(sequences ? sequences->slots : NULL),
                  arg_int(sequences ? (int64_t)sequences->stride : 0), arg_int((int64_t)first_row),
                  arg_int((int64_t)rows), arg_int((int64_t)keys), arg_int((int64_t)division));
}
