/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/swiglu.h"

#include "ops/reference.h"
#include "tests/ops/device.h"

static void check_swiglu(size_t rows, size_t columns, float magnitude)
{
    uint64_t random = rows * 31 + columns;
    size_t padded = round_up(columns, ROW_UNIT), count = rows * padded;
    float *gate = test_random_rows(&random, rows, columns), *up = test_random_rows(&random, rows, columns);
    double *expected = calloc(count, sizeof *expected);
    for (size_t i = 0; i < count; i++)
        gate[i] *= magnitude;
    for (size_t row = 0; row < rows; row++)
        reference_swiglu(expected + row * padded, gate + row * padded, up + row * padded, columns);
    swiglu_op op;
    CHECK_OK(swiglu_create(&op, test_device()));
    buffer *gate_buffer = test_buffer(gate, count * sizeof *gate), *up_buffer = test_buffer(up, count * sizeof *up);
    buffer *out = test_poisoned_buffer(count * sizeof *gate);
    CHECK_OK(swiglu(&op, out, gate_buffer, up_buffer, rows, columns));
    float *got = test_read(out);
    CHECK_CLOSE(got, expected, count, 1e-6);
    free(got);
    CHECK_OK(swiglu(&op, gate_buffer, gate_buffer, up_buffer, rows, columns));
    got = test_read(gate_buffer);
    CHECK_CLOSE(got, expected, count, 1e-6);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = columns; i < padded; i++)
            assert_true(got[row * padded + i] == 0.0f);
    buffer_free(gate_buffer);
    buffer_free(up_buffer);
    buffer_free(out);
    free(gate);
    free(up);
    free(expected);
    free(got);
}

static void swiglu_agrees_at_awkward_sizes_also_in_place(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 15, 17, 100, 1023, 2048, 2049, 18432};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (size_t rows = 1; rows <= 7; rows += 3)
            check_swiglu(rows, columns[i], 4.0f);
}

static void swiglu_stays_finite_far_from_zero(void **state)
{
    (void)state;
    check_swiglu(2, 100, 1000.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swiglu_agrees_at_awkward_sizes_also_in_place),
        cmocka_unit_test(swiglu_stays_finite_far_from_zero),
    };
    TEST_ON_SHAPES(tests);
}
