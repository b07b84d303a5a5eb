/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* That the kernels of ceilings do the work that is counted. */

#include "ops/bench.h"

#include "tests/ops/device.h"

static void copies_and_sums_take_every_value(void **state)
{
    (void)state;
    bench_op op;
    CHECK_OK(bench_create(&op, test_device()));
    size_t bytes = 3 * bench_unit(&op), count = bytes / sizeof(float);
    float *values = malloc(bytes);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(i % 7); /* small whole numbers: their sums are exact */
    buffer *in = test_buffer(values, bytes), *out = test_poisoned_buffer(bytes);
    double expected = 0;
    for (size_t i = 0; i < count; i++)
        expected += values[i];
    for (size_t run = 0; run < BENCH_RUNS; run++) {
        buffer *sums = test_buffer(NULL, bench_out_bytes(&op, bytes));
        CHECK_OK(bench_copy(&op, out, in, bytes, run));
        float *copied = test_read(out);
        assert_memory_equal(copied, values, bytes);
        CHECK_OK(bench_read(&op, sums, in, bytes, run));
        float *parts = test_read(sums);
        double got = 0;
        for (size_t i = 0; i < buffer_bytes(sums) / sizeof(float); i++)
            got += parts[i];
        assert_true(got == expected);
        buffer_free(sums);
        free(copied);
        free(parts);
    }
    buffer_free(in);
    buffer_free(out);
    free(values);
}

static void multiply_adds_and_launches_happen(void **state)
{
    (void)state;
    bench_op op;
    CHECK_OK(bench_create(&op, test_device()));
    enum { ROUNDS = 300 };
    buffer *sums = test_buffer(NULL, bench_out_bytes(&op, 0));
    CHECK_OK(bench_multiply_add(&op, sums, BENCH_GROUPS, ROUNDS));
    float *values = test_read(sums);
    double start = 0.35, power = pow(0.999, ROUNDS), chains = 8.0 * op.vector;
    double expected = chains * (start * power + (1 - power)); /* x -> 0.999 x + 0.001, from 0, 0.1 ... 0.7 */
    assert_true(fabs(values[0] - expected) < 1e-3 * expected);
    assert_int_equal(bench_multiply_add_operations(&op, BENCH_GROUPS, ROUNDS),
                     2 * ROUNDS * (size_t)chains * BENCH_GROUPS * op.units * op.group);
    CHECK_OK(bench_launch(&op, sums));
    float *after = test_read(sums);
    assert_true(after[0] == values[0] + 1.0f);
    buffer_free(sums);
    free(values);
    free(after);
}

/* Rounds add the same products again; what the products are, test_matmul checks. */
static void tiles_are_multiplied_in_every_round(void **state)
{
    (void)state;
    bench_op op;
    CHECK_OK(bench_create(&op, test_device()));
    assert_non_null(op.tile);
    buffer *sums = test_buffer(NULL, bench_out_bytes(&op, 0));
    CHECK_OK(bench_tile(&op, sums, 1));
    float *once = test_read(sums);
    CHECK_OK(bench_tile(&op, sums, 4));
    float *four = test_read(sums);
    size_t items = op.units * 4 * 256;
    assert_int_equal(bench_tile_operations(&op, 4), 4 * items / 128 * 2 * 64 * 128 * 64);
    double different = 0;
    for (size_t i = 0; i < items; i++) {
        assert_true(fabs(four[i] - 4.0 * once[i]) < 1e-2);
        different += once[i] != once[0];
    }
    assert_true(different > 0.5 * (double)items);
    buffer_free(sums);
    free(once);
    free(four);
}

static int test_tiles(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tiles_are_multiplied_in_every_round)};
    int failed = cmocka_run_group_tests_name(test_open_matrix_device(), tests, NULL, NULL);
    hadal_device_close(test_device());
    return failed;
}

int main(void)
{
    if (test_tiles() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_and_sums_take_every_value),
        cmocka_unit_test(multiply_adds_and_launches_happen),
    };
    TEST_ON_SHAPES(tests);
}
