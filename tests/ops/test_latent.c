/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/latent.h"

#include "ops/reference.h"
#include "ops/rope.h"
#include "tests/ops/device.h"
#include "weights/dtype.h"

/* Row `index` of a cache's content as floats. */
static void cache_row(float *values, const void *content, size_t index, size_t row, hadal_kv_cache type)
{
    dtype stored = type == HADAL_KV_BF16 ? DTYPE_BF16 : DTYPE_F32;
    dtype_decode(values, (const char *)content + index * row * dtype_bytes(stored), row, stored);
}

/* Stores tokens at positions of a table of `capacity` rows; all other rows must stay as they were. */
static void check_store(const latent_dims *dims, const int32_t *positions, size_t tokens, size_t capacity,
                        double magnitude)
{
    uint64_t random = dims->latent * 100 + dims->rope;
    size_t padded = round_up(dims->latent, ROW_UNIT), row = padded + round_up(dims->rope, ROW_UNIT);
    size_t kv_stride = round_up(dims->latent + dims->rope, ROW_UNIT);
    float *kv = test_random_rows(&random, tokens, dims->latent + dims->rope);
    float *weight = test_random_rows(&random, 1, dims->latent);
    float *got = calloc(row, sizeof *got);
    double *expected = calloc(row, sizeof *expected), *frequencies = calloc(dims->rope / 2, sizeof *frequencies);
    for (size_t i = 0; i < tokens * kv_stride; i++)
        kv[i] *= (float)magnitude;
    reference_frequencies(frequencies, dims->rope / 2);
    latent_op op;
    buffer *table;
    CHECK_OK(latent_create(&op, test_device(), dims));
    CHECK_OK(rope_table_create(&table, test_device(), frequencies, dims->rope / 2, capacity, 1.0));
    buffer *kv_buffer = test_buffer(kv, tokens * kv_stride * sizeof *kv);
    buffer *weight_buffer = test_buffer(weight, padded * sizeof *weight);
    buffer *at = test_buffer(positions, tokens * sizeof *positions);
    buffer *cache = test_poisoned_buffer(capacity * latent_row_bytes(dims));
    CHECK_OK(latent_store(&op, cache, kv_buffer, weight_buffer, table, at, at, tokens, 1e-6));
    void *content = test_read(cache);
    size_t untouched = 0;
    for (size_t i = 0; i < capacity; i++) {
        cache_row(got, content, i, row, dims->cache);
        untouched += isnan(got[0]) && isnan(got[row - 1]);
    }
    assert_int_equal(untouched, capacity - tokens);
    for (size_t t = 0; t < tokens; t++) {
        cache_row(got, content, (size_t)positions[t], row, dims->cache);
        reference_latent(expected, kv + t * kv_stride, weight, dims->latent, dims->rope, 1e-6, frequencies,
                         positions[t], 1.0);
        for (size_t i = 0; i < row; i++) /* bf16: half a unit in the last of 8 bits */
            if (!(fabs(got[i] - expected[i]) <= 4e-6 * (1 + magnitude) +
                      (dims->cache == HADAL_KV_BF16 ? fabs(expected[i]) * 0x1p-8 * 1.001 : 0)))
                fail_msg("latent %u rope %u token %zu element %zu: %g, expected %g", dims->latent, dims->rope, t, i,
                         (double)got[i], expected[i]);
    }
    buffer_free(table);
    buffer_free(kv_buffer);
    buffer_free(weight_buffer);
    buffer_free(at);
    buffer_free(cache);
    free(kv);
    free(weight);
    free(got);
    free(expected);
    free(frequencies);
    free(content);
}

static const hadal_kv_cache types[] = {HADAL_KV_BF16, HADAL_KV_F32};

static void store_agrees_at_awkward_sizes(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 2}, {3, 4}, {15, 2}, {16, 16}, {17, 6}, {50, 34}, {128, 32}, {257, 18}};
    static const int32_t positions[] = {5, 299, 0, 256, 255}; /* in any order */
    for (size_t type = 0; type < 2; type++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            check_store(&(latent_dims){sizes[i][0], sizes[i][1], types[type]}, positions, 5, 300, 1.0);
}

static void store_agrees_at_released_sizes(void **state)
{
    (void)state;
    static const int32_t positions[] = {0, 4095, 4096, 8191};
    for (size_t type = 0; type < 2; type++)
        check_store(&(latent_dims){512, 64, types[type]}, positions, 4, 8192, 1.0);
}

