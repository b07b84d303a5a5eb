/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/tokenizer.h"

#include <string.h>
#include <time.h>

#include "tests/text/cases.h"
#include "text/utf8.h"

static hadal_tokenizer *load(const char *directory)
{
    char path[4096];
    cases_path(path, directory);
    hadal_tokenizer *loaded;
    CHECK_OK(hadal_tokenizer_load(&loaded, path));
    return loaded;
}

/* ---- Against the `tokenizers` library ---------------------------------------------------------------------- */

static void check_case(const hadal_tokenizer *tokenizer, const json_t *text, const json_t *ids, unsigned flags)
{
    hadal_tokens tokens = {0};
    CHECK_OK(hadal_tokenize(tokenizer, &tokens, json_string_value(text), json_string_length(text), flags));
    cases_check_ids(ids, tokens.ids, tokens.count, text);
    char *back;
    size_t length;
    CHECK_OK(hadal_detokenize(tokenizer, &back, &length, tokens.ids, tokens.count, HADAL_TEXT_SPECIAL));
    assert_int_equal(length, json_string_length(text));
    assert_memory_equal(back, json_string_value(text), length + 1);
    free(back);
    hadal_tokens_free(&tokens);
}

static void the_reference_cases_of_the_demo_model_agree(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load("weights");
    json_t *cases = cases_load("weights/reference/tokenizer_cases.json"), *one;
    size_t index;
    json_array_foreach(cases, index, one)
        check_case(demo, json_object_get(one, "text"), json_object_get(one, "ids"), HADAL_TEXT_SPECIAL);
    assert_int_equal(json_array_size(cases), 200);
    json_decref(cases);
    hadal_tokenizer_free(demo);
}

static void generated_cases_agree(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load("weights"), *dense = load("tests/text/data");
    json_t *cases = cases_load("tests/text/data/cases.json.gz"), *one;
    size_t index;
    json_array_foreach(cases, index, one) {
        const json_t *text = json_object_get(one, "text");
        json_t *by_demo = json_object_get(one, "demo"), *by_dense = json_object_get(one, "dense");
        check_case(demo, text, json_object_get(by_demo, "ids"), HADAL_TEXT_SPECIAL);
        check_case(demo, text, json_object_get(by_demo, "plain"), 0);
        check_case(dense, text, json_object_get(by_dense, "ids"), HADAL_TEXT_SPECIAL);
        check_case(dense, text, json_object_get(by_dense, "plain"), 0);
    }
    assert_true(json_array_size(cases) > 2000);
    json_decref(cases);
    hadal_tokenizer_free(demo);
    hadal_tokenizer_free(dense);
}

/* ---- Properties ---------------------------------------------------------------------------------------------- */

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static size_t random_text(char *text, size_t characters, uint64_t *seed)
{
    static const uint32_t bounds[] = {0x80, 0x80, 0x250, 0x800, 0x3100, 0xd800, 0x20000, 0x110000};
    size_t length = 0;
    for (size_t i = 0; i < characters; i++) {
        uint32_t code_point = next_random(seed) % bounds[next_random(seed) % 8];
        if (code_point >= 0xd800 && code_point < 0xe000)
            code_point = ' ';
        length += utf8_encode(text + length, code_point);
    }
    return length;
}

static void decoding_what_was_encoded_gives_the_text(void **state)
{
    (void)state;
    hadal_tokenizer *dense = load("tests/text/data");
    uint64_t seed = 99;
    for (int round = 0; round < 3000; round++) {
        char text[4 * 64];
        size_t length = random_text(text, next_random(&seed) % 64, &seed), back_length;
        hadal_tokens tokens = {0};
        CHECK_OK(hadal_tokenize(dense, &tokens, text, length, 0));
        char *back;
        CHECK_OK(hadal_detokenize(dense, &back, &back_length, tokens.ids, tokens.count, 0));
        assert_int_equal(back_length, length);
        assert_memory_equal(back, text, length);
        free(back);
        hadal_tokens_free(&tokens);
    }
    hadal_tokenizer_free(dense);
}

static void text_never_becomes_an_added_token_unless_asked(void **state)
{
    (void)state;
    static const char *const directories[] = {"weights", "tests/text/data"};
    for (size_t d = 0; d < 2; d++) {
        hadal_tokenizer *tokenizer = load(directories[d]);
        const vocabulary *all = tokenizer_vocabulary(tokenizer);
        size_t added = 0;
        for (size_t id = 0; id < all->size; id++) {
            if (!(all->flags[id] & TOKEN_ADDED))
                continue;
            added++;
            size_t length;
            const char *text = vocabulary_text(all, (int32_t)id, &length);
            hadal_tokens tokens = {0};
            CHECK_OK(hadal_tokenize(tokenizer, &tokens, text, length, 0));
            for (size_t i = 0; i < tokens.count; i++)
                assert_false(all->flags[tokens.ids[i]] & TOKEN_ADDED);
            tokens.count = 0;
            CHECK_OK(hadal_tokenize(tokenizer, &tokens, text, length, HADAL_TEXT_SPECIAL));
            assert_true(all->flags[tokens.ids[0]] & TOKEN_ADDED); /* one of them may begin with another */
            hadal_tokens_free(&tokens);
        }
        assert_true(added >= 7);
        hadal_tokenizer_free(tokenizer);
    }
}

