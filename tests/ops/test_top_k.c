/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/top_k.h"

#include "ops/reference_indexer.h"
#include "tests/ops/device.h"

/* Rows first_row..first_row + rows - 1 of `tokens`, against the sort. Scores past a row's position are huge: whoever
 * looks at the future selects it. */
static void check_top_k(const float *scores, size_t stride, const int32_t *positions, size_t tokens, size_t first_row,
                        size_t rows, size_t k)
{
    size_t selected_stride = min_size(k, stride) + 3;
    float *visible = malloc(rows * stride * sizeof *visible);
    int32_t *expected = malloc(stride * sizeof *expected);
    assert_non_null(visible);
    assert_non_null(expected);
    for (size_t row = 0; row < rows; row++)
        for (size_t s = 0; s < stride; s++)
            visible[row * stride + s] = s <= (size_t)positions[first_row + row] ? scores[row * stride + s] : 3e38f;
    top_k_op op;
    CHECK_OK(top_k_create(&op, test_device()));
    buffer *score_buffer = test_buffer(visible, rows * stride * sizeof *visible);
    buffer *position_buffer = test_buffer(positions, tokens * sizeof *positions);
    buffer *selected = test_poisoned_buffer(tokens * selected_stride * sizeof(int32_t));
    buffer *counts = test_poisoned_buffer(tokens * sizeof(int32_t));
    buffer *scratch = test_buffer(NULL, top_k_scratch_bytes(rows, stride));
    CHECK_OK(top_k(&op, selected, selected_stride, counts, score_buffer, stride, position_buffer, first_row, rows, k,
                   scratch));
    int32_t *got = test_read(selected), *got_counts = test_read(counts);
    for (size_t token = 0; token < tokens; token++) {
        size_t chosen = 0;
        if (token >= first_row && token < first_row + rows) {
            CHECK_OK(reference_top_k(expected, &chosen, visible + (token - first_row) * stride,
                                     (size_t)positions[token] + 1, k));
            assert_int_equal(got_counts[token], chosen);
            if (memcmp(got + token * selected_stride, expected, chosen * sizeof *expected) != 0)
                fail_msg("wrong selection: k %zu of %d scores", k, positions[token] + 1);
        }
        for (size_t i = chosen; i < selected_stride; i++)
            assert_int_equal(got[token * selected_stride + i], -1); /* untouched */
    }
    buffer_free(score_buffer), buffer_free(position_buffer), buffer_free(selected), buffer_free(counts);
    buffer_free(scratch);
    free(visible), free(expected), free(got), free(got_counts);
}

/* One row of `count` scores. */
static void check_row(const float *scores, size_t count, size_t k)
{
    size_t stride = round_up(count, ROW_UNIT);
    float *row = calloc(stride, sizeof *row);
    assert_non_null(row);
    memcpy(row, scores, count * sizeof *row);
    const int32_t position = (int32_t)count - 1;
    check_top_k(row, stride, &position, 1, 0, 1, k);
    free(row);
}

/* Scores of many kinds, at index i of a row of `count`. */
typedef enum pattern {
    RANDOM,
    EQUAL,
    TWO_VALUES,
    ASCENDING,
    DESCENDING,
    RELU,
    FEW_VALUES,
    SIGNED_ZEROS,
    PERIODIC,
    SPARSE,
    NARROW,
    MISFITS,
    PATTERNS
} pattern;

static float pattern_score(pattern kind, size_t i, size_t count, uint64_t *random)
{
    float value = test_random_float(random);
    switch (kind) {
    case EQUAL:
        return -2.5f;
    case TWO_VALUES:
        return value > 0.5f ? 1.0f : -1.0f;
    case ASCENDING:
        return (float)i - 50.0f;
    case DESCENDING:
        return (float)count - (float)i;
    case RELU: /* a plateau of exact zeros, few above it, none below */
        return value > 0.9f ? value : 0.0f;
    case FEW_VALUES:
        return floorf(value * 4);
    case SIGNED_ZEROS:
        return value > 0.99f ? value : value < -0.99f ? value : value > 0 ? 0.0f : -0.0f;
    case SPARSE: /* as RELU, but the plateau begins among the best 2048 of a long row */
        return value > 0.98f ? value : 0.0f;
    case NARROW: /* keys that have all but their last bits in common */
        return 1.0f + value * 1e-5f;
    case MISFITS:
        return i % 97 == 0 ? value : i % 3 ? -INFINITY : NAN;
    case PERIODIC: /* the largest all in the same parts of a row that is split by a power of two */
        return i % 1024 < 16 ? 1.0f + value * 0.1f : value * 0.1f;
    default:
        return value * 1e3f;
    }
}

