/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "tests/ops/indexer.h"

static const hadal_index_cache types[] = {HADAL_INDEX_INT8, HADAL_INDEX_FP8, HADAL_INDEX_F32};

/* Fails unless a stored row is `expected` rounded to its element with a proper scale, and padded with zeros. */
static void check_row(const index_dims *dims, const void *stored, size_t row, double scale, const double *expected)
{
    size_t stride = round_up(dims->dim, ROW_UNIT);
    double largest = 1e-30, limit = dims->type == HADAL_INDEX_INT8 ? 127 : 448;
    for (size_t i = 0; i < dims->dim; i++)
        largest = fmax(largest, fabs(expected[i]));
    if (dims->type == HADAL_INDEX_F32) {
        scale = 1;
    } else if (dims->scale_ue8m0 && dims->type == HADAL_INDEX_FP8) {
        double power = exp2(round(log2(scale)));
        assert_true(fabs(scale - power) <= 1e-6 * power);
        scale = power;
        assert_true(scale >= largest / limit * (1 - 1e-5) && scale < 2 * largest / limit * (1 + 1e-5));
    } else {
        assert_true(fabs(scale - largest / limit) <= 1e-5 * scale);
    }
    for (size_t i = 0; i < stride; i++) {
        double got = reference_element(dims->type, stored, row * stride + i) * scale;
        double value = i < dims->dim ? expected[i] : 0, error = fabs(got - value), noise = 4e-6 * largest;
        double step = dims->type == HADAL_INDEX_F32    ? 0
                      : dims->type == HADAL_INDEX_INT8 ? scale / 2
                                                       : fmax(fabs(value) / 16, scale * 0x1p-10);
        if (i >= dims->dim ? got != 0 : !(error <= step * (1 + 1e-6) + noise))
            fail_msg("dim %u of type %d: element %zu of row %zu is %g, expected %g", dims->dim, (int)dims->type, i, row,
                     got, value);
    }
}

static void expect_row(double *row, const index_dims *dims, size_t position)
{
    reference_rotate_halves(row, dims->rope, position);
    if (dims->type != HADAL_INDEX_F32)
        reference_hadamard(row, dims->dim);
}

static size_t capacity_for(const int32_t *positions, size_t tokens)
{
    int32_t last = 0;
    for (size_t i = 0; i < tokens; i++)
        last = positions[i] > last ? positions[i] : last;
    return (size_t)last + 1;
}

static void check_keys(const index_dims *dims, const int32_t *positions, size_t tokens, double magnitude)
{
    const size_t capacity = capacity_for(positions, tokens);
    uint64_t random = dims->dim * 31 + dims->rope;
    size_t stride = round_up(dims->dim, ROW_UNIT);
    float *keys = test_random_rows(&random, tokens, dims->dim);
    float *weight = test_random_rows(&random, 1, dims->dim), *bias = test_random_rows(&random, 1, dims->dim);
    for (size_t i = 0; i < tokens * stride; i++)
        keys[i] *= (float)magnitude;
    index_rotate_op op;
    CHECK_OK(index_rotate_create(&op, test_device(), dims));
    size_t row_bytes = stride * index_element_bytes(dims->type);
    buffer *cache = test_poisoned_buffer(capacity * row_bytes), *scales = test_poisoned_buffer(capacity * sizeof(float));
    buffer *in = test_buffer(keys, tokens * stride * sizeof *keys), *table = test_rope_table(dims->rope, capacity);
    buffer *weights = test_buffer(weight, stride * sizeof *weight), *biases = test_buffer(bias, stride * sizeof *bias);
    buffer *at = test_buffer(positions, tokens * sizeof *positions);
    CHECK_OK(index_key(&op, cache, dims->type == HADAL_INDEX_F32 ? NULL : scales, in, weights, biases, table, at, tokens));
    char *stored = malloc(row_bytes);
    double *expected = malloc(stride * sizeof *expected);
    for (size_t token = 0; token < tokens; token++) {
        float scale;
        size_t position = (size_t)positions[token];
        CHECK_OK(buffer_read(cache, position * row_bytes, stored, row_bytes));
        CHECK_OK(buffer_read(scales, position * sizeof scale, &scale, sizeof scale));
        for (size_t i = 0; i < dims->dim; i++)
            expected[i] = keys[token * stride + i];
        reference_layer_norm(expected, dims->dim, weight, bias);
        expect_row(expected, dims, position);
        check_row(dims, stored, 0, (double)scale, expected);
    }
    buffer *const used[] = {cache, scales, in, table, weights, biases, at};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(keys), free(weight), free(bias), free(stored), free(expected);
}

