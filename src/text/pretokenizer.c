/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/pretokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/pattern.h"
#include "text/unicode.h"

enum { MAX_PATTERNS = 16 }; /* the released tokenizers have three */

struct pretokenizer {
    pattern *patterns[MAX_PATTERNS];
    size_t count;
};

/* ---- Reading -------------------------------------------------------------------------------------------- */

static hadal_status add_split(pretokenizer *target, json_scope step)
{
    const char *behavior, *expression;
    TRY(json_text(&behavior, step, "behavior"));
    if (strcmp(behavior, "Isolated") != 0)
        return json_unexpected(step, "behavior", "\"Isolated\"");
    bool invert = false;
    TRY(json_optional_flag(&invert, step, "invert"));
    if (invert)
        return json_unexpected(step, "invert", "false");
    char prefix[80];
    snprintf(prefix, sizeof prefix, "%spattern.", step.prefix);
    json_scope inside = {json_field(step, "pattern"), step.file, prefix};
    TRY(json_text(&expression, inside, "Regex"));
    if (target->count == MAX_PATTERNS)
        return failure(HADAL_ERROR_DATA, "%s: pre_tokenizer has more than %d Split steps", step.file,
                       (int)MAX_PATTERNS);
    hadal_status status = pattern_compile(&target->patterns[target->count], expression);
    if (status != HADAL_OK)
        return failure_within(status, "%s: %sRegex", inside.file, inside.prefix);
    target->count++;
    return HADAL_OK;
}

static hadal_status check_byte_level(json_scope step)
{
    bool prefix_space, expression = true;
    TRY(json_flag(&prefix_space, step, "add_prefix_space"));
    if (prefix_space)
        return json_unexpected(step, "add_prefix_space", "false");
    TRY(json_optional_flag(&expression, step, "use_regex"));
    if (expression)
        return json_unexpected(step, "use_regex", "false");
    return HADAL_OK;
}

/* One step; the last must be ByteLevel, all before it Split. */
static hadal_status read_step(pretokenizer *target, json_scope step, bool last)
{
    const char *type;
    TRY(json_text(&type, step, "type"));
    if (strcmp(type, last ? "ByteLevel" : "Split") != 0)
        return json_unexpected(step, "type", last ? "\"ByteLevel\" as the last step" : "\"Split\"");
    return last ? check_byte_level(step) : add_split(target, step);
}

static hadal_status read_steps(pretokenizer *target, json_scope tokenizer)
{
    json_scope outer = {json_field(tokenizer, "pre_tokenizer"), tokenizer.file, "pre_tokenizer."};
    const char *type;
    TRY(json_text(&type, outer, "type"));
    if (strcmp(type, "Sequence") != 0)
        return read_step(target, outer, true);
    const json_t *steps = json_field(outer, "pretokenizers");
    size_t count = json_array_size(steps);
    if (!count)
        return json_unexpected(outer, "pretokenizers", "a list of steps");
    for (size_t i = 0; i < count; i++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "pre_tokenizer.pretokenizers[%zu].", i);
        json_scope step = {json_array_get(steps, i), tokenizer.file, prefix};
        TRY(read_step(target, step, i + 1 == count));
    }
    return HADAL_OK;
}

hadal_status pretokenizer_load(pretokenizer **loaded, json_scope tokenizer)
{
    TRY(memory_allocate(loaded, 1, sizeof **loaded));
    hadal_status status = read_steps(*loaded, tokenizer);
    if (status != HADAL_OK) {
        pretokenizer_free(*loaded);
        *loaded = NULL;
    }
    return status;
}

void pretokenizer_free(pretokenizer *loaded)
{
    if (!loaded)
        return;
    for (size_t i = 0; i < loaded->count; i++)
        pattern_free(loaded->patterns[i]);
    free(loaded);
}

/* ---- Splitting ------------------------------------------------------------------------------------------ */

typedef struct splitter {
    const pretokenizer *steps;
    pattern_search *search;
    const char *text;    /* what the pieces are cut from */
    const char *subject; /* what the patterns see, of the same length: text, or its stand-ins */
    pretokenizer_piece piece;
    void *user;
} splitter;

/* Cuts bytes [begin, end) by the patterns from number `step` on. Each pattern cuts the pieces that those before it
 * left, matches and what lies between them alike, and sees nothing beyond its piece: so look-ahead ends there too. */
static hadal_status split(const splitter *on, size_t step, size_t begin, size_t end)
{
    if (begin == end)
        return HADAL_OK;
    if (step == on->steps->count)
        return on->piece(on->user, on->text + begin, end - begin);
    size_t at = 0, length = end - begin;
    while (at < length) {
        size_t match, match_end;
        TRY(pattern_find(on->steps->patterns[step], on->search, on->subject + begin, length, at, &match, &match_end));
        TRY(split(on, step + 1, begin + at, begin + match));
        TRY(split(on, step + 1, begin + match, begin + match_end));
        at = match_end;
    }
    return HADAL_OK;
}

hadal_status pretokenizer_split(const pretokenizer *loaded, const char *text, size_t length, pretokenizer_piece piece,
                                void *user)
{
    byte_array replaced = {0};
    splitter on = {.steps = loaded, .text = text, .piece = piece, .user = user};
    hadal_status status;
    TRY_OR(done, unicode_replace(&replaced, text, length));
    TRY_OR(done, pattern_search_create(&on.search));
    on.subject = replaced.length ? replaced.data : text;
    status = split(&on, 0, 0, length);
done:
    pattern_search_free(on.search);
    bytes_free(&replaced);
    return status;
}
