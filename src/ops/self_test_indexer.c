/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Self-tests of the lightning indexer, from its keys and queries to the positions that it chooses. */

#include "ops/self_test.h"

#include <math.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/random.h"
#include "ops/index_scores.h"
#include "ops/reference.h"
#include "ops/reference_indexer.h"
#include "ops/rope.h"
#include "ops/top_k.h"

/* A dim of two Hadamard blocks, 64 and 8, that needs padding. */
enum { HEADS = 5, PADDED_HEADS = 16, DIM = 72, STRIDE = 80, ROPE = 36, PAIRS = ROPE / 2, TOKENS = 3, KEYS = 300 };
static const int32_t positions[TOKENS] = {299, 0, 256};

static index_dims make_dims(int variant)
{
    return (index_dims){
        .heads = HEADS, .dim = DIM, .rope = ROPE, .type = (hadal_index_cache)variant, .scale_ue8m0 = true};
}

static hadal_status make_rotations(self_test *test, double *frequencies, buffer **table, buffer **at)
{
    reference_frequencies(frequencies, PAIRS);
    TRY(self_test_upload(test, at, positions, sizeof positions));
    TRY(rope_table_create(table, test->device, frequencies, PAIRS, KEYS, 1.0));
    return self_test_keep(test, *table);
}

static void note_row(self_test *test, const index_dims *dims, const void *stored, double scale, const double *expected)
{
    char detail[sizeof test->detail];
    double error = reference_index_error(dims, stored, scale, expected);
    snprintf(detail, sizeof detail, "3 tokens of 72 dims: %.3f of the rounding that is allowed", error);
    self_test_note(test, error, detail);
}

hadal_status self_test_index_key(self_test *test, int variant)
{
    const index_dims dims = make_dims(variant);
    index_rotate_op op;
    float *keys, *weight, *bias, scale;
    double frequencies[PAIRS], row[DIM], expected[DIM];
    char stored[STRIDE * sizeof(float)];
    buffer *key_buffer, *weight_buffer, *bias_buffer, *table, *at, *cache, *scales;
    size_t row_bytes = STRIDE * index_element_bytes(dims.type);
    TRY(index_rotate_create(&op, test->device, &dims));
    TRY(make_rotations(test, frequencies, &table, &at));
    TRY(self_test_rows(test, &keys, &key_buffer, TOKENS, DIM));
    TRY(self_test_rows(test, &weight, &weight_buffer, 1, DIM));
    TRY(self_test_rows(test, &bias, &bias_buffer, 1, DIM));
    TRY(self_test_result(test, &cache, KEYS * row_bytes));
    TRY(self_test_result(test, &scales, KEYS * sizeof scale));
    TRY(index_key(&op, cache, variant == HADAL_INDEX_F32 ? NULL : scales, key_buffer, weight_buffer, bias_buffer,
                  table, at, at, TOKENS));
    for (size_t t = 0; t < TOKENS; t++) {
        for (size_t i = 0; i < DIM; i++)
            row[i] = keys[t * STRIDE + i];
        reference_layer_norm(row, DIM, weight, bias);
        reference_index_row(expected, row, &dims, frequencies, positions[t]);
        TRY(buffer_read(cache, (size_t)positions[t] * row_bytes, stored, row_bytes));
        TRY(buffer_read(scales, (size_t)positions[t] * sizeof scale, &scale, sizeof scale));
        note_row(test, &dims, stored, scale, expected);
    }
    return HADAL_OK;
}

