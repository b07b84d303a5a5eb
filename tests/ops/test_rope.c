/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/rope.h"

#include "ops/latent.h"
#include "ops/reference.h"
#include "tests/ops/device.h"

enum { MOST_POSITIONS = 163840 };

/* The largest difference from double precision over all values of one launch; padding must be zero. */
static double queries_error(const rope_dims *dims, const int32_t *positions, size_t tokens, double amplitude,
                            double scale)
{
    uint64_t random = dims->heads * 7 + dims->rope;
    size_t width = dims->nope + dims->rope, latent = round_up(dims->latent, ROW_UNIT);
    size_t q_stride = round_up(dims->heads * width, ROW_UNIT), row = latent + round_up(dims->rope, ROW_UNIT);
    float *q = test_random_rows(&random, tokens, dims->heads * width);
    double *frequencies = calloc(dims->rope / 2, sizeof *frequencies), *expected = calloc(row, sizeof *expected);
    reference_frequencies(frequencies, dims->rope / 2);
    rope_op op;
    CHECK_OK(rope_create(&op, test_device(), dims));
    buffer *table;
    CHECK_OK(rope_table_create(&table, test_device(), frequencies, dims->rope / 2, MOST_POSITIONS, amplitude));
    assert_int_equal(buffer_bytes(table), rope_table_bytes(dims->rope / 2, MOST_POSITIONS));
    buffer *q_buffer = test_buffer(q, tokens * q_stride * sizeof *q);
    buffer *position_buffer = test_buffer(positions, tokens * sizeof *positions);
    buffer *query = test_poisoned_buffer(tokens * dims->heads * row * sizeof(float));
    CHECK_OK(rope_queries(&op, query, q_buffer, table, position_buffer, tokens, scale));
    float *got = test_read(query);
    double worst = 0;
    for (size_t i = 0; i < tokens * dims->heads; i++) {
        const float *head = q + i / dims->heads * q_stride + i % dims->heads * width;
        reference_rope(expected, head + dims->nope, frequencies, dims->rope / 2, positions[i / dims->heads], amplitude);
        for (size_t j = 0; j < latent; j++)
            assert_true(isnan(got[i * row + j])); /* another kernel's part */
        for (size_t j = dims->rope; j < row - latent; j++)
            assert_true(got[i * row + latent + j] == 0.0f);
        for (size_t j = 0; j < dims->rope; j++) {
            double error = fabs(got[i * row + latent + j] - scale * expected[j]);
            worst = error <= worst ? worst : error;
        }
    }
    buffer_free(table);
    buffer_free(q_buffer);
    buffer_free(position_buffer);
    buffer_free(query);
    free(q);
    free(frequencies);
    free(expected);
    free(got);
    return worst;
}

static const int32_t telling_positions[] = {0, 1, 2, 255, 256, 257, 4095, 4096, 65535, 131071, 163583, 163838, 163839};
enum { TELLING = sizeof telling_positions / sizeof *telling_positions };

static void check_queries(const rope_dims *dims, double amplitude, double scale)
{
    double error = queries_error(dims, telling_positions, TELLING, amplitude, scale);
    if (!(error <= 1e-6 * amplitude * scale))
        fail_msg("rope %u: error %g", dims->rope, error);
}

static void positions_near_163839_are_as_exact_as_the_first(void **state)
{
    (void)state;
    check_queries(&(rope_dims){.heads = 2, .nope = 32, .rope = 64, .latent = 64}, 1.0, 1.0);
}

