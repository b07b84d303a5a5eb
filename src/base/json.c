/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/json.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"

/* For texts that quote a file, such as jansson's messages. */
static void replace_control_characters(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            *text = '?';
}

hadal_status json_parse(json_t **root, const char *text, size_t length, const char *where)
{
    json_error_t error;
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!*root && json_error_code(&error) == json_error_out_of_memory)
        return failure_memory(length);
    if (!*root) {
        replace_control_characters(error.text);
        return failure(HADAL_ERROR_DATA, "%s: bad JSON at byte %d (line %d, column %d): %s", where, error.position,
                       error.line, error.column, error.text);
    }
    if (json_is_object(*root))
        return HADAL_OK;
    json_decref(*root);
    *root = NULL;
    return failure(HADAL_ERROR_DATA, "%s: holds a JSON array, expected an object", where);
}

hadal_status json_read(json_t **root, const char *path, size_t limit)
{
    *root = NULL;
    byte_array content;
    TRY(file_read(&content, path, limit));
    hadal_status status = json_parse(root, content.data, content.length, path);
    bytes_free(&content);
    return status;
}

const json_t *json_field(json_scope scope, const char *field)
{
    const json_t *value = json_object_get(scope.object, field);
    return json_is_null(value) ? NULL : value;
}

/* Receives JSON piece by piece; keeps what fits. (json_dumpb leaves gaps for the pieces that do not fit.) */
typedef struct excerpt_writer {
    char *text;
    size_t used;
    bool cut;
} excerpt_writer;

static int write_excerpt(const char *piece, size_t length, void *user)
{
    excerpt_writer *writer = user;
    size_t room = JSON_EXCERPT_BYTES - 1 - writer->used;
    writer->cut = length > room;
    memcpy(writer->text + writer->used, piece, writer->cut ? room : length);
    writer->used += writer->cut ? room : length;
    return writer->cut ? -1 : 0;
}

const char *json_excerpt(char excerpt[static JSON_EXCERPT_BYTES], const json_t *value)
{
    if (!value) {
        memcpy(excerpt, "missing", sizeof "missing");
        return excerpt;
    }
    excerpt_writer writer = {.text = excerpt};
    json_dump_callback(value, write_excerpt, &writer, JSON_ENCODE_ANY | JSON_ENSURE_ASCII | JSON_COMPACT);
    if (writer.cut)
        memcpy(excerpt + writer.used - 3, "...", 3);
    excerpt[writer.used] = '\0';
    replace_control_characters(excerpt); /* JSON escapes all but DEL */
    return excerpt;
}

bool json_is_printable(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0)) /* U+0080 to U+009F begin with 0xc2 */
            return false;
    return true;
}

hadal_status json_unexpected(json_scope scope, const char *field, const char *expected)
{
    char found[JSON_EXCERPT_BYTES];
    return failure(HADAL_ERROR_DATA, "%s: %s%s is %s, expected %s", scope.file, scope.prefix, field,
                   json_excerpt(found, json_object_get(scope.object, field)), expected);
}

hadal_status json_count(uint32_t *value, json_scope scope, const char *field, uint32_t least, uint32_t most)
{
    const json_t *found = json_object_get(scope.object, field);
    json_int_t number = json_integer_value(found);
    if (!json_is_integer(found) || number < (json_int_t)least || number > (json_int_t)most) {
        char expected[80];
        snprintf(expected, sizeof expected, "a whole number from %u to %u", (unsigned)least, (unsigned)most);
        return json_unexpected(scope, field, expected);
    }
    *value = (uint32_t)number;
    return HADAL_OK;
}

hadal_status json_number(double *value, json_scope scope, const char *field, double least, double most)
{
    const json_t *found = json_object_get(scope.object, field);
    double number = json_number_value(found);
    if (!json_is_number(found) || !(number >= least && number <= most)) {
        char expected[80];
        snprintf(expected, sizeof expected, "a number from %g to %g", least, most);
        return json_unexpected(scope, field, expected);
    }
    *value = number;
    return HADAL_OK;
}

hadal_status json_flag(bool *value, json_scope scope, const char *field)
{
    const json_t *found = json_object_get(scope.object, field);
    if (!json_is_boolean(found))
        return json_unexpected(scope, field, "true or false");
    *value = json_is_true(found);
    return HADAL_OK;
}

hadal_status json_text(const char **value, json_scope scope, const char *field)
{
    const json_t *found = json_object_get(scope.object, field);
    if (!json_is_string(found))
        return json_unexpected(scope, field, "a text");
    *value = json_string_value(found);
    return HADAL_OK;
}

hadal_status json_optional_count(uint32_t *value, json_scope scope, const char *field, uint32_t least, uint32_t most)
{
    return json_field(scope, field) ? json_count(value, scope, field, least, most) : HADAL_OK;
}

hadal_status json_optional_number(double *value, json_scope scope, const char *field, double least, double most)
{
    return json_field(scope, field) ? json_number(value, scope, field, least, most) : HADAL_OK;
}

hadal_status json_optional_flag(bool *value, json_scope scope, const char *field)
{
    return json_field(scope, field) ? json_flag(value, scope, field) : HADAL_OK;
}
