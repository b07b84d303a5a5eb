/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/index_scores.h"

#include "ops/reference_indexer.h"
#include "tests/ops/device.h"

/* Random stored elements: rows of dim values and zero padding; no NaN. */
static void *random_elements(uint64_t *random, hadal_index_cache type, size_t rows, size_t dim)
{
    size_t stride = round_up(dim, ROW_UNIT);
    if (type == HADAL_INDEX_F32)
        return test_random_rows(random, rows, dim);
    uint8_t *elements = calloc(rows * stride, 1);
    assert_non_null(elements);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < dim; i++) {
            uint8_t byte = (uint8_t)(test_random(random) >> 56);
            elements[row * stride + i] = type == HADAL_INDEX_INT8 ? (uint8_t)(byte == 0x80 ? 0x81 : byte)
                                                                  : (uint8_t)((byte & 127) == 127 ? 0x3a : byte);
        }
    return elements;
}

/* A step: its tokens' queries and weights, and the caches of `slots` sequences, on the host and on the device. */
typedef struct step {
    index_dims dims;
    size_t tokens, keys, slots, slot_stride, score_stride;
    void *queries, *cache;
    float *weights, *scales;
    int32_t *positions, *slot_of;
    buffer *query_buffer, *weight_buffer, *cache_buffer, *scale_buffer, *position_buffer, *slot_buffer;
} step;

/* Positions end at keys - 1: consecutive ones of one sequence, or of several in turn, anywhere. */
static void make_step(step *made, const index_dims *dims, size_t tokens, size_t keys, size_t slots)
{
    uint64_t random = dims->dim * 41 + dims->heads + keys + slots;
    size_t row_bytes = round_up(dims->dim, ROW_UNIT) * index_element_bytes(dims->type);
    size_t slot_stride = slots > 1 ? keys + 3 : keys;
    *made = (step){.dims = *dims, .tokens = tokens, .keys = keys, .slots = slots, .slot_stride = slot_stride,
                   .score_stride = round_up(keys, ROW_UNIT) + ROW_UNIT};
    made->queries = random_elements(&random, dims->type, tokens * dims->heads, dims->dim);
    made->cache = random_elements(&random, dims->type, slots * slot_stride, dims->dim);
    made->weights = test_random_rows(&random, tokens, dims->heads);
    made->scales = calloc(slots * slot_stride, sizeof(float));
    made->positions = calloc(tokens, sizeof(int32_t));
    made->slot_of = calloc(tokens, sizeof(int32_t));
    for (size_t s = 0; s < slots * slot_stride; s++)
        made->scales[s] = dims->type == HADAL_INDEX_F32 ? 1.0f : 1.5f + test_random_float(&random);
    for (size_t token = 0; token < tokens; token++) {
        made->slot_of[token] = (int32_t)((token * 5 + 1) % slots);
        made->positions[token] = (int32_t)(slots > 1 ? keys - 1 - token * 37 % keys : keys - tokens + token);
    }
    made->query_buffer = test_buffer(made->queries, tokens * dims->heads * row_bytes);
    made->weight_buffer = test_buffer(made->weights, tokens * round_up(dims->heads, ROW_UNIT) * sizeof(float));
    made->cache_buffer = test_buffer(made->cache, slots * slot_stride * row_bytes);
    made->scale_buffer = test_buffer(made->scales, slots * slot_stride * sizeof(float));
    made->position_buffer = test_buffer(made->positions, tokens * sizeof(int32_t));
    made->slot_buffer = test_buffer(made->slot_of, tokens * sizeof(int32_t));
}

static void free_step(step *freed)
{
    buffer *const buffers[] = {freed->query_buffer, freed->weight_buffer, freed->cache_buffer, freed->scale_buffer,
                               freed->position_buffer, freed->slot_buffer};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    free(freed->queries), free(freed->cache), free(freed->weights), free(freed->scales), free(freed->positions);
    free(freed->slot_of);
}

/* Scores of these rows, freed with free(). */
static float *score(const step *s, size_t first_row, size_t rows, bool mixed)
{
    const index_sequences sequences = {.slots = s->slot_buffer, .stride = s->slot_stride, .mixed = mixed};
    index_scores_op op;
    CHECK_OK(index_scores_create(&op, test_device(), &s->dims));
    buffer *out = test_poisoned_buffer(rows * s->score_stride * sizeof(float));
    CHECK_OK(index_scores(&op, out, s->score_stride, s->query_buffer, s->weight_buffer, s->cache_buffer,
                          s->dims.type == HADAL_INDEX_F32 ? NULL : s->scale_buffer, s->position_buffer,
                          s->slots > 1 ? &sequences : NULL, first_row, rows, s->keys));
    float *got = test_read(out);
    buffer_free(out);
    return got;
}