static void queries_agree_at_awkward_sizes(void **state)
{
    (void)state;
    static const rope_dims sizes[] = {
        {.heads = 1, .nope = 1, .rope = 2, .latent = 1},    {.heads = 3, .nope = 5, .rope = 6, .latent = 17},
        {.heads = 5, .nope = 16, .rope = 16, .latent = 50}, {.heads = 7, .nope = 30, .rope = 34, .latent = 31},
        {.heads = 2, .nope = 3, .rope = 130, .latent = 8},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_queries(&sizes[i], 1.0, 0.125);
}

static void queries_agree_at_released_sizes(void **state)
{
    (void)state;
    check_queries(&(rope_dims){.heads = 128, .nope = 128, .rope = 64, .latent = 512}, 1.0, 0.1352);
}

static void amplitude_counts_once(void **state)
{
    (void)state;
    check_queries(&(rope_dims){.heads = 3, .nope = 8, .rope = 32, .latent = 16}, 1.3, 1.0);
}

/* A query and a key that hold the same rope part. Their product must depend on the distance of their positions alone,
 * and at no distance it is the part's square: one of both fails as soon as they pair their dimensions differently. */
static void rope_pairs_of_query_and_key_are_the_same(void **state)
{
    (void)state;
    enum { ROPE = 32, TOKENS = 4, STRIDE = 48 };
    static const int32_t positions[TOKENS] = {3, 10, 131072, 131079}; /* distances 7 and 7 */
    const latent_dims key_dims = {.latent = 16, .rope = ROPE, .cache = HADAL_KV_F32};
    uint64_t random = 1;
    double frequencies[ROPE / 2];
    float *part = test_random_rows(&random, 1, 16 + ROPE), *rows = calloc(TOKENS * STRIDE, sizeof *rows);
    reference_frequencies(frequencies, ROPE / 2);
    for (size_t t = 0; t < TOKENS; t++)
        memcpy(rows + t * STRIDE, part, STRIDE * sizeof *rows);
    rope_op queries;
    latent_op keys;
    buffer *table;
    CHECK_OK(rope_create(&queries, test_device(), &(rope_dims){.heads = 1, .nope = 16, .rope = ROPE, .latent = 16}));
    CHECK_OK(latent_create(&keys, test_device(), &key_dims));
    CHECK_OK(rope_table_create(&table, test_device(), frequencies, ROPE / 2, MOST_POSITIONS, 1.0));
    buffer *in = test_buffer(rows, TOKENS * STRIDE * sizeof *rows), *weight = test_buffer(NULL, 16 * sizeof(float));
    buffer *at = test_buffer(positions, sizeof positions), *query = test_buffer(NULL, TOKENS * STRIDE * sizeof *rows);
    buffer *cache = test_buffer(NULL, 131080 * latent_row_bytes(&key_dims));
    CHECK_OK(rope_queries(&queries, query, in, table, at, TOKENS, 1.0));
    CHECK_OK(latent_store(&keys, cache, in, weight, table, at, at, TOKENS, 1e-6));
    float *q = test_read(query), key[STRIDE];
    double near[2] = {0}, same[2] = {0}, square = 0;
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(buffer_read(cache, (size_t)positions[2 * i] * sizeof key, key, sizeof key));
        for (size_t j = 16; j < STRIDE; j++) {
            same[i] += (double)q[2 * i * STRIDE + j] * key[j];
            near[i] += (double)q[(2 * i + 1) * STRIDE + j] * key[j];
        }
    }
    for (size_t j = 16; j < STRIDE; j++)
        square += (double)part[j] * part[j];
    assert_true(fabs(near[0] - square) > 1e-2);
    assert_true(fabs(near[0] - near[1]) < 1e-5);
    assert_true(fabs(same[0] - square) < 1e-5 && fabs(same[1] - square) < 1e-5);
    buffer_free(table);
    buffer_free(in);
    buffer_free(weight);
    buffer_free(at);
    buffer_free(query);
    buffer_free(cache);
    free(part);
    free(rows);
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(positions_near_163839_are_as_exact_as_the_first),
        cmocka_unit_test(queries_agree_at_awkward_sizes),
        cmocka_unit_test(queries_agree_at_released_sizes),
        cmocka_unit_test(amplitude_counts_once),
        cmocka_unit_test(rope_pairs_of_query_and_key_are_the_same),
    };
    TEST_ON_SHAPES(tests);
}
