/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Reading fields of untrusted JSON (RFC 8259) over jansson: every failure is HADAL_ERROR_DATA with one line that
 * names the file and the field, what was expected and what was found. Duplicate keys are refused. */

#ifndef HADAL_BASE_JSON_H
#define HADAL_BASE_JSON_H

#include <jansson.h>

#include "base/status.h"

/* *root = the object that text[length] holds; `where` names it in messages (a path). Released by json_decref. */
HADAL_CHECKED hadal_status json_parse(json_t **root, const char *text, size_t length, const char *where);

/* The same for a file of at most `limit` bytes. */
HADAL_CHECKED hadal_status json_read(json_t **root, const char *path, size_t limit);

/* An object inside a file, and the path of fields that leads there: "" or "rope_scaling.". Borrows all three. */
typedef struct json_scope {
    const json_t *object;
    const char *file;
    const char *prefix;
} json_scope;

/* The field's value; NULL if it is absent or null. */
const json_t *json_field(json_scope scope, const char *field);

/* Required fields. Numbers lie in [least, most]. The text is borrowed from the object. */
HADAL_CHECKED hadal_status json_count(uint32_t *value, json_scope scope, const char *field, uint32_t least,
                                      uint32_t most);
HADAL_CHECKED hadal_status json_number(double *value, json_scope scope, const char *field, double least, double most);
HADAL_CHECKED hadal_status json_flag(bool *value, json_scope scope, const char *field);
HADAL_CHECKED hadal_status json_text(const char **value, json_scope scope, const char *field);

/* As above, but *value stays as it is when the field is absent or null. */
HADAL_CHECKED hadal_status json_optional_count(uint32_t *value, json_scope scope, const char *field, uint32_t least,
                                               uint32_t most);
HADAL_CHECKED hadal_status json_optional_number(double *value, json_scope scope, const char *field, double least,
                                                double most);
HADAL_CHECKED hadal_status json_optional_flag(bool *value, json_scope scope, const char *field);

/* "FILE: FIELD is FOUND, expected EXPECTED". */
hadal_status json_unexpected(json_scope scope, const char *field, const char *expected);

/* excerpt = the value as ASCII JSON, cut to fit: safe to show whatever the file holds. NULL becomes "missing". */
enum { JSON_EXCERPT_BYTES = 96 };
const char *json_excerpt(char excerpt[static JSON_EXCERPT_BYTES], const json_t *value);

/* Whether a text from a file can be shown as it is: no control characters, ASCII's or Unicode's C1. */
bool json_is_printable(const char *text);

#endif
