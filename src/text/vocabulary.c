/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

/* ---- Byte-level text: vocabularies write each byte as one printable character ------------------------------ */

/* The bytes that stand for themselves: U+0021..7E, A1..AC, AE..FF. The other 68 are U+0100 on, in order. */
static bool is_printable(unsigned byte)
{
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
}

typedef struct byte_alphabet {
    int16_t bytes[0x144]; /* of each character; -1: stands for none */
} byte_alphabet;

static byte_alphabet make_alphabet(void)
{
    byte_alphabet alphabet;
    for (size_t i = 0; i < sizeof alphabet.bytes / sizeof *alphabet.bytes; i++)
        alphabet.bytes[i] = -1;
    unsigned next = 0x100;
    for (unsigned byte = 0; byte < 256; byte++)
        alphabet.bytes[is_printable(byte) ? byte : next++] = (int16_t)byte;
    return alphabet;
}

/* Appends the bytes that a vocabulary text stands for; false and nothing if it has other characters. */
static hadal_status append_bytes(byte_array *target, const byte_alphabet *alphabet, const char *text, bool *mapped)
{
    size_t before = target->length, length = strlen(text);
    *mapped = true;
    for (size_t at = 0; at < length;) {
        utf8_unit unit = utf8_next(text + at, length - at);
        int byte = unit.code_point < 0x144 ? alphabet->bytes[unit.code_point] : -1;
        if (byte < 0) {
            target->length = before;
            *mapped = false;
            return HADAL_OK;
        }
        char value = (char)(unsigned char)byte;
        TRY(bytes_append(target, &value, 1));
        at += unit.length;
    }
    return HADAL_OK;
}

/* ---- Reading -------------------------------------------------------------------------------------------------- */

/* Tables by id take memory by the largest one, so ids must not lie far beyond the number of tokens. */
static hadal_status allocate_tables(vocabulary *tokens, json_t *texts, const json_t *added, const char *file)
{
    size_t count = json_object_size(texts) + json_array_size(added);
    json_int_t largest = -1;
    const char *text;
    json_t *id;
    json_object_foreach(texts, text, id)
        if (json_integer_value(id) > largest)
            largest = json_integer_value(id);
    for (size_t i = 0; i < json_array_size(added); i++) {
        json_int_t value = json_integer_value(json_object_get(json_array_get(added, i), "id"));
        if (value > largest)
            largest = value;
    }
    if (largest >= INT32_MAX || largest > (json_int_t)(16 * count + 256))
        return failure(HADAL_ERROR_DATA, "%s: a token has the id %" JSON_INTEGER_FORMAT ", too large for a vocabulary "
                       "of %zu tokens", file, largest, count);
    tokens->size = (size_t)(largest + 1);
    TRY(memory_allocate(&tokens->lengths, tokens->size, sizeof *tokens->lengths));
    TRY(memory_allocate(&tokens->offsets, tokens->size, sizeof *tokens->offsets));
    return memory_allocate(&tokens->flags, tokens->size, sizeof *tokens->flags);
}

/* texts[before..] was appended: the text of token id. */
static hadal_status set_text(vocabulary *tokens, size_t id, size_t before, unsigned flags, const char *file)
{
    if (tokens->texts.length - before > UINT32_MAX)
        return failure(HADAL_ERROR_DATA, "%s: the text of token %zu is too long", file, id);
    tokens->offsets[id] = before;
    tokens->lengths[id] = (uint32_t)(tokens->texts.length - before);
    tokens->flags[id] = (unsigned char)flags;
    return HADAL_OK;
}

static hadal_status read_texts(vocabulary *tokens, json_t *texts, const char *file)
{
    const byte_alphabet alphabet = make_alphabet();
    char excerpt[JSON_EXCERPT_BYTES];
    const char *text;
    json_t *value;
    json_object_foreach(texts, text, value) {
        size_t id = (size_t)json_integer_value(value), before = tokens->texts.length;
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return failure(HADAL_ERROR_DATA, "%s: model.vocab holds the id %s, expected a whole number from 0", file,
                           json_excerpt(excerpt, value));
        if (tokens->flags[id])
            return failure(HADAL_ERROR_DATA, "%s: model.vocab gives the id %zu to two tokens", file, id);
        bool mapped;
        TRY(append_bytes(&tokens->texts, &alphabet, text, &mapped));
        if (!mapped)
            TRY(bytes_append(&tokens->texts, text, strlen(text)));
        TRY(set_text(tokens, id, before, TOKEN_KNOWN | (mapped ? TOKEN_MERGES : 0u), file));
        if (mapped && tokens->lengths[id] == 1)
            tokens->byte_tokens[(unsigned char)tokens->texts.data[before]] = (int32_t)id;
    }
    return HADAL_OK;
}

