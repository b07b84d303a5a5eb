/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which tokenizers are understood: byte-level BPE without normalization. */

#ifndef HADAL_TEXT_SUPPORTED_H
#define HADAL_TEXT_SUPPORTED_H

#include "base/json.h"

/* Refuses, by name, each field of tokenizer.json that would change tokens or text in a way that is not implemented.
 * Says whether the post_processor puts a special token before the text: *begins is its text (borrowed), else NULL. */
HADAL_CHECKED hadal_status supported_check(json_scope tokenizer, const char **begins);

#endif
