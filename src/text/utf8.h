/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* UTF-8 as the Unicode Standard 15.0, section 3.9, table 3-7 defines it: no surrogates, nothing above U+10FFFF,
 * only shortest forms. */

#ifndef HADAL_TEXT_UTF8_H
#define HADAL_TEXT_UTF8_H

#include "base/status.h"

enum { UTF8_MAX_BYTES = 4 };

typedef enum utf8_kind {
    UTF8_WHOLE,  /* a character */
    UTF8_CUT,    /* the beginning of a character, and the text ends there */
    UTF8_INVALID /* bytes that no continuation can turn into a character */
} utf8_kind;

typedef struct utf8_unit {
    utf8_kind kind;
    unsigned length;     /* bytes, at least 1. UTF8_INVALID: the maximal subpart that one U+FFFD stands for */
    uint32_t code_point; /* of UTF8_WHOLE, else 0 */
} utf8_unit;

/* What text[length] begins with (length >= 1). */
utf8_unit utf8_next(const char *text, size_t length);

/* Bytes before the first that is no part of a whole character; length if there is none. */
size_t utf8_valid_length(const char *text, size_t length);

/* HADAL_ERROR_DATA that names `what` and the byte offset unless text[length] is UTF-8. */
HADAL_CHECKED hadal_status utf8_check(const char *text, size_t length, const char *what);

/* text[UTF8_MAX_BYTES] = the character (a valid code point); returns its bytes. */
unsigned utf8_encode(char *text, uint32_t code_point);

#endif
