/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/matmul.h"

#include "base/memory.h"
#include "device/tuning.h"

/* Columns of a step of the tile (TILE_DEPTH in cl/tile.clh). */
enum { TILE_DEPTH = 64 };

/* Tokens and work-items of a group. */
typedef struct matmul_tile {
    uint32_t tokens, items;
} matmul_tile;

typedef struct matmul_shape {
    uint32_t team_items, team_rows;
    matmul_tile tiles[MATMUL_TILES];
} matmul_shape;

static const matmul_shape shapes[DEVICE_MATRIX_COUNT] = {
    [DEVICE_MATRIX_WGMMA] = {128, 64, {{32, 256}, {64, 256}, {128, 512}}},
    [DEVICE_MATRIX_MMA] = {32, 32, {{32, 256}, {64, 256}, {128, 256}}},
    [DEVICE_MATRIX_MFMA] = {64, 64, {{32, 256}, {64, 256}, {128, 256}}},
    [DEVICE_MATRIX_WMMA11] = {32, 16, {{32, 256}, {64, 256}, {128, 256}}},
    /* Sums of more than 64 tokens would spill where those are the widest tile. */
    [DEVICE_MATRIX_WMMA12] = {32, 32, {{32, 256}, {64, 256}, {64, 256}}},
    [DEVICE_MATRIX_DPAS8] = {8, 8, {{32, 256}, {64, 256}, {64, 256}}},
    [DEVICE_MATRIX_DPAS16] = {16, 16, {{32, 256}, {64, 256}, {128, 256}}},
};

static const matmul_shape *shape_of(const matmul_op *op)
{
    return &shapes[device_shape_of(op->device)->matrix];
}

matmul_team matmul_team_of(device_matrix unit)
{
    const matmul_shape *shape = &shapes[unit];
    return (matmul_team){shape->team_items, shape->team_rows, shape->tiles[MATMUL_TILES - 1].tokens};
}

static launch_shape cover(const matmul_op *op, size_t tile, size_t tokens, size_t rows, size_t copies)
{
    const matmul_shape *shape = shape_of(op);
    const matmul_tile *used = &shape->tiles[tile];
    size_t rows_a_group = used->items / shape->team_items * shape->team_rows;
    return (launch_shape){
        .groups = {divide_up(tokens, used->tokens), divide_up(rows, rows_a_group), copies},
        .size = {used->items},
    };
}

static size_t choose_tile(const matmul_op *op, size_t tokens)
{
    const matmul_tile *tiles = shape_of(op)->tiles;
    size_t chosen = 0;
    while (chosen + 1 < MATMUL_TILES && tokens > tiles[chosen].tokens)
        chosen++;
    return chosen;
}

/* Of many tokens and few rows: a tile so small that every second compute unit has one. */
static size_t choose_plain_tile(const matmul_op *op, size_t tokens, size_t rows)
{
    size_t chosen = choose_tile(op, tokens), units = hadal_device_describe(op->device)->compute_units;
    while (chosen > 0 && tokens > shape_of(op)->tiles[chosen].tokens) {
        launch_shape shape = cover(op, chosen, tokens, rows, 1);
        if (2 * shape.groups[0] * shape.groups[1] >= units)
            break;
        chosen--;
    }
    return chosen;
}

void matmul_create(matmul_op *op, hadal_device *device)
{
    *op = (matmul_op){.device = device};
}

void matmul_free(matmul_op *op)
{
    if (!op->lent) {
        buffer_free(op->packed);
        buffer_free(op->factors);
    }
    *op = (matmul_op){0};
}

void matmul_lend(matmul_op *op, buffer *packed, buffer *factors)
{
    op->packed = packed;
    op->factors = factors;
    op->lent = true;
}

bool matmul_takes(const matmul_op *op, const matrix *weight, size_t tokens)
{
    if (device_matrix_for(op->device, MATRIX_PRODUCTS) == DEVICE_MATRIX_NONE ||
        tokens < device_tuned(op->device, TUNED_LINEAR_MATRIX_FROM))
        return false;
    return weight->type == DTYPE_F8_E4M3 ? weight->block_columns % TILE_DEPTH == 0
                                         : weight->type == DTYPE_BF16 || weight->type == DTYPE_F16;
}

static size_t packed_stride(size_t columns)
{
    return round_up(columns, TILE_DEPTH);
}

