/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal bench: how fast a device is, and how near to that the kernels come. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"

#define BENCH_OPTIONS(X)                                                                                              \
    X(TEXT, dims, 0, "dims", "NAME", ANY,                                                                             \
      "dimensions: deepseek-v3.2-exp (default), or the path of a config.json")                                        \
    X(TEXT, contexts, 'c', "context", "N,...", ANY, "tokens in the caches at the end of a step (default: by bench)")  \
    X(TEXT, tokens, 0, "tokens", "N,...", ANY, "tokens of a step of one sequence (default: 2048; ops: 1,2048)")       \
    X(TEXT, batches, 0, "batch", "N,...", ANY, "sequences of a decode step (default: attention 1,16,64, model 1)")    \
    X(CHOICE, phase, 0, "phase", "both|decode|prefill", ANY, "what kind of steps (default: both)")                    \
    X(TEXT, model, 'm', "model", "DIR", ANY, "model: directory of a model (default: random weights of --dims)")       \
    X(COUNT, layers, 0, "layers", "N", COUNTS(1, 1024), "model: layers of random weights (default: 4)")               \
    X(NUMBER, seconds, 0, "seconds", "S", NUMBERS(0.001, 3600), "time for the samples of a row (default: 0.3)")       \
    X(COUNT, working_set, 0, "working-set", "MIB", COUNTS(1, 1 << 20),                                                \
      "data that repetitions rotate over, larger than the device's caches (default: 256)")                            \
    X(TEXT, sizes, 0, "sizes", "NAME", ANY, "tune: only sizes whose names begin so (default: all)")                   \
    X(FLAG, reset, 0, "reset", NULL, ANY, "tune: forget what was found, measure nothing")

#define BENCH_OUTPUT_OPTIONS(X) X(FLAG, csv, 0, "csv", NULL, ANY, "print comma-separated values")

OPTION_GROUP(bench_settings, BENCH_OPTIONS)
OPTION_GROUP(bench_output_settings, BENCH_OUTPUT_OPTIONS)

enum { MOST_VALUES = 32 };

typedef struct value_list {
    size_t values[MOST_VALUES];
    size_t count;
} value_list;

typedef struct benching {
    bench_settings settings;
    device_settings device_settings;
    precision_settings precision;
    output_settings output;
    bench_output_settings bench_output;
    value_list contexts, tokens, batches;
    const hadal_device_info *info;
    size_t rows;
    int code; /* of the output so far */
} benching;

/* ---- Rows ----------------------------------------------------------------------------------------- */

static double rate(double amount, const hadal_bench_row *row)
{
    return row->microseconds > 0 ? amount / row->microseconds * 1e6 : 0;
}

static int print_json(const hadal_bench_row *row)
{
    json_t *where = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "type", "bench", "bench", row->bench,
                              "name", row->name, "phase", row->phase, "counted", row->counted, "clock", row->clock,
                              "context", (json_int_t)row->context, "batch", (json_int_t)row->batch, "tokens",
                              (json_int_t)row->tokens);
    json_t *what = json_pack("{s:f, s:f, s:f, s:I, s:f, s:I, s:I, s:I}", "microseconds", row->microseconds, "least",
                             row->least, "most", row->most, "samples", (json_int_t)row->samples, "launches",
                             row->launches, "bytes", (json_int_t)row->bytes, "operations", (json_int_t)row->operations,
                             "working_set", (json_int_t)row->working_set);
    json_t *how = json_pack("{s:f, s:f, s:s, s:f, s:f, s:I, s:b}", "bytes_per_second", rate((double)row->bytes, row),
                            "operations_per_second", rate((double)row->operations, row), "ceiling", row->ceiling,
                            "share", row->share, "ratio", row->ratio, "value", (json_int_t)row->value, "kept",
                            row->kept);
    if (where && (json_object_update_missing(where, what) != 0 || json_object_update_missing(where, how) != 0)) {
        json_decref(where);
        where = NULL;
    }
    json_decref(what);
    json_decref(how);
    return output_json(where);
}

/* Texts of rows hold no quotation marks. */
static int print_csv(const benching *b, const hadal_bench_row *row)
{
    if (b->rows == 0)
        TRY(output_format("device,driver,version,precision,bench,name,phase,context,batch,tokens,microseconds,least,"
                          "most,samples,launches,bytes,operations,working_set,ceiling,share,ratio,clock,counted,value,"
                          "kept\n"));
    TRY(output_format("\"%s\",\"%s\",%s,%s,", b->info->name, b->info->driver, hadal_version(),
                      engine_precision_name(b->info->precision)));
    TRY(output_format("%s,\"%s\",%s,%zu,%zu,%zu,", row->bench, row->name, row->phase, row->context, row->batch,
                      row->tokens));
    TRY(output_format("%.3f,%.3f,%.3f,%zu,%g,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", row->microseconds, row->least,
                      row->most, row->samples, row->launches, row->bytes, row->operations, row->working_set));
    return output_format("%s,%.4f,%.3f,%s,\"%s\",%u,%d\n", row->ceiling, row->share, row->ratio, row->clock,
                         row->counted, row->value, row->kept);
}

