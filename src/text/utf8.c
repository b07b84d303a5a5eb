/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/utf8.h"

#include <string.h>

/* What may follow a lead byte: how many bytes, and the bounds of the first of them, which rule out overlong forms,
 * surrogates and what lies above U+10FFFF. */
typedef struct lead {
    unsigned continuation;
    unsigned char least, most;
} lead;

static lead classify_lead(unsigned char byte)
{
    if (byte >= 0xc2 && byte <= 0xdf)
        return (lead){1, 0x80, 0xbf};
    if (byte >= 0xe0 && byte <= 0xef)
        return (lead){2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf};
    if (byte >= 0xf0 && byte <= 0xf4)
        return (lead){3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf};
    return (lead){0, 0, 0};
}

utf8_unit utf8_next(const char *text, size_t length)
{
    unsigned char first = (unsigned char)text[0];
    if (first < 0x80)
        return (utf8_unit){UTF8_WHOLE, 1, first};
    lead expected = classify_lead(first);
    if (!expected.continuation)
        return (utf8_unit){UTF8_INVALID, 1, 0};
    uint32_t code_point = first & (0x3fu >> expected.continuation);
    for (unsigned i = 1; i <= expected.continuation; i++) {
        if (i == length)
            return (utf8_unit){UTF8_CUT, i, 0};
        unsigned char byte = (unsigned char)text[i];
        unsigned char least = i == 1 ? expected.least : 0x80, most = i == 1 ? expected.most : 0xbf;
        if (byte < least || byte > most)
            return (utf8_unit){UTF8_INVALID, i, 0};
        code_point = code_point << 6 | (byte & 0x3f);
    }
    return (utf8_unit){UTF8_WHOLE, expected.continuation + 1, code_point};
}

size_t utf8_valid_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint64_t eight;
        while (length - at >= sizeof eight) {
            memcpy(&eight, text + at, sizeof eight);
            if (eight & UINT64_C(0x8080808080808080))
                break;
            at += sizeof eight;
        }
        if (at == length)
            break;
        utf8_unit unit = utf8_next(text + at, length - at);
        if (unit.kind != UTF8_WHOLE)
            break;
        at += unit.length;
    }
    return at;
}

hadal_status utf8_check(const char *text, size_t length, const char *what)
{
    size_t valid = utf8_valid_length(text, length);
    if (valid == length)
        return HADAL_OK;
    return failure(HADAL_ERROR_DATA, "%s is not UTF-8: the byte 0x%02x at offset %zu is no part of a character; "
                   "convert it with iconv", what, (unsigned)(unsigned char)text[valid], valid);
}

unsigned utf8_encode(char *text, uint32_t code_point)
{
    if (code_point < 0x80) {
        text[0] = (char)code_point;
        return 1;
    }
    unsigned length = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    for (unsigned i = length - 1; i > 0; i--) {
        text[i] = (char)(unsigned char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    text[0] = (char)(unsigned char)((0xf00u >> length & 0xff) | code_point);
    return length;
}
