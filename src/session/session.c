/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* One timeline of tokens over a model: fed in chunks, answered with logits. */

#include <stdlib.h>

#include "base/memory.h"
#include "model/forward.h"
#include "model/model.h"
#include "session/session.h"

struct hadal_session {
    const hadal_model *model;
    settings settings;
    forward *forward;
    size_t length;
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
    TRY_OR(failed, forward_create(&made->forward, model, &made->settings));
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
    free(session->logits);
    free(session);
}

static hadal_status check_tokens(const hadal_session *session, const int32_t *tokens, size_t count)
{
    uint32_t vocabulary = session->model->config.vocab_size;
    if (!count)
        return failure(HADAL_ERROR_ARGUMENT, "no tokens were given; expected at least one");
    if (count > session->settings.context - session->length)
        return failure(HADAL_ERROR_ARGUMENT,
                       "%zu tokens do not fit: the context of %zu tokens holds %zu already; "
                       "use a longer context", count, session->settings.context, session->length);
    for (size_t i = 0; i < count; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= vocabulary)
            return failure(HADAL_ERROR_DATA, "token %zu is %d; expected an id from 0 to %u", i, (int)tokens[i],
                           vocabulary - 1);
    return HADAL_OK;
}

/* Hands the logits of all tokens of the last step to the caller, a few rows at a time. */
static hadal_status give_logits(hadal_session *session, size_t count, const hadal_feed_options *options)
{
    size_t vocabulary = session->model->config.vocab_size;
    for (size_t first = 0; first < count; first += session->settings.logit_rows) {
        size_t rows = min_size(session->settings.logit_rows, count - first);
        TRY(forward_logits(session->forward, session->logits, first, rows));
        for (size_t row = 0; row < rows; row++)
            if (!options->logits(options->user, session->length + first + row, session->logits + row * vocabulary))
                return failure(HADAL_STOPPED, "stopped by the caller");
        session->last = session->logits + (rows - 1) * vocabulary;
    }
    return HADAL_OK;
}

static hadal_status feed_chunk(hadal_session *session, const int32_t *tokens, size_t count, bool last,
                               const hadal_feed_options *options)
{
    TRY(forward_step(session->forward, tokens, count, session->length));
    if (options->logits) {
        TRY(give_logits(session, count, options));
    } else if (last) {
        TRY(forward_logits(session->forward, session->logits, count - 1, 1));
        session->last = session->logits;
    }
    session->length += count;
    return HADAL_OK;
}

hadal_status hadal_session_feed(hadal_session *session, const int32_t *tokens, size_t count,
                                const hadal_feed_options *options)
{
    static const hadal_feed_options defaults = {0};
    if (!options)
        options = &defaults;
    TRY(check_tokens(session, tokens, count));
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

const float *hadal_session_logits(const hadal_session *session)
{
    return session->last;
}

size_t hadal_session_length(const hadal_session *session)
{
    return session->length;
}

void hadal_session_truncate(hadal_session *session, size_t length)
{
    if (length < session->length)
        session->length = length;
}

size_t session_context(const hadal_session *session)
{
    return session->settings.context;
}

const hadal_model_info *session_model(const hadal_session *session)
{
    return &session->model->info;
}