/* "-" where there is nothing to say. */
static const char *cell(char text[24], int decimals, double value)
{
    if (value == 0)
        return "-";
    snprintf(text, 24, "%.*f", decimals, value);
    return text;
}

static int print_text(const benching *b, const hadal_bench_row *row)
{
    char context[24], batch[24], tokens[24], launches[24], bytes[24], operations[24], ratio[24], speed[24];
    char share[40] = "-";
    if (b->rows == 0)
        TRY(output_format("%-25s %-7s %7s %5s %6s %10s %10s %8s %8s %8s %-11s %6s %9s  %s\n", "name", "phase",
                          "context", "batch", "tokens", "us", "least us", "launches", "GB/s", "TFLOP/s", "share",
                          "ratio", "tokens/s", "counted"));
    if (row->share > 0)
        snprintf(share, sizeof share, "%.1f%% %s", 100 * row->share, row->ceiling);
    bool steps = strcmp(row->bench, "model") == 0 && *row->phase && strcmp(row->clock, "host") == 0;
    double fed = steps ? (double)(row->batch * row->tokens) : 0;
    return output_format("%-25s %-7s %7s %5s %6s %10.2f %10.2f %8s %8s %8s %-11s %6s %9s  %s\n", row->name,
                         *row->phase ? row->phase : "-", cell(context, 0, (double)row->context),
                         cell(batch, 0, (double)row->batch), cell(tokens, 0, (double)row->tokens), row->microseconds,
                         row->least, cell(launches, 0, row->launches),
                         cell(bytes, 1, 1e-9 * rate((double)row->bytes, row)),
                         cell(operations, 3, 1e-12 * rate((double)row->operations, row)), share,
                         cell(ratio, 2, row->ratio), cell(speed, 2, rate(fed, row)),
                         row->counted);
}

static int print_size(const benching *b, const hadal_bench_row *row)
{
    if (b->rows == 0)
        TRY(output_format("%-21s %6s %11s %11s %7s %-4s  %s\n", "size", "value", "us", "least us", "ratio", "kept",
                          "counted"));
    return output_format("%-21s %6u %11.2f %11.2f %7.3f %-4s  %s\n", row->name, row->value, row->microseconds,
                         row->least, row->ratio, row->kept ? "kept" : "", row->counted);
}

static int print_device(const benching *b)
{
    const hadal_device_info *d = b->info;
    if (b->output.json)
        return output_json(json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:I}", "type", "device", "index",
                                     (json_int_t)d->index, "name", d->name, "platform", d->platform, "driver",
                                     d->driver, "precision", engine_precision_name(d->precision), "hadal",
                                     hadal_version(), "tuned", (json_int_t)d->tuned));
    if (b->bench_output.csv)
        return 0;
    TRY(output_format("hadal %s on %s, %s, driver %s, precision %s", hadal_version(), d->name, d->platform, d->driver,
                      engine_precision_name(d->precision)));
    if (d->tuned)
        TRY(output_format(", %u tuned %s", d->tuned, d->tuned == 1 ? "size" : "sizes"));
    return output_format("\n");
}

static bool on_row(void *user, const hadal_bench_row *row)
{
    benching *b = user;
    if (b->rows == 0)
        b->code = print_device(b);
    if (b->code == 0)
        b->code = b->output.json        ? print_json(row)
                  : b->bench_output.csv ? print_csv(b, row)
                  : row->value          ? print_size(b, row)
                                        : print_text(b, row);
    if (b->code == 0)
        b->code = output_flush(); /* the next row may take long */
    b->rows++;
    if (b->code == 0 && signals_caught())
        b->code = EX_STOPPED;
    return b->code == 0;
}

/* ---- Before the rows ------------------------------------------------------------------------------ */

/* "1,16,64" */
static int parse_list(value_list *list, const char *option, const char *text)
{
    while (text && *text) {
        char *end;
        errno = 0;
        unsigned long long value = *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;
        if (value < 1 || value > INT32_MAX || errno || (*end != ',' && *end != '\0') || (*end == ',' && !end[1]))
            return report(EX_USAGE, "--%s: '%s' does not begin with a whole number from 1 to %d; expected some with "
                          "commas between them, as 1,16", option, text, INT32_MAX);
        if (list->count == MOST_VALUES)
            return report(EX_USAGE, "--%s: more than %d numbers", option, MOST_VALUES);
        list->values[list->count++] = (size_t)value;
        text = *end ? end + 1 : end;
    }
    return 0;
}

