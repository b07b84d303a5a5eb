/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Prompt in, tokens and text out. The session is left with the prompt and all generated tokens but the last, which is
 * only fed when another is wanted. */

#include <stdlib.h>

#include "base/clock.h"
#include "session/session.h"
#include "session/stop.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

typedef struct generation {
    hadal_session *session;
    hadal_sampler *sampler;
    const hadal_tokenizer *tokenizer; /* NULL: no text */
    const hadal_generate_options *options;
    detokenizer detokenizer;
    stop_filter *stops;
    byte_array decoded; /* of one token: what the detokenizer gave */
    byte_array answer;  /* what the stop filter let through */
    hadal_tokens tokens;
    hadal_finish finish;
} generation;

/* Moves what the detokenizer gave on to the answer. */
static hadal_status extend_answer(generation *on, bool *stopped)
{
    hadal_status status = stop_push(on->stops, on->decoded.data, on->decoded.length, &on->answer, stopped);
    on->decoded.length = 0;
    return status;
}

/* Tells the caller of a token and of the answer's text from byte `before` on; false: the caller wants no more. */
static bool tell(const generation *on, int32_t token, double logprob, size_t before)
{
    if (!on->options->token)
        return true;
    size_t length = on->answer.length - before;
    const hadal_token_event event = {token, logprob, length ? on->answer.data + before : "", length};
    return on->options->token(on->options->user, &event);
}

/* Takes one picked token; *more: another is wanted, else on->finish says why not. room: one could follow. */
static hadal_status take(generation *on, int32_t token, double logprob, bool room, bool *more)
{
    size_t before = on->answer.length;
    bool stopped = false;
    hadal_sampler_accept(on->sampler, token);
    TRY(hadal_tokens_append(&on->tokens, &token, 1));
    if (on->tokenizer) {
        TRY(detokenizer_push(&on->detokenizer, &on->decoded, token));
        TRY(extend_answer(on, &stopped));
    }
    bool wanted = tell(on, token, logprob, before);
    *more = false;
    if (stopped)
        on->finish = HADAL_FINISH_STOP;
    else if (!wanted)
        on->finish = HADAL_FINISH_INTERRUPTED;
    else if (on->tokens.count == on->options->max_tokens)
        on->finish = HADAL_FINISH_LENGTH;
    else if (!room)
        on->finish = HADAL_FINISH_CONTEXT;
    else
        *more = true;
    return HADAL_OK;
}

static bool ends_sentence(const generation *on, int32_t token)
{
    return token == session_model(on->session)->eos_token_id ||
           (on->tokenizer && token == tokenizer_eos(on->tokenizer));
}

/* The device is at the next token while the host tells of the last: a log-probability goes through the vocabulary, text
 * and output take their time. A caller who wants no more costs it one step in vain. */
static hadal_status decode(generation *on)
{
    const hadal_session *session = on->session;
    for (bool more = true; more;) {
        int32_t token;
        TRY(hadal_sampler_pick(on->sampler, hadal_session_logits(session), &token, NULL));
        if (!on->options->ignore_eos && ends_sentence(on, token)) {
            on->finish = HADAL_FINISH_EOS;
            return HADAL_OK;
        }
        bool room = hadal_session_length(session) < session_context(session);
        hadal_status started = HADAL_OK; /* what fails there doesn't take away the token that was picked */
        if (room && on->tokens.count + 1 != on->options->max_tokens)
            started = session_start(on->session, token);
        double logprob = hadal_log_probability(hadal_session_logits(session), session_model(session)->vocab_size,
                                               token);
        TRY(take(on, token, logprob, room, &more));
        if (more) {
            TRY(started);
            TRY(session_join(on->session));
        }
    }
    return HADAL_OK;
}

/* What was held back is text after all: the answer is over, and no stop text came of it. */
static hadal_status flush(generation *on)
{
    size_t before = on->answer.length;
    bool stopped;
    if (!on->tokenizer || on->finish == HADAL_FINISH_STOP)
        return HADAL_OK;
    TRY(detokenizer_finish(&on->detokenizer, &on->decoded));
    TRY(extend_answer(on, &stopped));
    if (stopped)
        on->finish = HADAL_FINISH_STOP;
    else
        TRY(stop_finish(on->stops, &on->answer));
    if (on->answer.length > before)
        (void)tell(on, -1, 0, before);
    return HADAL_OK;
}

/* *stopped: the caller's progress function ended it. */
static hadal_status prefill(generation *on, const int32_t *prompt, size_t count, bool *stopped)
{
    const hadal_feed_options feed = {.progress = on->options->progress, .user = on->options->user};
    hadal_status status = hadal_session_feed(on->session, prompt, count, &feed);
    *stopped = status == HADAL_STOPPED;
    if (*stopped)
        return HADAL_OK;
    TRY(status);
    for (size_t i = 0; i < count; i++)
        hadal_sampler_accept(on->sampler, prompt[i]);
    return HADAL_OK;
}

static hadal_status run(generation *on, hadal_generate_result *result, const int32_t *prompt, size_t count)
{
    bool stopped;
    double start = clock_seconds();
    TRY(bytes_append(&on->answer, "", 0)); /* a text even when no token comes */
    TRY(stop_create(&on->stops, on->options->stop, on->options->stop_count));
    TRY(prefill(on, prompt, count, &stopped));
    double begin = clock_seconds();
    on->finish = HADAL_FINISH_INTERRUPTED;
    if (!stopped) {
        TRY(decode(on));
        TRY(flush(on));
    }
    *result = (hadal_generate_result){
        .finish = on->finish, .prompt_tokens = count, .generated_tokens = on->tokens.count,
        .prefill_seconds = begin - start, .decode_seconds = clock_seconds() - begin,
        .text = on->answer.data, .length = on->answer.length, .tokens = on->tokens,
    };
    on->answer = (byte_array){0}; /* both are the result's now */
    on->tokens = (hadal_tokens){0};
    return HADAL_OK;
}

hadal_status hadal_generate(hadal_generate_result *result, hadal_session *session, hadal_sampler *sampler,
                            const hadal_tokenizer *tokenizer, const int32_t *prompt, size_t count,
                            const hadal_generate_options *options)
{
    static const hadal_generate_options defaults = {0};
    *result = (hadal_generate_result){0};
    if (!options)
        options = &defaults;
    if (options->stop_count && !tokenizer)
        return failure(HADAL_ERROR_ARGUMENT, "stop texts need a tokenizer");
    generation on = {.session = session, .sampler = sampler, .tokenizer = tokenizer, .options = options,
                     .detokenizer = detokenizer_begin(tokenizer, options->special)};
    hadal_status status = run(&on, result, prompt, count);
    stop_free(on.stops);
    bytes_free(&on.decoded);
    bytes_free(&on.answer);
    hadal_tokens_free(&on.tokens);
    return status;
}

void hadal_generate_result_free(hadal_generate_result *result)
{
    free(result->text);
    hadal_tokens_free(&result->tokens);
    *result = (hadal_generate_result){0};
}
