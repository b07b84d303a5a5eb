/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which sizes of tiles and work-groups are fastest on a device (device/tuning.h): one after another, each with those
 * before it as they were chosen, over a few operations of the family that has it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "bench/ops.h"
#include "device/tuning.h"
#include "model/expect.h"

enum { STEPS = 3, CASES = 8, MOST_LAUNCHES = 64 };

/* What one repetition of each case of a family launches: enough of it to tell whether a size matters here. */
typedef struct trace {
    struct {
        const char *kernel;
        size_t groups, items;
    } launches[CASES * MOST_LAUNCHES];
    size_t count;
} trace;

/* What is measured of a family. */
typedef struct tune_case {
    const char *family, *name;
    bench_work *run;
    void *state;
} tune_case;

typedef struct tune {
    bench b;
    model_config config;
    size_t tokens, context;
    ops steps[STEPS]; /* of products */
    size_t step_count;
    sequences attention[2]; /* decode, prefill */
    size_t attention_count;
    tune_case cases[CASES];
    size_t case_count;
    trace usual, other;
} tune;

static void add_case(tune *t, const char *family, const char *name, bench_work *run, void *state)
{
    t->cases[t->case_count++] = (tune_case){family, name, run, state};
}

/* ---- What is measured ------------------------------------------------------------------------------- */

/* A step of products: copies of a dense MLP's gate_proj, or of its down_proj, for its tokens. */
static hadal_status add_step(tune *t, size_t tokens, bool down)
{
    ops *o = &t->steps[t->step_count];
    const model_config *c = &t->config;
    TRY(ops_create(o, &t->b, c, tokens, tokens));
    t->step_count++;
    o->rows = tokens;
    o->in = down ? o->a->gate : o->a->h;
    o->out = down ? o->a->shared_out : o->a->gate;
    return ops_make_weights(o, true, 0, down ? c->hidden_size : c->intermediate_size,
                            down ? c->intermediate_size : c->hidden_size);
}

static hadal_status make_matvec(tune *t)
{
    TRY(add_step(t, 1, false));
    TRY(add_step(t, 1, true));
    TRY(ops_make_experts(&t->steps[0]));
    add_case(t, "matvec", "gate_proj", ops_run_linear, &t->steps[0]);
    add_case(t, "matvec", "down_proj", ops_run_linear, &t->steps[1]);
    if (ops_experts_are_fused(&t->steps[0]))
        add_case(t, "matvec", "experts", ops_run_experts_of_one, &t->steps[0]);
    return HADAL_OK;
}

/* Steps of several tokens: of few, of as many as a batch may have, and of prefill. Experts are those of the first. */
static hadal_status make_linear(tune *t)
{
    const size_t tokens[STEPS] = {8, 64, t->tokens};
    static const char *const names[STEPS] = {"gate_proj of 8", "gate_proj of 64", "gate_proj of prefill"};
    static const char *const expert_names[STEPS] = {"experts of 8", "experts of 64", "experts of prefill"};
    for (size_t i = 0; i < STEPS; i++) {
        TRY(add_step(t, tokens[i], false));
        TRY(i ? ops_make_choices(&t->steps[i]) : ops_make_experts(&t->steps[i]));
        t->steps[i].gate = t->steps[0].gate;
        add_case(t, "linear", names[i], ops_run_linear, &t->steps[i]);
        add_case(t, "linear", expert_names[i], ops_run_gate, &t->steps[i]);
    }
    return HADAL_OK;
}

static hadal_status make_attention(tune *t)
{
    for (size_t i = 0; i < 2; i++) {
        TRY(sequences_create(&t->attention[i], &t->b, &t->config, 1, i ? t->tokens : 1, t->context));
        t->attention_count++;
    }
    sequences *decode = &t->attention[0], *prefill = &t->attention[1];
    add_case(t, "index_scores", "decode", sequences_index, decode);
    add_case(t, "index_scores", "prefill", sequences_index, prefill);
    add_case(t, "top_k", "decode", sequences_select, decode);
    add_case(t, "top_k", "prefill", sequences_select, prefill);
    add_case(t, "attend", "sparse decode", sequences_attend, decode);
    add_case(t, "attend", "dense decode", sequences_dense, decode);
    add_case(t, "attend", "sparse prefill", sequences_attend, prefill);
    return HADAL_OK;
}

