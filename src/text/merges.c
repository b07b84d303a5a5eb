/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/merges.h"

#include <stdlib.h>
#include <string.h>

typedef struct merge_reader {
    const json_t *texts; /* model.vocab */
    const char *file;
    byte_array pair;     /* scratch: "left\0right\0leftright" */
} merge_reader;

/* reader->pair = the two halves, each with a NUL behind it, and both together; *right = offset of the right half. */
static hadal_status read_halves(merge_reader *reader, const json_t *merge, size_t rank, size_t *right)
{
    char excerpt[JSON_EXCERPT_BYTES];
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    const char *left_text = text, *right_text = space ? space + 1 : NULL;
    if (json_array_size(merge) == 2) {
        left_text = json_string_value(json_array_get(merge, 0));
        right_text = json_string_value(json_array_get(merge, 1));
    }
    if (!left_text || !right_text || (space && strchr(right_text, ' ')))
        return failure(HADAL_ERROR_DATA, "%s: model.merges[%zu] is %s, expected two tokens", reader->file, rank,
                       json_excerpt(excerpt, merge));
    size_t left_length = space ? (size_t)(space - text) : strlen(left_text);
    reader->pair.length = 0;
    TRY(bytes_append(&reader->pair, left_text, left_length));
    TRY(bytes_append(&reader->pair, "", 1));
    *right = reader->pair.length;
    TRY(bytes_append(&reader->pair, right_text, strlen(right_text) + 1));
    TRY(bytes_append(&reader->pair, left_text, left_length));
    return bytes_append(&reader->pair, right_text, strlen(right_text));
}

static hadal_status find_token(const merge_reader *reader, size_t offset, size_t rank, int32_t *token)
{
    const json_t *id = json_object_get(reader->texts, reader->pair.data + offset);
    char excerpt[JSON_EXCERPT_BYTES];
    if (!id) {
        json_t *text = json_string(reader->pair.data + offset);
        json_excerpt(excerpt, text);
        json_decref(text);
        return failure(HADAL_ERROR_DATA, "%s: model.merges[%zu] needs the token %s, which is not in model.vocab",
                       reader->file, rank, excerpt);
    }
    *token = (int32_t)json_integer_value(id);
    return HADAL_OK;
}

static hadal_status read_merge(merge_reader *reader, const json_t *merge, size_t rank, bpe_merge *read)
{
    size_t right = 0;
    TRY(read_halves(reader, merge, rank, &right));
    TRY(find_token(reader, 0, rank, &read->left));
    TRY(find_token(reader, right, rank, &read->right));
    TRY(find_token(reader, right + strlen(reader->pair.data + right) + 1, rank, &read->merged));
    read->rank = (uint32_t)rank;
    return HADAL_OK;
}

/* Also leaves out merges of texts that are not bytes, which none of the byte tokens leads to. */
static bool can_apply(const vocabulary *tokens, const bpe_merge *merge)
{
    return tokens->flags[merge->left] & tokens->flags[merge->right] & tokens->flags[merge->merged] & TOKEN_MERGES;
}

hadal_status merges_load(bpe **loaded, json_scope tokenizer, const vocabulary *tokens)
{
    *loaded = NULL;
    json_scope model = {json_field(tokenizer, "model"), tokenizer.file, "model."};
    const json_t *list = json_field(model, "merges");
    size_t count = json_array_size(list), kept = 0;
    if (!json_is_array(list) || count >= INT32_MAX)
        return json_unexpected(model, "merges", "a list of pairs of tokens");
    merge_reader reader = {json_field(model, "vocab"), tokenizer.file, {0}};
    bpe_merge *merges = NULL;
    hadal_status status;
    TRY_OR(done, memory_allocate(&merges, count, sizeof *merges));
    for (size_t rank = 0; rank < count; rank++) {
        TRY_OR(done, read_merge(&reader, json_array_get(list, rank), rank, &merges[kept]));
        kept += can_apply(tokens, &merges[kept]);
    }
    status = bpe_create(loaded, tokens->byte_tokens, tokens->lengths, tokens->size, merges, kept);
done:
    free(merges);
    bytes_free(&reader.pair);
    return status;
}
