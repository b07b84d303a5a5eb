/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/fill.h"

#include "ops/matrix.h"
#include "tests/ops/device.h"

/* Values of a filled buffer [rows, stride], decoded. */
static float *filled(fill_type type, dtype stored, size_t rows, size_t columns, size_t stride, double amplitude)
{
    size_t bytes = rows * stride * dtype_bytes(stored);
    buffer *made = test_buffer(NULL, bytes);
    CHECK_OK(fill_rows(test_device(), made, type, rows, columns, stride, amplitude, 7));
    void *data = test_read(made);
    float *values = malloc(rows * stride * sizeof *values);
    assert_non_null(values);
    dtype_decode(values, data, rows * stride, stored);
    buffer_free(made);
    free(data);
    return values;
}

static void check_values(fill_type type, dtype stored, size_t rows, size_t columns, size_t stride, double amplitude)
{
    float *values = filled(type, stored, rows, columns, stride, amplitude);
    double sum = 0, squares = 0;
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < stride; i++) {
            double value = values[row * stride + i];
            if (i >= columns)
                assert_true(value == 0); /* padding is left alone */
            assert_true(fabs(value) <= amplitude); /* not NaN either */
            sum += value;
            squares += value * value;
        }
    double count = (double)rows * (double)columns;
    if (count > 10000) {
        assert_true(fabs(sum / count) < 0.02 * amplitude);
        assert_true(fabs(sqrt(squares / count) / amplitude - FILL_DEVIATION) < 0.01);
    }
    free(values);
}

static void values_are_spread_within_the_amplitude(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 15, 17, 100, 4095, 4097, 20000};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        size_t stride = round_up(columns[i], ROW_UNIT);
        check_values(FILL_F32, DTYPE_F32, 3, columns[i], stride, 2.5);
        check_values(FILL_BF16, DTYPE_BF16, 3, columns[i], stride, 4);
        check_values(FILL_F16, DTYPE_F16, 3, columns[i], stride, 4);
        check_values(FILL_F8, DTYPE_F8_E4M3, 3, columns[i], stride, 448);
    }
}

static void integers_cover_their_range(void **state)
{
    (void)state;
    enum { COUNT = 5000, BELOW = 13 };
    size_t seen[BELOW] = {0}, signs[2] = {0};
    buffer *made = test_buffer(NULL, COUNT * sizeof(int32_t));
    CHECK_OK(fill_buffer(test_device(), made, FILL_INT32, BELOW, 3));
    int32_t *numbers = test_read(made);
    for (size_t i = 0; i < COUNT; i++) {
        assert_in_range(numbers[i], 0, BELOW - 1);
        seen[numbers[i]]++;
    }
    for (size_t i = 0; i < BELOW; i++)
        assert_in_range(seen[i], COUNT / BELOW * 3 / 4, COUNT / BELOW * 5 / 4);
    CHECK_OK(fill_buffer(test_device(), made, FILL_INT8, 127, 3));
    int8_t *bytes = test_read(made);
    for (size_t i = 0; i < COUNT; i++)
        signs[bytes[i] < 0]++;
    assert_in_range(signs[0], COUNT * 2 / 5, COUNT * 3 / 5);
    buffer_free(made);
    free(numbers);
    free(bytes);
}

static void the_seed_decides(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    float *got[3];
    static const uint32_t seeds[] = {1, 1, 2};
    for (int i = 0; i < 3; i++) {
        buffer *made = test_buffer(NULL, COUNT * sizeof(float));
        CHECK_OK(fill_buffer(test_device(), made, FILL_F32, 1, seeds[i]));
        got[i] = test_read(made);
        buffer_free(made);
    }
    assert_memory_equal(got[0], got[1], COUNT * sizeof(float));
    assert_true(memcmp(got[0], got[2], COUNT * sizeof(float)) != 0);
    for (int i = 0; i < 3; i++)
        free(got[i]);
}

static void constants_fill_odd_sizes(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 129; count += 64) {
        buffer *made = test_poisoned_buffer(count * sizeof(float));
        CHECK_OK(fill_constant(test_device(), made, 0.25));
        float *values = test_read(made);
        for (size_t i = 0; i < count; i++)
            assert_true(values[i] == 0.25f);
        buffer_free(made);
        free(values);
    }
}

/* The variance of a random matrix's values makes outputs as large as inputs; scales are part of the values. */
static void check_matrix(dtype type, size_t rows, size_t columns, size_t experts)
{
    matrix made;
    matrix_source sources[3];
    for (size_t e = 0; e < experts; e++)
        sources[e] = (matrix_source){.type = type, .rows = rows, .columns = columns, .block_rows = 32,
                                     .block_columns = 32, .random = 5};
    CHECK_OK(experts == 1 ? matrix_create(&made, test_device(), MEMORY_OTHER, sources)
                          : matrix_create_stack(&made, test_device(), MEMORY_OTHER, sources, experts));
    assert_int_equal(made.slab_count, 1);
    size_t count = experts * rows * made.stride;
    void *data = test_read(made.slabs[0].values);
    float *values = calloc(count, sizeof *values);
    float *scales = made.slabs[0].scales ? test_read(made.slabs[0].scales) : NULL;
    double squares = 0;
    dtype_decode(values, data, count, made.type);
    for (size_t i = 0; i < count; i++) {
        double value = values[i] * (scales ? scales[0] : 1.0f);
        squares += value * value;
        if (i % made.stride >= columns)
            assert_true(value == 0);
    }
    assert_true(fabs(squares / ((double)experts * (double)rows) - 1) < 0.05);
    free(data);
    free(values);
    free(scales);
    matrix_free(&made);
}

static void random_matrices_keep_the_size_of_what_they_multiply(void **state)
{
    (void)state;
    for (int type = 0; type < DTYPE_COUNT; type++) {
        check_matrix((dtype)type, 200, 190, 1);
        check_matrix((dtype)type, 64, 256, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_spread_within_the_amplitude),
        cmocka_unit_test(integers_cover_their_range),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(constants_fill_odd_sizes),
        cmocka_unit_test(random_matrices_keep_the_size_of_what_they_multiply),
    };
    TEST_ON_SHAPES(tests);
}
