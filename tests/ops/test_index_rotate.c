/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/index_rotate.h"

#include "ops/reference_indexer.h"
#include "ops/rope.h"
#include "tests/ops/device.h"

/* The table of rotations and what it was made of. */
typedef struct rotations {
    double frequencies[64];
    buffer *table;
} rotations;

static rotations make_rotations(size_t rope, size_t positions)
{
    rotations made;
    assert_true(rope / 2 <= sizeof made.frequencies / sizeof *made.frequencies);
    reference_frequencies(made.frequencies, rope / 2);
    CHECK_OK(rope_table_create(&made.table, test_device(), made.frequencies, rope / 2, positions, 1.0));
    return made;
}

/* Fails unless a stored row is `expected` rounded to its element with a proper scale, and padded with zeros. */
static void check_row(const index_dims *dims, const void *stored, size_t row, double scale, const double *expected)
{
    size_t row_bytes = round_up(dims->dim, ROW_UNIT) * index_element_bytes(dims->type);
    double error = reference_index_error(dims, (const char *)stored + row * row_bytes, scale, expected);
    if (!(error <= 1))
        fail_msg("dim %u of type %d: row %zu is off by %g of what rounding allows", dims->dim, (int)dims->type, row,
                 error);
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
    buffer *cache = test_poisoned_buffer(capacity * row_bytes);
    buffer *scales = test_poisoned_buffer(capacity * sizeof(float));
    buffer *in = test_buffer(keys, tokens * stride * sizeof *keys);
    rotations turned = make_rotations(dims->rope, capacity);
    buffer *weights = test_buffer(weight, stride * sizeof *weight), *biases = test_buffer(bias, stride * sizeof *bias);
    buffer *at = test_buffer(positions, tokens * sizeof *positions);
    CHECK_OK(index_key(&op, cache, dims->type == HADAL_INDEX_F32 ? NULL : scales, in, weights, biases,
                       turned.table, at, at, tokens));
    char *stored = malloc(row_bytes);
    double *raw = malloc(stride * sizeof *raw), *expected = malloc(stride * sizeof *expected);
    for (size_t token = 0; token < tokens; token++) {
        float scale;
        size_t position = (size_t)positions[token];
        CHECK_OK(buffer_read(cache, position * row_bytes, stored, row_bytes));
        CHECK_OK(buffer_read(scales, position * sizeof scale, &scale, sizeof scale));
        for (size_t i = 0; i < dims->dim; i++)
            raw[i] = keys[token * stride + i];
        reference_layer_norm(raw, dims->dim, weight, bias);
        reference_index_row(expected, raw, dims, turned.frequencies, positions[token]);
        check_row(dims, stored, 0, (double)scale, expected);
    }
    buffer *const used[] = {cache, scales, in, turned.table, weights, biases, at};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(keys), free(weight), free(bias), free(stored), free(raw), free(expected);
}

static void check_queries(const index_dims *dims, const int32_t *positions, size_t tokens)
{
    const size_t capacity = capacity_for(positions, tokens);
    uint64_t random = dims->dim * 37 + dims->heads;
    size_t stride = round_up(dims->dim, ROW_UNIT), heads = dims->heads, weight_stride = round_up(heads, ROW_UNIT);
    size_t in_stride = round_up(heads * dims->dim, ROW_UNIT), element = index_element_bytes(dims->type);
    float *queries = test_random_rows(&random, tokens, heads * dims->dim);
    float *weights = test_random_rows(&random, tokens, heads);
    index_rotate_op op;
    CHECK_OK(index_rotate_create(&op, test_device(), dims));
    buffer *quantised = test_poisoned_buffer(tokens * heads * stride * element);
    buffer *head_weights = test_poisoned_buffer(tokens * weight_stride * sizeof(float));
    buffer *in = test_buffer(queries, tokens * in_stride * sizeof *queries);
    rotations turned = make_rotations(dims->rope, capacity);
    buffer *in_weights = test_buffer(weights, tokens * weight_stride * sizeof *weights);
    buffer *at = test_buffer(positions, tokens * sizeof *positions);
    CHECK_OK(index_query(&op, quantised, head_weights, in, in_weights, turned.table, at, tokens));
    void *stored = test_read(quantised);
    float *got_weights = test_read(head_weights);
    double *raw = malloc(stride * sizeof *raw), *expected = malloc(stride * sizeof *expected);
    double factor = 1 / sqrt((double)heads * dims->dim);
    for (size_t token = 0; token < tokens; token++)
        for (size_t head = 0; head < weight_stride; head++) {
            double weight = (double)weights[token * weight_stride + head];
            double got = (double)got_weights[token * weight_stride + head];
            if (head >= heads) {
                assert_true(got == 0);
                continue;
            }
            for (size_t i = 0; i < dims->dim; i++)
                raw[i] = queries[token * in_stride + head * dims->dim + i];
            reference_index_row(expected, raw, dims, turned.frequencies, positions[token]);
            check_row(dims, stored, token * heads + head, got / weight / factor, expected);
            if (dims->type == HADAL_INDEX_F32)
                assert_true(fabs(got - weight * factor) <= 1e-6 * fabs(weight));
        }
    buffer *const used[] = {quantised, head_weights, in, turned.table, in_weights, at};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(queries), free(weights), free(stored), free(got_weights), free(raw), free(expected);
}

