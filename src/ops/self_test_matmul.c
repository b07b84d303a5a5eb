/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Self-tests of products on the matrix unit: every tile's shape, edges cut off, no symmetry. */

#include "ops/self_test.h"

#include <stdio.h>

#include "ops/matmul.h"
#include "ops/reference.h"

enum { ROWS = 130, ROW_STRIDE = 144, COLUMNS = 200, STRIDE = 208, BLOCK = 64 };

/* Relative error of a product as a whole: operands have 8 bits, or 11. */
static double tolerance(dtype type)
{
    return type == DTYPE_BF16 ? 4e-3 : 8e-4;
}

static hadal_status check_products(self_test *test, matmul_op *op, dtype type)
{
    static const size_t counts[MATMUL_TILES] = {17, 50, 100};
    for (size_t i = 0; i < MATMUL_TILES; i++) {
        size_t tokens = counts[i];
        const matrix *weight;
        float *in;
        double *values, *expected;
        buffer *in_buffer, *out;
        char what[64];
        TRY(self_test_matrix(test, &weight, &values, type, 1, ROWS, COLUMNS));
        TRY(self_test_rows(test, &in, &in_buffer, tokens, COLUMNS));
        TRY(self_test_allocate(test, &expected, tokens * ROW_STRIDE, sizeof *expected));
        TRY(self_test_upload(test, &out, expected, tokens * ROW_STRIDE * sizeof(float)));
        TRY(matmul_pack(op, in_buffer, weight, tokens));
        TRY(matmul_run(op, out, weight, tokens, false));
        for (size_t t = 0; t < tokens; t++)
            for (size_t r = 0; r < ROWS; r++)
                expected[t * ROW_STRIDE + r] = reference_dot(in + t * STRIDE, values + r * COLUMNS, COLUMNS);
        snprintf(what, sizeof what, "130 x 200, %zu tokens", tokens);
        TRY(self_test_compare(test, out, expected, tokens * ROW_STRIDE, tolerance(type), what));
    }
    return HADAL_OK;
}

/* Lists that take each of a tile's widths, and one of none. */
static hadal_status check_experts(self_test *test, matmul_op *op, dtype type)
{
    enum { EXPERTS = 5, TOKENS = 250 };
    static const size_t lists[EXPERTS] = {70, 20, 110, 50, 0};
    int32_t ids[TOKENS], slots[TOKENS], offsets[EXPERTS + 1];
    const matrix *weight;
    float *in;
    double *values, *expected;
    buffer *in_buffer, *out, *slot_buffer, *offset_buffer;
    for (size_t expert = 0, t = 0; expert < EXPERTS; expert++)
        for (size_t i = 0; i < lists[expert]; i++)
            ids[t++ * 7 % TOKENS] = (int32_t)expert;
    reference_dispatch(offsets, slots, ids, TOKENS, EXPERTS);
    TRY(self_test_matrix(test, &weight, &values, type, EXPERTS, ROWS, COLUMNS));
    TRY(self_test_rows(test, &in, &in_buffer, TOKENS, COLUMNS));
    TRY(self_test_upload(test, &slot_buffer, slots, sizeof slots));
    TRY(self_test_upload(test, &offset_buffer, offsets, sizeof offsets));
    TRY(self_test_allocate(test, &expected, (size_t)TOKENS * ROW_STRIDE, sizeof *expected));
    TRY(self_test_upload(test, &out, expected, TOKENS * ROW_STRIDE * sizeof(float)));
    TRY(matmul_pack(op, in_buffer, weight, TOKENS));
    TRY(matmul_experts(op, out, weight, offset_buffer, slot_buffer, TOKENS, 1));
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t r = 0; r < ROWS; r++)
            expected[t * ROW_STRIDE + r] =
                reference_dot(in + t * STRIDE, values + ((size_t)ids[t] * ROWS + r) * COLUMNS, COLUMNS);
    return self_test_compare(test, out, expected, (size_t)TOKENS * ROW_STRIDE, tolerance(type), "4 of 5 experts");
}

static hadal_status check_heads(self_test *test, matmul_op *op, dtype type)
{
    enum { HEADS = 3, TOKENS = 20, OUT_STRIDE = 400 };
    static const head_layout in_rows = {HEADS * STRIDE, STRIDE}, out_rows = {OUT_STRIDE, ROWS};
    const matrix *weight;
    float *in;
    double *values, *expected;
    buffer *in_buffer, *out;
    TRY(self_test_matrix(test, &weight, &values, type, HEADS, ROWS, COLUMNS));
    TRY(self_test_rows(test, &in, &in_buffer, (size_t)TOKENS * HEADS, COLUMNS));
    TRY(self_test_allocate(test, &expected, (size_t)TOKENS * OUT_STRIDE, sizeof *expected));
    TRY(self_test_upload(test, &out, expected, TOKENS * OUT_STRIDE * sizeof(float)));
    TRY(matmul_pack_heads(op, in_buffer, in_rows, weight, TOKENS));
    TRY(matmul_heads(op, out, out_rows, weight, TOKENS, 1.0));
    for (size_t i = 0; i < (size_t)TOKENS * HEADS; i++)
        for (size_t r = 0; r < ROWS; r++)
            expected[i / HEADS * OUT_STRIDE + i % HEADS * ROWS + r] =
                reference_dot(in + i * STRIDE, values + (i % HEADS * ROWS + r) * COLUMNS, COLUMNS);
    return self_test_compare(test, out, expected, (size_t)TOKENS * OUT_STRIDE, tolerance(type), "3 heads, 20 tokens");
}

static hadal_status with_matmul(self_test *test, int variant,
                                hadal_status (*check)(self_test *test, matmul_op *op, dtype type))
{
    matmul_op op;
    test->block = BLOCK;
    matmul_create(&op, test->device);
    hadal_status status = check(test, &op, (dtype)variant);
    matmul_free(&op);
    return status;
}

hadal_status self_test_matmul(self_test *test, int variant)
{
    return with_matmul(test, variant, check_products);
}

hadal_status self_test_matmul_experts(self_test *test, int variant)
{
    return with_matmul(test, variant, check_experts);
}

hadal_status self_test_matmul_heads(self_test *test, int variant)
{
    return with_matmul(test, variant, check_heads);
}
