/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the parts of the library that work on text ask of a hadal_tokenizer. */

#ifndef HADAL_TEXT_TOKENIZER_H
#define HADAL_TEXT_TOKENIZER_H

#include "text/vocabulary.h"

const vocabulary *tokenizer_vocabulary(const hadal_tokenizer *tokenizer);

/* The beginning- and end-of-sentence tokens; -1: none. */
int32_t tokenizer_bos(const hadal_tokenizer *tokenizer);
int32_t tokenizer_eos(const hadal_tokenizer *tokenizer);

#endif