static float *pattern_row(pattern kind, size_t count, uint64_t *random)
{
    float *row = calloc(round_up(count, ROW_UNIT), sizeof *row);
    assert_non_null(row);
    for (size_t i = 0; i < count; i++)
        row[i] = pattern_score(kind, i, count, random);
    return row;
}

/* All sizes 1..200 in one launch a pattern and k: token t sees t + 1 scores. */
static void every_small_size_agrees_with_a_sort(void **state)
{
    (void)state;
    enum { TOKENS = 200, STRIDE = 208 };
    static const size_t ks[] = {1, 2, 3, 7, 16, 63, 64, 65, 150, 199, 200, 1000};
    uint64_t random = 1;
    int32_t positions[TOKENS];
    float *scores = calloc((size_t)TOKENS * STRIDE, sizeof *scores);
    for (size_t kind = 0; kind < PATTERNS; kind++) {
        for (size_t token = 0; token < TOKENS; token++) {
            positions[token] = (int32_t)token;
            for (size_t s = 0; s < STRIDE; s++)
                scores[token * STRIDE + s] = pattern_score((pattern)kind, s, token + 1, &random);
        }
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
            check_top_k(scores, STRIDE, positions, TOKENS, 0, TOKENS, ks[i]);
    }
    free(scores);
}

static void long_rows_of_every_pattern_agree_with_a_sort(void **state)
{
    (void)state;
    static const size_t counts[] = {1023, 4097, 8192, 16384, 20000, 131072};
    static const size_t ks[] = {1, 256, 2048, 9000};
    uint64_t random = 2;
    for (size_t kind = 0; kind < PATTERNS; kind++)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            float *row = pattern_row((pattern)kind, counts[i], &random);
            for (size_t j = 0; j < sizeof ks / sizeof *ks; j++)
                check_row(row, counts[i], ks[j]);
            free(row);
        }
}

static void boundaries_inside_a_plateau_take_the_lower_positions(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    float *row = calloc(COUNT, sizeof *row);
    for (size_t i = 0; i < COUNT; i++)
        row[i] = i % 10 == 9 ? 2.0f : i % 3 == 0 ? 1.0f : -1.0f;
    for (size_t k = 498; k <= 503; k++) /* 500 twos, then ones */
        check_row(row, COUNT, k);
    check_row(row, COUNT, 2000);
    check_row(row, COUNT, 2001);
    check_row(row, COUNT, COUNT - 1);
    free(row);
}

static void minus_infinity_is_selected_last_and_nan_after_it(void **state)
{
    (void)state;
    float row[64];
    for (size_t i = 0; i < 64; i++)
        row[i] = i % 4 == 0 ? -INFINITY : i % 4 == 1 ? NAN : i % 8 == 2 ? -NAN : (float)i;
    row[7] = INFINITY;
    for (size_t k = 1; k <= 64; k++)
        check_row(row, 64, k);
    for (size_t i = 0; i < 64; i++)
        row[i] = -INFINITY;
    check_row(row, 64, 5);
}

/* Rows of a chunk in the middle of a step, each with its own position, in no order. */
static void a_query_never_selects_the_future(void **state)
{
    (void)state;
    static const int32_t positions[] = {700, 3, 699, 0, 17, 16, 15, 512, 100, 701};
    uint64_t random = 5;
    float *scores = test_random_rows(&random, 10, 702);
    for (size_t k = 1; k <= 512; k *= 8) {
        check_top_k(scores, round_up(702, ROW_UNIT), positions, 10, 0, 10, k);
        check_top_k(scores, round_up(702, ROW_UNIT), positions, 10, 3, 5, k);
    }
    free(scores);
}

/* Which positions of a row of `count` scores take_sample of top_k_group.cl reads: 4 * 2^bits of them. */
static void find_sample(bool *sampled, size_t count, uint32_t bits)
{
    memset(sampled, 0, count * sizeof *sampled);
    for (uint32_t part = 0; part < 1u << bits; part++) {
        uint32_t fraction = part << (32 - bits) | part * 2654435769u >> bits;
        uint64_t vector = (uint64_t)fraction * (count / 4) >> 32;
        for (size_t lane = 0; lane < 4; lane++)
            sampled[vector * 4 + lane] = true;
    }
}

