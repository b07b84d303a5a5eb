/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/detokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

detokenizer detokenizer_begin(const hadal_tokenizer *tokenizer, bool special)
{
    return (detokenizer){.tokenizer = tokenizer, .special = special};
}

/* Appends what text[length] surely holds; returns the bytes dealt with, all but the beginning of a character. */
static hadal_status append_whole(byte_array *target, const char *text, size_t length, size_t *done)
{
    *done = 0;
    while (*done < length) {
        size_t valid = utf8_valid_length(text + *done, length - *done);
        TRY(bytes_append(target, text + *done, valid));
        *done += valid;
        if (*done == length)
            break;
        utf8_unit unit = utf8_next(text + *done, length - *done);
        if (unit.kind == UTF8_CUT)
            break;
        TRY(bytes_append(target, replacement, sizeof replacement - 1));
        *done += unit.length;
    }
    return HADAL_OK;
}

hadal_status detokenizer_push(detokenizer *state, byte_array *text, int32_t token)
{
    const vocabulary *tokens = tokenizer_vocabulary(state->tokenizer);
    size_t length, done;
    const char *bytes = vocabulary_text(tokens, token, &length);
    if (!bytes || (!state->special && (tokens->flags[token] & TOKEN_SPECIAL)))
        return HADAL_OK;
    /* Complete the pending character byte by byte; it is whole or broken after three more at most. */
    while (state->pending_length && length) {
        state->pending[state->pending_length++] = *bytes++;
        length--;
        TRY(append_whole(text, state->pending, state->pending_length, &done));
        state->pending_length -= done;
        memmove(state->pending, state->pending + done, state->pending_length);
    }
    TRY(append_whole(text, bytes, length, &done));
    if (length > done)
        memcpy(state->pending, bytes + done, length - done);
    state->pending_length += length - done;
    return HADAL_OK;
}

hadal_status detokenizer_finish(detokenizer *state, byte_array *text)
{
    if (!state->pending_length)
        return HADAL_OK;
    state->pending_length = 0;
    return bytes_append(text, replacement, sizeof replacement - 1);
}

hadal_status hadal_detokenize(const hadal_tokenizer *tokenizer, char **text, size_t *length, const int32_t *ids,
                              size_t count, unsigned flags)
{
    *text = NULL;
    *length = 0;
    byte_array joined = {0};
    detokenizer state = detokenizer_begin(tokenizer, flags & HADAL_TEXT_SPECIAL);
    const vocabulary *tokens = tokenizer_vocabulary(tokenizer);
    hadal_status status;
    TRY_OR(failed, bytes_append(&joined, "", 0)); /* a text even of no tokens */
    for (size_t i = 0; i < count; i++) {
        size_t ignored;
        if (!vocabulary_text(tokens, ids[i], &ignored))
            TRY_OR(failed, failure(HADAL_ERROR_DATA, "token %zu of %zu is %d, but the tokenizer's ids go from 0 to %zu",
                                   i + 1, count, (int)ids[i], tokens->size - 1));
        TRY_OR(failed, detokenizer_push(&state, &joined, ids[i]));
    }
    TRY_OR(failed, detokenizer_finish(&state, &joined));
    *text = joined.data;
    *length = joined.length;
    return HADAL_OK;
failed:
    bytes_free(&joined);
    return status;
}
