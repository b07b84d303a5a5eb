/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/self_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/reference.h"

hadal_status self_test_allocate(self_test *test, void *memory, size_t count, size_t size)
{
    memset(memory, 0, sizeof(void *));
    if (test->memory_count == SELF_TEST_ITEMS)
        return failure(HADAL_ERROR_INTERNAL, "a self-test allocates too often; this is a bug in hadal");
    void **kept = &test->memory[test->memory_count];
    TRY(memory_allocate(kept, count, size));
    memcpy(memory, kept, sizeof *kept);
    test->memory_count++;
    return HADAL_OK;
}

hadal_status self_test_keep(self_test *test, buffer *made)
{
    if (test->buffer_count == SELF_TEST_ITEMS) {
        buffer_free(made);
        return failure(HADAL_ERROR_INTERNAL, "a self-test makes too many buffers; this is a bug in hadal");
    }
    test->buffers[test->buffer_count++] = made;
    return HADAL_OK;
}

hadal_status self_test_upload(self_test *test, buffer **made, const void *data, size_t bytes)
{
    TRY(buffer_create(made, test->device, MEMORY_OTHER, bytes));
    TRY(self_test_keep(test, *made));
    return buffer_write(*made, 0, data, bytes);
}

hadal_status self_test_result(self_test *test, buffer **made, size_t bytes)
{
    void *poison;
    TRY(self_test_allocate(test, &poison, bytes, 1));
    memset(poison, 0xff, bytes);
    return self_test_upload(test, made, poison, bytes);
}

hadal_status self_test_rows(self_test *test, float **values, buffer **made, size_t rows, size_t columns)
{
    size_t stride = round_up(columns, ROW_UNIT);
    TRY(self_test_allocate(test, values, rows * stride, sizeof **values));
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < columns; i++)
            (*values)[row * stride + i] = random_float(&test->random);
    return self_test_upload(test, made, *values, rows * stride * sizeof **values);
}

/* A random element of magnitude below 2, all bits of the mantissa and both signs used; subnormals too where there are
 * so few exponents that they count. */
static void random_element(void *stored, dtype type, uint64_t *random)
{
    float value = random_float(random);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t upper = (uint16_t)(bits >> 16), half = (uint16_t)(random_bits(random) & 0xbfff);
    uint8_t byte = (uint8_t)(random_bits(random) & 0xbf);
    if (type == DTYPE_F32)
        memcpy(stored, &bits, sizeof bits);
    else if (type == DTYPE_F8_E4M3)
        memcpy(stored, &byte, sizeof byte);
    else
        memcpy(stored, type == DTYPE_BF16 ? &upper : &half, sizeof upper);
}

/* One expert of a matrix: its source, and its values. */
static hadal_status random_source(self_test *test, matrix_source *source, double *values)
{
    size_t bytes = dtype_bytes(source->type), count = source->rows * source->columns;
    size_t scale_columns = divide_up(source->columns, source->block_columns);
    size_t scale_count = divide_up(source->rows, source->block_rows) * scale_columns;
    char *stored;
    float *scales, *row_values;
    TRY(self_test_allocate(test, &stored, count, bytes));
    TRY(self_test_allocate(test, &scales, scale_count, sizeof *scales));
    TRY(self_test_allocate(test, &row_values, source->columns, sizeof *row_values));
    for (size_t i = 0; i < count; i++)
        random_element(stored + i * bytes, source->type, &test->random);
    for (size_t i = 0; i < scale_count; i++)
        scales[i] = source->type == DTYPE_F8_E4M3 ? 1.5f + random_float(&test->random) : 1.0f;
    for (size_t row = 0; row < source->rows; row++) {
        dtype_decode(row_values, stored + row * source->columns * bytes, source->columns, source->type);
        const float *row_scales = scales + row / source->block_rows * scale_columns;
        for (size_t i = 0; i < source->columns; i++)
            values[row * source->columns + i] = (double)row_values[i] * row_scales[i / source->block_columns];
    }
    source->values = stored;
    source->scales = source->type == DTYPE_F8_E4M3 ? scales : NULL;
    return HADAL_OK;
}

