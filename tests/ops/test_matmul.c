/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products on the device's matrix unit, or with its one instruction emulated where there is none. */

#include "ops/matmul.h"

#include "ops/linear.h"

#include "tests/ops/device.h"
#include "tests/ops/host_matrix.h"

/* How far a sum may be off, as a part of the sum of its products' magnitudes: activations are rounded to 8 or 11 bits,
 * scaled codes to 11, and float32 sums add little. */
static double tolerance(dtype type)
{
    return type == DTYPE_BF16 ? 0x1.02p-8 : type == DTYPE_F16 ? 0x1.02p-11 : 0x1.02p-10;
}

static void check_sum(float got, double before, const float *in, const double *weight, size_t columns, dtype type)
{
    double sum = before, magnitude = fabs(before) * 0x1p-10;
    for (size_t i = 0; i < columns; i++) {
        sum += (double)in[i] * weight[i];
        magnitude += fabs((double)in[i] * weight[i]);
    }
    if (!(fabs((double)got - sum) <= tolerance(type) * magnitude))
        fail_msg("dtype %d, %zu columns: %g instead of %g, from products whose magnitudes add up to %g", (int)type,
                 columns, (double)got, sum, magnitude);
}

typedef struct matmul_case {
    size_t tokens, rows, columns;
    uint32_t block_rows, block_columns;
} matmul_case;

/* Tiles of 32, 64 and 128 tokens, whole and cut off; one step of the tile and several; rows below a team's 64. */
static const matmul_case cases[] = {
    {33, 130, 200, 128, 128}, {16, 1, 16, 128, 128}, {129, 300, 70, 128, 128},
    {32, 64, 64, 64, 64},     {70, 129, 129, 48, 64},
};

/* Rows of different magnitudes, one of zeros, one whose values halves could not hold. */
static float *make_inputs(uint64_t *random, size_t tokens, size_t columns)
{
    size_t stride = round_up(columns, ROW_UNIT);
    float *in = test_random_rows(random, tokens, columns);
    for (size_t t = 0; t < tokens; t++)
        for (size_t i = 0; i < stride; i++)
            in[t * stride + i] *= t == 1 ? 0.0f : t == 2 ? 1e6f : t == 3 ? 1e-9f : (float)(t + 1);
    return in;
}

static void check_matmul(dtype type, const matmul_case *c, bool accumulate)
{
    uint64_t random = c->rows + c->columns;
    size_t in_stride = round_up(c->columns, ROW_UNIT), out_stride = round_up(c->rows, ROW_UNIT);
    host_matrix weight = make_matrix(type, 1, c->rows, c->columns, c->block_rows, c->block_columns, &random);
    float *in = make_inputs(&random, c->tokens, c->columns), *before = test_random_rows(&random, c->tokens, c->rows);
    matmul_op op;
    matrix device_weight;
    matmul_create(&op, test_device());
    CHECK_OK(matrix_create(&device_weight, test_device(), MEMORY_OTHER, weight.sources));
    assert_true(matmul_takes(&op, &device_weight, c->tokens));
    buffer *in_buffer = test_buffer(in, c->tokens * in_stride * sizeof *in);
    buffer *out = test_buffer(before, c->tokens * out_stride * sizeof *before);
    CHECK_OK(matmul_pack(&op, in_buffer, &device_weight, c->tokens));
    CHECK_OK(matmul_run(&op, out, &device_weight, c->tokens, accumulate));
    float *got = test_read(out);
    for (size_t t = 0; t < c->tokens; t++)
        for (size_t r = 0; r < c->rows; r++)
            check_sum(got[t * out_stride + r], accumulate ? (double)before[t * out_stride + r] : 0, in + t * in_stride,
                      weight.values + r * c->columns, c->columns, type);
    buffer_free(in_buffer);
    buffer_free(out);
    matrix_free(&device_weight);
    matmul_free(&op);
    free_matrix(&weight);
    free(in);
    free(before);
    free(got);
}

