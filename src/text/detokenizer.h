/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Tokens back to text, one after another: a character that spans tokens comes out when it is whole. */

#ifndef HADAL_TEXT_DETOKENIZER_H
#define HADAL_TEXT_DETOKENIZER_H

#include "base/memory.h"
#include "text/utf8.h"

typedef struct detokenizer {
    const hadal_tokenizer *tokenizer; /* borrowed */
    bool special;                     /* write special tokens out; else they are left away */
    char pending[UTF8_MAX_BYTES];     /* the beginning of a character */
    size_t pending_length;
} detokenizer;

detokenizer detokenizer_begin(const hadal_tokenizer *tokenizer, bool special);

/* Appends to *text what became certain with the token: whole characters, U+FFFD for bytes that form none. A token
 * that the tokenizer does not know (models have a few more rows than tokens) has no text. */
HADAL_CHECKED hadal_status detokenizer_push(detokenizer *state, byte_array *text, int32_t token);

/* After the last token: appends U+FFFD if a character was left unfinished. */
HADAL_CHECKED hadal_status detokenizer_finish(detokenizer *state, byte_array *text);

#endif