hadal_status self_test_matrix(self_test *test, const matrix **made, double **values, dtype type, size_t experts,
                              size_t rows, size_t columns)
{
    matrix_source *sources;
    TRY(self_test_allocate(test, &sources, experts, sizeof *sources));
    TRY(self_test_allocate(test, values, experts * rows * columns, sizeof **values));
    for (size_t i = 0; i < experts; i++) {
        sources[i] = (matrix_source){
            .type = type, .rows = rows, .columns = columns, .block_rows = test->block, .block_columns = test->block};
        TRY(random_source(test, &sources[i], *values + i * rows * columns));
    }
    if (test->matrix_count == SELF_TEST_MATRICES)
        return failure(HADAL_ERROR_INTERNAL, "a self-test makes too many matrices; this is a bug in hadal");
    matrix *kept = &test->matrices[test->matrix_count];
    TRY(experts == 1 ? matrix_create(kept, test->device, MEMORY_OTHER, sources)
                     : matrix_create_stack(kept, test->device, MEMORY_OTHER, sources, experts));
    test->matrix_count++;
    *made = kept;
    return HADAL_OK;
}

/* Keeps the largest error; NaN is larger than all. */
void self_test_note(self_test *test, double error, const char *detail)
{
    if (isnan(error))
        error = INFINITY;
    if (error <= test->error)
        return;
    test->error = error;
    snprintf(test->detail, sizeof test->detail, "%s", detail);
}

void self_test_compare_values(self_test *test, const float *got, const double *expected, size_t count, double tolerance,
                              const char *what)
{
    char detail[sizeof test->detail];
    double error = reference_error(got, expected, count);
    snprintf(detail, sizeof detail, "%s: relative error %.2g, tolerance %.2g", what, error, tolerance);
    self_test_note(test, error / tolerance, detail);
}

hadal_status self_test_compare(self_test *test, const buffer *got, const double *expected, size_t count,
                               double tolerance, const char *what)
{
    float *values;
    TRY(self_test_allocate(test, &values, count, sizeof *values));
    TRY(buffer_read(got, 0, values, count * sizeof *values));
    self_test_compare_values(test, values, expected, count, tolerance, what);
    return HADAL_OK;
}

hadal_status self_test_compare_integers(self_test *test, const buffer *got, const int32_t *expected, size_t count,
                                        const char *what)
{
    int32_t *values;
    size_t different = 0;
    char detail[sizeof test->detail];
    TRY(self_test_allocate(test, &values, count, sizeof *values));
    TRY(buffer_read(got, 0, values, count * sizeof *values));
    for (size_t i = 0; i < count; i++)
        different += values[i] != expected[i];
    if (different)
        snprintf(detail, sizeof detail, "%s: %zu of %zu integers differ", what, different, count);
    else
        snprintf(detail, sizeof detail, "%s: all %zu integers are equal", what, count);
    self_test_note(test, different ? 1 + (double)different : 0, detail);
    return HADAL_OK;
}

static void free_items(self_test *test)
{
    for (size_t i = 0; i < test->buffer_count; i++)
        buffer_free(test->buffers[i]);
    for (size_t i = 0; i < test->memory_count; i++)
        free(test->memory[i]);
    for (size_t i = 0; i < test->matrix_count; i++)
        matrix_free(&test->matrices[i]);
}

typedef struct self_test_row {
    const char *name;
    self_test_trial *run;
    int variant;
} self_test_row;

