/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/rope.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* ROPE_LOW of cl/rope.clh: positions of the table's low part. */
enum { LOW_POSITIONS = 256 };

/* Heads of a token that a lane group takes in turns. */
enum { HEADS_EACH = 4 };

/* (cos, sin) of pair i at that position. */
static void write_row(float *row, const double *frequencies, size_t pairs, size_t position, double amplitude)
{
    for (size_t i = 0; i < pairs; i++) {
        double angle = (double)position * frequencies[i];
        row[2 * i] = (float)(amplitude * cos(angle));
        row[2 * i + 1] = (float)(amplitude * sin(angle));
    }
}

static size_t table_rows(size_t max_positions)
{
    return LOW_POSITIONS + divide_up(max_positions, LOW_POSITIONS);
}

size_t rope_table_bytes(size_t pairs, size_t max_positions)
{
    return table_rows(max_positions) * pairs * 2 * sizeof(float);
}

hadal_status rope_table_create(buffer **table, hadal_device *device, const double *frequencies, size_t pairs,
                               size_t max_positions, double amplitude)
{
    float *values;
    hadal_status status;
    *table = NULL;
    TRY(memory_allocate(&values, table_rows(max_positions) * pairs, 2 * sizeof *values));
    for (size_t low = 0; low < LOW_POSITIONS; low++)
        write_row(values + low * pairs * 2, frequencies, pairs, low, 1.0);
    for (size_t row = LOW_POSITIONS; row < table_rows(max_positions); row++)
        write_row(values + row * pairs * 2, frequencies, pairs, (row - LOW_POSITIONS) * LOW_POSITIONS, amplitude);
    TRY_OR(done, buffer_create(table, device, MEMORY_NORMS, rope_table_bytes(pairs, max_positions)));
    TRY_OR(done, buffer_write(*table, 0, values, buffer_bytes(*table)));
done:
    free(values);
    if (status != HADAL_OK) {
        buffer_free(*table);
        *table = NULL;
    }
    return status;
}

hadal_status rope_create(rope_op *op, hadal_device *device, const rope_dims *dims)
{
    const device_shape *shape = device_shape_of(device);
    *op = (rope_op){.dims = *dims, .lanes = shape->lanes, .group = shape->group};
    return kernel_get(&op->queries, device, "rope", "rope_queries", "");
}

hadal_status rope_queries(const rope_op *op, buffer *query, const buffer *q, const buffer *table,
                          const buffer *positions, size_t tokens, double scale)
{
    const rope_dims *dims = &op->dims;
    size_t q_stride = round_up((size_t)dims->heads * (dims->nope + dims->rope), ROW_UNIT);
    size_t padded_pairs = round_up(dims->rope, ROW_UNIT) / 2;
    uint64_t pairs = (uint64_t)tokens * dims->heads * dims->rope / 2;
    size_t lane_groups = op->group / op->lanes;
    launch_shape shape = {
        .groups = {op->group > 1 ? divide_up(dims->heads, HEADS_EACH * lane_groups) : 1, tokens},
        .size = {op->group},
        .bytes = pairs * 4 * sizeof(float),
        .operations = pairs * 14,
    };
    return LAUNCH(op->queries, shape, arg_buffer(query), arg_buffer(q), arg_buffer(table), arg_buffer(positions),
                  arg_int(dims->heads), arg_int(dims->nope), arg_int(dims->rope / 2), arg_int((int64_t)padded_pairs),
                  arg_int((int64_t)round_up(dims->latent, ROW_UNIT)), arg_int((int64_t)q_stride), arg_float(scale));
}
