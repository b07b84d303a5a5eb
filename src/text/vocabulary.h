/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The tokens of tokenizer.json: model.vocab and added_tokens, by id. */

#ifndef HADAL_TEXT_VOCABULARY_H
#define HADAL_TEXT_VOCABULARY_H

#include "base/json.h"
#include "base/memory.h"

enum {
    TOKEN_KNOWN = 1,      /* there is a token of this id */
    TOKEN_MERGES = 2,     /* its text is made of bytes alone, and it is not added: what byte-pair encoding may yield */
    TOKEN_ADDED = 4,      /* stands in added_tokens */
    TOKEN_SPECIAL = 8,    /* added, and marked special */
    TOKEN_NORMALIZED = 16 /* added, and marked normalized: looked for after those that are not */
};

typedef struct vocabulary {
    size_t size;            /* largest id + 1 */
    uint32_t *lengths;      /* [size] bytes of text */
    size_t *offsets;        /* [size] where in `texts` */
    unsigned char *flags;   /* [size] TOKEN_... */
    byte_array texts;
    int32_t byte_tokens[256]; /* the token of each byte; -1 for some that UTF-8 never holds */
} vocabulary;

/* Reads tokenizer.json's top object. Released by vocabulary_free, also after a failure. */
HADAL_CHECKED hadal_status vocabulary_load(vocabulary *tokens, json_scope tokenizer);
void vocabulary_free(vocabulary *tokens);

/* The token's text, borrowed, of *length bytes; NULL if there is no token of that id. */
const char *vocabulary_text(const vocabulary *tokens, int32_t id, size_t *length);

/* The added token of that text, or -1. */
int32_t vocabulary_find_added(const vocabulary *tokens, const char *text);

#endif