static void check_queries(const index_dims *dims, const int32_t *positions, size_t tokens)
{
    const size_t capacity = capacity_for(positions, tokens);
    uint64_t random = dims->dim * 37 + dims->heads;
    size_t stride = round_up(dims->dim, ROW_UNIT), heads = dims->heads, weight_stride = round_up(heads, ROW_UNIT);
    size_t in_stride = round_up(heads * dims->dim, ROW_UNIT), element = index_element_bytes(dims->type);
    float *queries = test_random_rows(&random, tokens, heads * dims->dim), *weights = test_random_rows(&random, tokens, heads);
    index_rotate_op op;
    CHECK_OK(index_rotate_create(&op, test_device(), dims));
    buffer *quantised = test_poisoned_buffer(tokens * heads * stride * element);
    buffer *head_weights = test_poisoned_buffer(tokens * weight_stride * sizeof(float));
    buffer *in = test_buffer(queries, tokens * in_stride * sizeof *queries), *table = test_rope_table(dims->rope, capacity);
    buffer *in_weights = test_buffer(weights, tokens * weight_stride * sizeof *weights);
    buffer *at = test_buffer(positions, tokens * sizeof *positions);
    CHECK_OK(index_query(&op, quantised, head_weights, in, in_weights, table, at, tokens));
    void *stored = test_read(quantised);
    float *got_weights = test_read(head_weights);
    double *expected = malloc(stride * sizeof *expected), factor = 1 / sqrt((double)heads * dims->dim);
    for (size_t token = 0; token < tokens; token++)
        for (size_t head = 0; head < weight_stride; head++) {
            double weight = (double)weights[token * weight_stride + head], got = (double)got_weights[token * weight_stride + head];
            if (head >= heads) {
                assert_true(got == 0);
                continue;
            }
            for (size_t i = 0; i < dims->dim; i++)
                expected[i] = queries[token * in_stride + head * dims->dim + i];
            expect_row(expected, dims, (size_t)positions[token]);
            check_row(dims, stored, token * heads + head, got / weight / factor, expected);
            if (dims->type == HADAL_INDEX_F32)
                assert_true(fabs(got - weight * factor) <= 1e-6 * fabs(weight));
        }
    buffer *const used[] = {quantised, head_weights, in, table, in_weights, at};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(queries), free(weights), free(stored), free(got_weights), free(expected);
}

static const struct {
    uint32_t heads, dim, rope;
} sizes[] = {{1, 1, 0}, {3, 2, 2}, {4, 64, 32}, {5, 13, 4}, {17, 100, 64}, {64, 128, 64}};

static const int32_t far_positions[] = {163839, 0, 131071, 256};

/* One case for each element and form of scale. */
static void check_all_types(void (*check)(const index_dims *dims), size_t size)
{
    for (size_t type = 0; type < 3; type++)
        for (int ue8m0 = 0; ue8m0 <= (types[type] == HADAL_INDEX_FP8); ue8m0++) {
            const index_dims dims = {sizes[size].heads, sizes[size].dim, sizes[size].rope, types[type], ue8m0};
            check(&dims);
        }
}

static void check_near_keys(const index_dims *dims)
{
    static const int32_t positions[] = {0, 5, 1, 255, 256, 511, 300};
    check_keys(dims, positions, sizeof positions / sizeof *positions, 1.0);
}

static void check_far_keys(const index_dims *dims)
{
    check_keys(dims, far_positions, sizeof far_positions / sizeof *far_positions, 1.0);
}

static void check_far_queries(const index_dims *dims)
{
    check_queries(dims, far_positions, sizeof far_positions / sizeof *far_positions);
}

static void index_keys_agree_at_awkward_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_all_types(check_near_keys, i);
}

static void index_queries_agree_at_awkward_sizes_up_to_the_last_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_all_types(check_far_queries, i);
}

static void index_keys_agree_at_the_last_position(void **state)
{
    (void)state;
    check_all_types(check_far_keys, sizeof sizes / sizeof *sizes - 1);
}

static void index_key_norm_uses_epsilon_for_small_rows(void **state)
{
    (void)state;
    static const int32_t positions[] = {9};
    const index_dims dims = {1, 48, 16, HADAL_INDEX_F32, false};
    check_keys(&dims, positions, 1, 1e-3);
    check_keys(&dims, positions, 1, 0.0); /* what is left is the bias */
}

static void index_key_of_zeros_is_zero_and_finite(void **state)
{
    (void)state;
    for (size_t type = 0; type < 2; type++) {
        const index_dims dims = {1, 40, 8, types[type], true};
        static const int32_t position = 3;
        index_rotate_op op;
        CHECK_OK(index_rotate_create(&op, test_device(), &dims));
        buffer *cache = test_poisoned_buffer(4 * 48), *scales = test_poisoned_buffer(4 * sizeof(float));
        buffer *zeros = test_buffer(NULL, 48 * sizeof(float)), *table = test_rope_table(8, 4);
        buffer *at = test_buffer(&position, sizeof position);
        CHECK_OK(index_key(&op, cache, scales, zeros, zeros, zeros, table, at, 1));
        uint8_t *rows = test_read(cache);
        float *scale = test_read(scales);
        assert_true(isfinite(scale[3]) && scale[3] > 0 && isnan(scale[2]));
        for (size_t i = 0; i < 48; i++)
            assert_true((rows[3 * 48 + i] & 127) == 0 && rows[2 * 48 + i] == 0xff); /* either zero */
        buffer_free(cache), buffer_free(scales), buffer_free(zeros), buffer_free(table), buffer_free(at);
        free(rows), free(scale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_keys_agree_at_awkward_sizes),
        cmocka_unit_test(index_keys_agree_at_the_last_position),
        cmocka_unit_test(index_queries_agree_at_awkward_sizes_up_to_the_last_position),
        cmocka_unit_test(index_key_norm_uses_epsilon_for_small_rows),
        cmocka_unit_test(index_key_of_zeros_is_zero_and_finite),
    };
    TEST_ON_SHAPES(tests);
}
