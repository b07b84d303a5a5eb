/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal generate: a prompt in, its continuation out; with --each a record of prompts at a time. */

#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/profile.h"
#include "cli/prompt.h"
#include "cli/records.h"
#include "cli/report.h"
#include "cli/sampling.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#define ANSWER_OPTIONS(X)                                                                    \
    X(COUNT, max_tokens, 'n', "max-tokens", "N", COUNTS(0, INT32_MAX),                       \
      "at most N tokens; 0: until the context is full (default: 256)")                       \
    X(TEXTS, stop, 0, "stop", "TEXT", ANY, "end before TEXT; may be given several times")    \
    X(FLAG, ignore_eos, 0, "ignore-eos", NULL, ANY, "go on after the end-of-sentence token") \
    X(FLAG, profile, 0, "profile", NULL, ANY, "print time, launches and bytes of every kernel afterwards")

OPTION_GROUP(answer_settings, ANSWER_OPTIONS)

typedef struct generation {
    prompt_settings prompt;
    answer_settings answer;
    sampling_settings sampling;
    model_settings model;
    device_settings device;
    precision_settings precision;
    session_settings session;
    engine_settings engine_settings;
    output_settings output;
    prompt_source source;

    record record; /* --each: the one that is answered; else its number is 0 */
    engine engine;
    hadal_tokens tokens; /* of the prompt */
    progress_bar bar;
    char last_byte;      /* of the answer so far */
    int code;            /* of the output so far */
} generation;

/* ---- While it runs ------------------------------------------------------------------------------ */

/* What every object of --each has; left out, as NULL, without it. */
static json_t *record_number(const generation *g)
{
    return g->record.number ? json_integer((json_int_t)g->record.number) : NULL;
}

static int write_token_json(const generation *g, const hadal_token_event *event)
{
    if (event->id < 0)
        return output_json(json_pack("{s:s, s:o*, s:s%}", "type", "text", "record", record_number(g), "text",
                                     event->text, event->length));
    return output_json(json_pack("{s:s, s:o*, s:i, s:s%, s:o}", "type", "token", "record", record_number(g), "id",
                                 (int)event->id, "text", event->text, event->length, "logprob",
                                 output_number(event->logprob)));
}

static int write_token(generation *g, const hadal_token_event *event)
{
    if (g->output.json)
        TRY(write_token_json(g, event));
    else if (g->record.number)
        return 0; /* an answer to a record is written whole */
    else if (!g->engine.tokenizer)
        TRY(output_format("%d\n", (int)event->id));
    else
        TRY(output_text(event->text, event->length));
    if (event->length > 0)
        g->last_byte = event->text[event->length - 1];
    return output_flush();
}

static bool on_token(void *user, const hadal_token_event *event)
{
    generation *g = user;
    progress_end(&g->bar);
    g->code = write_token(g, event);
    return g->code == 0 && !signals_caught();
}

static bool on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    generation *g = user;
    return progress_update(&g->bar, stage, done, total);
}

/* ---- Afterwards --------------------------------------------------------------------------------- */

static const char *finish_name(hadal_finish finish)
{
    switch (finish) {
    case HADAL_FINISH_LENGTH: return "length";
    case HADAL_FINISH_EOS: return "eos";
    case HADAL_FINISH_STOP: return "stop";
    case HADAL_FINISH_CONTEXT: return "context";
    case HADAL_FINISH_INTERRUPTED: return "interrupted";
    }
    return "unknown";
}

/* Null when nothing was measured. */
static json_t *rate(size_t tokens, double seconds)
{
    return tokens > 0 && seconds > 0 ? output_number((double)tokens / seconds) : json_null();
}

static int write_done_json(generation *g, const hadal_generate_result *result)
{
    json_t *profile = NULL;
    if (g->answer.profile)
        TRY(profile_json(&profile, g->engine.device));
    json_t *usage = json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)result->prompt_tokens,
                              "completion_tokens", (json_int_t)result->generated_tokens, "total_tokens",
                              (json_int_t)(result->prompt_tokens + result->generated_tokens));
    json_t *timing = json_pack("{s:f, s:f, s:f, s:o, s:o}", "load_seconds", g->engine.load_seconds, "prefill_seconds",
                               result->prefill_seconds, "decode_seconds", result->decode_seconds,
                               "prefill_tokens_per_second", rate(result->prompt_tokens, result->prefill_seconds),
                               "decode_tokens_per_second", rate(result->generated_tokens, result->decode_seconds));
    return output_json(json_pack("{s:s, s:o*, s:s%, s:o, s:s, s:o, s:o, s:I, s:s, s:o*}", "type", "done", "record",
                                 record_number(g), "text", result->text ? result->text : "", result->length,
                                 "tokens", output_ids(result->tokens.ids, result->tokens.count), "finish",
                                 finish_name(result->finish), "usage", usage, "timing", timing, "seed",
                                 (json_int_t)g->sampling.seed, "precision",
                                 engine_precision_name(hadal_device_describe(g->engine.device)->precision), "profile",
                                 profile));
}

