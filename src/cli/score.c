/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal score: how likely a model finds each token of a text. */

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/input.h"
#include "cli/npy.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#define SCORE_OPTIONS(X)                                                                                   \
    X(TEXT, tokens, 0, "tokens", "FILE", ANY, "score token ids instead of a text; no tokenizer is needed") \
    X(TEXT, logits, 0, "logits", "OUT.npy", ANY, "also write all logits, float32 [tokens, vocabulary]")    \
    X(FLAG, special, 0, "special", NULL, ANY, "recognise special tokens in the text")

OPTION_GROUP(score_settings, SCORE_OPTIONS)

typedef struct scoring {
    score_settings settings;
    model_settings model;
    device_settings device;
    precision_settings precision;
    session_settings session;
    engine_settings engine_settings;
    output_settings output;

    engine engine;
    hadal_tokens tokens;
    uint32_t vocab_size;
    npy_file logits;
    progress_bar bar;
    double sum;    /* of log-probabilities */
    size_t scored; /* how many */
    int code;      /* of the output so far */
} scoring;

/* The token's text as a JSON string, which shows every byte that would disturb a line; empty without a tokenizer. */
static int token_text(json_t **text, const scoring *s, int32_t id)
{
    char *characters = NULL;
    size_t length = 0;
    if (s->engine.tokenizer)
        TRY(report_status(hadal_detokenize(s->engine.tokenizer, &characters, &length, &id, 1, HADAL_TEXT_SPECIAL)));
    *text = json_stringn(characters ? characters : "", length);
    free(characters);
    return *text ? 0 : report_memory();
}

/* The line of one token. The first token follows nothing, so it has no log-probability: NAN here. */
static int write_score(const scoring *s, size_t position, double logprob)
{
    int32_t id = s->tokens.ids[position];
    json_t *text;
    TRY(token_text(&text, s, id));
    if (s->output.json)
        return output_json(json_pack("{s:s, s:I, s:i, s:o, s:o}", "type", "token", "position", (json_int_t)position,
                                     "id", (int)id, "text", text, "logprob", output_number(logprob)));
    char *quoted = json_dumps(text, JSON_ENCODE_ANY);
    json_decref(text);
    if (!quoted)
        return report_memory();
    int code = isnan(logprob) ? output_format("%zu\t%d\t-\t%s\n", position, (int)id, quoted)
                              : output_format("%zu\t%d\t%.6f\t%s\n", position, (int)id, logprob, quoted);
    free(quoted);
    return code;
}

/* The logits at a position are what the model says of the token after it. */
static int score_position(scoring *s, size_t position, const float *logits)
{
    if (position == 0)
        TRY(write_score(s, 0, (double)NAN));
    if (s->logits.stream)
        TRY(npy_write_row(&s->logits, logits));
    if (position + 1 >= s->tokens.count)
        return 0;
    double logprob = hadal_log_probability(logits, s->vocab_size, s->tokens.ids[position + 1]);
    s->sum += logprob;
    s->scored++;
    return write_score(s, position + 1, logprob);
}

static bool on_logits(void *user, size_t position, const float *logits)
{
    scoring *s = user;
    s->code = score_position(s, position, logits);
    return s->code == 0 && !signals_caught();
}

static bool on_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    scoring *s = user;
    s->code = output_flush();
    return s->code == 0 && progress_update(&s->bar, stage, done, total);
}

static int write_summary(const scoring *s)
{
    double mean = s->sum / (double)s->scored; /* NAN when there was one token only */
    if (s->output.json)
        return output_json(json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "type", "done", "tokens",
                                     (json_int_t)s->tokens.count, "scored", (json_int_t)s->scored, "logprob",
                                     output_number(s->sum),
                                     "mean_logprob", output_number(mean), "perplexity", output_number(exp(-mean))));
    if (s->scored == 0)
        return output_format("perplexity -\t(one token alone has none)\n");
    return output_format("perplexity %.6f\t(%zu tokens, mean log-probability %.6f)\n", exp(-mean), s->scored, mean);
}

static int feed(scoring *s)
{
    bool lines_are_shown = isatty(STDOUT_FILENO); /* then they show how far it is */
    progress_start(&s->bar, (terminal_when)s->engine_settings.progress, s->output.quiet || lines_are_shown);
    hadal_status status = hadal_session_feed(s->engine.session, s->tokens.ids, s->tokens.count,
                                             &(hadal_feed_options){
                                                 .logits = on_logits,
                                                 .progress = on_progress,
                                                 .user = s,
                                             });
    progress_end(&s->bar);
    return s->code != 0 ? s->code : report_status(status);
}

static int score(scoring *s)
{
    const engine_request request = {
        .device = &s->device,
        .precision = &s->precision,
        .session = &s->session,
        .engine = &s->engine_settings,
        .output = &s->output,
        .title = "the input",
        .prompt = s->tokens.count,
        .total = s->tokens.count,
    };
    TRY(engine_open(&s->engine, &request));
    s->vocab_size = hadal_model_describe(s->engine.model)->vocab_size;
    if (s->settings.logits)
        TRY(npy_create(&s->logits, s->settings.logits, s->tokens.count, s->vocab_size));
    TRY(feed(s));
    if (s->logits.stream)
        TRY(npy_finish(&s->logits));
    return write_summary(s);
}

static int read_text(scoring *s, const char *path)
{
    input_text text = {0};
    unsigned flags = HADAL_TEXT_BOS | (s->settings.special ? HADAL_TEXT_SPECIAL : 0U);
    int code = input_read(&text, path);
    if (code == 0 && text.length == 0)
        code = report(EX_DATAERR, "the text to score is empty");
    if (code == 0)
        code = report_status_of(hadal_tokenize(s->engine.tokenizer, &s->tokens, text.data, text.length, flags),
                                input_title(path));
    input_free(&text);
    return code;
}

static int run_parsed(scoring *s, const char *path)
{
    TRY(engine_open_text(&s->engine, &s->model, !s->settings.tokens));
    if (s->settings.tokens)
        TRY(input_read_tokens(&s->tokens, s->settings.tokens));
    else
        TRY(read_text(s, path));
    if (s->tokens.count == 0)
        return report(EX_DATAERR, "there is no token to score");
    return score(s);
}

static int parse(scoring *s, const char **path, const command *self, int argc, char **argv)
{
    const option_group groups[] = {
        score_settings_group("Text", &s->settings),
        model_settings_group("Model and device", &s->model),
        device_settings_group(NULL, &s->device),
        precision_settings_group(NULL, &s->precision),
        session_settings_group(NULL, &s->session),
        engine_settings_group(NULL, &s->engine_settings),
        output_settings_group("Output", &s->output),
    };
    int first;
    TRY(options_parse(self, groups, sizeof groups / sizeof *groups, argc, argv, &first));
    if (s->settings.tokens && first < argc)
        return report(EX_USAGE, "--tokens: gives all there is to score; leave out '%s'", argv[first]);
    return input_operand(path, argc - first, argv + first);
}

static int run(const command *self, int argc, char **argv)
{
    scoring s = {0};
    const char *path;
    int code = parse(&s, &path, self, argc, argv);
    if (code == 0)
        code = run_parsed(&s, path);
    npy_discard(&s.logits);
    engine_close(&s.engine);
    hadal_tokens_free(&s.tokens);
    return code;
}

const command score_command = {"score", "[FILE | -]", "Prints how likely a model finds each token of a text.", run};