static void positions_near_163839_are_rotated_exactly(void **state)
{
    (void)state;
    static const int32_t positions[] = {131071, 163838, 163839};
    check_store(&(latent_dims){16, 16, HADAL_KV_F32}, positions, 3, 163840, 1.0);
}

static void epsilon_counts_for_small_rows(void **state)
{
    (void)state;
    static const int32_t positions[] = {1};
    check_store(&(latent_dims){100, 8, HADAL_KV_F32}, positions, 1, 4, 1e-4);
}

/* A large rope part must not leak into the mean square of the latent part, which ends before it. */
static void only_the_latent_part_is_normalised(void **state)
{
    (void)state;
    enum { LATENT = 18, ROPE = 14 };
    const latent_dims dims = {LATENT, ROPE, HADAL_KV_F32};
    float kv[32], weight[32] = {0}, got[48];
    for (size_t i = 0; i < 32; i++) {
        kv[i] = i < LATENT ? 0.5f : 1e6f;
        weight[i] = i < LATENT ? 1.0f : 0.0f;
    }
    static const double frequencies[ROPE / 2] = {0};
    static const int32_t position = 0;
    latent_op op;
    buffer *table;
    CHECK_OK(latent_create(&op, test_device(), &dims));
    CHECK_OK(rope_table_create(&table, test_device(), frequencies, ROPE / 2, 1, 1.0));
    buffer *kv_buffer = test_buffer(kv, sizeof kv), *weight_buffer = test_buffer(weight, sizeof weight);
    buffer *at = test_buffer(&position, sizeof position), *cache = test_poisoned_buffer(sizeof got);
    CHECK_OK(latent_store(&op, cache, kv_buffer, weight_buffer, table, at, at, 1, 1e-6));
    CHECK_OK(buffer_read(cache, 0, got, sizeof got));
    for (size_t i = 0; i < 48; i++) {
        float expected = i < LATENT ? 1.0f : i < 32 || i >= 32 + ROPE ? 0.0f : 1e6f;
        assert_true(fabsf(got[i] - expected) <= 1e-5f * expected);
    }
    buffer_free(table);
    buffer_free(kv_buffer);
    buffer_free(weight_buffer);
    buffer_free(at);
    buffer_free(cache);
}

/* From the middle of a cache whose other rows are NaN. */
static void rows_are_read_as_they_were_stored(void **state)
{
    (void)state;
    enum { WIDTH = 48 + 32, ROWS = 9, FIRST = 2, COUNT = 5 };
    for (size_t type = 0; type < 2; type++) {
        const latent_dims dims = {40, 18, types[type]};
        float values[ROWS * WIDTH];
        uint16_t halves[ROWS * WIDTH];
        latent_op op;
        for (size_t i = 0; i < ROWS * WIDTH; i++) {
            bool read = i / WIDTH >= FIRST && i / WIDTH < FIRST + COUNT;
            uint32_t bits = read ? (uint32_t)(0x3f80 + i) << 16 : 0x7fc00000; /* bfloat16 */
            halves[i] = (uint16_t)(bits >> 16);
            memcpy(&values[i], &bits, sizeof bits);
        }
        CHECK_OK(latent_create(&op, test_device(), &dims));
        buffer *cache = dims.cache == HADAL_KV_BF16 ? test_buffer(halves, sizeof halves)
                                                    : test_buffer(values, sizeof values);
        buffer *out = test_poisoned_buffer(COUNT * WIDTH * sizeof *values);
        CHECK_OK(latent_load(&op, out, cache, FIRST, COUNT));
        float *got = test_read(out);
        assert_memory_equal(got, values + FIRST * WIDTH, COUNT * WIDTH * sizeof *values);
        buffer_free(cache);
        buffer_free(out);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_agrees_at_awkward_sizes),
        cmocka_unit_test(store_agrees_at_released_sizes),
        cmocka_unit_test(positions_near_163839_are_rotated_exactly),
        cmocka_unit_test(epsilon_counts_for_small_rows),
        cmocka_unit_test(only_the_latent_part_is_normalised),
        cmocka_unit_test(rows_are_read_as_they_were_stored),
    };
    TEST_ON_SHAPES(tests);
}
