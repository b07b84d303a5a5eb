/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend.h"

#include <string.h>

#include "base/memory.h"
#include "device/tuning.h"
#include "ops/matmul.h"

/* At most so many groups fill a device (TUNED_ATTEND_GROUPS), of so many heads (TUNED_ATTEND_HEADS), and at most so
 * many splits has a list. */
enum { ENOUGH_GROUPS = 512, MOST_HEAD_BLOCK = 16, MOST_SPLITS = ENOUGH_GROUPS, MOST_CPU_SPLITS = 32 };

/* What cl/attend_tiles.cl is written for: dimensions of a row, and its groups. */
enum { TILE_LATENT = 512, TILE_ROPE = 64 };
static const attend_tile wgmma_tile = {.heads = 64, .keys = 16, .items = 384};

/* What cl/attend_blocks.cl takes: multiples of the latents of all teams, and of a step of a row; its groups. */
enum { BLOCK_LATENTS = 512, BLOCK_STEP = 64, BLOCK_KEYS = 64, BLOCK_ITEMS = 256 };

static size_t row_elements(const attend_dims *dims)
{
    return round_up(dims->latent, ROW_UNIT) + round_up(dims->rope, ROW_UNIT);
}

static size_t row_bytes(const attend_dims *dims)
{
    return row_elements(dims) * (dims->cache == HADAL_KV_BF16 ? 2 : sizeof(float));
}

/* Heads of a group: a power of two, not many more than there are. */
static uint32_t choose_head_block(uint32_t most, const attend_dims *dims)
{
    uint32_t block = 4;
    while (block < dims->heads && block * 2 <= most)
        block *= 2;
    return block;
}

/* Cached rows that a group holds at once: as many as fit in local memory with room to spare; on CPUs usually as many as
 * leave their scores in registers. */