/* One matrix a head; heads of a token are apart in input and output. */
static void check_heads(dtype type, size_t tokens, size_t heads, size_t rows, size_t columns)
{
    uint64_t random = tokens + columns;
    const head_layout in_rows = {heads * (columns + 3) + 5, columns + 3}, out_rows = {heads * (rows + 1), rows + 1};
    host_matrix weight = make_matrix(type, heads, rows, columns, 64, 64, &random);
    float *in = test_random_rows(&random, 1, tokens * in_rows.token_stride);
    matmul_op op;
    matrix device_weight;
    matmul_create(&op, test_device());
    CHECK_OK(matrix_create_stack(&device_weight, test_device(), MEMORY_OTHER, weight.sources, heads));
    buffer *in_buffer = test_buffer(in, tokens * in_rows.token_stride * sizeof *in);
    buffer *out = test_buffer(NULL, tokens * out_rows.token_stride * sizeof *in);
    CHECK_OK(matmul_pack_heads(&op, in_buffer, in_rows, &device_weight, tokens));
    CHECK_OK(matmul_heads(&op, out, out_rows, &device_weight, tokens, 0.5));
    float *got = test_read(out);
    for (size_t t = 0; t < tokens; t++)
        for (size_t h = 0; h < heads; h++)
            for (size_t r = 0; r < rows; r++)
                check_sum(got[t * out_rows.token_stride + h * out_rows.head_stride + r] * 2, 0,
                          in + t * in_rows.token_stride + h * in_rows.head_stride,
                          weight.values + (h * rows + r) * columns, columns, type);
    buffer_free(in_buffer);
    buffer_free(out);
    matrix_free(&device_weight);
    matmul_free(&op);
    free_matrix(&weight);
    free(in);
    free(got);
}

static void heads_agree_with_doubles(void **state)
{
    (void)state;
    check_heads(DTYPE_F8_E4M3, 20, 3, 70, 100);
    check_heads(DTYPE_BF16, 33, 2, 30, 64);
}

static const dtype types[] = {DTYPE_BF16, DTYPE_F16, DTYPE_F8_E4M3};