/* Every element and form of scale; dims that are powers of two and not, rows with and without padding. Kernels are
 * compiled for each, so that there are few. */
static const index_dims cases[] = {
    {1, 1, 0, HADAL_INDEX_INT8, true},    {3, 2, 2, HADAL_INDEX_F32, true},     {5, 13, 4, HADAL_INDEX_FP8, true},
    {4, 64, 32, HADAL_INDEX_INT8, false}, {17, 100, 64, HADAL_INDEX_INT8, true}, {17, 100, 64, HADAL_INDEX_FP8, false},
    {64, 128, 64, HADAL_INDEX_FP8, true}, {64, 128, 64, HADAL_INDEX_F32, false},
};

static void index_keys_agree_at_awkward_sizes(void **state)
{
    (void)state;
    static const int32_t positions[] = {0, 5, 1, 255, 256, 511, 300};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_keys(&cases[i], positions, sizeof positions / sizeof *positions, 1.0);
}

static const int32_t far_positions[] = {163839, 0, 131071, 256};

static void index_keys_agree_up_to_the_last_position(void **state)
{
    (void)state;
    check_keys(&cases[6], far_positions, sizeof far_positions / sizeof *far_positions, 1.0);
    check_keys(&cases[7], far_positions, sizeof far_positions / sizeof *far_positions, 1.0);
}

static void index_queries_agree_at_awkward_sizes_up_to_the_last_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_queries(&cases[i], far_positions, sizeof far_positions / sizeof *far_positions);
}

/* With these weights and biases a bias or an epsilon that is forgotten is as large as the result. */
static void index_key_norm_has_a_bias_and_an_epsilon(void **state)
{
    (void)state;
    static const int32_t positions[] = {9};
    check_keys(&cases[7], positions, 1, 1e-3); /* variance 3e-7, below the epsilon */
    check_keys(&cases[7], positions, 1, 0.0);  /* what is left is the bias */
}

/* One query of F32 elements, `value` at `at`, turned by position 1. */
static float *turned_unit_query(const index_dims *dims, size_t at)
{
    static const int32_t position = 1;
    size_t stride = round_up(dims->dim, ROW_UNIT);
    float *unit = calloc(stride, sizeof *unit);
    assert_non_null(unit);
    unit[at] = 1;
    index_rotate_op op;
    CHECK_OK(index_rotate_create(&op, test_device(), dims));
    rotations turned = make_rotations(dims->rope, 2);
    buffer *in = test_buffer(unit, stride * sizeof *unit), *positions = test_buffer(&position, sizeof position);
    buffer *out = test_poisoned_buffer(stride * sizeof *unit);
    buffer *weights = test_buffer(NULL, ROW_UNIT * sizeof(float));
    buffer *head_weights = test_buffer(NULL, ROW_UNIT * sizeof(float));
    CHECK_OK(index_query(&op, out, head_weights, in, weights, turned.table, positions, 1));
    free(unit);
    unit = test_read(out);
    buffer *const used[] = {in, positions, out, weights, head_weights, turned.table};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    return unit;
}

/* Not the interleaved pairs of the rest of the model, and not the last dims of the head: pair i is i and i + rope/2. */
static void the_indexer_turns_halves_of_its_first_dims(void **state)
{
    (void)state;
    const index_dims dims = {1, 24, 16, HADAL_INDEX_F32, false};
    for (size_t i = 0; i < dims.dim; i++) {
        float *row = turned_unit_query(&dims, i);
        for (size_t j = 0; j < dims.dim; j++) {
            double angle = pow(10000.0, -(double)(i % 8) / 8), expected = i == j ? 1 : 0;
            if (i < 16 && i == j)
                expected = cos(angle);
            if (i < 16 && j == (i + 8) % 16)
                expected = i < 8 ? sin(angle) : -sin(angle);
            assert_true(fabs((double)row[j] - expected) <= 1e-6);
        }
        free(row);
    }
}

/* Dot products of stored queries with stored keys are those of the rows before the Hadamard rotation, to within the
 * quantisation: a side without it would leave nothing of them. */
