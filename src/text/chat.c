/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The chat form of DeepSeek-V3.2-Exp, as the chat_template of the released tokenizer_config.json writes it:
 *
 *     <BOS>system text<｜User｜>text<｜Assistant｜></think>answer<EOS><｜User｜>text<｜Assistant｜><think>
 *
 * All system texts stand at the front, a blank line between them. Of an earlier answer only what follows its
 * reasoning (up to the first </think>) is repeated. Control tokens are put here by id; what the texts hold stays
 * text. */

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

typedef struct chat {
    const hadal_tokenizer *tokenizer;
    hadal_tokens *tokens;
    unsigned flags;
    int32_t bos, eos, user, assistant, think, think_end;
} chat;

static const char think_end_text[] = "</think>";

static hadal_status find_control(const hadal_tokenizer *tokenizer, const char *text, int32_t *token)
{
    *token = vocabulary_find_added(tokenizer_vocabulary(tokenizer), text);
    return *token >= 0 ? HADAL_OK
                       : failure(HADAL_ERROR_DATA, "tokenizer.json has no added token %s, which the chat form needs; "
                                 "use the model without the chat form", text);
}

static hadal_status find_controls(chat *on)
{
    on->bos = tokenizer_bos(on->tokenizer);
    on->eos = tokenizer_eos(on->tokenizer);
    if (on->bos < 0 || on->eos < 0)
        return failure(HADAL_ERROR_DATA, "tokenizer_config.json has no %s, which the chat form needs; "
                       "use the model without the chat form", on->bos < 0 ? "bos_token" : "eos_token");
    TRY(find_control(on->tokenizer, "<｜User｜>", &on->user));
    TRY(find_control(on->tokenizer, "<｜Assistant｜>", &on->assistant));
    TRY(find_control(on->tokenizer, "<think>", &on->think));
    return find_control(on->tokenizer, think_end_text, &on->think_end);
}

static hadal_status check_messages(const hadal_message *messages, size_t count)
{
    if (!count)
        return failure(HADAL_ERROR_ARGUMENT, "a chat needs at least one message");
    for (size_t i = 0; i < count; i++) {
        char what[48];
        snprintf(what, sizeof what, "message %zu of the chat", i + 1);
        if (messages[i].role > HADAL_ROLE_ASSISTANT)
            return failure(HADAL_ERROR_ARGUMENT, "%s has no role of system, user or assistant", what);
        TRY(utf8_check(messages[i].text, messages[i].length, what));
    }
    return HADAL_OK;
}

static hadal_status put(const chat *on, int32_t token)
{
    return hadal_tokens_append(on->tokens, &token, 1);
}

static hadal_status put_text(const chat *on, const char *text, size_t length)
{
    return hadal_tokenize(on->tokenizer, on->tokens, text, length, on->flags & HADAL_TEXT_SPECIAL);
}

static hadal_status put_system(const chat *on, const hadal_message *messages, size_t count)
{
    byte_array joined = {0};
    bool first = true;
    hadal_status status = HADAL_OK;
    for (size_t i = 0; i < count; i++) {
        if (messages[i].role != HADAL_ROLE_SYSTEM)
            continue;
        if (!first)
            TRY_OR(done, bytes_append(&joined, "\n\n", 2));
        TRY_OR(done, bytes_append(&joined, messages[i].text, messages[i].length));
        first = false;
    }
    status = put_text(on, joined.data, joined.length);
done:
    bytes_free(&joined);
    return status;
}

/* Bytes of an answer up to and with the end of its reasoning; 0 if it has none. */
static size_t reasoning_length(const char *text, size_t length)
{
    size_t mark = strlen(think_end_text);
    for (size_t end = mark; end <= length; end++)
        if (memcmp(text + end - mark, think_end_text, mark) == 0)
            return end;
    return 0;
}

static hadal_status put_answer(const chat *on, const char *text, size_t length, bool asked)
{
    if (asked) {
        TRY(put(on, on->assistant));
        TRY(put(on, on->think_end));
    }
    size_t skipped = reasoning_length(text, length);
    TRY(put_text(on, text + skipped, length - skipped));
    return put(on, on->eos);
}

static hadal_status put_turns(const chat *on, const hadal_message *messages, size_t count)
{
    bool asked = false; /* the turn before was the user's */
    for (size_t i = 0; i < count; i++) {
        const hadal_message *message = &messages[i];
        if (message->role == HADAL_ROLE_USER) {
            TRY(put(on, on->user));
            TRY(put_text(on, message->text, message->length));
            asked = true;
        } else if (message->role == HADAL_ROLE_ASSISTANT) {
            TRY(put_answer(on, message->text, message->length, asked));
            asked = false;
        }
    }
    return HADAL_OK;
}

static hadal_status put_chat(const chat *on, const hadal_message *messages, size_t count, bool think)
{
    TRY(put(on, on->bos));
    TRY(put_system(on, messages, count));
    TRY(put_turns(on, messages, count));
    if (messages[count - 1].role == HADAL_ROLE_ASSISTANT)
        return HADAL_OK;
    TRY(put(on, on->assistant));
    return put(on, think ? on->think : on->think_end);
}

hadal_status hadal_tokenize_chat(const hadal_tokenizer *tokenizer, hadal_tokens *tokens, const hadal_message *messages,
                                 size_t count, bool think, unsigned flags)
{
    TRY(check_messages(messages, count));
    chat on = {.tokenizer = tokenizer, .tokens = tokens, .flags = flags};
    TRY(find_controls(&on));
    size_t before = tokens->count;
    hadal_status status = put_chat(&on, messages, count, think);
    if (status != HADAL_OK)
        tokens->count = before;
    return status;
}
