/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Self-tests of the products with weight matrices, for one token and for several, which are kernels of their own. */

#include "ops/self_test.h"

#include <stdio.h>

#include "base/memory.h"
#include "ops/linear.h"
#include "ops/reference.h"

enum { ROWS = 45, ROW_STRIDE = 48, COLUMNS = 130, STRIDE = 144 };

/* Runs check for 1 and for 5 tokens, and frees what linear kernels own. */
static hadal_status for_token_counts(self_test *test, int variant,
                                     hadal_status (*check)(self_test *test, linear_op *op, dtype type, size_t tokens))
{
    linear_op op;
    TRY(linear_create(&op, test->device, HADAL_LINEAR_OWN));
    hadal_status status = check(test, &op, (dtype)variant, 1);
    if (status == HADAL_OK)
        status = check(test, &op, (dtype)variant, 5);
    linear_free(&op);
    return status;
}

static hadal_status check_product(self_test *test, linear_op *op, dtype type, size_t tokens, size_t rows,
                                  size_t columns, double tolerance)
{
    const matrix *weight;
    float *in;
    double *values, *expected;
    buffer *in_buffer, *out;
    char what[64];
    size_t stride = round_up(columns, ROW_UNIT), row_stride = round_up(rows, ROW_UNIT);
    TRY(self_test_matrix(test, &weight, &values, type, 1, rows, columns));
    TRY(self_test_rows(test, &in, &in_buffer, tokens, columns));
    TRY(self_test_allocate(test, &expected, tokens * row_stride, sizeof *expected));
    TRY(self_test_upload(test, &out, expected, tokens * row_stride * sizeof(float)));
    TRY(linear_run(op, out, in_buffer, weight, tokens, false));
    TRY(linear_run(op, out, in_buffer, weight, tokens, true));
    for (size_t t = 0; t < tokens; t++)
        for (size_t r = 0; r < rows; r++)
            expected[t * row_stride + r] = 2 * reference_dot(in + t * stride, values + r * columns, columns);
    snprintf(what, sizeof what, "%zu x %zu, %zu token%s", rows, columns, tokens, tokens == 1 ? "" : "s");
    return self_test_compare(test, out, expected, tokens * row_stride, tolerance, what);
}

static hadal_status check_linear(self_test *test, linear_op *op, dtype type, size_t tokens)
{
    return check_product(test, op, type, tokens, ROWS, COLUMNS, 2e-6);
}

/* Narrow enough that GPUs split the columns of a block among groups, long enough that there is one for each compute
 * unit. Not for fp8, which goes to a matrix unit where there is one. */
hadal_status self_test_blocks(self_test *test, int variant)
{
    enum { TOKENS = 64, NARROW = 3, GROUP_COLUMNS = 256 };
    linear_op op;
    size_t units = max_size(hadal_device_describe(test->device)->compute_units, 1);
    TRY(linear_create(&op, test->device, HADAL_LINEAR_OWN));
    hadal_status status = check_product(test, &op, (dtype)variant, TOKENS, NARROW, units * GROUP_COLUMNS, 4e-6);
    linear_free(&op);
    return status;
}

hadal_status self_test_linear(self_test *test, int variant)
{
    return for_token_counts(test, variant, check_linear);
}

/* CLBlast, for which our own kernel converts the weights to float32. */
hadal_status self_test_clblast(self_test *test, int variant)
{
    linear_op op;
    TRY(linear_create(&op, test->device, HADAL_LINEAR_CLBLAST));
    hadal_status status = check_linear(test, &op, (dtype)variant, 5);
    linear_free(&op);
    return status;
}

/* One matrix a head, each with its own rows of the input. */
static hadal_status check_heads(self_test *test, linear_op *op, dtype type, size_t tokens)
{
    enum { HEADS = 3, OUT_STRIDE = 144, FACTOR = 2 };
    static const head_layout in_rows = {HEADS * STRIDE, STRIDE}, out_rows = {OUT_STRIDE, ROWS};
    const matrix *weight;
    float *in;
    double *values, *expected;
    buffer *in_buffer, *out;
    char what[64];
    TRY(self_test_matrix(test, &weight, &values, type, HEADS, ROWS, COLUMNS));
    TRY(self_test_rows(test, &in, &in_buffer, tokens * HEADS, COLUMNS));
    TRY(self_test_allocate(test, &expected, tokens * OUT_STRIDE, sizeof *expected));
    TRY(self_test_upload(test, &out, expected, tokens * OUT_STRIDE * sizeof(float)));
    TRY(linear_heads(op, out, out_rows, in_buffer, in_rows, weight, tokens, FACTOR));
    for (size_t i = 0; i < tokens * HEADS; i++)
        for (size_t r = 0; r < ROWS; r++)
            expected[i / HEADS * OUT_STRIDE + i % HEADS * ROWS + r] =
                (double)FACTOR * reference_dot(in + i * STRIDE, values + (i % HEADS * ROWS + r) * COLUMNS, COLUMNS);
    snprintf(what, sizeof what, "3 heads of 45 x 130, %zu token%s", tokens, tokens == 1 ? "" : "s");
    return self_test_compare(test, out, expected, tokens * OUT_STRIDE, 2e-6, what);
}

hadal_status self_test_heads(self_test *test, int variant)
{
    return for_token_counts(test, variant, check_heads);
}

/* Each token through two experts of four; for several tokens by lists, of which one is empty. */
static hadal_status check_experts(self_test *test, linear_op *op, dtype type, size_t tokens)
{
    enum { EXPERTS = 4, CHOICES = 2, MOST_SLOTS = 10 };
    static const int32_t ids[MOST_SLOTS] = {3, 0, 0, 3, 3, 1, 1, 0, 3, 0}; /* 2 is the one without a token */
    int32_t slots[MOST_SLOTS], offsets[EXPERTS + 1];
    size_t count = tokens * CHOICES;
    const matrix *weight;
    float *in;
    double *values, *expected;
    buffer *in_buffer, *out, *id_buffer, *slot_buffer, *offset_buffer;
    char what[64];
    reference_dispatch(offsets, slots, ids, count, EXPERTS);
    TRY(self_test_matrix(test, &weight, &values, type, EXPERTS, ROWS, COLUMNS));
    TRY(self_test_rows(test, &in, &in_buffer, tokens, COLUMNS));
    TRY(self_test_upload(test, &id_buffer, ids, count * sizeof *ids));
    TRY(self_test_upload(test, &slot_buffer, slots, count * sizeof *slots));
    TRY(self_test_upload(test, &offset_buffer, offsets, sizeof offsets));
    TRY(self_test_allocate(test, &expected, count * ROW_STRIDE, sizeof *expected));
    TRY(self_test_upload(test, &out, expected, count * ROW_STRIDE * sizeof(float)));
    const linear_slots listed = {id_buffer, offset_buffer, slot_buffer, tokens, CHOICES};
    TRY(linear_experts(op, out, in_buffer, weight, &listed, CHOICES));
    for (size_t slot = 0; slot < count; slot++)
        for (size_t r = 0; r < ROWS; r++)
            expected[slot * ROW_STRIDE + r] = reference_dot(
                in + slot / CHOICES * STRIDE, values + ((size_t)ids[slot] * ROWS + r) * COLUMNS, COLUMNS);
    snprintf(what, sizeof what, "2 of 4 experts, %zu token%s", tokens, tokens == 1 ? "" : "s");
    return self_test_compare(test, out, expected, count * ROW_STRIDE, 2e-6, what);
}

hadal_status self_test_experts(self_test *test, int variant)
{
    return for_token_counts(test, variant, check_experts);
}
