/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* A chat: the first byte says whether to think; then messages, each a byte for its role (its lowest two bits) and a
 * text up to a zero byte. Texts never become control tokens. */

#include "tests/fuzz/fuzz.h"

#include "text/tokenizer.h"

enum { MOST_MESSAGES = 16 };

static size_t count_of(const hadal_tokens *tokens, int32_t token)
{
    size_t count = 0;
    for (size_t i = 0; i < tokens->count; i++)
        count += tokens->ids[i] == token;
    return count;
}

static void check_tokens(const hadal_tokens *tokens, const hadal_message *messages, size_t count)
{
    const hadal_tokenizer *tokenizer = fuzz_demo_tokenizer();
    const vocabulary *known = tokenizer_vocabulary(tokenizer);
    size_t asked = 0, answered = 0;
    for (size_t i = 0; i < count; i++) {
        asked += messages[i].role == HADAL_ROLE_USER;
        answered += messages[i].role == HADAL_ROLE_ASSISTANT;
    }
    MUST(tokens->ids[0] == tokenizer_bos(tokenizer) && count_of(tokens, tokenizer_bos(tokenizer)) == 1);
    MUST(count_of(tokens, vocabulary_find_added(known, "<｜User｜>")) == asked);
    MUST(count_of(tokens, tokenizer_eos(tokenizer)) == answered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hadal_message messages[MOST_MESSAGES];
    size_t count = 0;
    bool think = size && data[0] & 1, valid = true;
    for (size_t at = 1; at < size && count < MOST_MESSAGES; count++) {
        hadal_message *message = &messages[count];
        message->role = (hadal_role)(data[at++] & 3);
        const uint8_t *zero = at < size ? memchr(data + at, 0, size - at) : NULL;
        message->text = (const char *)data + at;
        message->length = zero ? (size_t)(zero - data) - at : size - at;
        at += message->length + 1;
        valid = valid && message->role <= HADAL_ROLE_ASSISTANT && fuzz_is_utf8(message->text, message->length);
    }
    hadal_tokens tokens = {0};
    hadal_status status = hadal_tokenize_chat(fuzz_demo_tokenizer(), &tokens, messages, count, think, 0);
    MUST((status == HADAL_OK) == (valid && count));
    MUST(status == HADAL_OK || fuzz_is_line(hadal_error_message()));
    if (status == HADAL_OK)
        check_tokens(&tokens, messages, count);
    hadal_tokens_free(&tokens);
    return 0;
}