static void special_tokens_are_left_out_of_text_unless_asked(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load("weights");
    const int32_t ids[] = {0, 4092, 67, 4093, 1}; /* BOS <think> a </think> EOS */
    char *text;
    size_t length;
    CHECK_OK(hadal_detokenize(demo, &text, &length, ids, 5, 0));
    assert_string_equal(text, "<think>a</think>"); /* the file marks these two as not special */
    free(text);
    CHECK_OK(hadal_detokenize(demo, &text, &length, ids, 5, HADAL_TEXT_SPECIAL));
    assert_string_equal(text, "<｜begin▁of▁sentence｜><think>a</think><｜end▁of▁sentence｜>");
    free(text);
    CHECK_OK(hadal_detokenize(demo, &text, &length, NULL, 0, 0));
    assert_string_equal(text, "");
    free(text);
    const int32_t wrong[] = {1, 4096, -1};
    CHECK_FAILS(HADAL_ERROR_DATA, "token 2 of 2 is 4096", hadal_detokenize(demo, &text, &length, wrong, 2, 0));
    assert_null(text);
    CHECK_FAILS(HADAL_ERROR_DATA, "token 1 of 1 is -1", hadal_detokenize(demo, &text, &length, wrong + 2, 1, 0));
    hadal_tokenizer_free(demo);
}

static void the_beginning_of_sentence_comes_first_when_asked(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load("weights");
    hadal_tokens tokens = {0};
    CHECK_OK(hadal_tokenize(demo, &tokens, "a", 1, HADAL_TEXT_BOS));
    CHECK_OK(hadal_tokenize(demo, &tokens, "a", 1, 0));
    const int32_t expected[] = {0, 67, 67};
    assert_int_equal(tokens.count, 3);
    assert_memory_equal(tokens.ids, expected, sizeof expected);
    assert_int_equal(tokenizer_bos(demo), 0);
    assert_int_equal(tokenizer_eos(demo), 1);
    hadal_tokens_free(&tokens);
    hadal_tokenizer_free(demo);
}

static void invalid_text_is_refused_with_its_offset(void **state)
{
    (void)state;
    hadal_tokenizer *demo = load("weights");
    hadal_tokens tokens = {0};
    CHECK_OK(hadal_tokenize(demo, &tokens, "ab", 2, 0));
    size_t before = tokens.count;
    CHECK_FAILS(HADAL_ERROR_DATA, "byte 0xff at offset 5",
                hadal_tokenize(demo, &tokens, "hello\xff!", 7, HADAL_TEXT_BOS));
    CHECK_FAILS(HADAL_ERROR_DATA, "byte 0xed at offset 1", hadal_tokenize(demo, &tokens, "x\xed\xa0\x80", 4, 0));
    CHECK_FAILS(HADAL_ERROR_DATA, "byte 0xe2 at offset 2", hadal_tokenize(demo, &tokens, "xy\xe2\x82", 4, 0));
    assert_int_equal(tokens.count, before);
    hadal_tokens_free(&tokens);
    hadal_tokenizer_free(demo);
}

/* ---- Long lines ------------------------------------------------------------------------------------------------ */

/* 10 MB without a newline, of each kind that a pattern could back up over or a merge run through. */
static void a_line_of_ten_megabytes_takes_linear_time(void **state)
{
    (void)state;
    static const char *const units[] = {
        "a", " ", "7", "!", "字", "\t \xc2\xa0", "the 12 cats, (été) 字かな! 🫨  ", "<｜User｜><",
    };
    enum { LENGTH = 10 * 1000 * 1000 };
    hadal_tokenizer *dense = load("tests/text/data");
    char *text = malloc(LENGTH);
    assert_non_null(text);
    for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
        size_t unit = strlen(units[u]), length = LENGTH / unit * unit, back_length;
        for (size_t i = 0; i < length; i += unit)
            memcpy(text + i, units[u], unit);
        hadal_tokens tokens = {0};
        clock_t start = clock();
        CHECK_OK(hadal_tokenize(dense, &tokens, text, length, u % 2 ? HADAL_TEXT_SPECIAL : 0));
        print_message("%.8s...: %.2f s\n", units[u], (double)(clock() - start) / CLOCKS_PER_SEC);
        char *back;
        CHECK_OK(hadal_detokenize(dense, &back, &back_length, tokens.ids, tokens.count, HADAL_TEXT_SPECIAL));
        assert_int_equal(back_length, length);
        assert_memory_equal(back, text, length);
        free(back);
        hadal_tokens_free(&tokens);
    }
    free(text);
    hadal_tokenizer_free(dense);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_cases_of_the_demo_model_agree),
        cmocka_unit_test(generated_cases_agree),
        cmocka_unit_test(decoding_what_was_encoded_gives_the_text),
        cmocka_unit_test(text_never_becomes_an_added_token_unless_asked),
        cmocka_unit_test(special_tokens_are_left_out_of_text_unless_asked),
        cmocka_unit_test(the_beginning_of_sentence_comes_first_when_asked),
        cmocka_unit_test(invalid_text_is_refused_with_its_offset),
        cmocka_unit_test(a_line_of_ten_megabytes_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
