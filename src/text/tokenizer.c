/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "text/added.h"
#include "text/bpe.h"
#include "text/merges.h"
#include "text/pretokenizer.h"
#include "text/supported.h"
#include "text/utf8.h"

/* The files of the released models have 8 MB and 4 KB. */
enum { TOKENIZER_BYTES_LIMIT = 256 << 20, TOKENIZER_CONFIG_BYTES_LIMIT = 4 << 20 };

/* Added tokens are looked for first without, then with those marked normalized, as in the `tokenizers` library. */
enum { ADDED_STAGES = 2 };

struct hadal_tokenizer {
    vocabulary tokens;
    added_tokens added[ADDED_STAGES];
    pretokenizer *splits;
    bpe *merges;
    int32_t bos, eos; /* -1: none */
    bool puts_bos;    /* the model's texts begin with bos */
};

/* ---- Loading ------------------------------------------------------------------------------------------------ */

/* tokenizer_config.json names a token by its text, or by an object that has it as "content". *token = -1 if null. */
static hadal_status read_token_name(const hadal_tokenizer *tokenizer, json_scope config, const char *field,
                                    int32_t *token)
{
    const json_t *value = json_field(config, field);
    const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    *token = -1;
    if (!value)
        return HADAL_OK;
    if (text)
        *token = vocabulary_find_added(&tokenizer->tokens, text);
    return *token >= 0 ? HADAL_OK : json_unexpected(config, field, "one of the added_tokens of tokenizer.json");
}

/* begins: the special token that tokenizer.json puts before a text, or NULL; add_bos_token overrules it. */
static hadal_status read_config(hadal_tokenizer *tokenizer, json_scope config, const char *begins)
{
    TRY(read_token_name(tokenizer, config, "bos_token", &tokenizer->bos));
    TRY(read_token_name(tokenizer, config, "eos_token", &tokenizer->eos));
    bool ends = false;
    TRY(json_optional_flag(&ends, config, "add_eos_token"));
    if (ends)
        return json_unexpected(config, "add_eos_token", "false");
    if (json_field(config, "add_bos_token"))
        return json_flag(&tokenizer->puts_bos, config, "add_bos_token");
    tokenizer->puts_bos = begins != NULL;
    if (begins && (tokenizer->bos < 0 || vocabulary_find_added(&tokenizer->tokens, begins) != tokenizer->bos))
        return json_unexpected(config, "bos_token", "the token that post_processor in tokenizer.json puts first");
    return HADAL_OK;
}

static hadal_status load_tokenizer_json(hadal_tokenizer *tokenizer, json_scope root, const char **begins)
{
    TRY(supported_check(root, begins));
    TRY(vocabulary_load(&tokenizer->tokens, root));
    for (int stage = 0; stage < ADDED_STAGES; stage++)
        TRY(added_load(&tokenizer->added[stage], &tokenizer->tokens, stage == 1, root.file));
    TRY(pretokenizer_load(&tokenizer->splits, root));
    return merges_load(&tokenizer->merges, root, &tokenizer->tokens);
}

hadal_status hadal_tokenizer_load(hadal_tokenizer **tokenizer, const char *directory)
{
    *tokenizer = NULL;
    char *path = NULL, *config_path = NULL;
    json_t *root = NULL, *config = NULL;
    hadal_tokenizer *loaded = NULL;
    const char *begins;
    hadal_status status;
    TRY_OR(done, memory_allocate(&loaded, 1, sizeof *loaded));
    TRY_OR(done, file_join(&path, directory, "tokenizer.json"));
    TRY_OR(done, file_join(&config_path, directory, "tokenizer_config.json"));
    TRY_OR(done, json_read(&root, path, TOKENIZER_BYTES_LIMIT));
    TRY_OR(done, json_read(&config, config_path, TOKENIZER_CONFIG_BYTES_LIMIT));
    TRY_OR(done, load_tokenizer_json(loaded, (json_scope){root, path, ""}, &begins));
    TRY_OR(done, read_config(loaded, (json_scope){config, config_path, ""}, begins));
    *tokenizer = loaded;
    loaded = NULL;
done:
    hadal_tokenizer_free(loaded);
    json_decref(root);
    json_decref(config);
    free(path);
    free(config_path);
    return status;
}

void hadal_tokenizer_free(hadal_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    bpe_free(tokenizer->merges);
    pretokenizer_free(tokenizer->splits);
    for (int stage = 0; stage < ADDED_STAGES; stage++)
        added_free(&tokenizer->added[stage]);
    vocabulary_free(&tokenizer->tokens);
    free(tokenizer);
}

const vocabulary *tokenizer_vocabulary(const hadal_tokenizer *tokenizer)
{
    return &tokenizer->tokens;
}

int32_t tokenizer_bos(const hadal_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t tokenizer_eos(const hadal_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

/* ---- Encoding ----------------------------------------------------------------------------------------------- */

typedef struct encoder {
    const hadal_tokenizer *tokenizer;
    bpe_workspace workspace;
    hadal_tokens *tokens;
} encoder;

static hadal_status encode_piece(void *user, const char *piece, size_t length)
{
    encoder *on = user;
    return bpe_encode(on->tokenizer->merges, &on->workspace, on->tokens, piece, length);
}

/* Encodes text[length] with the added tokens of the stages from `stage` on recognised in it. */
static hadal_status encode(encoder *on, int stage, const char *text, size_t length)
{
    if (stage == ADDED_STAGES)
        return pretokenizer_split(on->tokenizer->splits, text, length, encode_piece, on);
    for (size_t at = 0; at < length;) {
        size_t begin, end;
        int32_t token = added_find(&on->tokenizer->added[stage], text, length, at, &begin, &end);
        if (begin > at)
            TRY(encode(on, stage + 1, text + at, begin - at));
        if (token >= 0)
            TRY(hadal_tokens_append(on->tokens, &token, 1));
        at = end;
    }
    return HADAL_OK;
}

hadal_status hadal_tokenize(const hadal_tokenizer *tokenizer, hadal_tokens *tokens, const char *text, size_t length,
                            unsigned flags)
{
    TRY(utf8_check(text, length, "the text"));
    encoder on = {.tokenizer = tokenizer, .tokens = tokens};
    size_t before = tokens->count;
    hadal_status status = HADAL_OK;
    if ((flags & HADAL_TEXT_BOS) && tokenizer->puts_bos && tokenizer->bos >= 0)
        status = hadal_tokens_append(tokens, &tokenizer->bos, 1);
    if (status == HADAL_OK)
        status = encode(&on, flags & HADAL_TEXT_SPECIAL ? 0 : ADDED_STAGES, text, length);
    if (status != HADAL_OK)
        tokens->count = before;
    bpe_workspace_free(&on.workspace);
    return status;
}