hadal_status self_test_index_query(self_test *test, int variant)
{
    enum { IN_STRIDE = 368 };
    const index_dims dims = make_dims(variant);
    const double factor = 1 / sqrt(HEADS * DIM);
    index_rotate_op op;
    float *queries, *weights, got_weights[TOKENS * PADDED_HEADS];
    double frequencies[PAIRS], row[DIM], expected[DIM];
    char stored[STRIDE * sizeof(float)];
    buffer *query_buffer, *weight_buffer, *table, *at, *quantised, *head_weights;
    size_t row_bytes = STRIDE * index_element_bytes(dims.type);
    TRY(index_rotate_create(&op, test->device, &dims));
    TRY(make_rotations(test, frequencies, &table, &at));
    TRY(self_test_rows(test, &queries, &query_buffer, TOKENS, HEADS * DIM));
    TRY(self_test_rows(test, &weights, &weight_buffer, TOKENS, HEADS));
    TRY(self_test_result(test, &quantised, TOKENS * HEADS * row_bytes));
    TRY(self_test_result(test, &head_weights, sizeof got_weights));
    TRY(index_query(&op, quantised, head_weights, query_buffer, weight_buffer, table, at, TOKENS));
    TRY(buffer_read(head_weights, 0, got_weights, sizeof got_weights));
    for (size_t i = 0; i < TOKENS * HEADS; i++) {
        size_t token = i / HEADS, head = i % HEADS;
        double scale = got_weights[token * PADDED_HEADS + head] / weights[token * PADDED_HEADS + head] / factor;
        for (size_t j = 0; j < DIM; j++)
            row[j] = queries[token * IN_STRIDE + head * DIM + j];
        reference_index_row(expected, row, &dims, frequencies, positions[token]);
        TRY(buffer_read(quantised, i * row_bytes, stored, row_bytes));
        note_row(test, &dims, stored, scale, expected);
        if (dims.type == HADAL_INDEX_F32) /* then nothing but the factor is in the weight */
            self_test_note(test, fabs(scale - 1) / 1e-6, "weights of 15 heads, tolerance 1e-6");
    }
    return HADAL_OK;
}

/* Rows of random stored elements with zero padding, never NaN: all of int8 but -128, e4m3 below 2 with subnormals. */
static hadal_status make_elements(self_test *test, void *values, buffer **made, const index_dims *dims, size_t rows)
{
    size_t stride = round_up(dims->dim, ROW_UNIT);
    uint8_t *bytes;
    float *floats;
    if (dims->type == HADAL_INDEX_F32) {
        TRY(self_test_rows(test, &floats, made, rows, dims->dim));
        *(void **)values = floats;
        return HADAL_OK;
    }
    TRY(self_test_allocate(test, &bytes, rows, stride));
    for (size_t i = 0; i < rows * stride; i++) {
        uint64_t bits = random_bits(&test->random);
        if (i % stride < dims->dim)
            bytes[i] = dims->type == HADAL_INDEX_INT8 ? (uint8_t)(bits % 255 - 127) : (uint8_t)(bits & 0xbf);
    }
    *(void **)values = bytes;
    return self_test_upload(test, made, bytes, rows * stride);
}

/* Scores of all tokens but the first, at these positions below `keys`, against the formula. */
static hadal_status compare_scores(self_test *test, const index_dims *dims, const int32_t *at, size_t tokens,
                                   size_t keys)
{
    size_t stride = round_up(keys, ROW_UNIT), rows = tokens - 1, not_masked = 0;
    index_scores_op op;
    void *queries, *cached;
    float *weights, *scales, *got;
    double *expected;
    char detail[sizeof test->detail];
    buffer *query_buffer, *weight_buffer, *cache, *scale_buffer, *position_buffer, *scores;
    snprintf(detail, sizeof detail, "%zu queries of %zu keys", rows, keys);
    TRY(index_scores_create(&op, test->device, dims));
    TRY(make_elements(test, &queries, &query_buffer, dims, tokens * dims->heads));
    TRY(make_elements(test, &cached, &cache, dims, keys));
    TRY(self_test_rows(test, &weights, &weight_buffer, tokens, dims->heads));
    TRY(self_test_rows(test, &scales, &scale_buffer, 1, keys));
    TRY(self_test_upload(test, &position_buffer, at, tokens * sizeof *at));
    TRY(self_test_result(test, &scores, rows * stride * sizeof *got));
    TRY(self_test_allocate(test, &got, rows * stride, sizeof *got));
    TRY(self_test_allocate(test, &expected, keys, sizeof *expected));
    TRY(index_scores(&op, scores, stride, query_buffer, weight_buffer, cache,
                     dims->type == HADAL_INDEX_F32 ? NULL : scale_buffer, position_buffer, NULL, 1, rows, keys));
    TRY(buffer_read(scores, 0, got, rows * stride * sizeof *got));
    for (size_t row = 0; row < rows; row++) {
        size_t visible = (size_t)at[1 + row] + 1;
        for (size_t s = 0; s < visible; s++)
            expected[s] = reference_index_score(dims, queries, weights, cached, 1 + row, s) *
                          (dims->type == HADAL_INDEX_F32 ? 1 : scales[s]);
        for (size_t s = visible; s < keys; s++)
            not_masked += got[row * stride + s] != -INFINITY;
        self_test_compare_values(test, got + row * stride, expected, visible, 2e-6, detail);
    }
    if (not_masked)
        self_test_note(test, 1 + (double)not_masked, "keys of the future are not masked");
    return HADAL_OK;
}

