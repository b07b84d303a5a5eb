/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "bench/runner.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ops/self_test.h"

enum { MOST_SAMPLES = 100, MOST_COPIES = 64 };

hadal_status bench_open(bench *b, hadal_device *device, const char *name, const hadal_bench_options *options,
                        hadal_bench_report report, void *user)
{
    static const hadal_bench_options defaults = {0};
    *b = (bench){.device = device, .options = options ? *options : defaults, .report = report, .user = user,
                 .name = name};
    if (b->options.seconds <= 0)
        b->options.seconds = 0.3;
    if (!b->options.working_set)
        b->options.working_set = (uint64_t)256 << 20;
    if (!b->options.phases)
        b->options.phases = HADAL_BENCH_DECODE | HADAL_BENCH_PREFILL;
    TRY(device_set_profile(device, false, &b->profile_before));
    self_test_matrix_unit(device, NULL);
    return memory_allocate(&b->records, LAUNCH_RECORDS, sizeof *b->records);
}

void bench_close(bench *b)
{
    free(b->records);
    b->records = NULL;
    if (device_set_profile(b->device, b->profile_before, NULL) != HADAL_OK)
        return; /* the device is lost: its next call says so */
}

size_t bench_copies(const bench *b, uint64_t bytes)
{
    uint64_t copies = b->options.working_set / (bytes ? bytes : 1) + 1;
    return copies < MOST_COPIES ? (size_t)copies : MOST_COPIES;
}

void bench_list(const size_t **values, size_t *count, const size_t *given, size_t given_count, const size_t *defaults,
                size_t default_count, size_t most)
{
    *values = given ? given : defaults;
    *count = given ? given_count : default_count;
    while (!given && *count > 1 && (*values)[*count - 1] > most)
        --*count;
}

/* ---- Rows ----------------------------------------------------------------------------------------- */

static int compare_samples(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

void bench_set_times(hadal_bench_row *row, double *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, compare_samples);
    row->microseconds = 1e6 * (samples[(count - 1) / 2] + samples[count / 2]) / 2;
    row->least = 1e6 * samples[0];
    row->most = 1e6 * samples[count - 1];
    row->samples = count;
}

static const char *const ceiling_names[CEILINGS] = {
    [CEILING_READ] = "read", [CEILING_FP32] = "fp32", [CEILING_BF16] = "bf16", [CEILING_INT8] = "int8"};

/* That unit, or the fastest of those that are there. */
static ceiling choose_unit(const bench *b, ceiling wanted)
{
    if (b->rate[wanted] > 0)
        return wanted;
    return b->rate[CEILING_BF16] > b->rate[CEILING_FP32] ? CEILING_BF16 : CEILING_FP32;
}

hadal_status bench_report_row(bench *b, bench_case *measured)
{
    hadal_bench_row *row = &measured->row;
    ceiling compute = choose_unit(b, measured->compute);
    double by_bytes = b->rate[CEILING_READ] > 0 ? 1e6 * (double)row->bytes / b->rate[CEILING_READ] : 0;
    double by_operations = b->rate[compute] > 0 ? 1e6 * (double)row->operations / b->rate[compute] : 0;
    double limit = by_bytes > by_operations ? by_bytes : by_operations;
    bool bounded = limit > 0 && row->microseconds > 0;
    row->bench = b->name;
    row->ceiling = !bounded ? "" : ceiling_names[by_bytes > by_operations ? CEILING_READ : compute];
    row->share = bounded ? limit / row->microseconds : 0;
    row->ratio = measured->against > 0 && row->microseconds > 0 ? measured->against / row->microseconds : 0;
    if (b->report && !b->report(b->user, row))
        return failure(HADAL_STOPPED, "stopped by the caller");
    return HADAL_OK;
}

/* ---- By events ------------------------------------------------------------------------------------ */

/* Runs `count` repetitions from number `first` on; samples[count] = the seconds of each, which has *launches of them
 * (0: to be found out, of one repetition). */
static hadal_status run_events(bench *b, bench_case *measured, size_t first, size_t count, double *samples,
                               size_t *launches)
{
    size_t records;
    for (size_t i = 0; i < count; i++)
        TRY(measured->run(measured->state, first + i));
    TRY(device_records(b->device, b->records, &records));
    if (!*launches)
        *launches = records;
    if (records == 0 || records != *launches * count)
        return failure(HADAL_ERROR_INTERNAL, "bench: %s: %zu launches in %zu repetitions, expected %zu in each; this "
                       "is a bug in hadal", measured->row.name, records, count, *launches);
    for (size_t i = 0; i < count; i++) {
        samples[i] = 0;
        for (size_t j = 0; j < *launches; j++)
            samples[i] += b->records[i * *launches + j].seconds;
    }
    return HADAL_OK;
}

