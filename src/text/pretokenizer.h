/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Cuts text into the pieces that are tokenized each by itself: the "pre_tokenizer" of tokenizer.json. */

#ifndef HADAL_TEXT_PRETOKENIZER_H
#define HADAL_TEXT_PRETOKENIZER_H

#include "base/json.h"

typedef struct pretokenizer pretokenizer;

/* Reads the field pre_tokenizer of tokenizer.json's top object: Split steps (a Regex, Isolated) and last a ByteLevel
 * step without an expression of its own. Anything else is HADAL_ERROR_DATA naming the field. */
HADAL_CHECKED hadal_status pretokenizer_load(pretokenizer **loaded, json_scope tokenizer);
void pretokenizer_free(pretokenizer *loaded);

/* Receives one piece, never empty, in text order. A failure ends the split and is its result. */
typedef hadal_status (*pretokenizer_piece)(void *user, const char *piece, size_t length);

/* Calls piece for each piece of text[length], which is valid UTF-8; together they are the text. */
HADAL_CHECKED hadal_status pretokenizer_split(const pretokenizer *loaded, const char *text, size_t length,
                                              pretokenizer_piece piece, void *user);

#endif