hadal_status self_test_index_scores(self_test *test, int variant)
{
    static const int32_t at[TOKENS] = {5, 299, 131};
    const index_dims dims = make_dims(variant);
    return compare_scores(test, &dims, at, TOKENS, KEYS);
}

/* Keys beside the tiles of 64 and the groups of 512, positions in the first group alone and at the end. */
hadal_status self_test_index_tile(self_test *test, int rows)
{
    enum { TILE_HEADS = 61, TILE_DIM = 128, TILE_KEYS = 590, MOST_TOKENS = 12 };
    static const int32_t at[MOST_TOKENS] = {5, 589, 131, 0, 511, 512, 575, 576, 577, 63, 64, 300};
    const index_dims dims = {.heads = TILE_HEADS, .dim = TILE_DIM, .type = HADAL_INDEX_INT8};
    return compare_scores(test, &dims, at, (size_t)rows + 1, TILE_KEYS);
}

/* Scores with plateaus of equal ones, more positions than are chosen, fewer, and one alone; variant: how many at most,
 * since longer rows take another kernel. */
hadal_status self_test_top_k(self_test *test, int variant)
{
    enum { ROWS = 4, K = 256 };
    const size_t count = (size_t)variant, stride = round_up(count, ROW_UNIT);
    const int32_t at[ROWS] = {variant - 1, 0, 200, variant / 3 * 2};
    top_k_op op;
    float *scores;
    int32_t *expected, expected_counts[ROWS];
    buffer *score_buffer, *position_buffer, *selected, *counts, *scratch;
    void *zeros;
    TRY(top_k_create(&op, test->device));
    TRY(self_test_rows(test, &scores, &score_buffer, ROWS, count));
    for (size_t i = 0; i < ROWS * stride; i++)
        scores[i] = scores[i] > 0.95f ? scores[i] : scores[i] > 0 ? 0.5f : 0.0f;
    TRY(buffer_write(score_buffer, 0, scores, ROWS * stride * sizeof *scores));
    TRY(self_test_upload(test, &position_buffer, at, sizeof at));
    TRY(self_test_result(test, &selected, ROWS * K * sizeof *expected));
    TRY(self_test_result(test, &counts, sizeof expected_counts));
    TRY(self_test_allocate(test, &expected, ROWS * K, sizeof *expected));
    TRY(self_test_allocate(test, &zeros, top_k_scratch_bytes(ROWS, stride), 1));
    TRY(self_test_upload(test, &scratch, zeros, top_k_scratch_bytes(ROWS, stride)));
    TRY(top_k(&op, selected, K, counts, score_buffer, stride, position_buffer, 0, ROWS, K, scratch));
    for (size_t row = 0; row < ROWS; row++) {
        size_t chosen;
        for (size_t i = 0; i < K; i++)
            expected[row * K + i] = -1; /* as it was before */
        TRY(reference_top_k(expected + row * K, &chosen, scores + row * stride, (size_t)at[row] + 1, K));
        expected_counts[row] = (int32_t)chosen;
    }
    TRY(self_test_compare_integers(test, counts, expected_counts, ROWS, "lengths of 4 lists"));
    return self_test_compare_integers(test, selected, expected, ROWS * K, "4 lists of at most 256 positions");
}
