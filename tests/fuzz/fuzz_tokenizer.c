/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* tokenizer.json and, behind a zero byte, tokenizer_config.json. Each '@' becomes the 256 tokens of single bytes, so
 * that inputs stay small. What is accepted turns a text into tokens and back. */

#include "tests/fuzz/fuzz.h"

#include "base/memory.h"

/* "!":0,"\u0022":1, ...: the characters of byte-level vocabularies, the ids as the bytes count. */
static void append_bytes(byte_array *json)
{
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
        unsigned character = printable ? byte : next++;
        MUST(bytes_format(json, "%s\"\\u%04x\":%u", byte ? "," : "", character, byte) == HADAL_OK);
    }
}

static void write_tokenizer(const char *path, const char *text, size_t length)
{
    byte_array json = {0};
    unsigned lists = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '@' && lists++ < 2)
            append_bytes(&json);
        else
            MUST(bytes_append(&json, text + i, 1) == HADAL_OK);
    }
    fuzz_write(path, json.data ? json.data : "", json.length);
    bytes_free(&json);
}

static void go_and_return(const hadal_tokenizer *tokenizer)
{
    static const char text[] = "It's 2024, ab<b>\t \n\n  \xc3\xa9\xe6\xbc\xa2\xf0\x9f\x99\x82 aaaa!";
    hadal_tokens tokens = {0};
    if (fuzz_accepted(hadal_tokenize(tokenizer, &tokens, text, sizeof text, HADAL_TEXT_SPECIAL))) {
        char *back;
        size_t length;
        MUST(hadal_detokenize(tokenizer, &back, &length, tokens.ids, tokens.count, HADAL_TEXT_SPECIAL) == HADAL_OK);
        MUST(length == sizeof text && memcmp(back, text, length) == 0);
        free(back);
    }
    hadal_tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path, *config_path;
    static const char config[] = "{}";
    if (!path) {
        path = fuzz_path(fuzz_folder(), "tokenizer.json");
        config_path = fuzz_path(fuzz_folder(), "tokenizer_config.json");
    }
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t length = zero ? (size_t)(zero - data) : size;
    write_tokenizer(path, (const char *)data, length);
    if (zero)
        fuzz_write(config_path, zero + 1, size - length - 1);
    else
        fuzz_write(config_path, config, strlen(config));
    hadal_tokenizer *tokenizer;
    if (fuzz_accepted(hadal_tokenizer_load(&tokenizer, fuzz_folder())))
        go_and_return(tokenizer);
    hadal_tokenizer_free(tokenizer);
    return 0;
}