static void free_all(tune *t)
{
    for (size_t i = 0; i < t->step_count; i++) {
        ops_free_weights(&t->steps[i]);
        if (i > 0)
            t->steps[i].gate = (matrix){0}; /* not its own */
        ops_free_experts(&t->steps[i]);
        ops_free(&t->steps[i]);
    }
    for (size_t i = 0; i < t->attention_count; i++)
        sequences_free(&t->attention[i]);
    t->step_count = t->attention_count = t->case_count = 0;
}

/* From now on the size has that value, also where operations have it already. */
static hadal_status set_size(tune *t, tuned_size size, uint32_t value)
{
    if (!device_set_tuned(t->b.device, size, value))
        return failure(HADAL_ERROR_INTERNAL, "%s cannot be %u; this is a bug in hadal", tuning_entry_of(size)->name,
                       value);
    for (size_t i = 0; i < t->step_count; i++) {
        linear_free(&t->steps[i].linear);
        TRY(linear_create(&t->steps[i].linear, t->b.device, HADAL_LINEAR_OWN));
    }
    for (size_t i = 0; i < t->attention_count; i++)
        TRY(sequences_create_operations(&t->attention[i]));
    return HADAL_OK;
}

/* ---- Measuring -------------------------------------------------------------------------------------- */

static bool has_size(const tune_case *measured, const tuning_entry *entry)
{
    size_t length = strlen(measured->family);
    return strncmp(measured->family, entry->name, length) == 0 && entry->name[length] == '.';
}

static hadal_status take_trace(trace *taken, tune *t, const tuning_entry *entry)
{
    size_t count;
    taken->count = 0;
    TRY(device_set_profile(t->b.device, true, NULL));
    for (size_t i = 0; i < t->case_count; i++) {
        if (!has_size(&t->cases[i], entry))
            continue;
        TRY(t->cases[i].run(t->cases[i].state, 0));
        TRY(device_records(t->b.device, t->b.records, &count));
        for (size_t k = 0; k < min_size(count, MOST_LAUNCHES); k++) {
            const launch_record *record = &t->b.records[k];
            taken->launches[taken->count].kernel = record->kernel;
            taken->launches[taken->count].groups = record->groups;
            taken->launches[taken->count++].items = record->items;
        }
    }
    return device_set_profile(t->b.device, false, NULL);
}

static bool is_same(const trace *a, const trace *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = a->launches[i].kernel == b->launches[i].kernel && a->launches[i].groups == b->launches[i].groups &&
               a->launches[i].items == b->launches[i].items;
    return same;
}

/* One value of a size: the medians and the least times of its cases, and their sums as a row. */
typedef struct trial {
    double medians[CASES], least[CASES];
    bench_case row;
} trial;

static hadal_status measure(trial *made, tune *t, const tuning_entry *entry, uint32_t value)
{
    hadal_bench_row *row = &made->row.row;
    *made = (trial){.row = {.row = {.name = entry->name, .phase = "", .clock = "", .value = value}}};
    for (size_t i = 0; i < t->case_count; i++) {
        const tune_case *c = &t->cases[i];
        bench_case measured = {.row = {.name = c->name}, .run = c->run, .state = c->state};
        if (!has_size(c, entry))
            continue;
        TRY(bench_best_only(&t->b, &measured));
        made->medians[i] = measured.row.microseconds;
        made->least[i] = measured.row.least;
        row->microseconds += measured.row.microseconds;
        row->least += measured.row.least;
        row->most += measured.row.most;
        row->launches += measured.row.launches;
        row->samples = row->samples ? min_size(row->samples, measured.row.samples) : measured.row.samples;
    }
    return HADAL_OK;
}

/* How many times less time a trial takes than another: the mean over cases, of which each counts the same. By medians
 * or by least times, whichever shows less: what else runs on a machine rarely moves both. */