static hadal_status sample_events(bench *b, bench_case *measured)
{
    double samples[MOST_SAMPLES];
    size_t launches = 0, count = 1;
    TRY(run_events(b, measured, 0, 1, samples, &launches));
    double start = clock_seconds();
    TRY(run_events(b, measured, 1, 1, samples, &launches));
    double once = clock_seconds() - start;
    if (once < b->options.seconds) {
        double fitting = b->options.seconds / once;
        count = fitting < (double)MOST_SAMPLES ? (size_t)fitting : MOST_SAMPLES;
        size_t together = max_size(LAUNCH_RECORDS / launches, 1);
        for (size_t done = 0; done < count; done += together)
            TRY(run_events(b, measured, 2 + done, min_size(together, count - done), samples + done, &launches));
    }
    measured->row.clock = "event";
    measured->row.launches = (double)launches;
    bench_set_times(&measured->row, samples, count);
    return HADAL_OK;
}

hadal_status bench_events_only(bench *b, bench_case *measured)
{
    TRY(device_set_profile(b->device, true, NULL));
    TRY(sample_events(b, measured));
    return device_set_profile(b->device, false, NULL);
}

/* ---- By the host's clock -------------------------------------------------------------------------- */

/* Seconds of each of `count` repetitions that run in a row. */
static hadal_status run_clock(double *seconds, bench *b, bench_case *measured, size_t first, size_t count)
{
    TRY(device_finish(b->device));
    double start = clock_seconds();
    for (size_t i = 0; i < count; i++)
        TRY(measured->run(measured->state, first + i));
    TRY(device_finish(b->device));
    *seconds = (clock_seconds() - start) / (double)count;
    return HADAL_OK;
}

/* Launches since the last reset. */
static hadal_status count_launches(bench *b, double *launches)
{
    hadal_profile_row *rows;
    size_t count;
    *launches = 0;
    TRY(hadal_device_profile(b->device, &rows, &count));
    for (size_t i = 0; i < count; i++)
        *launches += (double)rows[i].launches;
    free(rows);
    return HADAL_OK;
}

hadal_status bench_clock_only(bench *b, bench_case *measured)
{
    enum { LEAST_SAMPLES = 3, CLOCK_SAMPLES = 25, MOST_REPETITIONS = 1000 };
    const double sample_seconds = 0.005; /* so long that waiting for the end counts for little */
    double samples[CLOCK_SAMPLES], once;
    size_t count = 1;
    TRY(run_clock(&once, b, measured, 0, 1));
    hadal_device_profile_reset(b->device);
    TRY(run_clock(&samples[0], b, measured, 1, 1));
    TRY(count_launches(b, &measured->row.launches));
    once = samples[0];
    if (once < b->options.seconds) {
        double repetitions = sample_seconds / once, fitting;
        size_t together =
            repetitions < (double)MOST_REPETITIONS ? max_size((size_t)repetitions, 1) : MOST_REPETITIONS;
        fitting = b->options.seconds / (once * (double)together);
        count = fitting < (double)CLOCK_SAMPLES ? max_size((size_t)fitting, LEAST_SAMPLES) : CLOCK_SAMPLES;
        for (size_t i = 0; i < count; i++)
            TRY(run_clock(&samples[i], b, measured, 2 + i * together, together));
    }
    measured->row.clock = "host";
    bench_set_times(&measured->row, samples, count);
    return HADAL_OK;
}

hadal_status bench_by_clock(bench *b, bench_case *measured)
{
    TRY(bench_clock_only(b, measured));
    return bench_report_row(b, measured);
}

hadal_status bench_best_only(bench *b, bench_case *measured)
{
    const double long_enough = 1000; /* microseconds, of which neither way's surplus is a hundredth */
    TRY(bench_events_only(b, measured));
    if (measured->row.microseconds < long_enough) {
        bench_case in_a_row = *measured;
        TRY(bench_clock_only(b, &in_a_row));
        if (in_a_row.row.microseconds < measured->row.microseconds)
            *measured = in_a_row;
    }
    return HADAL_OK;
}

hadal_status bench_best(bench *b, bench_case *measured)
{
    TRY(bench_best_only(b, measured));
    return bench_report_row(b, measured);
}
