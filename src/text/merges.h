/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Reads the merges of tokenizer.json. */

#ifndef HADAL_TEXT_MERGES_H
#define HADAL_TEXT_MERGES_H

#include "text/bpe.h"
#include "text/vocabulary.h"

/* Makes the byte-pair encoder of model.merges, each "left right" or ["left", "right"], lowest rank first. Merges that
 * would make an added token never apply, so that no text turns into one by accident or design. */
HADAL_CHECKED hadal_status merges_load(bpe **loaded, json_scope tokenizer, const vocabulary *tokens);

#endif
