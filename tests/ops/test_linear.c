/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/linear.h"

#include "tests/ops/device.h"
#include "tests/ops/host_matrix.h"

typedef struct shape_case {
    size_t tokens, rows, columns;
    uint32_t block_rows, block_columns;
} shape_case;

static const shape_case shapes[] = {
    {1, 1, 1, 128, 128},  {1, 50, 22, 128, 128},   {3, 17, 33, 128, 128},
    {4, 64, 64, 64, 32},  {5, 130, 200, 128, 128}, {9, 129, 257, 128, 128},
    {2, 31, 100, 16, 16}, {7, 40, 40, 24, 20},     {64, 100, 129, 128, 128},
};

static void check_linear(dtype type, const shape_case *c, hadal_linear choice, bool accumulate)
{
    uint64_t random = c->rows * 7919 + c->columns + (uint64_t)type;
    size_t in_stride = round_up(c->columns, ROW_UNIT), out_stride = round_up(c->rows, ROW_UNIT);
    host_matrix weight = make_matrix(type, 1, c->rows, c->columns, c->block_rows, c->block_columns, &random);
    float *in = test_random_rows(&random, c->tokens, c->columns);
    float *before = test_random_rows(&random, c->tokens, c->rows);
    double *expected = calloc(c->tokens * out_stride, sizeof *expected);
    for (size_t t = 0; t < c->tokens; t++)
        for (size_t r = 0; r < c->rows; r++)
            expected[t * out_stride + r] = (accumulate ? (double)before[t * out_stride + r] : 0) +
                                           reference_dot(in + t * in_stride, weight.values + r * c->columns,
                                                         c->columns);
    linear_op op;
    matrix device_weight;
    CHECK_OK(linear_create(&op, test_device(), choice));
    CHECK_OK(matrix_create(&device_weight, test_device(), MEMORY_OTHER, weight.sources));
    buffer *in_buffer = test_buffer(in, c->tokens * in_stride * sizeof *in);
    buffer *out_buffer = test_buffer(before, c->tokens * out_stride * sizeof *before);
    CHECK_OK(linear_run(&op, out_buffer, in_buffer, &device_weight, c->tokens, accumulate));
    float *got = test_read(out_buffer);
    CHECK_CLOSE(got, expected, c->tokens * out_stride, 2e-6);
    if (c->tokens > 2) {
        CHECK_OK(linear_run_from(&op, out_buffer, in_buffer, 2, &device_weight, 1));
        free(got);
        got = test_read(out_buffer);
        if (!accumulate)
            CHECK_CLOSE(got, expected + 2 * out_stride, out_stride, 2e-6);
    }
    size_t units = hadal_device_describe(test_device())->compute_units;
    assert_true(!op.parts || buffer_bytes(op.parts) <= linear_parts_bytes(units, c->tokens));
    assert_true(!op.dequantised || buffer_bytes(op.dequantised) == linear_dequantised_bytes(c->rows, c->columns));
    buffer_free(in_buffer);
    buffer_free(out_buffer);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&weight);
    free(in);
    free(before);
    free(expected);
    free(got);
}

static void linear_agrees_for_every_dtype_and_shape(void **state)
{
    (void)state;
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            check_linear(type, &shapes[i], HADAL_LINEAR_OWN, i % 2 == 1);
}

/* Rows and columns that are no multiples of the block: the last blocks hold what is left. 576 rows:
 * kv_a_proj_with_mqa. */
static void fp8_blocks_are_cut_off_at_the_edges(void **state)
{
    (void)state;
    static const shape_case cut[] = {{2, 576, 200, 128, 128}, {1, 130, 129, 128, 128}, {3, 127, 383, 128, 128}};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        check_linear(DTYPE_F8_E4M3, &cut[i], HADAL_LINEAR_OWN, false);
}

static void clblast_agrees_with_own(void **state)
{
    (void)state;
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++)
        check_linear(type, &shapes[8], HADAL_LINEAR_CLBLAST, type % 2 == 1);
}

