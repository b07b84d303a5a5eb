/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/json.h"

#include <string.h>

#include "tests/check.h"

static json_t *parse(const char *text)
{
    json_t *root;
    CHECK_OK(json_parse(&root, text, strlen(text), "x.json"));
    return root;
}

static void check_excerpt(const char *text, const char *expected)
{
    json_t *root = parse(text);
    char excerpt[JSON_EXCERPT_BYTES];
    memset(excerpt, '?', sizeof excerpt);
    assert_string_equal(json_excerpt(excerpt, json_object_get(root, "v")), expected);
    json_decref(root);
}

static void excerpts_show_values_as_ascii_json(void **state)
{
    (void)state;
    check_excerpt("{\"v\": [1, 2.5, null, true, {\"a\": \"b\"}]}", "[1,2.5,null,true,{\"a\":\"b\"}]");
    check_excerpt("{\"v\": \"\\u001b[2J\\n\\u00e9\\u007f\"}", "\"\\u001B[2J\\n\\u00E9?\"");
    check_excerpt("{\"v\": null}", "null");
    check_excerpt("{}", "missing");
}

/* Trap: jansson's json_dumpb skips the pieces that do not fit and leaves gaps of whatever was there. */
static void excerpts_of_long_values_are_cut_without_gaps(void **state)
{
    (void)state;
    check_excerpt("{\"v\": [\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", 1, 2]}",
                  "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...");
    check_excerpt(
        "{\"v\": [11111111,22222222,33333333,44444444,55555555,66666666,77777777,88888888,99999999,11111111,22222222]}",
        "[11111111,22222222,33333333,44444444,55555555,66666666,77777777,88888888,99999999,11111111,2...");
    /* 95 characters fit as they are */
    check_excerpt(
        "{\"v\": \"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
        "12\"}",
        "\"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012\"");
}

static void fields_are_read_within_their_range(void **state)
{
    (void)state;
    json_t *root = parse("{\"n\": 7, \"x\": 0.5, \"f\": true, \"t\": \"text\", \"z\": null}");
    json_scope scope = {root, "x.json", "part."};
    uint32_t count = 0;
    double number = 0;
    bool flag = false;
    const char *text = NULL;
    CHECK_OK(json_count(&count, scope, "n", 7, 7));
    CHECK_OK(json_number(&number, scope, "x", 0, 1));
    CHECK_OK(json_flag(&flag, scope, "f"));
    CHECK_OK(json_text(&text, scope, "t"));
    assert_true(count == 7 && number == 0.5 && flag);
    assert_string_equal(text, "text");
    CHECK_FAILS(HADAL_ERROR_DATA, "x.json: part.n is 7, expected a whole number from 8 to 4294967295",
                json_count(&count, scope, "n", 8, UINT32_MAX));
    CHECK_FAILS(HADAL_ERROR_DATA, "x.json: part.n is 7, expected a whole number from 0 to 6",
                json_count(&count, scope, "n", 0, 6));
    CHECK_FAILS(HADAL_ERROR_DATA, "part.x is 0.5, expected a number from 1 to 2",
                json_number(&number, scope, "x", 1, 2));
    CHECK_FAILS(HADAL_ERROR_DATA, "part.t is \"text\", expected true or false", json_flag(&flag, scope, "t"));
    CHECK_FAILS(HADAL_ERROR_DATA, "part.gone is missing, expected a text", json_text(&text, scope, "gone"));
    assert_true(count == 7 && number == 0.5 && flag); /* a failure changes nothing */
    count = 3, number = 4, flag = false;
    CHECK_OK(json_optional_count(&count, scope, "gone", 0, 1));
    CHECK_OK(json_optional_number(&number, scope, "z", 0, 1));
    CHECK_OK(json_optional_flag(&flag, scope, "z"));
    assert_true(count == 3 && number == 4 && !flag);
    CHECK_FAILS(HADAL_ERROR_DATA, "part.n is 7", json_optional_count(&count, scope, "n", 0, 1));
    json_decref(root);
}

static void bad_texts_are_refused_with_their_place(void **state)
{
    (void)state;
    json_t *root;
    CHECK_FAILS(HADAL_ERROR_DATA, "x.json: bad JSON at byte 13 (line 2, column 4)",
                json_parse(&root, "{\"a\": 1,\n\"b\"}", 13, "x.json"));
    assert_null(root);
    CHECK_FAILS(HADAL_ERROR_DATA, "x.json: holds a JSON array, expected an object",
                json_parse(&root, "[]", 2, "x.json"));
    assert_null(root);
    CHECK_FAILS(HADAL_ERROR_DATA, "duplicate object key", json_parse(&root, "{\"a\":1,\"a\":1}", 13, "x.json"));
    assert_null(root);
}

static void control_characters_are_not_printable(void **state)
{
    (void)state;
    assert_true(json_is_printable("model.layers.0 \xc3\xa9 \xc2\xa0 \xe6\xb7\xb1"));
    assert_false(json_is_printable("a\nb"));
    assert_false(json_is_printable("a\x7f"));
    assert_false(json_is_printable("a\xc2\x9b"));
    assert_false(json_is_printable("\x1b[2J"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(excerpts_show_values_as_ascii_json),
        cmocka_unit_test(excerpts_of_long_values_are_cut_without_gaps),
        cmocka_unit_test(fields_are_read_within_their_range),
        cmocka_unit_test(bad_texts_are_refused_with_their_place),
        cmocka_unit_test(control_characters_are_not_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
