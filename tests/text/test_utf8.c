/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

#include "tests/check.h"

static void every_character_is_read_back(void **state)
{
    (void)state;
    char text[UTF8_MAX_BYTES];
    for (uint32_t code_point = 0; code_point <= 0x10ffff; code_point++) {
        if (code_point == 0xd800)
            code_point = 0xe000;
        unsigned length = utf8_encode(text, code_point);
        utf8_unit unit = utf8_next(text, length);
        assert_int_equal(unit.kind, UTF8_WHOLE);
        assert_int_equal(unit.length, length);
        assert_int_equal(unit.code_point, code_point);
        for (unsigned cut = 1; cut < length; cut++) {
            unit = utf8_next(text, cut);
            assert_int_equal(unit.kind, UTF8_CUT);
            assert_int_equal(unit.length, cut);
        }
    }
}

/* Examples and maximal subparts as in the Unicode Standard 15.0, section 3.9, tables 3-8 to 3-11. */
static void broken_sequences_are_invalid_up_to_their_maximal_subpart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned length;
    } cases[] = {
        {"\x80", 1},         {"\xc0\xaf", 1},     {"\xc1\xbf", 1},     {"\xe0\x80\xbf", 1}, {"\xed\xa0\x80", 1},
        {"\xf0\x80\x80", 1}, {"\xf4\x91\x92", 1}, {"\xf5\x80", 1},     {"\xff", 1},         {"\xc3(", 1},
        {"\xe1\x80\xe2", 2}, {"\xf0\x91\x92\x41", 3}, {"\xf1\xbf\x41", 2}, {"\xe2\x82(", 2},    {"\xf8\x88", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        utf8_unit unit = utf8_next(cases[i].text, strlen(cases[i].text));
        assert_int_equal(unit.kind, UTF8_INVALID);
        assert_int_equal(unit.length, cases[i].length);
    }
}

static void the_first_bad_byte_is_named(void **state)
{
    (void)state;
    char text[64];
    for (size_t offset = 0; offset < 40; offset++) {
        memset(text, 'a', sizeof text);
        text[offset] = '\xfe';
        assert_int_equal(utf8_valid_length(text, 48), offset);
        char message[32];
        snprintf(message, sizeof message, "0xfe at offset %zu", offset);
        CHECK_FAILS(HADAL_ERROR_DATA, message, utf8_check(text, 48, "the text"));
        CHECK_OK(utf8_check(text, offset, "the text"));
    }
    CHECK_FAILS(HADAL_ERROR_DATA, "0xe2 at offset 3", utf8_check("abc\xe2\x82", 5, "the text"));
    CHECK_OK(utf8_check("", 0, "the text"));
    CHECK_OK(utf8_check("a\0b", 3, "the text"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_is_read_back),
        cmocka_unit_test(broken_sequences_are_invalid_up_to_their_maximal_subpart),
        cmocka_unit_test(the_first_bad_byte_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
