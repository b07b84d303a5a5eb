/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/bpe.h"

#include <string.h>

#include "tests/check.h"

enum { MAX_TOKENS = 256 + 64 };

/* A made-up model: bytes are tokens 0..255, merge k makes token 256 + k. */
typedef struct toy {
    uint32_t lengths[MAX_TOKENS];
    int32_t byte_tokens[256];
    bpe_merge merges[64];
    size_t merge_count, size;
    bpe *model;
} toy;

static void toy_begin(toy *made)
{
    *made = (toy){.size = 256};
    for (int byte = 0; byte < 256; byte++) {
        made->byte_tokens[byte] = byte;
        made->lengths[byte] = 1;
    }
}

static int32_t toy_merge(toy *made, int32_t left, int32_t right, uint32_t rank)
{
    int32_t merged = (int32_t)made->size++;
    made->lengths[merged] = made->lengths[left] + made->lengths[right];
    made->merges[made->merge_count++] = (bpe_merge){left, right, merged, rank};
    return merged;
}

static void toy_end(toy *made)
{
    bpe_merge copy[64]; /* bpe_create sorts */
    memcpy(copy, made->merges, sizeof copy);
    CHECK_OK(bpe_create(&made->model, made->byte_tokens, made->lengths, made->size, copy, made->merge_count));
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

/* The definition, word for word: in n^2 steps. */
static size_t encode_slowly(const toy *made, int32_t *tokens, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        tokens[i] = made->byte_tokens[(unsigned char)text[i]];
    for (;;) {
        const bpe_merge *best = NULL;
        size_t where = 0;
        for (size_t i = 0; i + 1 < length; i++)
            for (size_t m = 0; m < made->merge_count; m++)
                if (made->merges[m].left == tokens[i] && made->merges[m].right == tokens[i + 1] &&
                    (!best || made->merges[m].rank < best->rank)) {
                    best = &made->merges[m];
                    where = i;
                }
        if (!best)
            return length;
        tokens[where] = best->merged;
        memmove(tokens + where + 1, tokens + where + 2, (length - where - 2) * sizeof *tokens);
        length--;
    }
}

static bool toy_has_pair(const toy *made, int32_t left, int32_t right)
{
    for (size_t m = 0; m < made->merge_count; m++)
        if (made->merges[m].left == left && made->merges[m].right == right)
            return true;
    return false;
}

static void random_models_agree_with_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 7;
    bpe_workspace workspace = {0};
    for (int round = 0; round < 300; round++) {
        toy made;
        toy_begin(&made);
        uint32_t ranks = next_random(&seed);
        for (uint32_t k = 0; k < 40; k++) {
            int32_t parts[2];
            for (int side = 0; side < 2; side++) {
                uint32_t pick = next_random(&seed) % (3 + (uint32_t)made.merge_count);
                parts[side] = pick < 3 ? 'a' + (int32_t)pick : 256 + (int32_t)pick - 3;
            }
            /* Ranks in an order that has nothing to do with how tokens are made of each other. */
            if (!toy_has_pair(&made, parts[0], parts[1]) && made.lengths[parts[0]] + made.lengths[parts[1]] < 30)
                toy_merge(&made, parts[0], parts[1], (k * 27 + ranks) % 64);
        }
        toy_end(&made);
        for (int text_number = 0; text_number < 20; text_number++) {
            char text[60];
            size_t length = next_random(&seed) % sizeof text;
            for (size_t i = 0; i < length; i++)
                text[i] = (char)('a' + next_random(&seed) % 3);
            int32_t expected[60];
            size_t count = encode_slowly(&made, expected, text, length);
            hadal_tokens tokens = {0};
            CHECK_OK(bpe_encode(made.model, &workspace, &tokens, text, length));
            assert_int_equal(tokens.count, count);
            if (count)
                assert_memory_equal(tokens.ids, expected, count * sizeof *expected);
            hadal_tokens_free(&tokens);
        }
        bpe_free(made.model);
    }
    bpe_workspace_free(&workspace);
}

static void of_two_merges_of_a_pair_the_later_counts(void **state)
{
    (void)state;
    toy made;
    toy_begin(&made);
    int32_t early = toy_merge(&made, 'a', 'b', 0), later = toy_merge(&made, 'b', 'c', 1);
    int32_t again = toy_merge(&made, 'a', 'b', 2);
    toy_end(&made);
    bpe_workspace workspace = {0};
    hadal_tokens tokens = {0};
    CHECK_OK(bpe_encode(made.model, &workspace, &tokens, "abcab", 5));
    const int32_t expected[] = {'a', later, again};
    assert_int_equal(tokens.count, 3);
    assert_memory_equal(tokens.ids, expected, sizeof expected);
    assert_int_not_equal(early, again);
    hadal_tokens_free(&tokens);
    bpe_workspace_free(&workspace);
    bpe_free(made.model);
}

/* 10 MB in one piece: the steps grow with n log n, else this takes days. */
static void a_piece_of_ten_million_bytes_is_merged(void **state)
{
    (void)state;
    enum { LENGTH = 10 * 1000 * 1000, DOUBLINGS = 10 };
    toy made;
    toy_begin(&made);
    int32_t token = 'a';
    for (uint32_t k = 0; k < DOUBLINGS; k++)
        token = toy_merge(&made, token, token, k);
    toy_end(&made);
    char *text;
    CHECK_OK(memory_allocate(&text, LENGTH, 1));
    memset(text, 'a', LENGTH);
    bpe_workspace workspace = {0};
    hadal_tokens tokens = {0};
    CHECK_OK(bpe_encode(made.model, &workspace, &tokens, text, LENGTH));
    size_t whole = LENGTH >> DOUBLINGS, rest = LENGTH & ((1 << DOUBLINGS) - 1);
    for (size_t i = 0; i < whole; i++)
        assert_int_equal(tokens.ids[i], token);
    for (size_t i = whole; i < tokens.count; i++)
        rest -= made.lengths[tokens.ids[i]];
    assert_int_equal(rest, 0);
    hadal_tokens_free(&tokens);
    bpe_workspace_free(&workspace);
    bpe_free(made.model);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_models_agree_with_the_definition),
        cmocka_unit_test(of_two_merges_of_a_pair_the_later_counts),
        cmocka_unit_test(a_piece_of_ten_million_bytes_is_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