static void tell_speed(const generation *g, const hadal_generate_result *result)
{
    double prefill = result->prefill_seconds, decode = result->decode_seconds;
    const char *title = g->record.title, *colon = *title ? ": " : "";
    report_note(g->engine_settings.verbose,
                "%s%sprompt of %zu tokens in %.2f s (%.1f/s), answer of %zu tokens in %.2f s (%.1f/s), ended by %s",
                title, colon, result->prompt_tokens, prefill, prefill > 0 ? (double)result->prompt_tokens / prefill : 0,
                result->generated_tokens, decode, decode > 0 ? (double)result->generated_tokens / decode : 0,
                finish_name(result->finish));
    report_note(result->finish == HADAL_FINISH_CONTEXT && !g->output.quiet,
                "%s%sthe answer ends because the context is full; -c N makes it larger", title, colon);
}

/* The answer to a record, or "" for one that has none, in one write if it is short: writers that share a pipe then keep
 * theirs whole. */
static int write_record(const generation *g, const char *text, size_t length)
{
    TRY(output_text(text, length));
    return output_text(g->prompt.null ? "\0" : "\n", 1);
}

/* What follows the answer: a line's end for people, the last event for programs, what was asked for on stderr. */
static int finish(generation *g, const hadal_generate_result *result)
{
    if (g->output.json)
        TRY(write_done_json(g, result));
    else if (g->record.number && result->finish == HADAL_FINISH_INTERRUPTED)
        return 0; /* what was written ends with a whole answer */
    else if (g->record.number)
        TRY(write_record(g, result->text, result->length));
    else if (g->engine.tokenizer && isatty(STDOUT_FILENO) && g->last_byte != '\n')
        TRY(output_text("\n", 1));
    TRY(output_flush());
    tell_speed(g, result);
    if (!g->answer.profile)
        return 0;
    size_t length = hadal_session_length(g->engine.session);
    return profile_print(g->engine.device,
                         &(profile_counts){
                             .prompt_tokens = g->tokens.count,
                             .decode_tokens = length > g->tokens.count ? length - g->tokens.count : 0,
                             .layers = hadal_model_describe(g->engine.model)->num_hidden_layers,
                         });
}

/* ---- The work ----------------------------------------------------------------------------------- */

static int generate(generation *g, hadal_sampler *sampler)
{
    hadal_generate_result result = {0};
    const hadal_generate_options options = {
        .max_tokens = g->answer.max_tokens,
        .stop = g->answer.stop.items,
        .stop_count = g->answer.stop.count,
        .ignore_eos = g->answer.ignore_eos,
        .special = g->prompt.special,
        .token = on_token,
        .progress = on_progress,
        .user = g,
    };
    progress_start(&g->bar, (terminal_when)g->engine_settings.progress, g->output.quiet);
    hadal_status status = hadal_generate(&result, g->engine.session, sampler, g->engine.tokenizer, g->tokens.ids,
                                         g->tokens.count, &options);
    progress_end(&g->bar);
    int code = g->code;
    if (status == HADAL_STOPPED)
        result.finish = HADAL_FINISH_INTERRUPTED; /* during the prompt */
    else if (code == 0)
        code = report_status(status);
    if (code == 0)
        code = finish(g, &result);
    hadal_generate_result_free(&result);
    return code;
}

/* Each answer has a sampler of its own: the same seed and prompt give the same answer, wherever it stands. */
static int sample(generation *g, const hadal_sampler_options *options)
{
    hadal_sampler *sampler = NULL;
    TRY(report_status(hadal_sampler_create(&sampler, hadal_model_describe(g->engine.model)->vocab_size, options)));
    int code = generate(g, sampler);
    hadal_sampler_free(sampler);
    return code;
}

static engine_request make_request(const generation *g)
{
    return (engine_request){
        .device = &g->device,
        .precision = &g->precision,
        .session = &g->session,
        .engine = &g->engine_settings,
        .output = &g->output,
        .profile = g->answer.profile,
        .title = "the input",
        .prompt = g->tokens.count,
        .total = g->answer.max_tokens == 0 ? 0 : g->tokens.count + g->answer.max_tokens,
    };
}

static void tell_seed(const generation *g)
{
    report_note(g->engine_settings.verbose, "seed %llu", (unsigned long long)g->sampling.seed);
}

