/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Timelines of tokens over a model: fed in chunks, answered with logits. */

#include <stdlib.h>

#include "base/memory.h"
#include "model/forward.h"
#include "model/model.h"
#include "session/session.h"

struct hadal_session {
    const hadal_model *model;
    settings settings;
    forward *forward;
    size_t *lengths;   /* [sequences] */
    forward_token *step; /* [chunk] */
    float *logits;     /* [logit_rows, vocab_size] */
    const float *last; /* row of the last token */
};

hadal_status hadal_session_create(hadal_session **session, hadal_model *model, const hadal_session_options *options)
{
    hadal_session *made;
    hadal_status status;
    *session = NULL;
    TRY(memory_allocate(&made, 1, sizeof *made));
    made->model = model;
    TRY_OR(failed, settings_resolve(&made->settings, &model->config, options, hadal_device_describe(model->device)));
    TRY_OR(failed, memory_allocate(&made->logits, made->settings.logit_rows * model->config.vocab_size,
                                   sizeof *made->logits));
    TRY_OR(failed, memory_allocate(&made->lengths, made->settings.sequences, sizeof *made->lengths));
    TRY_OR(failed, memory_allocate(&made->step, made->settings.chunk, sizeof *made->step));
    TRY_OR(failed, forward_create(&made->forward, model, &made->settings));
    TRY_OR(failed, forward_prepare(made->forward));
    made->last = made->logits;
    *session = made;
    return HADAL_OK;
failed:
    hadal_session_free(made);
    return status;
}

void hadal_session_free(hadal_session *session)
{
    if (!session)
        return;
    forward_free(session->forward);
    free(session->lengths);
    free(session->step);
    free(session->logits);
    free(session);
}

static hadal_status check_room(const hadal_session *session, size_t length, size_t count)
{
    if (!count)
        return failure(HADAL_ERROR_ARGUMENT, "no tokens were given; expected at least one");
    if (count > session->settings.context - length)
        return failure(HADAL_ERROR_ARGUMENT,
                       "%zu tokens do not fit: the context of %zu tokens holds %zu already; "
                       "use a longer context", count, session->settings.context, length);
    return HADAL_OK;
}

static hadal_status check_id(const hadal_session *session, size_t index, int32_t id)
{
    uint32_t vocabulary = session->model->config.vocab_size;
    if (id < 0 || (uint32_t)id >= vocabulary)
        return failure(HADAL_ERROR_DATA, "token %zu is %d; expected an id from 0 to %u", index, (int)id,
                       vocabulary - 1);
    return HADAL_OK;
}

/* Hands the logits of all tokens of the last step to the caller, a few rows at a time, counted from `start` on. */
static hadal_status give_logits(hadal_session *session, size_t count, size_t start, hadal_logits_callback logits,
                                void *user)
{
    size_t vocabulary = session->model->config.vocab_size;
    for (size_t first = 0; first < count; first += session->settings.logit_rows) {
        size_t rows = min_size(session->settings.logit_rows, count - first);
        TRY(forward_logits(session->forward, session->logits, first, rows));
        for (size_t row = 0; row < rows; row++)
            if (!logits(user, start + first + row, session->logits + row * vocabulary))
                return failure(HADAL_STOPPED, "stopped by the caller");
        session->last = session->logits + (rows - 1) * vocabulary;
    }
    return HADAL_OK;
}

static hadal_status feed_chunk(hadal_session *session, const int32_t *tokens, size_t count, bool last,
                               const hadal_feed_options *options)
{
    size_t length = session->lengths[0];
    for (size_t i = 0; i < count; i++)
        session->step[i] = (forward_token){tokens[i], (int32_t)(length + i), 0};
    TRY(forward_step(session->forward, session->step, count));
    if (options->logits) {
        TRY(give_logits(session, count, length, options->logits, options->user));
    } else if (last) {
        TRY(forward_logits(session->forward, session->logits, count - 1, 1));
        session->last = session->logits;
    }
    session->lengths[0] += count;
    return HADAL_OK;
}

