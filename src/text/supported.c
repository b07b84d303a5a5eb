/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/supported.h"

#include <stdio.h>
#include <string.h>

static bool is_type(json_scope scope, const char *type)
{
    const char *found = json_string_value(json_field(scope, "type"));
    return found && strcmp(found, type) == 0;
}

/* Absent, null, or a Sequence of nothing. */
static hadal_status check_normalizer(json_scope tokenizer)
{
    json_scope normalizer = {json_field(tokenizer, "normalizer"), tokenizer.file, "normalizer."};
    if (!normalizer.object)
        return HADAL_OK;
    const json_t *list = json_field(normalizer, "normalizers");
    if (is_type(normalizer, "Sequence") && json_is_array(list) && json_array_size(list) == 0)
        return HADAL_OK;
    return json_unexpected(tokenizer, "normalizer", "none, or an empty Sequence");
}

/* Of BPE's options only the values that leave plain BPE. */
static hadal_status check_model(json_scope tokenizer)
{
    static const char *const texts[] = {"unk_token", "continuing_subword_prefix", "end_of_word_suffix"};
    static const char *const switches[] = {"byte_fallback", "ignore_merges"};
    json_scope model = {json_field(tokenizer, "model"), tokenizer.file, "model."};
    if (!is_type(model, "BPE"))
        return json_unexpected(model, "type", "\"BPE\"");
    const json_t *dropout = json_field(model, "dropout");
    if (dropout && !(json_is_number(dropout) && json_number_value(dropout) == 0.0))
        return json_unexpected(model, "dropout", "null");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const json_t *text = json_field(model, texts[i]);
        if (text && !(json_is_string(text) && json_string_length(text) == 0))
            return json_unexpected(model, texts[i], "null");
    }
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        bool set = false;
        TRY(json_optional_flag(&set, model, switches[i]));
        if (set)
            return json_unexpected(model, switches[i], "false");
    }
    return HADAL_OK;
}

/* template: an optional special token, then the text, and nothing behind it. */
static hadal_status check_template(json_scope post, const char **begins)
{
    const json_t *list = json_field(post, "single");
    size_t count = json_array_size(list), at = 0;
    const json_t *special = json_object_get(json_array_get(list, 0), "SpecialToken");
    if (special) {
        *begins = json_string_value(json_object_get(special, "id"));
        at = 1;
    }
    if (at + 1 != count || !json_object_get(json_array_get(list, at), "Sequence") || (special && !*begins))
        return json_unexpected(post, "single", "one special token at most, and the text behind it");
    return HADAL_OK;
}

/* TemplateProcessing, ByteLevel (which only moves offsets), or a Sequence of these. */
static hadal_status check_post_processor(json_scope post, const char **begins)
{
    if (!post.object || is_type(post, "ByteLevel"))
        return HADAL_OK;
    if (is_type(post, "TemplateProcessing"))
        return check_template(post, begins);
    return json_unexpected(post, "type", "\"TemplateProcessing\" or \"ByteLevel\"");
}

static hadal_status check_post_processors(json_scope tokenizer, const char **begins)
{
    json_scope outer = {json_field(tokenizer, "post_processor"), tokenizer.file, "post_processor."};
    if (!is_type(outer, "Sequence"))
        return check_post_processor(outer, begins);
    const json_t *list = json_field(outer, "processors");
    for (size_t i = 0; i < json_array_size(list); i++) {
        char prefix[56];
        snprintf(prefix, sizeof prefix, "post_processor.processors[%zu].", i);
        TRY(check_post_processor((json_scope){json_array_get(list, i), tokenizer.file, prefix}, begins));
    }
    return HADAL_OK;
}

hadal_status supported_check(json_scope tokenizer, const char **begins)
{
    static const char *const cuts[] = {"truncation", "padding"};
    *begins = NULL;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (json_field(tokenizer, cuts[i]))
            return json_unexpected(tokenizer, cuts[i], "null");
    TRY(check_normalizer(tokenizer));
    TRY(check_model(tokenizer));
    json_scope decoder = {json_field(tokenizer, "decoder"), tokenizer.file, "decoder."};
    if (!is_type(decoder, "ByteLevel"))
        return json_unexpected(decoder, "type", "\"ByteLevel\"");
    return check_post_processors(tokenizer, begins);
}