static void products_agree_with_doubles(void **state)
{
    (void)state;
    bool emulated = device_shape_of(test_device())->emulated; /* slow: each case with one dtype, fp8 with all tiles */
    for (size_t type = 0; type < 3; type++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (!emulated || types[type] == DTYPE_F8_E4M3 || i == type)
                check_matmul(types[type], &cases[i], i % 2 == 1);
}

/* Back ends differ in nothing but how a tile is held: the widest with codes and with operands as they are. */
static void both_kinds_of_weights_agree_with_doubles(void **state)
{
    (void)state;
    check_matmul(DTYPE_F8_E4M3, &cases[2], false);
    check_matmul(DTYPE_BF16, &cases[4], false);
}

/* Each code alone in a row, in changing columns: 0, subnormals and NaN too. */
static void every_code_counts_as_its_value(void **state)
{
    (void)state;
    enum { CODES = 256, COLUMNS = 64, TOKENS = 129 };
    uint8_t codes[CODES * COLUMNS] = {0};
    float scales[CODES / 64], in[TOKENS * COLUMNS], value;
    for (size_t i = 0; i < CODES; i++)
        codes[i * COLUMNS + i % COLUMNS] = (uint8_t)i;
    for (size_t i = 0; i < CODES / 64; i++)
        scales[i] = 0.5f;
    for (size_t i = 0; i < TOKENS * COLUMNS; i++)
        in[i] = 1.0f;
    const matrix_source source = {.type = DTYPE_F8_E4M3, .rows = CODES, .columns = COLUMNS, .values = codes,
                                  .scales = scales, .block_rows = 64, .block_columns = 64};
    matmul_op op;
    matrix weight;
    matmul_create(&op, test_device());
    CHECK_OK(matrix_create(&weight, test_device(), MEMORY_OTHER, &source));
    buffer *in_buffer = test_buffer(in, sizeof in), *out = test_buffer(NULL, TOKENS * CODES * sizeof *in);
    CHECK_OK(matmul_pack(&op, in_buffer, &weight, TOKENS));
    CHECK_OK(matmul_run(&op, out, &weight, TOKENS, false));
    float *got = test_read(out);
    for (size_t i = 0; i < TOKENS * CODES; i++) {
        const uint8_t code = (uint8_t)(i % CODES);
        dtype_decode(&value, &code, 1, DTYPE_F8_E4M3);
        assert_true(isnan(value) ? isnan(got[i]) : got[i] == value * 0.5f);
    }
    buffer_free(in_buffer);
    buffer_free(out);
    matrix_free(&weight);
    matmul_free(&op);
    free(got);
}

/* Experts without tokens, and with more than a tile of them. */
static void check_experts(dtype type, size_t tokens, size_t choices, size_t experts, size_t rows, size_t columns)
{
    uint64_t random = tokens + rows;
    size_t count = tokens * choices, in_stride = round_up(columns, ROW_UNIT), out_stride = round_up(rows, ROW_UNIT);
    host_matrix weight = make_matrix(type, experts, rows, columns, 128, 128, &random);
    float *in = test_random_rows(&random, tokens, columns);
    int32_t *ids = calloc(count, sizeof *ids), *offsets = calloc(experts + 1, sizeof *offsets),
            *lists = calloc(count, sizeof *lists);
    for (size_t s = 0; s < count; s++)
        ids[s] = (int32_t)(s % choices == 0 ? 1 : test_random(&random) % (experts - 1));
    reference_dispatch(offsets, lists, ids, count, experts);
    matmul_op op;
    matrix device_weight;
    matmul_create(&op, test_device());
    CHECK_OK(matrix_create_stack(&device_weight, test_device(), MEMORY_OTHER, weight.sources, experts));
    buffer *in_buffer = test_buffer(in, tokens * in_stride * sizeof *in);
    buffer *out = test_buffer(NULL, count * out_stride * sizeof *in);
    buffer *offsets_buffer = test_buffer(offsets, (experts + 1) * sizeof *offsets);
    buffer *lists_buffer = test_buffer(lists, count * sizeof *lists);
    CHECK_OK(matmul_pack(&op, in_buffer, &device_weight, tokens));
    CHECK_OK(matmul_experts(&op, out, &device_weight, offsets_buffer, lists_buffer, count, choices));
    float *got = test_read(out);
    for (size_t s = 0; s < count; s++)
        for (size_t r = 0; r < rows; r++)
            check_sum(got[s * out_stride + r], 0, in + s / choices * in_stride,
                      weight.values + ((size_t)ids[s] * rows + r) * columns, columns, type);
    buffer *const buffers[] = {in_buffer, out, offsets_buffer, lists_buffer};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    matrix_free(&device_weight);
    matmul_free(&op);
    free_matrix(&weight);
    free(in);
    free(ids);
    free(offsets);
    free(lists);
    free(got);
}

static void experts_agree_with_doubles(void **state)
{
    (void)state;
    for (size_t type = 0; type < 3; type++) {
        check_experts(types[type], 40, 2, 5, 70, 130); /* a tile of 32 */
        if (!device_shape_of(test_device())->emulated)
            check_experts(types[type], 100, 1, 3, 30, 64);
    }
    check_experts(DTYPE_F8_E4M3, 80, 1, 2, 30, 64); /* three quarters of a tile of 128 */
}

/* However much lies ahead, CLBlast, which computes in float32, does not take the matrix unit's place. */
static void auto_keeps_to_the_matrix_unit(void **state)
{
    (void)state;
    enum { ROWS = 512, COLUMNS = 16, TOKENS = 64 };
    uint64_t random = 3;
    host_matrix weight = make_matrix(DTYPE_BF16, 1, ROWS, COLUMNS, 1, 16, &random);
    matrix device_weight;
    linear_op op;
    buffer *in = test_buffer(NULL, TOKENS * COLUMNS * sizeof(float));
    buffer *out = test_buffer(NULL, (size_t)TOKENS * ROWS * sizeof(float));
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_AUTO));
    CHECK_OK(matrix_create(&device_weight, test_device(), MEMORY_OTHER, weight.sources));
    CHECK_OK(linear_choose(&op, out, in, &device_weight, TOKENS, 1024, UINT64_C(1) << 50));
    assert_int_equal(op.choice, HADAL_LINEAR_AUTO);
    assert_null(op.dequantised);
    buffer_free(in);
    buffer_free(out);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&weight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_doubles),
        cmocka_unit_test(every_code_counts_as_its_value),
        cmocka_unit_test(experts_agree_with_doubles),
        cmocka_unit_test(heads_agree_with_doubles),
        cmocka_unit_test(auto_keeps_to_the_matrix_unit),
    };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(both_kinds_of_weights_agree_with_doubles),
        cmocka_unit_test(every_code_counts_as_its_value),
    };
    const char *what = test_open_matrix_device();
    device_matrix first = device_shape_of(test_device())->matrix;
    int failed = cmocka_run_group_tests_name(what, tests, NULL, NULL);
    hadal_device_close(test_device());
    for (device_matrix unit = DEVICE_MATRIX_NONE + 1; unit < DEVICE_MATRIX_COUNT; unit++)
        if (unit != first) {
            what = test_open_matrix_unit(unit);
            failed += cmocka_run_group_tests_name(what, others, NULL, NULL);
            hadal_device_close(test_device());
        }
    return failed != 0;
}