static double gain_of(const trial *made, const trial *than)
{
    double medians = 0, least = 0, count = 0;
    for (size_t i = 0; i < CASES; i++)
        if (than->least[i] > 0) {
            medians += made->medians[i] / than->medians[i];
            least += made->least[i] / than->least[i];
            count++;
        }
    return count > 0 ? count / (medians > least ? medians : least) : 1;
}

/* ---- One size --------------------------------------------------------------------------------------- */

/* How much better a value must be than the usual one to be kept, in each of ROUNDS comparisons: more than noise. */
static const double worthwhile = 1.02;
enum { ROUNDS = 3 };

typedef struct contest {
    tuned_size size;
    uint32_t values[TUNED_MOST_VALUES];
    double gains[TUNED_MOST_VALUES];
    trial trials[TUNED_MOST_VALUES]; /* the first one has the usual value */
    size_t count, best;
} contest;

/* Measures each value that changes launches. */
static hadal_status try_values(contest *c, tune *t)
{
    const tuning_entry *entry = tuning_entry_of(c->size);
    const uint16_t *values;
    size_t count = tuning_values(&values, t->b.device, c->size);
    c->count = 0;
    if (count < 2)
        return HADAL_OK;
    c->values[0] = device_tuned(t->b.device, c->size);
    TRY(take_trace(&t->usual, t, entry));
    for (size_t i = 0; i < count; i++) {
        if (values[i] == c->values[0])
            continue;
        TRY(set_size(t, c->size, values[i]));
        TRY(take_trace(&t->other, t, entry));
        if (is_same(&t->usual, &t->other))
            continue;
        if (!c->count) {
            TRY(set_size(t, c->size, c->values[0]));
            TRY(measure(&c->trials[c->count++], t, entry, c->values[0]));
            TRY(set_size(t, c->size, values[i]));
        }
        c->values[c->count] = values[i];
        TRY(measure(&c->trials[c->count++], t, entry, values[i]));
    }
    return HADAL_OK;
}

/* Compares the best value with the usual one anew, in turn, and keeps its least gain. */
static hadal_status compare_again(contest *c, tune *t)
{
    trial again[2];
    const size_t pair[2] = {0, c->best};
    for (size_t i = 0; i < 2; i++) {
        TRY(set_size(t, c->size, c->values[pair[i]]));
        TRY(measure(&again[i], t, tuning_entry_of(c->size), c->values[pair[i]]));
    }
    double gain = gain_of(&again[1], &again[0]);
    if (gain < c->gains[c->best])
        c->gains[c->best] = gain;
    return HADAL_OK;
}

static hadal_status report_trials(contest *c, tune *t)
{
    byte_array counted = {0};
    hadal_status status = bytes_format(&counted, "%s: ", tuning_entry_of(c->size)->what);
    const char *separator = "";
    for (size_t i = 0; status == HADAL_OK && i < t->case_count; i++)
        if (has_size(&t->cases[i], tuning_entry_of(c->size))) {
            status = bytes_format(&counted, "%s%s", separator, t->cases[i].name);
            separator = " + ";
        }
    for (size_t i = 0; status == HADAL_OK && i < c->count; i++) {
        bench_case *row = &c->trials[i].row;
        row->row.counted = counted.data;
        row->row.kept = i == c->best;
        row->against = c->gains[i] * row->row.microseconds;
        status = bench_report_row(&t->b, row);
    }
    bytes_free(&counted);
    return status;
}

static hadal_status choose(tune *t, tuned_size size)
{
    contest c = {.size = size};
    TRY(try_values(&c, t));
    for (size_t i = 0; i < c.count; i++) {
        c.gains[i] = gain_of(&c.trials[i], &c.trials[0]);
        if (c.gains[i] > c.gains[c.best])
            c.best = i;
    }
    for (size_t round = 1; c.best && round < ROUNDS && c.gains[c.best] >= worthwhile; round++)
        TRY(compare_again(&c, t));
    if (c.gains[c.best] < worthwhile)
        c.best = 0;
    TRY(set_size(t, size, c.count ? c.values[c.best] : 0));
    return report_trials(&c, t);
}

/* ---- All -------------------------------------------------------------------------------------------- */