static const self_test_row rows[] = {
    {"rms_norm", self_test_rms_norm, 0},
    {"rope_queries", self_test_rope, 0},
    {"latent_store bf16", self_test_latent, HADAL_KV_BF16},
    {"latent_store f32", self_test_latent, HADAL_KV_F32},
    {"embed_rows f32", self_test_embed, DTYPE_F32},
    {"embed_rows bf16", self_test_embed, DTYPE_BF16},
    {"embed_rows f16", self_test_embed, DTYPE_F16},
    {"embed_rows fp8", self_test_embed, DTYPE_F8_E4M3},
    {"linear f32", self_test_linear, DTYPE_F32},
    {"linear bf16", self_test_linear, DTYPE_BF16},
    {"linear f16", self_test_linear, DTYPE_F16},
    {"linear fp8", self_test_linear, DTYPE_F8_E4M3},
    {"linear_block f32", self_test_blocks, DTYPE_F32},
    {"linear_block bf16", self_test_blocks, DTYPE_BF16},
    {"linear_block f16", self_test_blocks, DTYPE_F16},
    {"clblast bf16", self_test_clblast, DTYPE_BF16},
    {"clblast fp8", self_test_clblast, DTYPE_F8_E4M3},
    {"linear_heads f32", self_test_heads, DTYPE_F32},
    {"linear_heads bf16", self_test_heads, DTYPE_BF16},
    {"linear_heads f16", self_test_heads, DTYPE_F16},
    {"linear_heads fp8", self_test_heads, DTYPE_F8_E4M3},
    {"linear_experts f32", self_test_experts, DTYPE_F32},
    {"linear_experts bf16", self_test_experts, DTYPE_BF16},
    {"linear_experts f16", self_test_experts, DTYPE_F16},
    {"linear_experts fp8", self_test_experts, DTYPE_F8_E4M3},
    {"matvec f32", self_test_one_token, DTYPE_F32},
    {"matvec bf16", self_test_one_token, DTYPE_BF16},
    {"matvec f16", self_test_one_token, DTYPE_F16},
    {"matvec fp8", self_test_one_token, DTYPE_F8_E4M3},
    {"router f32", self_test_router, DTYPE_F32},
    {"router bf16", self_test_router, DTYPE_BF16},
    {"rotations int8", self_test_rotations, HADAL_INDEX_INT8},
    {"rotations fp8", self_test_rotations, HADAL_INDEX_FP8},
    {"rotations f32", self_test_rotations, HADAL_INDEX_F32},
    {"attend_values f32", self_test_attend_values, DTYPE_F32},
    {"attend_values bf16", self_test_attend_values, DTYPE_BF16},
    {"attend_values f16", self_test_attend_values, DTYPE_F16},
    {"attend_values fp8", self_test_attend_values, DTYPE_F8_E4M3},
    {"index_key int8", self_test_index_key, HADAL_INDEX_INT8},
    {"index_key fp8", self_test_index_key, HADAL_INDEX_FP8},
    {"index_key f32", self_test_index_key, HADAL_INDEX_F32},
    {"index_query int8", self_test_index_query, HADAL_INDEX_INT8},
    {"index_query fp8", self_test_index_query, HADAL_INDEX_FP8},
    {"index_query f32", self_test_index_query, HADAL_INDEX_F32},
    {"index_scores int8", self_test_index_scores, HADAL_INDEX_INT8},
    {"index_scores fp8", self_test_index_scores, HADAL_INDEX_FP8},
    {"index_scores f32", self_test_index_scores, HADAL_INDEX_F32},
    {"top_k short rows", self_test_top_k, 5000},
    {"top_k longer rows", self_test_top_k, 12000},
    {"top_k long rows", self_test_top_k, 20000},
    {"attend bf16", self_test_attend, HADAL_KV_BF16},
    {"attend f32", self_test_attend, HADAL_KV_F32},
    {"attend_heads f32", self_test_attend_heads, DTYPE_F32},
    {"attend_heads bf16", self_test_attend_heads, DTYPE_BF16},
    {"attend_heads f16", self_test_attend_heads, DTYPE_F16},
    {"attend_heads fp8", self_test_attend_heads, DTYPE_F8_E4M3},
    {"route_choose", self_test_route, 0},
    {"dispatch_slots", self_test_dispatch, 0},
    {"swiglu", self_test_swiglu, 0},
    {"moe_combine", self_test_moe_combine, 0},
};

/* Kernels over cl/tile.clh and cl/tile_int8.clh, for devices with a matrix unit. */
static const self_test_row product_rows[] = {
    {"matmul bf16", self_test_matmul, DTYPE_BF16},
    {"matmul f16", self_test_matmul, DTYPE_F16},
    {"matmul fp8", self_test_matmul, DTYPE_F8_E4M3},
    {"matmul_experts bf16", self_test_matmul_experts, DTYPE_BF16},
    {"matmul_experts f16", self_test_matmul_experts, DTYPE_F16},
    {"matmul_experts fp8", self_test_matmul_experts, DTYPE_F8_E4M3},
    {"matmul_heads bf16", self_test_matmul_heads, DTYPE_BF16},
    {"matmul_heads f16", self_test_matmul_heads, DTYPE_F16},
    {"matmul_heads fp8", self_test_matmul_heads, DTYPE_F8_E4M3},
};

static const self_test_row index_score_rows[] = {
    {"index_scores_few int8", self_test_index_tile, 2},
    {"index_scores_many int8", self_test_index_tile, 11},
};

static const self_test_row attention_rows[] = {
    {"attend on tiles", self_test_attend_tiles, 0},
};

enum { MOST_FAMILIES = 5 };