/* AUTO keeps the own kernels while little lies ahead, and measures when much does; both choices are right, above. */
static void auto_tries_clblast_only_when_it_can_pay(void **state)
{
    (void)state;
    uint64_t random = 3;
    host_matrix weight = make_matrix(DTYPE_BF16, 1, 64, 64, 1, 16, &random);
    matrix device_weight;
    linear_op op;
    buffer *in = test_buffer(NULL, 64 * 64 * sizeof(float)), *out = test_buffer(NULL, 64 * 64 * sizeof(float));
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_AUTO));
    CHECK_OK(matrix_create(&device_weight, test_device(), MEMORY_OTHER, weight.sources));
    CHECK_OK(linear_choose(&op, out, in, &device_weight, 64, 1024, 64 * 64));
    assert_int_equal(op.choice, HADAL_LINEAR_AUTO);
    assert_null(op.dequantised);
    CHECK_OK(linear_choose(&op, out, in, &device_weight, 64, 1024, UINT64_C(1) << 50));
    assert_int_not_equal(op.choice, HADAL_LINEAR_AUTO);
    assert_non_null(op.dequantised);
    buffer_free(in);
    buffer_free(out);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&weight);
}

/* One matrix a head, from inputs whose heads are apart, to outputs whose heads are apart. */
static void check_heads(dtype type, size_t tokens, size_t heads, size_t rows, size_t columns, size_t gap)
{
    uint64_t random = tokens * 31 + columns;
    const head_layout in_rows = {heads * (columns + gap) + 3, columns + gap}, out_rows = {heads * rows + 2, rows};
    host_matrix weight = make_matrix(type, heads, rows, columns, 128, 128, &random);
    float *in = test_random_rows(&random, 1, tokens * in_rows.token_stride + ROW_UNIT);
    double *expected = calloc(tokens * out_rows.token_stride, sizeof *expected);
    for (size_t t = 0; t < tokens; t++)
        for (size_t h = 0; h < heads; h++)
            for (size_t r = 0; r < rows; r++)
                expected[t * out_rows.token_stride + h * rows + r] =
                    0.25 * reference_dot(in + t * in_rows.token_stride + h * in_rows.head_stride,
                                         weight.values + (h * rows + r) * columns, columns);
    linear_op op;
    matrix device_weight;
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(matrix_create_stack(&device_weight, test_device(), MEMORY_OTHER, weight.sources, heads));
    buffer *in_buffer = test_buffer(in, (tokens * in_rows.token_stride + ROW_UNIT) * sizeof *in);
    buffer *out_buffer = test_buffer(NULL, tokens * out_rows.token_stride * sizeof *in);
    CHECK_OK(linear_heads(&op, out_buffer, out_rows, in_buffer, in_rows, &device_weight, tokens, 0.25));
    float *got = test_read(out_buffer);
    CHECK_CLOSE(got, expected, tokens * out_rows.token_stride, 2e-6);
    buffer_free(in_buffer);
    buffer_free(out_buffer);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&weight);
    free(in);
    free(expected);
    free(got);
}

/* By the transposes, from inputs that all heads share, to rows padded with zeros. */
static void check_by_transposed(dtype type, size_t tokens, size_t heads, size_t rows, size_t columns)
{
    uint64_t random = tokens * 31 + columns;
    size_t width = round_up(columns, ROW_UNIT), in_width = round_up(rows, ROW_UNIT);
    const head_layout in_rows = {in_width, 0}, out_rows = {width, tokens * width};
    host_matrix weight = make_matrix(type, heads, rows, columns, 128, 128, &random);
    float *in = test_random_rows(&random, tokens, rows);
    double *expected = calloc(heads * tokens * width, sizeof *expected);
    for (size_t i = 0; i < heads * tokens; i++)
        for (size_t c = 0; c < columns; c++)
            for (size_t r = 0; r < rows; r++)
                expected[i * width + c] +=
                    2.5 * in[i % tokens * in_width + r] * weight.values[(i / tokens * rows + r) * columns + c];
    linear_op op;
    matrix device_weight;
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(matrix_create_stack(&device_weight, test_device(), MEMORY_OTHER, weight.sources, heads));
    buffer *in_buffer = test_buffer(in, tokens * in_width * sizeof *in);
    buffer *out_buffer = test_poisoned_buffer(heads * tokens * width * sizeof *in);
    CHECK_OK(linear_heads_transposed(&op, out_buffer, out_rows, in_buffer, in_rows, &device_weight, tokens, 2.5));
    float *got = test_read(out_buffer);
    CHECK_CLOSE(got, expected, heads * tokens * width, 2e-6);
    buffer_free(in_buffer);
    buffer_free(out_buffer);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&weight);
    free(in);
    free(expected);
    free(got);
}

