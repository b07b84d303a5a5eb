/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/unicode.h"

#include <string.h>

#include "text/utf8.h"

/* Tokenizer files are used with Oniguruma (Unicode 16), PCRE2 10.42 knows Unicode 14: to it newer letters, digits and
 * emoji are unassigned and would be split otherwise. Instead of a second set of tables the pattern is shown an older
 * character of the same kind. */
static const struct stand_in {
    uint32_t first, last, replacement;
} stand_ins[] = {
#include "text/unicode_table.h"
};

uint32_t unicode_stand_in(uint32_t code_point)
{
    size_t low = 0, high = sizeof stand_ins / sizeof *stand_ins;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code_point > stand_ins[middle].last)
            low = middle + 1;
        else if (code_point < stand_ins[middle].first)
            high = middle;
        else
            return stand_ins[middle].replacement;
    }
    return code_point;
}

hadal_status unicode_replace(byte_array *replaced, const char *text, size_t length)
{
    replaced->length = 0;
    for (size_t at = 0; at < length;) {
        /* The table begins at U+0897: characters of one or two bytes stand for themselves. */
        if ((unsigned char)text[at] < 0xe0) {
            at++;
            continue;
        }
        utf8_unit unit = utf8_next(text + at, length - at);
        uint32_t replacement = unicode_stand_in(unit.code_point);
        if (replacement != unit.code_point) {
            if (!replaced->length)
                TRY(bytes_append(replaced, text, length));
            utf8_encode(replaced->data + at, replacement);
        }
        at += unit.length;
    }
    return HADAL_OK;
}