/* Scores of rows first_row.. against the formula, and against themselves. */
static void check_scores(const index_dims *dims, size_t tokens, size_t first_row, size_t rows, size_t keys,
                         size_t slots)
{
    step s;
    make_step(&s, dims, tokens, keys, slots);
    size_t row_bytes = round_up(dims->dim, ROW_UNIT) * index_element_bytes(dims->type);
    float *got = score(&s, first_row, rows, slots > 1), *again = score(&s, first_row, rows, slots > 1);
    double *expected = calloc(keys, sizeof *expected);
    for (size_t row = 0; row < rows; row++) {
        size_t token = first_row + row, visible = (size_t)s.positions[token] + 1;
        size_t base = (size_t)s.slot_of[token] * s.slot_stride;
        const char *cache = (const char *)s.cache + base * row_bytes;
        for (size_t i = 0; i < visible; i++)
            expected[i] = reference_index_score(dims, s.queries, s.weights, cache, token, i) *
                          (double)s.scales[base + i];
        CHECK_CLOSE(got + row * s.score_stride, expected, visible, 2e-6);
        for (size_t i = visible; i < keys; i++)
            assert_true(isinf(got[row * s.score_stride + i]) && got[row * s.score_stride + i] < 0);
        assert_memory_equal(got + row * s.score_stride, again + row * s.score_stride, keys * sizeof *got);
    }
    free(got), free(again), free(expected);
    free_step(&s);
}

static void scores_agree_and_mask_the_future_at_awkward_sizes(void **state)
{
    (void)state;
    static const struct {
        index_dims dims;
        size_t tokens, first_row, rows, keys;
    } cases[] = {
        {{1, 1, 0, HADAL_INDEX_INT8, false}, 1, 0, 1, 1},     {{3, 17, 0, HADAL_INDEX_FP8, false}, 5, 2, 3, 5},
        {{4, 64, 0, HADAL_INDEX_INT8, false}, 70, 0, 70, 200}, {{4, 64, 0, HADAL_INDEX_FP8, false}, 70, 0, 70, 200},
        {{4, 64, 0, HADAL_INDEX_F32, false}, 70, 0, 70, 200},  {{5, 16, 0, HADAL_INDEX_F32, false}, 1, 0, 1, 1000},
        {{17, 33, 0, HADAL_INDEX_INT8, false}, 3, 1, 2, 257},  {{64, 128, 0, HADAL_INDEX_INT8, false}, 2, 0, 2, 130},
        {{64, 128, 0, HADAL_INDEX_FP8, false}, 2, 0, 2, 130},  {{64, 128, 0, HADAL_INDEX_F32, false}, 2, 0, 2, 130},
        {{9, 100, 0, HADAL_INDEX_INT8, false}, 66, 1, 65, 67}, {{8, 257, 0, HADAL_INDEX_F32, false}, 2, 0, 2, 70},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_scores(&cases[i].dims, cases[i].tokens, cases[i].first_row, cases[i].rows, cases[i].keys, 1);
}

static void tokens_of_several_sequences_each_see_their_own(void **state)
{
    (void)state;
    check_scores(&(index_dims){4, 64, 0, HADAL_INDEX_INT8, false}, 9, 1, 8, 200, 3);
    check_scores(&(index_dims){4, 40, 0, HADAL_INDEX_F32, false}, 5, 0, 5, 70, 5);
    check_scores(&(index_dims){7, 128, 0, HADAL_INDEX_INT8, false}, 7, 2, 5, 133, 4);
}

/* Heads beside 64, rows beside pairs, keys beside tiles; few rows, many, and groups of which none sees a key. */
static void the_matrix_unit_agrees_at_awkward_sizes(void **state)
{
    (void)state;
    check_scores(&(index_dims){64, 128, 0, HADAL_INDEX_INT8, false}, 1, 0, 1, 1, 1);
    check_scores(&(index_dims){64, 128, 0, HADAL_INDEX_INT8, false}, 4, 1, 3, 700, 1);
    check_scores(&(index_dims){61, 120, 0, HADAL_INDEX_INT8, false}, 12, 1, 11, 523, 1);
    check_scores(&(index_dims){5, 128, 0, HADAL_INDEX_INT8, false}, 40, 2, 37, 90, 1);
    check_scores(&(index_dims){33, 128, 0, HADAL_INDEX_INT8, false}, 9, 2, 7, 260, 3);
}

/* A score as matrix units make it, bit by bit: integer products, and float sums in the order of cl/index_tile.clh. */
static float ordered_score(const step *s, size_t token, size_t key)
{
    size_t heads = s->dims.heads, stride = round_up(s->dims.dim, ROW_UNIT);
    const int8_t *stored = (const int8_t *)s->cache + key * stride;
    float sums[4] = {0};
    for (size_t head = 0; head < heads; head++) {
        const int8_t *query = (const int8_t *)s->queries + (token * heads + head) * stride;
        int32_t dot = 0;
        for (size_t i = 0; i < stride; i++)
            dot += query[i] * stored[i];
        float *sum = &sums[head / 2 % 4], weight = s->weights[token * round_up(heads, ROW_UNIT) + head];
        *sum = fmaf(weight, (float)(dot > 0 ? dot : 0), *sum);
    }
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) * s->scales[key];
}