static void dot_products_survive_hadamard_on_both_sides(void **state)
{
    (void)state;
    enum { DIM = 64, TOKENS = 40 };
    static const int32_t positions[TOKENS]; /* all 0: nothing is turned; each token's key goes to row 0 */
    const index_dims dims = {1, DIM, 32, HADAL_INDEX_INT8, false};
    uint64_t random = 3;
    float *rows = test_random_rows(&random, TOKENS, DIM), ones[DIM], weights[TOKENS * ROW_UNIT] = {0};
    for (size_t i = 0; i < DIM; i++)
        ones[i] = 1;
    for (size_t token = 0; token < TOKENS; token++)
        weights[token * ROW_UNIT] = 1;
    index_rotate_op op;
    CHECK_OK(index_rotate_create(&op, test_device(), &dims));
    rotations turned = make_rotations(dims.rope, 1);
    buffer *in = test_buffer(rows, TOKENS * DIM * sizeof *rows), *at = test_buffer(positions, sizeof positions);
    buffer *queries = test_poisoned_buffer(TOKENS * DIM), *head_weights = test_poisoned_buffer(sizeof weights);
    buffer *in_weights = test_buffer(weights, sizeof weights), *weight = test_buffer(ones, sizeof ones);
    buffer *bias = test_buffer(NULL, sizeof ones);
    buffer *cache = test_poisoned_buffer(DIM), *scales = test_poisoned_buffer(sizeof(float));
    CHECK_OK(index_query(&op, queries, head_weights, in, in_weights, turned.table, at, TOKENS));
    CHECK_OK(index_key(&op, cache, scales, in, weight, bias, turned.table, at, at, 1));
    int8_t *query = test_read(queries), *key = test_read(cache);
    float *scale = test_read(scales), *factor = test_read(head_weights);
    double normed[DIM], got[TOKENS], expected[TOKENS], difference = 0, magnitude = 0;
    for (size_t i = 0; i < DIM; i++)
        normed[i] = rows[i];
    reference_layer_norm(normed, DIM, ones, (float[DIM]){0});
    for (size_t token = 0; token < TOKENS; token++) {
        got[token] = expected[token] = 0;
        for (size_t i = 0; i < DIM; i++) {
            got[token] += query[token * DIM + i] * key[i] * (double)scale[0] * factor[token * ROW_UNIT] * sqrt(DIM);
            expected[token] += rows[token * DIM + i] * normed[i];
        }
        difference += (got[token] - expected[token]) * (got[token] - expected[token]);
        magnitude += expected[token] * expected[token];
    }
    assert_true(sqrt(difference / magnitude) <= 0.02);
    buffer *const used[] = {in, at, queries, head_weights, in_weights, weight, bias, cache, scales, turned.table};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(rows), free(query), free(key), free(scale), free(factor);
}

static void index_key_of_zeros_is_zero_and_finite(void **state)
{
    (void)state;
    for (size_t type = 0; type < 2; type++) {
        const index_dims dims = {1, 40, 8, type ? HADAL_INDEX_FP8 : HADAL_INDEX_INT8, true};
        static const int32_t position = 3;
        index_rotate_op op;
        CHECK_OK(index_rotate_create(&op, test_device(), &dims));
        buffer *cache = test_poisoned_buffer(4 * 48), *scales = test_poisoned_buffer(4 * sizeof(float));
        buffer *zeros = test_buffer(NULL, 48 * sizeof(float));
        rotations turned = make_rotations(8, 4);
        buffer *at = test_buffer(&position, sizeof position);
        CHECK_OK(index_key(&op, cache, scales, zeros, zeros, zeros, turned.table, at, at, 1));
        uint8_t *rows = test_read(cache);
        float *scale = test_read(scales);
        assert_true(isfinite(scale[3]) && scale[3] > 0 && isnan(scale[2]));
        for (size_t i = 0; i < 48; i++)
            assert_true((rows[3 * 48 + i] & 127) == 0 && rows[2 * 48 + i] == 0xff); /* either zero */
        buffer_free(cache), buffer_free(scales), buffer_free(zeros), buffer_free(turned.table), buffer_free(at);
        free(rows), free(scale);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_keys_agree_at_awkward_sizes),
        cmocka_unit_test(index_keys_agree_up_to_the_last_position),
        cmocka_unit_test(index_queries_agree_at_awkward_sizes_up_to_the_last_position),
        cmocka_unit_test(index_key_norm_has_a_bias_and_an_epsilon),
        cmocka_unit_test(the_indexer_turns_halves_of_its_first_dims),
        cmocka_unit_test(dot_products_survive_hadamard_on_both_sides),
        cmocka_unit_test(index_key_of_zeros_is_zero_and_finite),
    };
    TEST_ON_SHAPES(tests);
}