/* Rows of which the sample is no picture: its best are all there is, or all the others are better, or a plateau seems
 * longer than it is. */
static void rows_that_deceive_the_sample_are_searched(void **state)
{
    (void)state;
    enum { COUNT = 131072, SHORT = 20000, PLATEAU = 1900 };
    uint64_t random = 8;
    bool *sampled = calloc(COUNT, sizeof *sampled);
    float *row = calloc(COUNT, sizeof *row);
    assert_non_null(sampled);
    assert_non_null(row);
    find_sample(sampled, COUNT, 10);
    for (size_t i = 0; i < COUNT; i++)
        row[i] = test_random_float(&random) + (sampled[i] ? 4.0f : 0.0f);
    check_row(row, COUNT, 2048);
    for (size_t i = 0; i < COUNT; i++)
        row[i] -= sampled[i] ? 8.0f : 0.0f;
    check_row(row, COUNT, 2048);
    find_sample(sampled, SHORT, 10);
    for (size_t i = 0, plateau = 0; i < SHORT; i++)
        row[i] = sampled[i] && plateau++ < PLATEAU ? 1.0f : 0.5f * test_random_float(&random);
    check_row(row, SHORT, 3000);
    free(sampled), free(row);
}

/* So many that each has a group of its own, which samples it twice as densely; two of them deceive that sample. */
static void many_long_rows_are_not_cut(void **state)
{
    (void)state;
    enum { ROWS = 66, COUNT = 17001, STRIDE = 17024 };
    static const size_t ks[] = {300, 2048};
    uint64_t random = 11;
    int32_t positions[ROWS];
    bool *sampled = calloc(STRIDE, sizeof *sampled);
    float *scores = calloc((size_t)ROWS * STRIDE, sizeof *scores);
    assert_non_null(sampled);
    assert_non_null(scores);
    find_sample(sampled, COUNT, 11);
    for (size_t row = 0; row < ROWS; row++) {
        positions[row] = (int32_t)(COUNT - 1 - (row < 2 ? 0 : row * 31));
        for (size_t i = 0; i < COUNT; i++)
            scores[row * STRIDE + i] = row < 2 ? test_random_float(&random) + (sampled[i] == (row == 0) ? 4.0f : 0.0f)
                                               : pattern_score((pattern)(row % PATTERNS), i, COUNT, &random);
    }
    for (size_t i = 0; i < sizeof ks / sizeof *ks; i++)
        check_top_k(scores, STRIDE, positions, ROWS, 0, ROWS, ks[i]);
    free(sampled), free(scores);
}

/* Rows of one launch that are cut into slices, each as long as it is; the longest fills its bitmap more than once. */
static void rows_of_any_length_share_a_launch(void **state)
{
    (void)state;
    enum { STRIDE = 163840, ROWS = 6 };
    static const size_t ks[] = {1, 17, 256, 2048};
    static const pattern kinds[] = {RANDOM, SPARSE};
    uint64_t random = 9;
    float *scores = calloc((size_t)ROWS * STRIDE, sizeof *scores);
    assert_non_null(scores);
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        for (size_t i = 0; i < (size_t)ROWS * STRIDE; i++)
            scores[i] = pattern_score(kinds[kind], i % STRIDE, STRIDE, &random);
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
            int32_t k = (int32_t)ks[i], positions[ROWS] = {STRIDE - 1, k > 1 ? k - 2 : 0, k - 1, 131071, k, 4999};
            check_top_k(scores, STRIDE, positions, ROWS, 0, ROWS, ks[i]);
        }
    }
    free(scores);
}

/* What one row of `count` scores selects: int32 [k], -1 where nothing was written, and how many. Freed with free(). */
static int32_t *select_from(const float *scores, size_t count, size_t k, int32_t *chosen)
{
    const int32_t position = (int32_t)count - 1;
    top_k_op op;
    CHECK_OK(top_k_create(&op, test_device()));
    buffer *row = test_buffer(scores, round_up(count, ROW_UNIT) * sizeof *scores);
    buffer *at = test_buffer(&position, sizeof position), *count_buffer = test_poisoned_buffer(sizeof *chosen);
    buffer *selected = test_poisoned_buffer(k * sizeof(int32_t));
    buffer *scratch = test_buffer(NULL, top_k_scratch_bytes(1, round_up(count, ROW_UNIT)));
    CHECK_OK(top_k(&op, selected, k, count_buffer, row, round_up(count, ROW_UNIT), at, 0, 1, k, scratch));
    CHECK_OK(buffer_read(count_buffer, 0, chosen, sizeof *chosen));
    int32_t *got = test_read(selected);
    buffer_free(row), buffer_free(at), buffer_free(count_buffer), buffer_free(selected), buffer_free(scratch);
    return got;
}