static int open_and_generate(generation *g, const hadal_sampler_options *options)
{
    const engine_request request = make_request(g);
    TRY(engine_open(&g->engine, &request));
    tell_seed(g);
    return sample(g, options);
}

/* ---- A prompt a record -------------------------------------------------------------------------- */

/* Room for this record. Grown by doubling, so that few sessions are made; what -c says stays. */
static int make_room(generation *g)
{
    engine_request request = make_request(g);
    request.title = g->record.title;
    if (!g->session.context && request.total) {
        size_t room = 1024;
        while (room < request.total)
            room *= 2;
        request.total = room;
    }
    return engine_fit(&g->engine, &request);
}

/* The tokens of the record. EX_DATAERR: there is something wrong with it. */
static int tokenize_record(generation *g)
{
    g->tokens.count = 0;
    if (g->record.too_long)
        return report(EX_DATAERR, "%s: is longer than %d MiB, the most that a record may have", g->record.title,
                      RECORD_MEBIBYTES);
    return prompt_of_record(&g->tokens, &g->source, g->engine.tokenizer, g->record.text, g->record.title);
}

/* A record that was reported as wrong: its place in the output stays empty. */
static int pass_over(const generation *g)
{
    if (g->output.json)
        TRY(output_json(json_pack("{s:s, s:o*, s:I}", "type", "skipped", "record", record_number(g), "offset",
                                  (json_int_t)g->record.offset)));
    else
        TRY(write_record(g, "", 0));
    return output_flush();
}

/* Weights are loaded when the first record wants an answer. */
static int answer_record(generation *g, const hadal_sampler_options *options, bool *wrong)
{
    int code = tokenize_record(g);
    if (code == 0 && !g->engine.model) {
        const engine_request request = make_request(g);
        TRY(engine_load(&g->engine, &request));
        tell_seed(g);
    }
    if (code == 0)
        code = make_room(g);
    if (code == 0)
        return sample(g, options);
    if (code != EX_DATAERR)
        return code;
    *wrong = true;
    return pass_over(g);
}

static int answer_each(generation *g, const hadal_sampler_options *options)
{
    records *input;
    bool there, wrong = false;
    TRY(records_open(&input, g->source.records, g->prompt.null ? '\0' : '\n'));
    int code = records_next(input, &g->record, &there);
    while (code == 0 && there) {
        code = answer_record(g, options, &wrong);
        if (code == 0 && signals_caught())
            code = EX_STOPPED;
        if (code == 0)
            code = records_next(input, &g->record, &there);
    }
    records_close(input);
    return code == 0 && wrong ? EX_DATAERR : code;
}

/* ---- The command -------------------------------------------------------------------------------- */

static int run_parsed(generation *g)
{
    hadal_sampler_options options;
    TRY(engine_open_text(&g->engine, &g->model, !g->prompt.tokens));
    TRY(sampling_resolve(&options, &g->sampling, g->engine.directory));
    if (g->source.records)
        return answer_each(g, &options);
    if (!g->engine.tokenizer && g->answer.stop.count > 0)
        return report(EX_USAGE, "--stop: needs text, but %s has no tokenizer.json", g->engine.directory);
    TRY(prompt_read(&g->tokens, &g->source, g->engine.tokenizer));
    return open_and_generate(g, &options);
}

static int parse(generation *g, const command *self, int argc, char **argv)
{
    const option_group groups[] = {
        prompt_settings_group("Prompt", &g->prompt),
        answer_settings_group("Answer", &g->answer),
        sampling_settings_group("Choice of tokens", &g->sampling),
        model_settings_group("Model and device", &g->model),
        device_settings_group(NULL, &g->device),
        precision_settings_group(NULL, &g->precision),
        session_settings_group(NULL, &g->session),
        engine_settings_group(NULL, &g->engine_settings),
        output_settings_group("Output", &g->output),
    };
    int first;
    TRY(options_parse(self, groups, sizeof groups / sizeof *groups, argc, argv, &first));
    if (g->prompt.each && g->answer.profile)
        return report(EX_USAGE, "--profile: is of one answer; leave out --each");
    return prompt_choose(&g->source, &g->prompt, argc - first, argv + first);
}

static int run(const command *self, int argc, char **argv)
{
    generation g = {.answer.max_tokens = 256, .sampling = sampling_defaults()};
    int code = parse(&g, self, argc, argv);
    if (code == 0)
        code = run_parsed(&g);
    engine_close(&g.engine);
    hadal_tokens_free(&g.tokens);
    free(g.answer.stop.items);
    return code;
}

const command generate_command = {"generate", "[PROMPT]... | -", "Continues a prompt.", run};
