/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/profile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/report.h"

static json_t *row_json(const hadal_profile_row *row)
{
    return json_pack("{s:s, s:s, s:I, s:f, s:I, s:I}", "kernel", row->kernel, "phase", row->phase, "launches",
                     (json_int_t)row->launches, "seconds", row->seconds, "bytes", (json_int_t)row->bytes, "operations",
                     (json_int_t)row->operations);
}

int profile_json(json_t **array, hadal_device *device)
{
    hadal_profile_row *rows;
    size_t count;
    *array = NULL;
    TRY(report_status(hadal_device_profile(device, &rows, &count)));
    *array = json_array();
    int code = *array ? 0 : report_memory();
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (json_array_append_new(*array, row_json(&rows[i])) != 0)
            code = report_memory();
    }
    free(rows);
    return code;
}

static void print_row(const hadal_profile_row *row, double phase_seconds)
{
    char bytes[32], rate[32];
    output_bytes(bytes, (double)row->bytes);
    output_bytes(rate, row->seconds > 0 ? (double)row->bytes / row->seconds : 0);
    fprintf(stderr, "  %-28s %9" PRIu64 " %11.3f %5.1f %% %11s %11s/s %8.2f\n", row->kernel, row->launches,
            1e3 * row->seconds, phase_seconds > 0 ? 100 * row->seconds / phase_seconds : 0, bytes, rate,
            row->seconds > 0 ? 1e-9 * (double)row->operations / row->seconds : 0);
}

/* Prints the block of one phase and what it comes to for each of its tokens; nothing when no kernel ran in it. */
static void print_phase(const hadal_profile_row *rows, size_t count, const char *phase, size_t tokens, uint32_t layers)
{
    hadal_profile_row sum = {.kernel = "all", .phase = phase};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].phase, phase) != 0)
            continue;
        sum.launches += rows[i].launches;
        sum.seconds += rows[i].seconds;
        sum.bytes += rows[i].bytes;
        sum.operations += rows[i].operations;
    }
    if (sum.launches == 0)
        return;
    fprintf(stderr, "%-30s %9s %11s %7s %11s %13s %8s\n", phase, "launches", "ms", "share", "bytes", "", "GFLOP/s");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].phase, phase) == 0)
            print_row(&rows[i], sum.seconds);
    }
    print_row(&sum, sum.seconds);
    if (tokens == 0)
        return;
    double launches = (double)sum.launches / (double)tokens;
    fprintf(stderr, "  %zu tokens: %.3f ms and %.2f launches a token", tokens, 1e3 * sum.seconds / (double)tokens,
            launches);
    if (layers > 0)
        fprintf(stderr, ", %.2f launches a token and layer (%u layers)", launches / layers, layers);
    fputc('\n', stderr);
}

int profile_print(hadal_device *device, const profile_counts *counts)
{
    hadal_profile_row *rows;
    size_t count;
    TRY(report_status(hadal_device_profile(device, &rows, &count)));
    print_phase(rows, count, "load", 0, 0);
    print_phase(rows, count, "prefill", counts->prompt_tokens, counts->layers);
    print_phase(rows, count, "decode", counts->decode_tokens, counts->layers);
    free(rows);
    return 0;
}