/* Whatever the unit, and whether rows of one sequence are in one call, in two that cut a pair, or each on its own. */
static void every_matrix_unit_gives_the_same_bits(void **state)
{
    (void)state;
    enum { TOKENS = 13, KEYS = 600 };
    step s;
    make_step(&s, &(index_dims){61, 128, 0, HADAL_INDEX_INT8, false}, TOKENS, KEYS, 1);
    float *all = score(&s, 0, TOKENS, false), *rest = score(&s, 7, TOKENS - 7, false);
    for (size_t token = 0; token < TOKENS; token++) {
        float *one = score(&s, token, 1, false);
        for (size_t key = 0; key <= (size_t)s.positions[token]; key++)
            assert_true(one[key] == ordered_score(&s, token, key));
        assert_memory_equal(all + token * s.score_stride, one, KEYS * sizeof *one);
        if (token >= 7)
            assert_memory_equal(rest + (token - 7) * s.score_stride, one, KEYS * sizeof *one);
        free(one);
    }
    free(all), free(rest);
    free_step(&s);
}

/* Sums of int8 products beyond 2^24 stay exact: with one head, weight 1 and scale 1, a score is that integer. */
static void int8_dot_products_are_exact_in_any_dim(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1024, 1025, 2500};
    for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
        const uint32_t dim = sizes[size];
        const index_dims dims = {1, dim, 0, HADAL_INDEX_INT8, false};
        size_t stride = round_up(dim, ROW_UNIT);
        int8_t *query = calloc(stride, 1), *key = calloc(stride, 1);
        int32_t position = 0, expected = 0;
        for (uint32_t i = 0; i < dim; i++) {
            query[i] = 127;
            key[i] = (int8_t)(i % 7 ? 127 : 126);
            expected += 127 * key[i];
        }
        float weights[ROW_UNIT] = {1}, scale = 1, *got;
        index_scores_op op;
        CHECK_OK(index_scores_create(&op, test_device(), &dims));
        buffer *queries = test_buffer(query, stride), *cache = test_buffer(key, stride);
        buffer *head_weights = test_buffer(weights, sizeof weights), *scales = test_buffer(&scale, sizeof scale);
        buffer *positions = test_buffer(&position, sizeof position);
        buffer *out = test_poisoned_buffer(ROW_UNIT * sizeof(float));
        CHECK_OK(index_scores(&op, out, ROW_UNIT, queries, head_weights, cache, scales, positions, NULL, 0, 1, 1));
        got = test_read(out);
        assert_true(got[0] == (float)expected);
        buffer *const used[] = {queries, cache, head_weights, scales, positions, out};
        for (size_t i = 0; i < sizeof used / sizeof *used; i++)
            buffer_free(used[i]);
        free(query), free(key), free(got);
    }
}

/* Both of the CPU's shapes where there is one, then the matrix units or their emulation. */
static int on_shapes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_agree_and_mask_the_future_at_awkward_sizes),
        cmocka_unit_test(tokens_of_several_sequences_each_see_their_own),
        cmocka_unit_test(int8_dot_products_are_exact_in_any_dim),
    };
    TEST_ON_SHAPES(tests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_matrix_unit_agrees_at_awkward_sizes),
        cmocka_unit_test(tokens_of_several_sequences_each_see_their_own),
        cmocka_unit_test(every_matrix_unit_gives_the_same_bits),
    };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(the_matrix_unit_agrees_at_awkward_sizes),
        cmocka_unit_test(every_matrix_unit_gives_the_same_bits),
    };
    int failed = on_shapes();
    const char *name = test_open_matrix_device();
    device_matrix first = device_shape_of(test_device())->matrix;
    failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
    hadal_device_close(test_device());
    for (device_matrix unit = DEVICE_MATRIX_NONE + 1; unit < DEVICE_MATRIX_COUNT; unit++)
        if (unit != first) {
            name = test_open_matrix_unit(unit);
            failed += cmocka_run_group_tests_name(name, others, NULL, NULL);
            hadal_device_close(test_device());
        }
    return failed != 0;
}