/* Stripping of neighbouring spaces and whole-word matching do not occur in this family of models. */
static hadal_status read_added_flags(json_scope token, unsigned *flags)
{
    static const char *const refused[] = {"lstrip", "rstrip", "single_word"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        bool set = false;
        TRY(json_optional_flag(&set, token, refused[i]));
        if (set)
            return json_unexpected(token, refused[i], "false");
    }
    bool special, normalized = false;
    TRY(json_flag(&special, token, "special"));
    TRY(json_optional_flag(&normalized, token, "normalized"));
    *flags = TOKEN_KNOWN | TOKEN_ADDED | (special ? TOKEN_SPECIAL : 0u) | (normalized ? TOKEN_NORMALIZED : 0u);
    return HADAL_OK;
}

static hadal_status read_added(vocabulary *tokens, json_scope token, const json_t *texts)
{
    const char *content;
    uint32_t id;
    unsigned flags = 0;
    TRY(json_text(&content, token, "content"));
    TRY(json_count(&id, token, "id", 0, (uint32_t)(tokens->size - 1)));
    TRY(read_added_flags(token, &flags));
    if (!*content)
        return json_unexpected(token, "content", "a text that is not empty");
    const json_t *listed = json_object_get(texts, content);
    if (listed ? json_integer_value(listed) != (json_int_t)id : (tokens->flags[id] & TOKEN_KNOWN) != 0)
        return failure(HADAL_ERROR_DATA, "%s: %sid is %u, but model.vocab or an earlier added token says otherwise",
                       token.file, token.prefix, (unsigned)id);
    if (tokens->flags[id] & TOKEN_ADDED)
        return failure(HADAL_ERROR_DATA, "%s: %sid is %u, which an earlier added token has", token.file, token.prefix,
                       (unsigned)id);
    size_t before = tokens->texts.length;
    TRY(bytes_append(&tokens->texts, content, strlen(content)));
    return set_text(tokens, id, before, flags, token.file);
}

/* Every byte that UTF-8 can hold needs a token, and one that text may become. */
static hadal_status check_bytes(const vocabulary *tokens, const char *file)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        if (byte == 0xc0 || byte == 0xc1 || byte >= 0xf5)
            continue;
        int32_t token = tokens->byte_tokens[byte];
        if (token < 0)
            return failure(HADAL_ERROR_DATA, "%s: model.vocab has no token for the byte 0x%02x; only byte-level BPE "
                           "is supported", file, byte);
        if (tokens->flags[token] & TOKEN_ADDED)
            return failure(HADAL_ERROR_DATA, "%s: the token %d of the byte 0x%02x is also an added token; no text "
                           "could be told from it", file, (int)token, byte);
    }
    return HADAL_OK;
}

hadal_status vocabulary_load(vocabulary *tokens, json_scope tokenizer)
{
    *tokens = (vocabulary){0};
    memset(tokens->byte_tokens, 0xff, sizeof tokens->byte_tokens);
    json_scope model = {json_field(tokenizer, "model"), tokenizer.file, "model."};
    json_t *texts = json_object_get(model.object, "vocab");
    const json_t *added = json_field(tokenizer, "added_tokens");
    if (!json_is_object(texts) || !json_object_size(texts))
        return json_unexpected(model, "vocab", "an object of tokens and ids");
    if (added && !json_is_array(added))
        return json_unexpected(tokenizer, "added_tokens", "a list of tokens");
    TRY(allocate_tables(tokens, texts, added, tokenizer.file));
    TRY(read_texts(tokens, texts, tokenizer.file));
    for (size_t i = 0; i < json_array_size(added); i++) {
        char prefix[40];
        snprintf(prefix, sizeof prefix, "added_tokens[%zu].", i);
        TRY(read_added(tokens, (json_scope){json_array_get(added, i), tokenizer.file, prefix}, texts));
    }
    return check_bytes(tokens, tokenizer.file);
}

void vocabulary_free(vocabulary *tokens)
{
    free(tokens->lengths);
    free(tokens->offsets);
    free(tokens->flags);
    bytes_free(&tokens->texts);
    *tokens = (vocabulary){0};
}

const char *vocabulary_text(const vocabulary *tokens, int32_t id, size_t *length)
{
    *length = 0;
    if (id < 0 || (size_t)id >= tokens->size || !(tokens->flags[id] & TOKEN_KNOWN))
        return NULL;
    *length = tokens->lengths[id];
    return tokens->texts.data + tokens->offsets[id];
}

int32_t vocabulary_find_added(const vocabulary *tokens, const char *text)
{
    size_t length = strlen(text);
    for (size_t id = 0; id < tokens->size; id++)
        if ((tokens->flags[id] & TOKEN_ADDED) && tokens->lengths[id] == length &&
            memcmp(tokens->texts.data + tokens->offsets[id], text, length) == 0)
            return (int32_t)id;
    return -1;
}
