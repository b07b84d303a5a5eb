/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Launches whose speed is a ceiling of the device. Kernels in cl/bench.cl. */

#ifndef HADAL_OPS_BENCH_H
#define HADAL_OPS_BENCH_H

#include "ops/matmul.h"

/* Memory is passed over in runs of several lengths, a run a group: which is fastest differs by device. */
enum { BENCH_RUNS = 3 };

typedef struct bench_op {
    kernel *copy, *read, *multiply_add, *launch;
    kernel *tile; /* NULL: no matrix unit is used */
    uint32_t group, vector;
    size_t units;     /* compute units */
    matmul_team team; /* of the tile */
} bench_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status bench_create(bench_op *op, hadal_device *device);

/* Bytes of which bench_copy and bench_read take multiples. */
size_t bench_unit(const bench_op *op);

/* Bytes of `out` for bench_read of that many bytes, and for all others. */
size_t bench_out_bytes(const bench_op *op, size_t bytes);

/* out[0 .. bytes) = in[0 .. bytes), in runs number `run` < BENCH_RUNS. */
HADAL_CHECKED hadal_status bench_copy(const bench_op *op, buffer *out, const buffer *in, size_t bytes, size_t run);

/* Reads in[0 .. bytes); out: a sum of each run. */
HADAL_CHECKED hadal_status bench_read(const bench_op *op, buffer *out, const buffer *in, size_t bytes, size_t run);

/* `rounds` rounds of multiply-adds in registers, by `groups` groups a compute unit; a multiply-add counts as two
 * operations. out: a sum of each work-item. */
enum { BENCH_GROUPS = 32 }; /* at most */
HADAL_CHECKED hadal_status bench_multiply_add(const bench_op *op, buffer *out, size_t groups, size_t rounds);
uint64_t bench_multiply_add_operations(const bench_op *op, size_t groups, size_t rounds);

/* `rounds` products of bfloat16 tiles by each team of 4 groups a compute unit, on the matrix unit (op->tile). */
HADAL_CHECKED hadal_status bench_tile(const bench_op *op, buffer *out, size_t rounds);
uint64_t bench_tile_operations(const bench_op *op, size_t rounds);

/* A kernel of one group that does next to nothing. */
HADAL_CHECKED hadal_status bench_launch(const bench_op *op, buffer *out);

#endif
