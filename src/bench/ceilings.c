/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "bench/ceilings.h"

#include "base/clock.h"
#include "base/memory.h"
#include "ops/bench.h"
#include "ops/fill.h"

typedef struct ceilings {
    bench *b;
    bench_op op;
    size_t bytes, run, rounds;
    double rate[CEILINGS]; /* go to the bench at the end, so that ceilings are no shares of each other */
    buffer *in, *out, *sums;
} ceilings;

static hadal_status run_copy(void *state, size_t repetition)
{
    const ceilings *c = state;
    (void)repetition;
    return bench_copy(&c->op, c->out, c->in, c->bytes, c->run);
}

static hadal_status run_read(void *state, size_t repetition)
{
    const ceilings *c = state;
    (void)repetition;
    return bench_read(&c->op, c->sums, c->in, c->bytes, c->run);
}

static hadal_status run_multiply_add(void *state, size_t repetition)
{
    const ceilings *c = state;
    (void)repetition;
    return bench_multiply_add(&c->op, c->sums, BENCH_GROUPS, c->rounds);
}

static hadal_status run_tile(void *state, size_t repetition)
{
    const ceilings *c = state;
    (void)repetition;
    return bench_tile(&c->op, c->sums, c->rounds);
}

static hadal_status run_short(void *state, size_t repetition)
{
    const ceilings *c = state;
    (void)repetition;
    return bench_multiply_add(&c->op, c->sums, 1, c->rounds);
}

static bench_case start_case(ceilings *c, const char *name, const char *counted, bench_work *run)
{
    return (bench_case){.row = {.name = name, .phase = "", .counted = counted}, .run = run, .state = c};
}

/* Passing over memory, in the runs that are fastest. */
static hadal_status measure_memory(ceilings *c, bench_work *run, const char *name, const char *counted, uint64_t bytes,
                                   double *rate)
{
    bench_case best = {.row = {.microseconds = 0}};
    for (c->run = 0; c->run < BENCH_RUNS; c->run++) {
        bench_case measured = start_case(c, name, counted, run);
        measured.row.bytes = measured.row.working_set = bytes;
        TRY(bench_events_only(c->b, &measured));
        if (c->run == 0 || measured.row.microseconds < best.row.microseconds)
            best = measured;
    }
    TRY(bench_report_row(c->b, &best));
    if (rate && best.row.least > 0)
        *rate = 1e6 * (double)bytes / best.row.least; /* nothing is faster */
    return HADAL_OK;
}

static hadal_status measure_unit(ceilings *c, bench_work *run, const char *name, const char *counted,
                                 uint64_t operations, double *rate)
{
    bench_case measured = start_case(c, name, counted, run);
    measured.row.operations = operations;
    TRY(bench_events_only(c->b, &measured));
    TRY(bench_report_row(c->b, &measured));
    if (measured.row.least > 0)
        *rate = 1e6 * (double)operations / measured.row.least;
    return HADAL_OK;
}

/* Registers alone, then the matrix unit that kernels use. Other operands of matrix units get a row here each. */
static hadal_status measure_units(ceilings *c)
{
    enum { GPU_ROUNDS = 4096, CPU_ROUNDS = 4096, TILE_ROUNDS = 1024 };
    c->rounds = c->op.group == 1 ? CPU_ROUNDS : GPU_ROUNDS;
    TRY(measure_unit(c, run_multiply_add, "fp32", "multiply-adds in registers, two operations each",
                     bench_multiply_add_operations(&c->op, BENCH_GROUPS, c->rounds), &c->rate[CEILING_FP32]));
    if (!c->op.tile)
        return HADAL_OK;
    c->rounds = TILE_ROUNDS;
    return measure_unit(c, run_tile, "bf16 matrix", "products of tiles in registers and local memory",
                        bench_tile_operations(&c->op, c->rounds), &c->rate[CEILING_BF16]);
}

