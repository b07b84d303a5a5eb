/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/detokenizer.h"

#include <string.h>

#include "tests/text/cases.h"
#include "text/tokenizer.h"

static hadal_tokenizer *load_demo(void)
{
    char path[4096];
    cases_path(path, "weights");
    hadal_tokenizer *loaded;
    CHECK_OK(hadal_tokenizer_load(&loaded, path));
    return loaded;
}

/* Feeds the token of each byte; chunks after each one are joined by '|', what comes at the end by '$'. */
static void push_bytes(const hadal_tokenizer *tokenizer, byte_array *shown, const char *text, size_t length)
{
    detokenizer state = detokenizer_begin(tokenizer, false);
    shown->length = 0;
    for (size_t i = 0; i < length; i++) {
        CHECK_OK(detokenizer_push(&state, shown, tokenizer_vocabulary(tokenizer)->byte_tokens[(unsigned char)text[i]]));
        CHECK_OK(bytes_append(shown, "|", 1));
    }
    shown->length--;
    CHECK_OK(bytes_append(shown, "$", 1));
    CHECK_OK(detokenizer_finish(&state, shown));
}

#define FFFD "\xef\xbf\xbd"

static void characters_come_out_when_they_are_whole(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"ab", "a|b$"},
        {"é", "|é$"},
        {"€!", "||€|!$"},
        {"😀", "|||😀$"},
        {"\xe2\x82", "|$" FFFD},                          /* cut off by the end */
        {"\xe2\x82" "a", "||" FFFD "a$"},                 /* cut off by another character */
        {"\xe2\x82\xc3\xa9", "||" FFFD "|é$"},
        {"\xf0\x9f\x98\xf0\x9f\x98\x80", "|||" FFFD "|||😀$"},
        {"\x80\xff", FFFD "|" FFFD "$"},
        {"\xed\xa0\x80", "|" FFFD FFFD "|" FFFD "$"},     /* a surrogate is three times invalid */
        {"\xf4\x90\x80\x80", "|" FFFD FFFD "|" FFFD "|" FFFD "$"},
        {"\xc0\xaf", FFFD "|" FFFD "$"},
    };
    hadal_tokenizer *demo = load_demo();
    byte_array shown = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        push_bytes(demo, &shown, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(shown.data, cases[i][1]);
    }
    bytes_free(&shown);
    hadal_tokenizer_free(demo);
}

/* Whatever the tokens, each chunk is UTF-8, and all together are what hadal_detokenize gives. */
static void any_tokens_stream_as_valid_text(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load_demo();
    uint64_t seed = 5;
    for (int round = 0; round < 500; round++) {
        int32_t ids[40];
        detokenizer stream = detokenizer_begin(demo, round % 2);
        byte_array text = {0};
        for (size_t i = 0; i < 40; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            ids[i] = (int32_t)(seed >> 33) % (round % 3 ? 259 : 4096); /* mostly single bytes */
            size_t before = text.length;
            CHECK_OK(detokenizer_push(&stream, &text, ids[i]));
            CHECK_OK(utf8_check(text.data + before, text.length - before, "a chunk"));
        }
        CHECK_OK(detokenizer_finish(&stream, &text));
        char *whole;
        size_t length;
        CHECK_OK(hadal_detokenize(demo, &whole, &length, ids, 40, round % 2 ? HADAL_TEXT_SPECIAL : 0));
        assert_int_equal(length, text.length);
        assert_memory_equal(whole, text.data, length);
        free(whole);
        bytes_free(&text);
    }
    hadal_tokenizer_free(demo);
}

/* The released model has 129,280 rows for 128,815 tokens. */
static void tokens_without_text_are_passed_over_in_a_stream(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load_demo();
    detokenizer stream = detokenizer_begin(demo, true);
    byte_array text = {0};
    CHECK_OK(detokenizer_push(&stream, &text, 67));
    CHECK_OK(detokenizer_push(&stream, &text, 4096));
    CHECK_OK(detokenizer_push(&stream, &text, 67));
    assert_string_equal(text.data, "aa");
    bytes_free(&text);
    hadal_tokenizer_free(demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_come_out_when_they_are_whole),
        cmocka_unit_test(any_tokens_stream_as_valid_text),
        cmocka_unit_test(tokens_without_text_are_passed_over_in_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
