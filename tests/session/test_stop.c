/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "session/stop.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "tests/check.h"

enum { MAX_STOPS = 4 };

/* Pushes the chunks (separated by '|') and shows after each what was released, with '|' between; then "." and what
 * stop_finish gives, or "!" where a stop text ended it. */
static void check_stream(const char *const *stops, const char *chunks, const char *expected)
{
    stop_filter *filter;
    byte_array shown = {0};
    size_t count = 0;
    while (count < MAX_STOPS && stops[count])
        count++;
    CHECK_OK(stop_create(&filter, stops, count));
    bool stopped = false;
    for (const char *at = chunks; !stopped;) {
        size_t length = strcspn(at, "|");
        CHECK_OK(stop_push(filter, at, length, &shown, &stopped));
        at += length;
        CHECK_OK(bytes_append(&shown, stopped ? "!" : *at ? "|" : ".", 1));
        if (!*at++)
            break;
    }
    if (!stopped)
        CHECK_OK(stop_finish(filter, &shown));
    assert_string_equal(shown.data, expected);
    bytes_free(&shown);
    stop_free(filter);
}

static void text_that_may_become_a_stop_text_is_held_back(void **state)
{
    (void)state;
    static const struct {
        const char *stops[MAX_STOPS], *chunks, *expected;
    } cases[] = {
        {{NULL}, "ab|c", "ab|c."},
        {{"END"}, "a|E|N|D|x", "a|||!"},
        {{"END"}, "a|E|N|d|x", "a|||ENd|x."},
        {{"END"}, "aEN", "a.EN"},
        {{"END"}, "fooENDbar", "foo!"},
        {{"END"}, "EEN|END", "E|EN!"},
        {{"aab"}, "a|a|a|a|b", "||a|a|!"},             /* what is held back slides along */
        {{"abab"}, "ab|aa|ba|b", "|aba||!"},
        {{"\n\n"}, "x\n|y\n|\nz", "x|\ny|!"},
        {{"b", "abc"}, "abc", "a!"},                   /* complete first */
        {{"b", "abc"}, "a|b|c", "|a!"},
        {{"ab", "b"}, "xab", "x!"},                    /* complete at once: the longer */
        {{"abc", "bd"}, "ab|d", "|a!"},
        {{"</s>", "<!x"}, "a<|</s", "a|<.</s"},
        {{"né"}, "n|\xc3\xa9|", "|!"},
        {{"é!"}, "café|.", "caf|é.."},
        {{"END", "E", "EN"}, "xEND", "x!"},
        {{"x", "x"}, "yx", "y!"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_stream(cases[i].stops, cases[i].chunks, cases[i].expected);
}

/* However the text is cut, the same is released in the end, and never a stop text or what it could begin with. */
static void the_cuts_do_not_matter(void **state)
{
    (void)state;
    uint64_t random = 3;
    size_t stops_seen = 0;
    for (int round = 0; round < 3000; round++) {
        char texts[3][5] = {{0}}, text[41] = {0};
        const char *stops[3] = {texts[0], texts[1], texts[2]};
        for (int s = 0; s < 3; s++)
            for (uint64_t i = 0, n = 2 + random_bits(&random) % 3; i < n; i++)
                texts[s][i] = (char)('a' + random_bits(&random) % 3);
        for (uint64_t i = 0, n = random_bits(&random) % 40; i < n; i++)
            text[i] = (char)('a' + random_bits(&random) % 3);
        /* The definition: the end of the first complete one, then the longest that ends there. */
        size_t end = 0, length = strlen(text), cut = length;
        for (; end <= length && cut == length; end++)
            for (int s = 0; s < 3; s++) {
                size_t n = strlen(texts[s]);
                if (end >= n && memcmp(text + end - n, texts[s], n) == 0)
                    cut = min_size(cut, end - n);
            }
        stop_filter *filter;
        CHECK_OK(stop_create(&filter, stops, 3));
        byte_array released = {0};
        bool stopped = false;
        for (size_t at = 0; at < length && !stopped;) {
            size_t step = min_size(1 + random_bits(&random) % 5, length - at);
            CHECK_OK(stop_push(filter, text + at, step, &released, &stopped));
            at += step;
            if (released.length) /* nothing that reaches into the first stop text */
                assert_true(released.length <= cut);
        }
        stops_seen += stopped;
        if (!stopped)
            CHECK_OK(stop_finish(filter, &released));
        assert_int_equal(released.length, cut);
        if (cut)
            assert_memory_equal(released.data, text, cut);
        bytes_free(&released);
        stop_free(filter);
    }
    assert_true(stops_seen > 1000);
}

static void stop_texts_that_cannot_be_are_refused(void **state)
{
    (void)state;
    stop_filter *filter;
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "empty", stop_create(&filter, (const char *const[]){"a", ""}, 2));
    assert_null(filter);
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "not UTF-8", stop_create(&filter, (const char *const[]){"a\xff"}, 1));
    assert_null(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_may_become_a_stop_text_is_held_back),
        cmocka_unit_test(the_cuts_do_not_matter),
        cmocka_unit_test(stop_texts_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