/* What passes or fails together, and the files that it depends on. */
static const struct matrix_part {
    const self_test_row *rows;
    size_t count;
    const char *families[MOST_FAMILIES];
} matrix_parts[MATRIX_USES] = {
    [MATRIX_PRODUCTS] = {product_rows, sizeof product_rows / sizeof *product_rows,
                         {"matmul", "matmul_experts", "matmul_heads", "matmul_pack"}},
    [MATRIX_INDEX_SCORES] = {index_score_rows, sizeof index_score_rows / sizeof *index_score_rows,
                             {"index_scores_few", "index_scores_many"}},
    [MATRIX_ATTENTION] = {attention_rows, sizeof attention_rows / sizeof *attention_rows,
                          {"attend_tiles", "attend_blocks"}},
};

/* The first line of the message of a trial that could not run. */
static void note_failure(self_test *test)
{
    const char *message = hadal_error_message();
    test->error = INFINITY;
    snprintf(test->detail, sizeof test->detail, "%.*s", (int)strcspn(message, "\n"), message);
}

static bool run_row(hadal_device *device, const self_test_row *row, hadal_self_test_report report, void *user)
{
    const double largest = 1e9; /* what is reported for NaN and for no result at all: neither is a JSON number */
    self_test test = {.device = device, .random = 1, .error = -1, .block = 32};
    if (row->run(&test, row->variant) != HADAL_OK)
        note_failure(&test);
    bool passed = test.error <= 1;
    if (report)
        report(user, row->name, passed, test.error <= largest ? test.error : largest, test.detail);
    free_items(&test);
    return passed;
}

static void run_rows(hadal_device *device, const self_test_row *run, size_t count, size_t *failed,
                     hadal_self_test_report report, void *user)
{
    for (size_t i = 0; i < count; i++)
        *failed += !run_row(device, &run[i], report, user);
}

static void run_matrix_rows(hadal_device *device, matrix_use use, size_t *failed, hadal_self_test_report report,
                            void *user)
{
    if (device_matrix_for(device, use) != DEVICE_MATRIX_NONE)
        run_rows(device, matrix_parts[use].rows, matrix_parts[use].count, failed, report, user);
}

void self_test_matrix_trials(hadal_device *device, size_t *failed, hadal_self_test_report report, void *user)
{
    *failed = 0;
    for (matrix_use use = 0; use < MATRIX_USES; use++)
        run_matrix_rows(device, use, failed, report, user);
}

hadal_status hadal_device_self_test(hadal_device *device, size_t *failed, hadal_self_test_report report, void *user)
{
    *failed = 0;
    run_rows(device, rows, sizeof rows / sizeof *rows, failed, report, user);
    for (matrix_use use = 0; use < MATRIX_USES; use++)
        run_matrix_rows(device, use, failed, report, user);
    return HADAL_OK;
}

enum { REASON_BYTES = sizeof(((hadal_device_info *)NULL)->matrix_unit_failure) };

/* The first failure. */
static void keep_failure(void *user, const char *name, bool passed, double error, const char *detail)
{
    char *reason = user;
    (void)error;
    if (!passed && !*reason)
        snprintf(reason, REASON_BYTES, "%s: %s", name, detail);
}

static bool is_needed(const matrix_needs *needs, matrix_use use, const self_test_row *row)
{
    if (!needs)
        return true;
    unsigned types = row->run == self_test_matmul ? needs->types : needs->stacked_types;
    return use == MATRIX_PRODUCTS ? types >> row->variant & 1 : needs->uses[use];
}

/* Each row by itself is remembered to have passed. */
void self_test_matrix_unit(hadal_device *device, const matrix_needs *needs)
{
    for (matrix_use use = 0; use < MATRIX_USES; use++) {
        const struct matrix_part *part = &matrix_parts[use];
        for (size_t i = 0; i < part->count && device_matrix_for(device, use) != DEVICE_MATRIX_NONE; i++) {
            const self_test_row *row = &part->rows[i];
            char finding[96], reason[REASON_BYTES] = "";
            snprintf(finding, sizeof finding, "%s passed %s", hadal_device_describe(device)->matrix_unit, row->name);
            if (!is_needed(needs, use, row) || device_recalls(device, part->families, finding))
                continue;
            if (run_row(device, row, keep_failure, reason))
                device_remember(device, part->families, finding);
            else
                device_give_up_matrix_unit(device, use, reason);
        }
    }
}
