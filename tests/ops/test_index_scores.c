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

/* Scores of rows first_row.. of tokens whose positions end at keys - 1, against the formula. */
static void check_scores(const index_dims *dims, size_t tokens, size_t first_row, size_t rows, size_t keys)
{
    uint64_t random = dims->dim * 41 + dims->heads + keys;
    size_t stride = round_up(dims->dim, ROW_UNIT), element = index_element_bytes(dims->type);
    size_t weight_stride = round_up(dims->heads, ROW_UNIT), score_stride = round_up(keys, ROW_UNIT) + ROW_UNIT;
    void *queries = random_elements(&random, dims->type, tokens * dims->heads, dims->dim);
    void *cache = random_elements(&random, dims->type, keys, dims->dim);
    float *weights = test_random_rows(&random, tokens, dims->heads);
    float *scales = calloc(keys, sizeof *scales);
    int32_t *positions = calloc(tokens, sizeof *positions);
    for (size_t s = 0; s < keys; s++)
        scales[s] = dims->type == HADAL_INDEX_F32 ? 1.0f : 1.5f + test_random_float(&random);
    for (size_t token = 0; token < tokens; token++)
        positions[token] = (int32_t)(keys - tokens + token);
    index_scores_op op;
    CHECK_OK(index_scores_create(&op, test_device(), dims));
    buffer *query_buffer = test_buffer(queries, tokens * dims->heads * stride * element);
    buffer *weight_buffer = test_buffer(weights, tokens * weight_stride * sizeof *weights);
    buffer *cache_buffer = test_buffer(cache, keys * stride * element);
    buffer *scale_buffer = test_buffer(scales, keys * sizeof *scales);
    buffer *position_buffer = test_buffer(positions, tokens * sizeof *positions);
    buffer *out = test_poisoned_buffer(rows * score_stride * sizeof(float));
    CHECK_OK(index_scores(&op, out, score_stride, query_buffer, weight_buffer, cache_buffer,
                          dims->type == HADAL_INDEX_F32 ? NULL : scale_buffer, position_buffer, first_row, rows, keys));
    float *got = test_read(out);
    double *expected = calloc(keys, sizeof *expected);
    for (size_t row = 0; row < rows; row++) {
        size_t visible = (size_t)positions[first_row + row] + 1;
        for (size_t s = 0; s < visible; s++)
            expected[s] = reference_index_score(dims, queries, weights, cache, first_row + row, s) * (double)scales[s];
        CHECK_CLOSE(got + row * score_stride, expected, visible, 2e-6);
        for (size_t s = visible; s < keys; s++)
            assert_true(isinf(got[row * score_stride + s]) && got[row * score_stride + s] < 0);
    }
    CHECK_OK(index_scores(&op, out, score_stride, query_buffer, weight_buffer, cache_buffer, scale_buffer,
                          position_buffer, first_row, rows, keys));
    float *again = test_read(out);
    for (size_t row = 0; row < rows; row++)
        assert_memory_equal(got + row * score_stride, again + row * score_stride, keys * sizeof *got);
    buffer *const used[] = {query_buffer, weight_buffer, cache_buffer, scale_buffer, position_buffer, out};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(queries), free(cache), free(weights), free(scales), free(positions), free(got), free(again), free(expected);
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
        check_scores(&cases[i].dims, cases[i].tokens, cases[i].first_row, cases[i].rows, cases[i].keys);
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
        CHECK_OK(index_scores(&op, out, ROW_UNIT, queries, head_weights, cache, scales, positions, 0, 1, 1));
        got = test_read(out);
        assert_true(got[0] == (float)expected);
        buffer *const used[] = {queries, cache, head_weights, scales, positions, out};
        for (size_t i = 0; i < sizeof used / sizeof *used; i++)
            buffer_free(used[i]);
        free(query), free(key), free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_agree_and_mask_the_future_at_awkward_sizes),
        cmocka_unit_test(int8_dot_products_are_exact_in_any_dim),
    };
    TEST_ON_SHAPES(tests);
}