static hadal_bench_options options_of(const benching *b)
{
    static const unsigned phases[] = {0, HADAL_BENCH_DECODE, HADAL_BENCH_PREFILL};
    return (hadal_bench_options){
        .dims = b->settings.dims,
        .contexts = b->contexts.count ? b->contexts.values : NULL,
        .context_count = b->contexts.count,
        .batches = b->batches.count ? b->batches.values : NULL,
        .batch_count = b->batches.count,
        .tokens = b->tokens.count ? b->tokens.values : NULL,
        .token_count = b->tokens.count,
        .phases = phases[b->settings.phase],
        .seconds = b->settings.seconds,
        .sizes = b->settings.sizes,
        .working_set = b->settings.working_set << 20,
    };
}

/* ---- The benches ---------------------------------------------------------------------------------- */

typedef hadal_status bench_function(hadal_device *device, const hadal_bench_options *options, hadal_bench_report rows,
                                    void *user);

static hadal_status bench_model(hadal_device *device, const hadal_bench_options *options, hadal_bench_report rows,
                                void *user)
{
    const benching *b = user;
    hadal_model *model;
    const hadal_model_options own = {.linear = HADAL_LINEAR_OWN};
    hadal_status status =
        b->settings.model ? hadal_model_load(&model, device, b->settings.model, &own)
                          : hadal_model_random(&model, device, options->dims, (uint32_t)b->settings.layers, &own);
    if (status != HADAL_OK)
        return status;
    status = hadal_bench_model(model, options, rows, user);
    hadal_model_free(model);
    return status;
}

static hadal_status bench_tune(hadal_device *device, const hadal_bench_options *options, hadal_bench_report rows,
                               void *user)
{
    const benching *b = user;
    return b->settings.reset ? hadal_bench_tune_reset(device) : hadal_bench_tune(device, options, rows, user);
}

static const struct {
    const char *name;
    bench_function *run;
} benches[] = {
    {"device", hadal_bench_device},
    {"ops", hadal_bench_ops},
    {"attention", hadal_bench_attention},
    {"model", bench_model},
    {"tune", bench_tune},
};

enum { BENCH_COUNT = sizeof benches / sizeof *benches };

static int find_bench(bench_function **run, int argc, char **argv, int first)
{
    const char *names[BENCH_COUNT];
    if (argc - first != 1)
        return report(EX_USAGE, "bench takes one operand: device, ops, attention, model or tune");
    for (size_t i = 0; i < BENCH_COUNT; i++) {
        names[i] = benches[i].name;
        if (strcmp(argv[first], names[i]) == 0) {
            *run = benches[i].run;
            return 0;
        }
    }
    const char *nearest = options_nearest(argv[first], names, BENCH_COUNT);
    return report(EX_USAGE, "no bench '%s'; did you mean '%s'?", argv[first], nearest ? nearest : names[0]);
}

static int write_end(const benching *b)
{
    if (b->output.json)
        return output_json(json_pack("{s:s, s:I}", "type", "done", "tuned", (json_int_t)b->info->tuned));
    if (b->bench_output.csv)
        return 0;
    return output_format("%u %s from the usual ones from now on\n", b->info->tuned,
                         b->info->tuned == 1 ? "size differs" : "sizes differ");
}

static int run_bench(benching *b, bench_function *run)
{
    hadal_device *device;
    const hadal_bench_options options = options_of(b);
    TRY(report_status(hadal_device_open(&device, &(hadal_device_options){
                                                     .selector = engine_device_selector(&b->device_settings),
                                                     .precision = (hadal_precision)b->precision.precision,
                                                 })));
    b->info = hadal_device_describe(device);
    if (run != bench_tune)
        engine_warn_of_tuning(device, &b->output);
    int code = report_status(run(device, &options, on_row, b));
    if (code == 0 && b->code == 0 && run == bench_tune)
        b->code = write_end(b);
    hadal_device_close(device);
    return b->code != 0 ? b->code : code;
}

static int run(const command *self, int argc, char **argv)
{
    benching b = {.settings = {.layers = 4}};
    const option_group groups[] = {
        bench_settings_group("What to measure", &b.settings),
        device_settings_group(NULL, &b.device_settings),
        precision_settings_group(NULL, &b.precision),
        output_settings_group("Output", &b.output),
        bench_output_settings_group(NULL, &b.bench_output),
    };
    int first;
    bench_function *chosen = NULL;
    TRY(options_parse(self, groups, sizeof groups / sizeof *groups, argc, argv, &first));
    TRY(find_bench(&chosen, argc, argv, first));
    if (b.settings.reset && chosen != bench_tune)
        return report(EX_USAGE, "--reset is of bench tune alone");
    if (b.output.json && b.bench_output.csv)
        return report(EX_USAGE, "--json and --csv exclude each other");
    TRY(parse_list(&b.contexts, "context", b.settings.contexts));
    TRY(parse_list(&b.tokens, "tokens", b.settings.tokens));
    TRY(parse_list(&b.batches, "batch", b.settings.batches));
    return run_bench(&b, chosen);
}

const command bench_command = {"bench", "device|ops|attention|model|tune",
                               "Measures the device and how near its limits the kernels come.", run};
