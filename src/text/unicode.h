/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Where PCRE2's idea of Unicode differs from that of the regular expressions the tokenizers were made with. */

#ifndef HADAL_TEXT_UNICODE_H
#define HADAL_TEXT_UNICODE_H

#include "base/memory.h"

/* A character of the same general category and the same number of UTF-8 bytes, which every PCRE2 from 10.40 on puts
 * into the classes (\p{..}, \s, \d) that the `tokenizers` library puts code_point into; usually itself. */
uint32_t unicode_stand_in(uint32_t code_point);

/* *replaced = text[length] (UTF-8) with stand-ins, as long as the text; stays empty when the text needs none. */
HADAL_CHECKED hadal_status unicode_replace(byte_array *replaced, const char *text, size_t length);

#endif