size_t matmul_packed_bytes(size_t rows, size_t columns)
{
    return rows * packed_stride(columns) * sizeof(uint16_t);
}

size_t matmul_factor_bytes(size_t rows)
{
    return rows * sizeof(float);
}

static hadal_status get_kernel(kernel **found, matmul_op *op, const char *family, const char *name, dtype type,
                               size_t tile)
{
    if (*found)
        return HADAL_OK;
    const matmul_tile *used = &shape_of(op)->tiles[tile];
    byte_array options = {0};
    TRY(bytes_format(&options, "%s%s -D %s -D TILE_COLUMNS=%u -D ITEMS=%u", matrix_option(type),
                     device_matrix_option(op->device), type == DTYPE_BF16 ? "TILE_BF16" : "TILE_F16",
                     used->tokens, used->items));
    hadal_status status = kernel_get(found, op->device, family, name, options.data);
    bytes_free(&options);
    return status;
}

/* A buffer of at least that many bytes. */
static hadal_status prepare(buffer **held, const matmul_op *op, size_t bytes)
{
    if (*held && buffer_bytes(*held) >= bytes)
        return HADAL_OK;
    if (op->lent)
        return failure(HADAL_ERROR_INTERNAL, "packed activations need %zu bytes, but %zu were lent", bytes,
                       buffer_bytes(*held));
    buffer_free(*held);
    *held = NULL;
    return buffer_create(held, op->device, MEMORY_ACTIVATIONS, bytes);
}

static hadal_status prepare_packed(matmul_op *op, const matrix *weight, size_t rows)
{
    TRY(prepare(&op->packed, op, matmul_packed_bytes(rows, weight->columns)));
    return prepare(&op->factors, op, matmul_factor_bytes(rows));
}

static launch_shape pack_shape(const matmul_op *op, const matrix *weight, size_t rows, size_t rows_a_group)
{
    return (launch_shape){
        .groups = {divide_up(rows, rows_a_group)},
        .size = {device_shape_of(op->device)->group},
        .bytes = rows * weight->columns * (sizeof(float) + sizeof(uint16_t)),
    };
}

hadal_status matmul_pack(matmul_op *op, const buffer *in, const matrix *weight, size_t rows)
{
    kernel **pack = &op->pack[weight->type];
    TRY(prepare_packed(op, weight, rows));
    TRY(get_kernel(pack, op, "matmul_pack", "matmul_pack", weight->type, MATMUL_TILES - 1));
    launch_shape shape = pack_shape(op, weight, rows, 1);
    return LAUNCH(*pack, shape, arg_buffer(op->packed), arg_buffer(op->factors), arg_buffer(in),
                  arg_int((int64_t)weight->stride), arg_int((int64_t)weight->columns),
                  arg_int((int64_t)packed_stride(weight->columns)));
}

hadal_status matmul_pack_heads(matmul_op *op, const buffer *in, head_layout in_rows, const matrix *weight,
                               size_t tokens)
{
    const device_shape *device = device_shape_of(op->device);
    size_t heads = weight->experts, rows = heads * tokens;
    kernel **pack = &op->pack_heads[weight->type];
    TRY(prepare_packed(op, weight, rows));
    TRY(get_kernel(pack, op, "matmul_pack", "matmul_pack_heads", weight->type, MATMUL_TILES - 1));
    launch_shape shape = pack_shape(op, weight, rows, device->group / device->lanes);
    return LAUNCH(*pack, shape, arg_buffer(op->packed), arg_buffer(op->factors), arg_buffer(in),
                  arg_int((int64_t)in_rows.token_stride), arg_int((int64_t)in_rows.head_stride),
                  arg_int((int64_t)heads), arg_int((int64_t)rows), arg_int((int64_t)weight->columns),
                  arg_int((int64_t)packed_stride(weight->columns)));
}