static uint32_t choose_key_tile(const device_shape *shape, const attend_dims *dims, uint32_t tile)
{
    enum { TILE_BYTES = 20000 };
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

/* Whether cl/attend_tiles.cl takes such rows. The roles of its warpgroups have no emulation. */
static bool takes_tiles(const device_shape *shape, const attend_dims *dims)
{
    return shape->matrix == DEVICE_MATRIX_WGMMA && !shape->emulated && dims->heads % wgmma_tile.heads == 0 &&
           dims->latent == TILE_LATENT && dims->rope == TILE_ROPE && dims->cache == HADAL_KV_BF16;
}

/* Local memory of a group of cl/attend_blocks.cl: queries and scores of its heads, what its work-items and keys have,
 * and, where the instruction is emulated, operands of each team. */
static size_t block_bytes(const device_shape *shape, const attend_dims *dims, uint32_t heads)
{
    enum { OPERANDS = 1024 };
    size_t head_bytes = row_elements(dims) * sizeof(uint16_t) + (BLOCK_KEYS + 4) * sizeof(float);
    size_t bytes = heads * head_bytes + 2 * BLOCK_ITEMS * sizeof(float) + 2 * BLOCK_KEYS * sizeof(uint32_t);
    return bytes + (shape->emulated ? BLOCK_ITEMS / matmul_team_of(shape->matrix).items * OPERANDS : 0);
}

/* Whether cl/attend_blocks.cl takes such rows, with so many heads in a group. */
static bool takes_blocks(const hadal_device *device, const attend_dims *dims, uint32_t heads)
{
    const device_shape *shape = device_shape_of(device);
    return shape->matrix != DEVICE_MATRIX_NONE && shape->matrix != DEVICE_MATRIX_WGMMA &&
           dims->cache == HADAL_KV_BF16 && dims->latent % BLOCK_LATENTS == 0 && dims->rope % BLOCK_STEP == 0 &&
           block_bytes(shape, dims, heads) <= hadal_device_describe(device)->local_memory_bytes;
}

static hadal_status create_tiles(attend_op *op, hadal_device *device)
{
    byte_array options = {0};
    hadal_status status;
    op->tile = wgmma_tile;
    TRY_OR(done, bytes_format(&options, "%s -D HEADS=%u", device_matrix_option(device), op->dims.heads));
    TRY_OR(done, kernel_get(&op->tiles, device, "attend_tiles", "attend_tiles", options.data));
done:
    bytes_free(&options);
    return status;
}

/* On CPUs all of it is private. */
size_t attend_combine_local_bytes(const hadal_device *device, const attend_dims *dims)
{
    enum { COMBINE_PARTS = 4 };
    bool shared = device_shape_of(device)->group > 1;
    return shared ? (COMBINE_PARTS * round_up(dims->latent, ROW_UNIT) + 2 * MOST_SPLITS) * sizeof(float) : 0;
}

hadal_status attend_combine_options(byte_array *options, const hadal_device *device, const attend_dims *dims)
{
    return bytes_format(options, " -D LATENT=%u -D MOST_SPLITS=%u", dims->latent,
                        (unsigned)(device_shape_of(device)->group == 1 ? MOST_CPU_SPLITS : MOST_SPLITS));
}

static hadal_status create_blocks(attend_op *op, hadal_device *device, uint32_t heads)
{
    byte_array options = {0};
    hadal_status status;
    op->tile = (attend_tile){.heads = heads, .keys = BLOCK_KEYS, .items = BLOCK_ITEMS};
    TRY_OR(done, bytes_format(&options,
                              "%s -D TILE_BF16 -D WEIGHT_BF16 -D HEADS=%u -D LATENT=%u -D ROPE=%u -D TILE_COLUMNS=%u"
                              " -D ITEMS=%u",
                              device_matrix_option(device), op->dims.heads, op->dims.latent, op->dims.rope, heads,
                              (unsigned)BLOCK_ITEMS));
    TRY_OR(done, kernel_get(&op->tiles, device, "attend_blocks", "attend_blocks", options.data));
done:
    bytes_free(&options);
    return status;
}

/* Heads of a group of attend_blocks, which share what they read of the cache. */
enum { MANY_HEADS = 32, FEW_HEADS = 16 };

bool attend_on_matrix_unit(const hadal_device *device, const attend_dims *dims)
{
    return device_matrix_for(device, MATRIX_ATTENTION) != DEVICE_MATRIX_NONE &&
           (takes_tiles(device_shape_of(device), dims) || takes_blocks(device, dims, FEW_HEADS));
}

static hadal_status create_for_matrix_unit(attend_op *op, hadal_device *device)
{
    bool many = op->dims.heads > FEW_HEADS && takes_blocks(device, &op->dims, MANY_HEADS);
    op->units = hadal_device_describe(device)->compute_units;
    return takes_tiles(device_shape_of(device), &op->dims) ? create_tiles(op, device)
                                                           : create_blocks(op, device, many ? MANY_HEADS : FEW_HEADS);
}

hadal_status attend_create(attend_op *op, hadal_device *device, const attend_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    const device_shape *shape = device_shape_of(device);
    *op = (attend_op){
        .dims = *dims,
        .head_block = choose_head_block(device_tuned(device, TUNED_ATTEND_HEADS), dims),
        .key_tile = choose_key_tile(shape, dims, device_tuned(device, TUNED_ATTEND_KEYS)),
        .group = shape->group,
        .enough = device_tuned(device, TUNED_ATTEND_GROUPS),
    };
    TRY_OR(done, attend_combine_options(&options, device, dims));
    TRY_OR(done, bytes_format(&options,
                              " -D HEADS=%u -D ROPE=%u -D HEAD_BLOCK=%u -D KEY_TILE=%u -D HEAD_PARTS=%u -D %s",
                              dims->heads, dims->rope, op->head_block, op->key_tile,
                              choose_head_parts(shape, dims, op->head_block),
                              dims->cache == HADAL_KV_BF16 ? "CACHE_BF16" : "CACHE_F32"));
    TRY_OR(done, kernel_get(&op->attend, device, "attend", "attend", options.data));
    TRY_OR(done, kernel_get(&op->combine, device, "attend", "attend_combine", options.data));
    if (attend_on_matrix_unit(device, dims))
        TRY_OR(done, create_for_matrix_unit(op, device));
done:
    bytes_free(&options);
    return status;
}

/* Positions of a list that are worth a group. A CPU takes as long for hundreds of them as for waking another thread. */
enum { WORTH_A_GROUP = 64, WORTH_A_CPU_GROUP = 512 };

static size_t most_splits(size_t longest)
{
    return divide_up(longest, WORTH_A_GROUP);
}

size_t attend_scratch_bytes(const attend_dims *dims, size_t tokens, size_t longest)
{
    /* There are several splits only while that gives no more than enough groups. */
    size_t rows = min_size(ENOUGH_GROUPS * MOST_HEAD_BLOCK, tokens * dims->heads * most_splits(longest));
    return rows * (round_up(dims->latent, ROW_UNIT) + 2) * sizeof(float);
}

/* Splits of lists for the tiles, whose groups fill a multiprocessor each: what makes the longest chain of tiles of any
 * multiprocessor shortest, and combining. Counted in rows of attend_tiles, 16 of which take 0.73 us on an H200. There 1
 * to 32 tokens of 2048 rows and 128 heads, in up to 64 splits, took what this says within a tenth: a group's start and
 * end 144 rows and, as all fetch queries at once, 16 for each 32 groups; combining 64, 16 for 512 rows and 16 for 1600
 * splits of a row. What attend_blocks does for a row, and to start, is alike. */
static size_t choose_tile_splits(const attend_op *op, size_t longest, size_t tokens)
{
    enum { TILE = 16, START = 9 * TILE, CROWD = 32, COMBINE = 4 * TILE, ROWS = 512, SPLIT_ROWS = 1600 };
    size_t rows = tokens * op->dims.heads, groups = tokens * divide_up(op->dims.heads, op->tile.heads);
    size_t most = min_size(max_size(ENOUGH_GROUPS * MOST_HEAD_BLOCK / rows, 1), most_splits(longest)), best = 1;
    size_t least = SIZE_MAX;
    for (size_t splits = 1; splits <= most; splits++) {
        size_t chain = round_up(divide_up(longest, splits), op->tile.keys) + START;
        chain += TILE * min_size(groups * splits, op->units) / CROWD;
        chain *= divide_up(groups * splits, op->units);
        if (splits > 1)
            chain += COMBINE + TILE * rows / ROWS + TILE * rows * splits / SPLIT_ROWS;
        if (chain < least) {
            least = chain;
            best = splits;
        }
    }
    return best;
}

/* What reads and multiplies there are at least. */
static launch_shape work_of(const attend_dims *dims, size_t longest, size_t tokens)
{
    uint64_t pairs = (uint64_t)tokens * longest;
    return (launch_shape){
        .bytes = pairs * row_bytes(dims) + tokens * dims->heads * (row_elements(dims) + dims->latent) * sizeof(float),
        .operations = pairs * dims->heads * 2 * (2 * (uint64_t)dims->latent + dims->rope),
    };
}

hadal_status attend_combine(const attend_op *op, buffer *out, const buffer *scratch, size_t splits, size_t tokens)
{
    const attend_dims *dims = &op->dims;
    if (splits == 1)
        return HADAL_OK;
    launch_shape shape = {
        .groups = {dims->heads, tokens},
        .size = {op->group},
        .bytes = tokens * dims->heads * (splits + 1) * dims->latent * sizeof(float),
        .operations = tokens * dims->heads * splits * 2 * dims->latent,
    };
    return LAUNCH(op->combine, shape, arg_buffer(out), arg_buffer(scratch), arg_int((int64_t)splits));
}

hadal_status attend_splits(const attend_op *op, size_t *split_count, buffer *out, const buffer *query,
                           const buffer *cache, const attend_lists *lists, size_t tokens, buffer *scratch)
{
    const attend_dims *dims = &op->dims;
    launch_shape shape = work_of(dims, lists->longest, tokens);
    size_t splits, split_length;
    if (op->tiles) {
        splits = choose_tile_splits(op, lists->longest, tokens);
        split_length = round_up(divide_up(lists->longest, splits), op->tile.keys);
    } else {
        size_t head_blocks = divide_up(dims->heads, op->head_block);
        size_t worth = op->group == 1 ? WORTH_A_CPU_GROUP : WORTH_A_GROUP;
        splits = min_size(max_size(op->enough / (tokens * head_blocks), 1),
                          divide_up(lists->longest, worth));
        split_length = round_up(divide_up(lists->longest, splits), op->key_tile);
    }
    splits = divide_up(lists->longest, split_length);
    if (op->tiles) {
        const size_t groups[] = {divide_up(dims->heads, op->tile.heads), splits, tokens};
        memcpy(shape.groups, groups, sizeof groups);
        shape.size[0] = op->tile.items;
    } else {
        const size_t groups[] = {splits, divide_up(dims->heads, op->head_block), tokens};
        memcpy(shape.groups, groups, sizeof groups);
        shape.size[0] = op->group;
    }
    *split_count = splits;
    return LAUNCH(op->tiles ? op->tiles : op->attend, shape, arg_buffer(out), arg_buffer(scratch), arg_buffer(query),
                  arg_buffer(cache), arg_buffer(lists->positions), arg_buffer(lists->selected),
                  arg_int((int64_t)lists->selected_stride), arg_buffer(lists->counts), arg_buffer(lists->sequences),
                  arg_int((int64_t)lists->sequence_stride), arg_int((int64_t)split_length));
}

hadal_status attend(const attend_op *op, buffer *out, const buffer *query, const buffer *cache,
                    const attend_lists *lists, size_t tokens, buffer *scratch)
{
    size_t splits;
    TRY(attend_splits(op, &splits, out, query, cache, lists, tokens, scratch));
    return attend_combine(op, out, scratch, splits, tokens);
}