static void heads_agree_by_transposed_matrices(void **state)
{
    (void)state;
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++) {
        check_by_transposed(type, 1, 1, 1, 1);
        check_by_transposed(type, 7, 3, 17, 15);
        check_by_transposed(type, 9, 2, 300, 33);
        check_by_transposed(type, 65, 5, 128, 128);
    }
    check_by_transposed(DTYPE_F8_E4M3, 30, 4, 512, 128);
}

/* The transposes of heads' rows of one matrix: of whole blocks of scales and, resolved to float32, of parts. */
static void transposed_heads_agree(void **state)
{
    (void)state;
    enum { HEADS = 3, COLUMNS = 40, TOKENS = 2 };
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++)
        for (size_t rows = 16; rows <= 24; rows += 8) {
            uint64_t random = rows;
            const head_layout in_rows = {HEADS * rows, rows}, out_rows = {HEADS * COLUMNS, COLUMNS};
            host_matrix whole = make_matrix(type, 1, HEADS * rows, COLUMNS, 16, 32, &random);
            matrix_source heads[HEADS];
            for (size_t h = 0; h < HEADS; h++) {
                const matrix_source part = matrix_rows(whole.sources, h * rows, rows);
                CHECK_OK(matrix_transpose(&heads[h], &part, rows == 24 && type == DTYPE_F8_E4M3));
                assert_int_equal(heads[h].type, rows == 24 && type == DTYPE_F8_E4M3 ? DTYPE_F32 : type);
            }
            float *in = test_random_rows(&random, 1, TOKENS * in_rows.token_stride + ROW_UNIT);
            double expected[TOKENS * HEADS * COLUMNS] = {0};
            for (size_t t = 0; t < TOKENS; t++)
                for (size_t i = 0; i < HEADS * rows; i++)
                    for (size_t c = 0; c < COLUMNS; c++)
                        expected[t * out_rows.token_stride + i / rows * COLUMNS + c] +=
                            (double)in[t * in_rows.token_stride + i] * whole.values[i * COLUMNS + c];
            linear_op op;
            matrix weight;
            CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
            CHECK_OK(matrix_create_stack(&weight, test_device(), MEMORY_OTHER, heads, HEADS));
            buffer *in_buffer = test_buffer(in, (TOKENS * in_rows.token_stride + ROW_UNIT) * sizeof *in);
            buffer *out_buffer = test_buffer(NULL, sizeof(float) * TOKENS * out_rows.token_stride);
            CHECK_OK(linear_heads(&op, out_buffer, out_rows, in_buffer, in_rows, &weight, TOKENS, 1.0));
            float *got = test_read(out_buffer);
            CHECK_CLOSE(got, expected, TOKENS * HEADS * COLUMNS, 2e-6);
            buffer_free(in_buffer);
            buffer_free(out_buffer);
            matrix_free(&weight);
            linear_free(&op);
            for (size_t h = 0; h < HEADS; h++)
                matrix_source_free(&heads[h]);
            free_matrix(&whole);
            free(in);
            free(got);
        }
}