hadal_status matmul_run(matmul_op *op, buffer *out, const matrix *weight, size_t tokens, bool accumulate)
{
    size_t tile = choose_plain_tile(op, tokens, weight->rows);
    kernel **plain = &op->plain[weight->type][tile];
    TRY(get_kernel(plain, op, "matmul", "matmul", weight->type, tile));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        launch_shape shape = cover(op, tile, tokens, slab->count, 1);
        shape.bytes = matrix_bytes(weight, slab->count) + matmul_packed_bytes(tokens, weight->columns) +
                      tokens * slab->count * sizeof(float);
        shape.operations = (uint64_t)2 * tokens * slab->count * weight->columns;
        TRY(LAUNCH(*plain, shape, arg_buffer(out), arg_buffer(op->packed), arg_buffer(op->factors),
                   arg_buffer(slab->values), arg_buffer(slab->scales ? slab->scales : slab->values),
                   arg_int((int64_t)tokens), arg_int((int64_t)packed_stride(weight->columns)),
                   arg_int((int64_t)round_up(weight->rows, ROW_UNIT)), arg_int((int64_t)slab->first),
                   arg_int((int64_t)slab->count), arg_int((int64_t)weight->stride), arg_int(weight->block_rows),
                   arg_int(weight->block_columns), arg_int((int64_t)weight->scale_columns),
                   arg_float(weight->half_factor), arg_int(accumulate)));
    }
    return HADAL_OK;
}

hadal_status matmul_experts(matmul_op *op, buffer *out, const matrix *weight, const buffer *offsets,
                            const buffer *slots, size_t count, size_t slots_per_input)
{
    /* Lists are of different lengths, and a tile that isn't full costs less. */
    size_t mean = divide_up(count, weight->experts), tile = choose_tile(op, 2 * mean);
    kernel **used = &op->experts[weight->type][tile];
    TRY(get_kernel(used, op, "matmul_experts", "matmul_experts", weight->type, tile));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        /* Groups for twice the mean list; longer ones are taken in turns. */
        launch_shape shape = cover(op, tile, 2 * mean, weight->rows, slab->count);
        shape.bytes = min_size(slab->count, count) * matrix_bytes(weight, weight->rows) +
                      matmul_packed_bytes(count, weight->columns) + count * weight->rows * sizeof(float);
        shape.operations = (uint64_t)2 * count * weight->rows * weight->columns / weight->slab_count;
        TRY(LAUNCH(*used, shape, arg_buffer(out), arg_buffer(op->packed), arg_buffer(op->factors),
                   arg_buffer(slab->values), arg_buffer(slab->scales ? slab->scales : slab->values),
                   arg_buffer(offsets), arg_buffer(slots), arg_int((int64_t)slab->first),
                   arg_int((int64_t)slots_per_input), arg_int((int64_t)packed_stride(weight->columns)),
                   arg_int((int64_t)round_up(weight->rows, ROW_UNIT)), arg_int((int64_t)weight->rows),
                   arg_int((int64_t)weight->stride), arg_int(weight->block_rows), arg_int(weight->block_columns),
                   arg_int((int64_t)weight->scale_columns), arg_int((int64_t)weight->scale_rows),
                   arg_float(weight->half_factor)));
    }
    return HADAL_OK;
}

hadal_status matmul_heads(matmul_op *op, buffer *out, head_layout out_rows, const matrix *weight, size_t tokens,
                          double factor)
{
    size_t tile = choose_tile(op, tokens), heads = weight->experts;
    kernel **used = &op->heads[weight->type][tile];
    TRY(get_kernel(used, op, "matmul_heads", "matmul_heads", weight->type, tile));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        launch_shape shape = cover(op, tile, tokens, weight->rows, slab->count);
        shape.bytes = slab->count * (matrix_bytes(weight, weight->rows) + matmul_packed_bytes(tokens, weight->columns) +
                                     tokens * weight->rows * sizeof(float));
        shape.operations = (uint64_t)2 * tokens * slab->count * weight->rows * weight->columns;
        TRY(LAUNCH(*used, shape, arg_buffer(out), arg_buffer(op->packed), arg_buffer(op->factors),
                   arg_buffer(slab->values), arg_buffer(slab->scales ? slab->scales : slab->values),
                   arg_int((int64_t)tokens), arg_int((int64_t)heads), arg_int((int64_t)slab->first),
                   arg_int((int64_t)packed_stride(weight->columns)), arg_int((int64_t)out_rows.token_stride),
                   arg_int((int64_t)out_rows.head_stride), arg_int((int64_t)weight->rows),
                   arg_int((int64_t)weight->stride), arg_int(weight->block_rows), arg_int(weight->block_columns),
                   arg_int((int64_t)weight->scale_columns), arg_int((int64_t)weight->scale_rows),
                   arg_float(weight->half_factor), arg_float(factor)));
    }
    return HADAL_OK;
}
