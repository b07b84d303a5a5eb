/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Text to tokens and back, with the demo tokenizer. The first byte says how: its lowest bit, that special tokens are
 * recognised; the next, that the rest are not text but token ids, two bytes each. */

#include "tests/fuzz/fuzz.h"

#include "text/detokenizer.h"
#include "text/tokenizer.h"

/* One token after another yields what all of them at once do. */
static void check_stream(const int32_t *ids, size_t count, bool special, const char *whole, size_t length)
{
    detokenizer state = detokenizer_begin(fuzz_demo_tokenizer(), special);
    byte_array text = {0};
    for (size_t i = 0; i < count; i++) {
        MUST(detokenizer_push(&state, &text, ids[i]) == HADAL_OK);
        MUST(fuzz_is_utf8(text.data ? text.data : "", text.length));
    }
    MUST(detokenizer_finish(&state, &text) == HADAL_OK);
    MUST(text.length == length && (!length || memcmp(text.data, whole, length) == 0));
    bytes_free(&text);
}

static void try_ids(const uint8_t *data, size_t size, unsigned flags)
{
    static int32_t ids[1 << 12];
    size_t count = size / 2 < sizeof ids / sizeof *ids ? size / 2 : sizeof ids / sizeof *ids, length;
    for (size_t i = 0; i < count; i++)
        ids[i] = (int16_t)(data[2 * i] | data[2 * i + 1] << 8);
    char *text;
    if (!fuzz_accepted(hadal_detokenize(fuzz_demo_tokenizer(), &text, &length, ids, count, flags)))
        return;
    MUST(fuzz_is_utf8(text, length) && text[length] == '\0');
    check_stream(ids, count, flags & HADAL_TEXT_SPECIAL, text, length);
    free(text);
}

static void try_text(const char *text, size_t size, unsigned flags)
{
    const hadal_tokenizer *tokenizer = fuzz_demo_tokenizer();
    hadal_tokens tokens = {0};
    bool accepted = fuzz_accepted(hadal_tokenize(tokenizer, &tokens, text, size, flags));
    MUST(accepted == fuzz_is_utf8(text, size));
    if (accepted) {
        char *back;
        size_t length;
        for (size_t i = 0; i < tokens.count; i++)
            MUST(flags || !(tokenizer_vocabulary(tokenizer)->flags[tokens.ids[i]] & TOKEN_SPECIAL));
        MUST(hadal_detokenize(tokenizer, &back, &length, tokens.ids, tokens.count, HADAL_TEXT_SPECIAL) == HADAL_OK);
        MUST(length == size && (!size || memcmp(back, text, size) == 0));
        free(back);
    }
    hadal_tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    unsigned flags = data[0] & 1 ? HADAL_TEXT_SPECIAL : 0;
    if (data[0] & 2)
        try_ids(data + 1, size - 1, flags);
    else
        try_text((const char *)data + 1, size - 1, flags);
    return 0;
}
