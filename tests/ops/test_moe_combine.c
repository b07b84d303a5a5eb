/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/moe_combine.h"

#include "ops/reference.h"
#include "tests/ops/device.h"

static void check_combine(size_t tokens, size_t columns, size_t top_k, bool with_shared)
{
    uint64_t random = tokens * 31 + columns + top_k;
    size_t padded = round_up(columns, ROW_UNIT), count = tokens * padded;
    float *x = test_random_rows(&random, tokens, columns), *shared = test_random_rows(&random, tokens, columns);
    float *expert_out = test_random_rows(&random, tokens * top_k, columns);
    float *weights = calloc(tokens * top_k, sizeof *weights);
    double *expected = calloc(count, sizeof *expected);
    for (size_t i = 0; i < tokens * top_k; i++)
        weights[i] = test_random_float(&random);
    for (size_t t = 0; t < tokens; t++)
        reference_moe_combine(expected + t * padded, x + t * padded, expert_out + t * top_k * padded,
                              weights + t * top_k, with_shared ? shared + t * padded : NULL, columns, padded, top_k);
    moe_combine_op op;
    CHECK_OK(moe_combine_create(&op, test_device()));
    buffer *x_buffer = test_buffer(x, count * sizeof *x), *shared_buffer = test_buffer(shared, count * sizeof *x);
    buffer *expert_buffer = test_buffer(expert_out, top_k * count * sizeof *x);
    buffer *weight_buffer = test_buffer(weights, tokens * top_k * sizeof *weights);
    CHECK_OK(moe_combine(&op, x_buffer, expert_buffer, weight_buffer, with_shared ? shared_buffer : NULL, tokens,
                         columns, top_k));
    float *got = test_read(x_buffer);
    CHECK_CLOSE(got, expected, count, 1e-6);
    for (size_t t = 0; t < tokens; t++)
        for (size_t i = columns; i < padded; i++)
            assert_true(got[t * padded + i] == 0.0f);
    buffer_free(x_buffer);
    buffer_free(shared_buffer);
    buffer_free(expert_buffer);
    buffer_free(weight_buffer);
    free(x);
    free(shared);
    free(expert_out);
    free(weights);
    free(expected);
    free(got);
}

static void combination_agrees_at_awkward_sizes(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 17, 256, 1023, 7168};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (size_t top_k = 1; top_k <= 8; top_k = top_k * 2 + 1)
            check_combine(3, columns[i], top_k, true);
    check_combine(1, 50, 8, true);
    check_combine(2, 50, 64, true);
}

static void a_layer_may_have_no_shared_experts(void **state)
{
    (void)state;
    check_combine(5, 100, 4, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(combination_agrees_at_awkward_sizes),
        cmocka_unit_test(a_layer_may_have_no_shared_experts),
    };
    TEST_ON_SHAPES(tests);
}
