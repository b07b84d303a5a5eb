/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend_heads.h"

#include "base/memory.h"

/* Of cl/attend_heads.cl: positions of a tile at most, queries and columns of its work-items, columns of a slice, and
 * what rows of queries and positions are apart there. */
enum { TILE_POSITIONS = 64, EACH = 4, COLUMNS = 16, DEPTH = 16, APART = 4 };

void attend_heads_create(attend_heads_op *op, hadal_device *device, const attend_heads_dims *dims)
{
    *op = (attend_heads_op){.dims = *dims, .device = device};
}

/* Pairs of a step's queries with those of the first `until` positions that they see: the last `tokens` of `keys`. */
static uint64_t pairs_until(size_t tokens, size_t keys, size_t until)
{
    size_t before = keys - tokens, within = until > before ? until - before : 0;
    return (uint64_t)tokens * until - (within ? (uint64_t)within * (within - 1) / 2 : 0);
}

/* Fewer tokens hardly fill a tile, and one launch more is what they feel. */
enum { FEWEST_TOKENS = 6 };

/* Queries of a group. */
static size_t group_queries(const device_shape *shape)
{
    return shape->group == 1 ? shape->vector : shape->group / COLUMNS * EACH;
}

/* Whether a group's slices, weights and what it knows of queries fit in local memory; on CPUs they are private. */
static bool fits(const attend_heads_op *op)
{
    const device_shape *shape = device_shape_of(op->device);
    size_t query_row = group_queries(shape) + APART, key_row = TILE_POSITIONS + APART;
    size_t slices = DEPTH * max_size(query_row + key_row, round_up(op->dims.value, ROW_UNIT));
    size_t floats = slices + TILE_POSITIONS * query_row + group_queries(shape) + shape->group;
    return shape->group == 1 || floats * sizeof(float) <= hadal_device_describe(op->device)->local_memory_bytes;
}

/* By operations of a head, those of W_UK and W_UV included, which meet queries in latent space and positions here. That
 * is where both take as long on PoCL: a prompt of 2004 tokens took 0.91 of the time in steps of 48 tokens, for the last
 * of which counts begin to be equal, and 0.56 in steps of 128. */
bool attend_heads_pays(const attend_heads_op *op, size_t tokens, size_t keys)
{
    const attend_heads_dims *d = &op->dims;
    uint64_t pairs = pairs_until(tokens, keys, keys), projection = (uint64_t)d->latent * (d->nope + d->value);
    uint64_t in_latent_space = tokens * projection + pairs * (2 * (uint64_t)d->latent + d->rope);
    uint64_t by_heads = keys * projection + pairs * ((uint64_t)d->nope + d->rope + d->value);
    return device_matrix_for(op->device, MATRIX_ATTENTION) == DEVICE_MATRIX_NONE && fits(op) &&
           tokens >= FEWEST_TOKENS && by_heads < in_latent_space;
}

static size_t row_elements(const attend_heads_dims *dims)
{
    return round_up(dims->latent, ROW_UNIT) + round_up(dims->rope, ROW_UNIT);
}

size_t attend_heads_positions(const attend_heads_dims *dims, size_t context)
{
    size_t elements = dims->heads * (round_up(dims->nope, ROW_UNIT) + round_up(dims->value, ROW_UNIT));
    size_t most = ATTEND_HEADS_BYTES / ((row_elements(dims) + elements) * sizeof(float));
    return min_size(max_size(most / TILE_POSITIONS, 1) * TILE_POSITIONS, round_up(context, TILE_POSITIONS));
}

static hadal_status get_kernel(attend_heads_op *op)
{
    const attend_heads_dims *d = &op->dims;
    byte_array options = {0};
    if (op->attend)
        return HADAL_OK;
    TRY(bytes_format(&options, " -D HEADS=%u -D NOPE=%u -D ROPE=%u -D VALUE=%u -D LATENT=%u", d->heads, d->nope,
                     d->rope, d->value, d->latent));
    hadal_status status = kernel_get(&op->attend, op->device, "attend_heads", "attend_heads", options.data);
    bytes_free(&options);
    return status;
}

/* keys[h, s] = W_UK c[s] and values[h, s] = W_UV c[s] of `count` positions from `first` on. */
static hadal_status expand(const attend_heads_op *op, linear_op *linear, const latent_op *latent,
                           const attend_heads_step *step, size_t first, size_t count, const attend_heads_memory *m)
{
    size_t key = round_up(op->dims.nope, ROW_UNIT), value = round_up(op->dims.value, ROW_UNIT);
    const head_layout rows = {row_elements(&op->dims), 0}; /* the same for every head */
    const head_layout key_rows = {key, m->positions * key}, value_rows = {value, m->positions * value};
    TRY(latent_load(latent, m->rows, step->cache, step->first_row + first, count));
    TRY(linear_heads_transposed(linear, m->keys, key_rows, m->rows, rows, step->k_up, count, 1.0));
    return linear_heads(linear, m->values, value_rows, m->rows, rows, step->v_up, count, 1.0);
}

/* Brings those to all queries. */
static hadal_status attend_part(const attend_heads_op *op, buffer *out, const attend_heads_step *step, size_t first,
                                size_t count, const attend_heads_memory *m)
{
    const attend_heads_dims *d = &op->dims;
    const device_shape *device = device_shape_of(op->device);
    size_t tokens = step->tokens, queries = group_queries(device);
    size_t width = d->nope + d->rope + d->value;
    launch_shape shape = {
        .groups = {divide_up(tokens, queries), d->heads},
        .size = {device->group},
        .bytes = d->heads * sizeof(float) * (count * (d->nope + d->value) + tokens * width) +
                 count * d->rope * sizeof(float),
        .operations = (pairs_until(tokens, step->keys, first + count) - pairs_until(tokens, step->keys, first)) *
                      d->heads * 2 * width,
    };
    return LAUNCH(op->attend, shape, arg_buffer(out), arg_buffer(m->totals), arg_buffer(step->q),
                  arg_buffer(step->query), arg_buffer(m->keys), arg_buffer(m->values), arg_buffer(m->rows),
                  arg_int((int64_t)m->positions), arg_int((int64_t)(step->keys - tokens)), arg_int((int64_t)tokens),
                  arg_int((int64_t)first), arg_int((int64_t)count), arg_float(step->scale));
}

hadal_status attend_heads(attend_heads_op *op, linear_op *linear, const latent_op *latent, buffer *out,
                          const attend_heads_step *step, const attend_heads_memory *memory)
{
    TRY(get_kernel(op));
    for (size_t first = 0; first < step->keys; first += memory->positions) {
        size_t count = min_size(memory->positions, step->keys - first);
        TRY(expand(op, linear, latent, step, first, count, memory));
        TRY(attend_part(op, out, step, first, count, memory));
    }
    return HADAL_OK;
}