/* Lists come from slices in any order, and each launch finds the scratch as the first did. */
static void the_same_scratch_serves_again_with_the_same_bits(void **state)
{
    (void)state;
    enum { COUNT = 40000, ROWS = 3, K = 500, TIMES = 5 };
    static const int32_t at[ROWS] = {COUNT - 1, 20000, COUNT - 1};
    uint64_t random = 10;
    float *scores = calloc((size_t)ROWS * COUNT, sizeof *scores);
    for (size_t i = 0; i < (size_t)ROWS * COUNT; i++)
        scores[i] = pattern_score(i < COUNT ? RANDOM : i < 2 * COUNT ? SPARSE : FEW_VALUES, i, COUNT, &random);
    top_k_op op;
    CHECK_OK(top_k_create(&op, test_device()));
    buffer *rows = test_buffer(scores, (size_t)ROWS * COUNT * sizeof *scores), *positions = test_buffer(at, sizeof at);
    buffer *counts = test_poisoned_buffer(sizeof at), *scratch = test_buffer(NULL, top_k_scratch_bytes(ROWS, COUNT));
    int32_t *first = NULL;
    for (size_t time = 0; time < TIMES; time++) {
        buffer *selected = test_poisoned_buffer((size_t)ROWS * K * sizeof(int32_t));
        CHECK_OK(top_k(&op, selected, K, counts, rows, COUNT, positions, 0, ROWS, K, scratch));
        int32_t *got = test_read(selected);
        if (first)
            assert_memory_equal(got, first, (size_t)ROWS * K * sizeof *got);
        buffer_free(selected);
        if (first)
            free(got);
        else
            first = got;
    }
    buffer_free(rows), buffer_free(positions), buffer_free(counts), buffer_free(scratch);
    free(scores), free(first);
}

/* A query that sees at most k keys selects them all, the worst too, and nothing more. */
static void fewer_keys_than_k_are_all_selected(void **state)
{
    (void)state;
    enum { K = 64 };
    uint64_t random = 6;
    float *row = pattern_row(DESCENDING, K, &random);
    row[0] = NAN;
    row[3] = -INFINITY;
    for (size_t count = 1; count <= K; count++) {
        int32_t chosen, *got = select_from(row, count, K, &chosen);
        assert_int_equal(chosen, count);
        for (size_t i = 0; i < K; i++)
            assert_int_equal(got[i], i < count ? (int32_t)i : -1);
        free(got);
    }
    free(row);
}

/* Without the sort: k different positions, none of which scores less than one that was left out. */
static void no_position_is_selected_twice_or_missed(void **state)
{
    (void)state;
    enum { COUNT = 3000, K = 700 };
    uint64_t random = 7;
    for (size_t kind = 0; kind < PATTERNS; kind++) {
        float *row = pattern_row((pattern)kind, COUNT, &random), least = INFINITY;
        bool selected[COUNT] = {false};
        int32_t chosen, *got = select_from(row, COUNT, K, &chosen);
        assert_int_equal(chosen, K);
        for (size_t i = 0; i < K; i++) {
            assert_in_range(got[i], 0, COUNT - 1);
            assert_false(selected[got[i]]);
            selected[got[i]] = true;
            least = fminf(least, row[got[i]]);
        }
        for (size_t s = 0; s < COUNT; s++)
            assert_false(!selected[s] && row[s] > least);
        free(row), free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_size_agrees_with_a_sort),
        cmocka_unit_test(long_rows_of_every_pattern_agree_with_a_sort),
        cmocka_unit_test(boundaries_inside_a_plateau_take_the_lower_positions),
        cmocka_unit_test(rows_that_deceive_the_sample_are_searched),
        cmocka_unit_test(many_long_rows_are_not_cut),
        cmocka_unit_test(rows_of_any_length_share_a_launch),
        cmocka_unit_test(the_same_scratch_serves_again_with_the_same_bits),
        cmocka_unit_test(minus_infinity_is_selected_last_and_nan_after_it),
        cmocka_unit_test(a_query_never_selects_the_future),
        cmocka_unit_test(fewer_keys_than_k_are_all_selected),
        cmocka_unit_test(no_position_is_selected_twice_or_missed),
    };
    TEST_ON_SHAPES(tests);
}
