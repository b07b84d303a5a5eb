/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/norm.h"

#include "ops/reference.h"
#include "tests/ops/device.h"

static void check_rms_norm(size_t rows, size_t columns, double magnitude)
{
    uint64_t random = rows * 1000 + columns;
    size_t stride = round_up(columns, ROW_UNIT);
    float *in = test_random_rows(&random, rows, columns);
    float *weight = test_random_rows(&random, 1, columns);
    double *expected = calloc(rows * stride, sizeof *expected);
    for (size_t i = 0; i < rows * stride; i++)
        in[i] *= (float)magnitude;
    for (size_t row = 0; row < rows; row++)
        reference_rms_norm(expected + row * stride, in + row * stride, weight, columns, 1e-6);
    norm_op op;
    CHECK_OK(norm_create(&op, test_device()));
    buffer *in_buffer = test_buffer(in, rows * stride * sizeof *in);
    buffer *weight_buffer = test_buffer(weight, stride * sizeof *weight);
    buffer *out_buffer = test_poisoned_buffer(rows * stride * sizeof *in);
    CHECK_OK(norm_rms(&op, out_buffer, in_buffer, weight_buffer, rows, columns, 1e-6));
    float *got = test_read(out_buffer);
    CHECK_CLOSE(got, expected, rows * stride, 2e-6);
    buffer_free(in_buffer);
    buffer_free(weight_buffer);
    buffer_free(out_buffer);
    free(in);
    free(weight);
    free(expected);
    free(got);
}

static void rms_norm_agrees_at_awkward_sizes(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 3, 15, 16, 17, 50, 128, 257, 1536, 7168};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (size_t rows = 1; rows <= 7; rows += 3)
            check_rms_norm(rows, columns[i], 1.0);
}

static void rms_norm_uses_epsilon_for_small_rows(void **state)
{
    (void)state;
    check_rms_norm(3, 100, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rms_norm_agrees_at_awkward_sizes),
        cmocka_unit_test(rms_norm_uses_epsilon_for_small_rows),
    };
    TEST_ON_SHAPES(tests);
}
