/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Finds the texts of added tokens inside a text. */

#ifndef HADAL_TEXT_ADDED_H
#define HADAL_TEXT_ADDED_H

#include "text/vocabulary.h"

typedef struct added_entry {
    const char *text;
    size_t length;
    int32_t id;
} added_entry;

/* Some added tokens of a vocabulary, which is borrowed. */
typedef struct added_tokens {
    added_entry *entries; /* [count] sorted by their bytes: what shares a beginning stands together */
    size_t count;
    bool begins[256];     /* whether one begins with that byte */
} added_tokens;

/* The added tokens of which `normalized` is so. Two of the same text are HADAL_ERROR_DATA. Released by added_free, also
 * after a failure. */
HADAL_CHECKED hadal_status added_load(added_tokens *loaded, const vocabulary *tokens, bool normalized,
                                      const char *file);
void added_free(added_tokens *loaded);

/* The first of them in text[length] at or after `from`, the longest of those that begin there: bytes [*begin, *end).
 * Returns its id; -1 and *begin == *end == length if there is none. */
int32_t added_find(const added_tokens *loaded, const char *text, size_t length, size_t from, size_t *begin,
                   size_t *end);

#endif