/* Two rows from the same launches: until the host is done, and until the device is. */
static hadal_status measure_launches(ceilings *c)
{
    enum { SAMPLES = 15, LAUNCHES = 200 };
    double host[SAMPLES], device[SAMPLES];
    for (int sample = -1; sample < SAMPLES; sample++) { /* the first one warms up */
        double start = clock_seconds();
        for (int i = 0; i < LAUNCHES; i++)
            TRY(bench_launch(&c->op, c->sums));
        double enqueued = clock_seconds();
        TRY(device_finish(c->b->device));
        host[sample < 0 ? 0 : sample] = (enqueued - start) / (double)LAUNCHES;
        device[sample < 0 ? 0 : sample] = (clock_seconds() - start) / (double)LAUNCHES;
    }
    bench_case launch = start_case(c, "launch", "one launch of 200: enqueueing it, on the host", NULL);
    launch.row.clock = "host";
    launch.row.launches = 1;
    bench_set_times(&launch.row, host, SAMPLES);
    TRY(bench_report_row(c->b, &launch));
    launch.row.name = "launch pitch";
    launch.row.counted = "one launch of 200 that do nothing: from one to the next";
    bench_set_times(&launch.row, device, SAMPLES);
    return bench_report_row(c->b, &launch);
}

/* What does not grow with a launch's work: twice its time less that of one with twice the work. Of the fastest samples,
 * since differences are sensitive. */
static hadal_status report_rest(bench *b, bench_case *once, const bench_case *twice, const char *name,
                                const char *counted)
{
    hadal_bench_row *row = &once->row;
    row->name = name;
    row->counted = counted;
    row->clock = "difference";
    row->microseconds = 2 * row->least - twice->row.least;
    row->least = row->most = row->microseconds;
    return bench_report_row(b, once);
}

/* Launches that take longer than their enqueueing, of two lengths, in a row and one by one. */
static hadal_status measure_gap(ceilings *c)
{
    enum { GPU_ROUNDS = 1024, CPU_ROUNDS = 8192 };
    bench_case row[2], event[2];
    for (size_t i = 0; i < 2; i++) {
        c->rounds = (i + 1) * (c->op.group == 1 ? CPU_ROUNDS : GPU_ROUNDS);
        row[i] = event[i] = start_case(c, "", "", run_short);
        TRY(bench_clock_only(c->b, &row[i]));
        TRY(bench_events_only(c->b, &event[i]));
    }
    TRY(report_rest(c->b, &row[0], &row[1], "launch gap", "between launches on the device, the host being ahead"));
    return report_rest(c->b, &event[0], &event[1], "launch event", "what an event shows beyond a launch's work");
}

static hadal_status measure_all(ceilings *c)
{
    TRY(fill_buffer(c->b->device, c->in, FILL_F32, 1, 1));
    TRY(measure_memory(c, run_copy, "copy", "float32 read and written", 2 * (uint64_t)c->bytes, NULL));
    TRY(measure_memory(c, run_read, "read", "float32 read and added", c->bytes, &c->rate[CEILING_READ]));
    TRY(measure_units(c));
    TRY(measure_launches(c));
    return measure_gap(c);
}

/* Bytes of each buffer: four times the working set, within an eighth of the memory. */
static size_t choose_bytes(const ceilings *c)
{
    const hadal_device_info *info = hadal_device_describe(c->b->device);
    uint64_t bytes = 4 * c->b->options.working_set;
    bytes = bytes < info->memory_bytes / 8 ? bytes : info->memory_bytes / 8;
    bytes = bytes < info->largest_allocation_bytes ? bytes : info->largest_allocation_bytes;
    size_t unit = bench_unit(&c->op);
    return max_size((size_t)bytes / unit, 1) * unit;
}

hadal_status ceilings_measure(bench *b)
{
    hadal_status status;
    ceilings c = {.b = b};
    TRY(bench_create(&c.op, b->device));
    c.bytes = choose_bytes(&c);
    TRY_OR(done, buffer_create(&c.in, b->device, MEMORY_OTHER, c.bytes));
    TRY_OR(done, buffer_create(&c.out, b->device, MEMORY_OTHER, c.bytes));
    TRY_OR(done, buffer_create(&c.sums, b->device, MEMORY_OTHER, bench_out_bytes(&c.op, c.bytes)));
    TRY_OR(done, measure_all(&c));
    for (int i = 0; i < CEILINGS; i++)
        b->rate[i] = c.rate[i];
done:
    buffer_free(c.in);
    buffer_free(c.out);
    buffer_free(c.sums);
    return status;
}

hadal_status hadal_bench_device(hadal_device *device, const hadal_bench_options *options, hadal_bench_report report,
                                void *user)
{
    bench b;
    hadal_status status;
    TRY_OR(done, bench_open(&b, device, "device", options, report, user));
    TRY_OR(done, ceilings_measure(&b));
done:
    bench_close(&b);
    return status;
}