hadal_status hadal_session_feed(hadal_session *session, const int32_t *tokens, size_t count,
                                const hadal_feed_options *options)
{
    static const hadal_feed_options defaults = {0};
    if (!options)
        options = &defaults;
    TRY(check_room(session, session->lengths[0], count));
    for (size_t i = 0; i < count; i++)
        TRY(check_id(session, i, tokens[i]));
    TRY(forward_expect(session->forward, count));
    for (size_t done = 0; done < count;) {
        size_t chunk = min_size(session->settings.chunk, count - done);
        TRY(feed_chunk(session, tokens + done, chunk, done + chunk == count, options));
        done += chunk;
        if (options->progress && !options->progress(options->user, "prefill", done, count))
            return failure(HADAL_STOPPED, "stopped by the caller after %zu of %zu tokens", done, count);
    }
    return HADAL_OK;
}

hadal_status session_start(hadal_session *session, int32_t token)
{
    TRY(check_room(session, session->lengths[0], 1));
    TRY(check_id(session, 0, token));
    TRY(forward_expect(session->forward, 1));
    session->step[0] = (forward_token){token, (int32_t)session->lengths[0], 0};
    TRY(forward_step(session->forward, session->step, 1));
    return forward_start_logits(session->forward, 0, 1);
}

hadal_status session_join(hadal_session *session)
{
    TRY(forward_read_logits(session->forward, session->logits, 1));
    session->last = session->logits;
    session->lengths[0]++;
    return HADAL_OK;
}

/* Adds the step's tokens to their timelines' lengths and fills session->step; on failure some have been added. */
static hadal_status append_step(hadal_session *session, const hadal_step_token *tokens, size_t count)
{
    const settings *s = &session->settings;
    if (count > s->chunk)
        return failure(HADAL_ERROR_ARGUMENT, "a step of %zu tokens was given; expected at most the chunk of %zu", count,
                       s->chunk);
    for (size_t i = 0; i < count; i++) {
        uint32_t sequence = tokens[i].sequence;
        if (sequence >= s->sequences)
            return failure(HADAL_ERROR_ARGUMENT, "token %zu belongs to timeline %u; expected one from 0 to %zu", i,
                           sequence, s->sequences - 1);
        if (i && sequence < tokens[i - 1].sequence)
            return failure(HADAL_ERROR_ARGUMENT, "token %zu belongs to timeline %u, the one before it to %u; expected "
                           "the order of timelines", i, sequence, tokens[i - 1].sequence);
        TRY(check_room(session, session->lengths[sequence], 1));
        TRY(check_id(session, i, tokens[i].token));
        session->step[i] = (forward_token){tokens[i].token, (int32_t)session->lengths[sequence]++, (int32_t)sequence};
    }
    return HADAL_OK;
}

/* Takes back what append_step has added: each token gives its timeline its own position as length. */
static void remove_step(hadal_session *session, const forward_token *added, size_t count)
{
    for (size_t i = count; i > 0; i--)
        session->lengths[added[i - 1].sequence] = (size_t)added[i - 1].position;
}

hadal_status hadal_session_step(hadal_session *session, const hadal_step_token *tokens, size_t count,
                                hadal_logits_callback logits, void *user)
{
    if (!count)
        return failure(HADAL_ERROR_ARGUMENT, "no tokens were given; expected at least one");
    size_t total = 0, before = 0;
    for (size_t i = 0; i < session->settings.sequences; i++)
        before += session->lengths[i];
    hadal_status status = append_step(session, tokens, count);
    for (size_t i = 0; i < session->settings.sequences; i++)
        total += session->lengths[i];
    if (status == HADAL_OK)
        status = forward_step(session->forward, session->step, count);
    if (status == HADAL_OK)
        status = give_logits(session, count, 0, logits, user);
    if (status != HADAL_OK)
        remove_step(session, session->step, total - before);
    return status;
}

size_t hadal_session_length_of(const hadal_session *session, uint32_t sequence)
{
    return sequence < session->settings.sequences ? session->lengths[sequence] : 0;
}

const float *hadal_session_logits(const hadal_session *session)
{
    return session->last;
}

size_t hadal_session_length(const hadal_session *session)
{
    return session->lengths[0];
}

void hadal_session_truncate(hadal_session *session, size_t length)
{
    if (length < session->lengths[0])
        session->lengths[0] = length;
}

size_t session_context(const hadal_session *session)
{
    return session->settings.context;
}

const hadal_model_info *session_model(const hadal_session *session)
{
    return &session->model->info;
}