/* Heads whose rows begin in the middle of a block of scales, as rows of one matrix. */
static void heads_cut_blocks_of_scales(void **state)
{
    (void)state;
    enum { HEADS = 5, ROWS = 24, LATENT = 40 };
    uint64_t random = 5;
    size_t stride = round_up(LATENT, ROW_UNIT), out_stride = round_up(HEADS * ROWS, ROW_UNIT);
    host_matrix whole = make_matrix(DTYPE_F8_E4M3, 1, HEADS * ROWS, LATENT, 16, 32, &random);
    matrix_source heads[HEADS];
    for (size_t h = 0; h < HEADS; h++)
        heads[h] = matrix_rows(whole.sources, h * ROWS, ROWS);
    float *in = test_random_rows(&random, HEADS, LATENT);
    double *expected = calloc(out_stride, sizeof *expected);
    for (size_t h = 0; h < HEADS; h++)
        for (size_t j = 0; j < ROWS; j++)
            expected[h * ROWS + j] = reference_dot(in + h * stride, whole.values + (h * ROWS + j) * LATENT, LATENT);
    linear_op op;
    matrix device_weight;
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(matrix_create_stack(&device_weight, test_device(), MEMORY_OTHER, heads, HEADS));
    buffer *in_buffer = test_buffer(in, HEADS * stride * sizeof *in);
    buffer *out_buffer = test_buffer(NULL, out_stride * sizeof *in);
    const head_layout in_rows = {HEADS * stride, stride}, out_rows = {out_stride, ROWS};
    CHECK_OK(linear_heads(&op, out_buffer, out_rows, in_buffer, in_rows, &device_weight, 1, 1.0));
    float *got = test_read(out_buffer);
    CHECK_CLOSE(got, expected, out_stride, 2e-6);
    buffer_free(in_buffer);
    buffer_free(out_buffer);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&whole);
    free(in);
    free(expected);
    free(got);
}

static void heads_agree(void **state)
{
    (void)state;
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++) {
        check_heads(type, 1, 3, 14, 30, 0);
        check_heads(type, 5, 1, 20, 33, 7); /* a stack of one */
        check_heads(type, 6, 5, 9, 65, 16);
        check_heads(type, 3, 2, 128, 512, 0);
        check_heads(type, 2, 2, 512, 128, 64);
    }
}

/* Slots of experts: one without any, one with all of a token's neighbours. */
static void check_experts(dtype type, size_t tokens, size_t choices, size_t experts, size_t rows, size_t columns)
{
    uint64_t random = tokens + rows;
    size_t count = tokens * choices, in_stride = round_up(columns, ROW_UNIT), out_stride = round_up(rows, ROW_UNIT);
    host_matrix weight = make_matrix(type, experts, rows, columns, 128, 128, &random);
    float *in = test_random_rows(&random, tokens, columns);
    int32_t *ids = calloc(count, sizeof *ids), *offsets = calloc(experts + 1, sizeof *offsets),
            *lists = calloc(count, sizeof *lists);
    double *expected = calloc(count * out_stride, sizeof *expected);
    for (size_t s = 0; s < count; s++) {
        ids[s] = (int32_t)((s % choices + (test_random(&random) % 2) * (s / choices)) % (experts - 1));
        for (size_t r = 0; r < rows; r++)
            expected[s * out_stride + r] =
                reference_dot(in + s / choices * in_stride, weight.values + ((size_t)ids[s] * rows + r) * columns,
                              columns);
    }
    reference_dispatch(offsets, lists, ids, count, experts);
    linear_op op;
    matrix device_weight;
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(matrix_create_stack(&device_weight, test_device(), MEMORY_OTHER, weight.sources, experts));
    buffer *in_buffer = test_buffer(in, tokens * in_stride * sizeof *in);
    buffer *out_buffer = test_buffer(NULL, count * out_stride * sizeof *in);
    buffer *ids_buffer = test_buffer(ids, count * sizeof *ids);
    buffer *offsets_buffer = test_buffer(offsets, (experts + 1) * sizeof *offsets);
    buffer *lists_buffer = test_buffer(lists, count * sizeof *lists);
    linear_slots slots = {ids_buffer, offsets_buffer, lists_buffer, tokens, choices};
    CHECK_OK(linear_experts(&op, out_buffer, in_buffer, &device_weight, &slots, choices));
    float *got = test_read(out_buffer);
    CHECK_CLOSE(got, expected, count * out_stride, 2e-6);
    buffer *const buffers[] = {in_buffer, out_buffer, ids_buffer, offsets_buffer, lists_buffer};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    matrix_free(&device_weight);
    linear_free(&op);
    free_matrix(&weight);
    free(in);
    free(ids);
    free(offsets);
    free(lists);
    free(expected);
    free(got);
}