/* The sizes from first to last, which the operations of one make have. */
typedef struct part {
    hadal_status (*make)(tune *t);
    tuned_size first, last;
} part;

/* Whether that size is asked for, and this device has a choice. */
static bool is_wanted(const tune *t, tuned_size size)
{
    const uint16_t *values;
    const char *begin = t->b.options.sizes ? t->b.options.sizes : "";
    return strncmp(tuning_entry_of(size)->name, begin, strlen(begin)) == 0 &&
           tuning_values(&values, t->b.device, size) > 1;
}

static hadal_status tune_part(tune *t, const part *tuned)
{
    hadal_status status = HADAL_OK;
    bool made = false;
    for (tuned_size size = tuned->first; status == HADAL_OK && size <= tuned->last; size++) {
        if (!is_wanted(t, size))
            continue;
        if (!made)
            status = tuned->make(t);
        made = true;
        if (status == HADAL_OK)
            status = choose(t, size);
    }
    free_all(t);
    return status;
}

/* Kernels with the chosen sizes are right, or nothing is kept. */
static void keep_failure(void *user, const char *name, bool passed, double error, const char *detail)
{
    char *kept = user;
    (void)error;
    if (!passed && !*kept)
        snprintf(kept, BENCH_TEXT, "%s: %s", name, detail);
}

static hadal_status prove_and_keep(hadal_device *device)
{
    char reason[BENCH_TEXT] = "";
    size_t failed = 0;
    if (hadal_device_describe(device)->tuned)
        TRY(hadal_device_self_test(device, &failed, keep_failure, reason));
    if (failed)
        return failure(HADAL_ERROR_INTERNAL, "bench tune: the self-test fails with the fastest sizes, so that none is "
                       "kept (%s); please report this", reason);
    return device_keep_tuned(device);
}

static hadal_status tune_all(tune *t)
{
    static const part parts[] = {{make_matvec, TUNED_MATVEC_ROWS, TUNED_MATVEC_ITEMS},
                                 {make_linear, TUNED_LINEAR_TOKENS, TUNED_LINEAR_EXPERTS_FROM},
                                 {make_attention, TUNED_INDEX_SCORES_KEYS, TUNED_ATTEND_GROUPS}};
    size_t wanted = 0;
    for (tuned_size size = 0; size < TUNED_SIZES; size++)
        if (is_wanted(t, size)) {
            TRY(set_size(t, size, 0));
            wanted++;
        }
    if (!wanted)
        return failure(HADAL_ERROR_ARGUMENT, "bench tune: this device has no size whose name begins with '%s'; "
                       "expected the name of one or its beginning, as %s or attend", t->b.options.sizes,
                       tuning_entry_of(TUNED_ATTEND_GROUPS)->name);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        TRY(tune_part(t, &parts[i]));
    return prove_and_keep(t->b.device);
}

hadal_status hadal_bench_tune(hadal_device *device, const hadal_bench_options *options, hadal_bench_report report,
                              void *user)
{
    const hadal_bench_options none = {0}, *o = options ? options : &none;
    uint32_t before[TUNED_SIZES];
    hadal_status status;
    tune *t;
    TRY(memory_allocate(&t, 1, sizeof *t));
    t->tokens = o->token_count ? o->tokens[0] : 2048;
    t->context = o->context_count ? o->contexts[0] : 32768;
    TRY_OR(done, config_of_dims(&t->config, o->dims));
    status = bench_open(&t->b, device, "tune", options, report, user);
    for (tuned_size i = 0; i < TUNED_SIZES; i++)
        before[i] = device_tuned(device, i);
    if (status == HADAL_OK)
        status = tune_all(t);
    for (tuned_size i = 0; status != HADAL_OK && i < TUNED_SIZES; i++)
        device_set_tuned(device, i, before[i]);
    bench_close(&t->b);
done:
    free(t);
    return status;
}

hadal_status hadal_bench_tune_reset(hadal_device *device)
{
    for (tuned_size i = 0; i < TUNED_SIZES; i++)
        device_set_tuned(device, i, 0);
    return device_keep_tuned(device);
}
