/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* A split pattern of tokenizer.json: an Oniguruma regular expression, run by PCRE2 with JIT where the system allows. */

#ifndef HADAL_TEXT_PATTERN_H
#define HADAL_TEXT_PATTERN_H

#include "base/status.h"

typedef struct pattern pattern;

/* Compiles an expression (UTF-8). Only syntax that means the same to Oniguruma and PCRE2 is accepted, and no
 * expression that matches the empty text; all else is HADAL_ERROR_DATA with the offset of what is refused. */
HADAL_CHECKED hadal_status pattern_compile(pattern **compiled, const char *expression);
void pattern_free(pattern *compiled);

/* What a search writes to; one a thread, serves every pattern. */
typedef struct pattern_search pattern_search;
HADAL_CHECKED hadal_status pattern_search_create(pattern_search **created);
void pattern_search_free(pattern_search *search);

/* Finds the first match in text[length] (valid UTF-8) at or after offset `from`: bytes [*begin, *end), never empty.
 * *begin == length when there is none. A search that takes too many steps or too much memory, as hostile expressions
 * do, is HADAL_ERROR_DATA: never a wrong result. */
HADAL_CHECKED hadal_status pattern_find(const pattern *compiled, pattern_search *search, const char *text,
                                        size_t length, size_t from, size_t *begin, size_t *end);

#endif
