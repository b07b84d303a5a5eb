/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/bench.h"

#include "base/memory.h"
#include "ops/matrix.h"

/* Vectors of a work-item in a run, multiples of 4 of which each divides the last. */
static const size_t gpu_runs[BENCH_RUNS] = {4, 16, 64}, cpu_runs[BENCH_RUNS] = {1024, 4096, 16384};

/* The tile of bench_tile, see cl/tile.clh: its depth; work-items of a group, groups of a compute unit. */
enum { TILE_DEPTH = 64, TILE_ITEMS = 256, TILE_GROUPS = 4 };

static hadal_status get_tile(bench_op *op, hadal_device *device)
{
    byte_array options = {0};
    if (device_shape_of(device)->matrix == DEVICE_MATRIX_NONE)
        return HADAL_OK;
    TRY(bytes_format(&options, "%s%s -D TILE_BF16 -D TILE_COLUMNS=%u -D ITEMS=%d", matrix_option(DTYPE_BF16),
                     device_matrix_option(device), op->team.tokens, TILE_ITEMS));
    hadal_status status = kernel_get(&op->tile, device, "bench", "bench_tile", options.data);
    bytes_free(&options);
    return status;
}

hadal_status bench_create(bench_op *op, hadal_device *device)
{
    const device_shape *shape = device_shape_of(device);
    *op = (bench_op){
        .group = shape->group,
        .vector = shape->vector,
        .units = max_size(hadal_device_describe(device)->compute_units, 1),
        .team = matmul_team_of(shape->matrix),
    };
    TRY(kernel_get(&op->copy, device, "bench", "bench_copy", ""));
    TRY(kernel_get(&op->read, device, "bench", "bench_read", ""));
    TRY(kernel_get(&op->multiply_add, device, "bench", "bench_multiply_add", ""));
    TRY(kernel_get(&op->launch, device, "bench", "bench_launch", ""));
    return get_tile(op, device);
}

/* Vectors that a group handles. */
static size_t run_length(const bench_op *op, size_t run)
{
    return op->group == 1 ? cpu_runs[run] : gpu_runs[run] * op->group;
}

static size_t run_bytes(const bench_op *op, size_t run)
{
    return run_length(op, run) * op->vector * sizeof(float);
}

size_t bench_unit(const bench_op *op)
{
    return run_bytes(op, BENCH_RUNS - 1);
}

size_t bench_out_bytes(const bench_op *op, size_t bytes)
{
    size_t items = max_size(BENCH_GROUPS * op->group, TILE_GROUPS * TILE_ITEMS);
    return max_size(bytes / run_bytes(op, 0), op->units * items) * sizeof(float);
}

hadal_status bench_copy(const bench_op *op, buffer *out, const buffer *in, size_t bytes, size_t run)
{
    const launch_shape shape = {.groups = {bytes / run_bytes(op, run)}, .size = {op->group}, .bytes = 2 * bytes};
    return LAUNCH(op->copy, shape, arg_buffer(out), arg_buffer(in), arg_int((int64_t)run_length(op, run)));
}

hadal_status bench_read(const bench_op *op, buffer *out, const buffer *in, size_t bytes, size_t run)
{
    const launch_shape shape = {.groups = {bytes / run_bytes(op, run)}, .size = {op->group}, .bytes = bytes};
    return LAUNCH(op->read, shape, arg_buffer(out), arg_buffer(in), arg_int((int64_t)run_length(op, run)));
}

uint64_t bench_multiply_add_operations(const bench_op *op, size_t groups, size_t rounds)
{
    return (uint64_t)16 * op->vector * rounds * groups * op->units * op->group;
}

hadal_status bench_multiply_add(const bench_op *op, buffer *out, size_t groups, size_t rounds)
{
    const launch_shape shape = {
        .groups = {groups * op->units},
        .size = {op->group},
        .operations = bench_multiply_add_operations(op, groups, rounds),
    };
    return LAUNCH(op->multiply_add, shape, arg_buffer(out), arg_float(0.999), arg_float(0.001),
                  arg_int((int64_t)rounds));
}

uint64_t bench_tile_operations(const bench_op *op, size_t rounds)
{
    uint64_t teams = TILE_GROUPS * op->units * (TILE_ITEMS / op->team.items);
    return (uint64_t)2 * op->team.rows * op->team.tokens * TILE_DEPTH * teams * rounds;
}

hadal_status bench_tile(const bench_op *op, buffer *out, size_t rounds)
{
    const launch_shape shape = {
        .groups = {TILE_GROUPS * op->units}, .size = {TILE_ITEMS}, .operations = bench_tile_operations(op, rounds)};
    return LAUNCH(op->tile, shape, arg_buffer(out), arg_int((int64_t)rounds));
}

hadal_status bench_launch(const bench_op *op, buffer *out)
{
    const launch_shape shape = {.groups = {1}, .size = {op->group}};
    return LAUNCH(op->launch, shape, arg_buffer(out));
}