static void experts_agree_also_without_tokens(void **state)
{
    (void)state;
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++) {
        check_experts(type, 1, 4, 8, 27, 50);
        check_experts(type, 2, 3, 6, 45, 130);
        check_experts(type, 33, 4, 7, 27, 50);
    }
}

/* A matrix above the largest allocation is split; nothing changes in the results. */
static void matrices_are_split_at_the_largest_allocation(void **state)
{
    (void)state;
    hadal_device *whole = test_device_now;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .largest_allocation_bytes = 1 << 16};
    CHECK_OK(device_open_shaped(&test_device_now, &options, device_shape_of(whole)));
    const shape_case large = {5, 700, 200, 64, 32};
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++) {
        check_linear(type, &large, HADAL_LINEAR_OWN, true);
        check_experts(type, 1, 3, 12, 60, 100);
        check_experts(type, 9, 3, 12, 60, 100);
        check_heads(type, 3, 9, 50, 130, 2);
    }
    uint64_t random = 1;
    host_matrix source = make_matrix(DTYPE_F32, 1, 700, 200, 1, 16, &random);
    matrix split;
    CHECK_OK(matrix_create(&split, test_device(), MEMORY_OTHER, source.sources));
    assert_true(split.slab_count > 8);
    assert_int_equal(device_allocated(test_device(), MEMORY_OTHER), matrix_source_bytes(source.sources, 1));
    matrix_free(&split);
    free_matrix(&source);
    host_matrix stack = make_matrix(DTYPE_F32, 2, 400, 200, 1, 16, &random);
    CHECK_FAILS(HADAL_ERROR_DEVICE_MEMORY, "belong together",
                matrix_create_stack(&split, test_device(), MEMORY_OTHER, stack.sources, 2));
    free_matrix(&stack);
    hadal_device_close(test_device_now);
    test_device_now = whole;
}

/* The form for GPUs with groups of 256: blocks of 128 tokens and rows, whole and cut off, their columns split among
 * groups where blocks are few, and experts' lists. */
static void many_tokens_are_multiplied_in_blocks(void **state)
{
    (void)state;
    static const device_shape wide = {.vector = 4, .lanes = 32, .group = 256};
    static const shape_case blocks[] = {{64, 330, 40, 128, 128}, {130, 64, 72, 48, 32}};
    static const shape_case split[] = {{64, 100, 2570, 128, 128}, {70, 17, 4000, 16, 48}}; /* of one block each */
    hadal_device *other = test_device_now;
    if (device_shape_of(other)->lanes == 1)
        skip(); /* once is enough */
    test_open_device(&wide);
    for (dtype type = DTYPE_F32; type <= DTYPE_F8_E4M3; type++) {
        check_linear(type, &blocks[type % 2], HADAL_LINEAR_OWN, type % 2 == 1);
        check_linear(type, &split[type % 2], HADAL_LINEAR_OWN, type % 2 == 0);
        check_experts(type, 200, 2, 4, 30, 50);
    }
    hadal_device_close(test_device_now);
    test_device_now = other;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_agrees_for_every_dtype_and_shape),
        cmocka_unit_test(fp8_blocks_are_cut_off_at_the_edges),
        cmocka_unit_test(clblast_agrees_with_own),
        cmocka_unit_test(auto_tries_clblast_only_when_it_can_pay),
        cmocka_unit_test(heads_agree),
        cmocka_unit_test(heads_agree_by_transposed_matrices),
        cmocka_unit_test(transposed_heads_agree),
        cmocka_unit_test(heads_cut_blocks_of_scales),
        cmocka_unit_test(experts_agree_also_without_tokens),
        cmocka_unit_test(many_tokens_are_multiplied_in_blocks),
        cmocka_unit_test(matrices_are_split_at_the_largest_allocation),
    };
    TEST_ON_SHAPES(tests);
}
