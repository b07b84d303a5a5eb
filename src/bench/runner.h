/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* How things are measured: warmed up, many samples, the median; and how a row is reported. */

#ifndef HADAL_BENCH_RUNNER_H
#define HADAL_BENCH_RUNNER_H

#include "base/status.h"
#include "device/device.h"

/* What bounds a kernel: bytes by CEILING_READ, operations by that of the unit that can do them. Ceilings of matrix
 * units stay 0 where the device has none: the fastest of the others stands in. */
typedef enum ceiling { CEILING_FP32, CEILING_BF16, CEILING_INT8, CEILING_READ, CEILINGS } ceiling;

typedef struct bench {
    hadal_device *device;
    hadal_bench_options options; /* with numbers resolved; lists as given */
    hadal_bench_report report;
    void *user;
    const char *name;
    bool profile_before;
    double rate[CEILINGS];  /* bytes or operations a second; 0: not known */
    launch_record *records; /* [LAUNCH_RECORDS] */
} bench;

/* Prepares a bench of that name. After success and failure alike, bench_close puts the device back as it was. */
HADAL_CHECKED hadal_status bench_open(bench *b, hadal_device *device, const char *name,
                                      const hadal_bench_options *options, hadal_bench_report report, void *user);
void bench_close(bench *b);

/* Enqueues repetition number `repetition`, which says what copy of the data to use. */
typedef hadal_status bench_work(void *state, size_t repetition);

typedef struct bench_case {
    hadal_bench_row row;   /* name, phase, counted, context, batch, tokens, bytes, operations and working_set are given;
                            * the rest is filled in */
    ceiling compute;       /* of its operations */
    double against;        /* microseconds that the ratio compares with; 0: none */
    bench_work *run;
    void *state;
} bench_case;

/* Measures by both ways below, and reports the smaller: both are too large, events by what the device takes to begin
 * and end a launch (the ceiling "launch event"), chains by what lies between launches ("launch gap", or "launch" while
 * the host is behind). */
HADAL_CHECKED hadal_status bench_best(bench *b, bench_case *measured);

/* bench_best without a report. */
HADAL_CHECKED hadal_status bench_best_only(bench *b, bench_case *measured);

/* Measures by the host's clock around many repetitions, which holds what lies between launches, and reports. */
HADAL_CHECKED hadal_status bench_by_clock(bench *b, bench_case *measured);

/* Measures by the device's own time of each launch, sums of the launches of a repetition. */
HADAL_CHECKED hadal_status bench_events_only(bench *b, bench_case *measured);

/* bench_by_clock without a report, for rows that are made of several. */
HADAL_CHECKED hadal_status bench_clock_only(bench *b, bench_case *measured);

/* Adds the share of the ceiling to a row that has its times, and reports it. */
HADAL_CHECKED hadal_status bench_report_row(bench *b, bench_case *measured);

/* Sorts samples (seconds of a repetition) and sets the row's times to them. */
void bench_set_times(hadal_bench_row *row, double *samples, size_t count);

/* Copies of something of that many bytes that repetitions rotate over, so that they come to the working set. */
size_t bench_copies(const bench *b, uint64_t bytes);

/* values[*count] = the list that was given, else defaults[default_count] up to `most`. */
void bench_list(const size_t **values, size_t *count, const size_t *given, size_t given_count, const size_t *defaults,
                size_t default_count, size_t most);

/* Rows are described in so many bytes. */
enum { BENCH_TEXT = 160 };

#endif
