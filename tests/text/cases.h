/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Reads test data: JSON, gzip or plain, below the source directory. */

#ifndef HADAL_TESTS_TEXT_CASES_H
#define HADAL_TESTS_TEXT_CASES_H

#include <stdio.h>
#include <string.h>

#include <jansson.h>
#include <zlib.h>

#include "tests/check.h"

static inline void cases_path(char path[static 4096], const char *name)
{
    const char *root = getenv("top_srcdir");
    snprintf(path, 4096, "%s/%s", root ? root : ".", name);
}

static inline size_t cases_read(void *buffer, size_t size, void *file)
{
    int read = gzread(file, buffer, (unsigned)size);
    return read < 0 ? (size_t)-1 : (size_t)read;
}

/* Released by json_decref. */
static inline json_t *cases_load(const char *name)
{
    char path[4096];
    cases_path(path, name);
    gzFile file = gzopen(path, "rb");
    if (!file)
        fail_msg("%s cannot be opened", path);
    json_error_t error;
    json_t *root = json_load_callback(cases_read, file, JSON_ALLOW_NUL, &error);
    gzclose(file);
    if (!root)
        fail_msg("%s: %s", path, error.text);
    return root;
}

/* ids[count] is the JSON list, else a failure that shows the text. */
static inline void cases_check_ids(const json_t *expected, const int32_t *ids, size_t count, const json_t *text)
{
    bool equal = json_array_size(expected) == count;
    for (size_t i = 0; equal && i < count; i++)
        equal = json_integer_value(json_array_get(expected, i)) == ids[i];
    if (equal)
        return;
    char *shown = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII), *list = json_dumps(expected, JSON_COMPACT);
    print_message("text %s\nexpected %s\nfound    [", shown, list);
    for (size_t i = 0; i < count; i++)
        print_message("%s%d", i ? "," : "", (int)ids[i]);
    print_message("]\n");
    free(shown);
    free(list);
    fail();
}

#endif
