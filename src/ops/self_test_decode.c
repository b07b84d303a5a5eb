/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Trials of the launches that only one token takes: experts, router, and what lies before and behind attention. */

#include "ops/self_test.h"

#include <math.h>

#include "base/memory.h"
#include "ops/attend_values.h"
#include "ops/reference.h"
#include "ops/rotations.h"

enum { HIDDEN = 700, HIDDEN_STRIDE = 704, WIDTH = 70, WIDTH_STRIDE = 80, EXPERTS = 4, CHOICES = 2 };

/* *normed = RMSNorm(in) as floats. */
static hadal_status normalise(self_test *test, float **normed, const float *in, const float *weight)
{
    double exact[HIDDEN];
    TRY(self_test_allocate(test, normed, HIDDEN_STRIDE, sizeof **normed));
    reference_rms_norm(exact, in, weight, HIDDEN, 1e-6);
    for (size_t i = 0; i < HIDDEN; i++)
        (*normed)[i] = (float)exact[i];
    return HADAL_OK;
}

/* out[HIDDEN] += weight * down(silu(gate in) * up in), of one expert's values. */
static void add_expert(double *out, double weight, const float *in, const double *gate, const double *up,
                       const double *down)
{
    float act[WIDTH];
    for (size_t i = 0; i < WIDTH; i++) {
        double g = reference_dot(in, gate + i * HIDDEN, HIDDEN);
        act[i] = (float)(g / (1 + exp(-g)) * reference_dot(in, up + i * HIDDEN, HIDDEN));
    }
    for (size_t r = 0; r < HIDDEN; r++)
        out[r] += weight * reference_dot(act, down + r * WIDTH, WIDTH);
}

hadal_status self_test_one_token(self_test *test, int variant)
{
    static const int32_t ids[CHOICES] = {2, 0};
    static const float weights[CHOICES] = {0.75f, -0.5f};
    const matrix *m[6];
    double *values[6], *expected;
    float *x, *norm_weight, *normed;
    buffer *x_buffer, *norm_buffer, *id_buffer, *weight_buffer, *act;
    matvec_op op;
    matvec_create(&op, test->device);
    for (size_t i = 0; i < 6; i++)
        TRY(self_test_matrix(test, &m[i], &values[i], (dtype)variant, i < 3 ? EXPERTS : 1, i % 3 == 2 ? HIDDEN : WIDTH,
                             i % 3 == 2 ? WIDTH : HIDDEN));
    TRY(self_test_rows(test, &x, &x_buffer, 1, HIDDEN));
    TRY(self_test_rows(test, &norm_weight, &norm_buffer, 1, HIDDEN));
    TRY(self_test_upload(test, &id_buffer, ids, sizeof ids));
    TRY(self_test_upload(test, &weight_buffer, weights, sizeof weights));
    TRY(buffer_create(&act, test->device, MEMORY_OTHER, (CHOICES + 1) * WIDTH_STRIDE * sizeof(float)));
    TRY(self_test_keep(test, act)); /* all zero, padding too */
    const matvec_experts experts = {m[0], m[1], m[2], m[3], m[4], m[5], id_buffer, weight_buffer, 1, CHOICES};
    const matvec_input in = {.in = x_buffer, .norm_weight = norm_buffer, .epsilon = 1e-6};
    if (!matvec_takes_experts(&op, &experts))
        return failure(HADAL_ERROR_INTERNAL, "the kernels of one token do not run on this device");
    TRY(matvec_gated(&op, act, &in, &experts));
    TRY(matvec_down(&op, x_buffer, act, &experts));
    TRY(normalise(test, &normed, x, norm_weight));
    TRY(self_test_allocate(test, &expected, HIDDEN_STRIDE, sizeof *expected));
    for (size_t r = 0; r < HIDDEN; r++)
        expected[r] = x[r];
    for (size_t slot = 0; slot < CHOICES; slot++) {
        size_t at = (size_t)ids[slot] * WIDTH * HIDDEN;
        add_expert(expected, weights[slot], normed, values[0] + at, values[1] + at, values[2] + at);
    }
    add_expert(expected, 1, normed, values[3], values[4], values[5]);
    return self_test_compare(test, x_buffer, expected, HIDDEN_STRIDE, 3e-6, "2 of 4 experts and one more, 700 x 70");
}

hadal_status self_test_router(self_test *test, int variant)
{
    enum { ROUTED = 40, STRIDE = 48, TOP_K = 6 };
    const route_dims dims = {.experts = ROUTED, .groups = 8, .top_groups = 3, .top_k = TOP_K, .normalise = true,
                             .scaling = 2.5};
    static const int32_t zero = 0;
    const matrix *weight;
    double *values, expected[TOP_K];
    int32_t expected_ids[TOP_K];
    float *x, *norm_weight, *normed, *bias, logits[STRIDE] = {0};
    buffer *x_buffer, *norm_buffer, *bias_buffer, *counter, *ids, *weights, *logit_buffer;
    route_op op;
    TRY(route_create(&op, test->device, &dims));
    TRY(self_test_matrix(test, &weight, &values, (dtype)variant, 1, ROUTED, HIDDEN));
    TRY(self_test_rows(test, &x, &x_buffer, 1, HIDDEN));
    TRY(self_test_rows(test, &norm_weight, &norm_buffer, 1, HIDDEN));
    TRY(self_test_rows(test, &bias, &bias_buffer, 1, ROUTED));
    TRY(self_test_upload(test, &counter, &zero, sizeof zero));
    TRY(self_test_result(test, &ids, sizeof expected_ids));
    TRY(self_test_result(test, &weights, TOP_K * sizeof(float)));
    TRY(self_test_result(test, &logit_buffer, sizeof logits));
    const matvec_input in = {.in = x_buffer, .norm_weight = norm_buffer, .epsilon = 1e-6};
    for (int run = 0; run < 2; run++) /* the second finds the counter as the first left it */
        TRY(route_one(&op, ids, weights, logit_buffer, counter, bias_buffer, &in, weight));
    TRY(normalise(test, &normed, x, norm_weight));
    for (size_t i = 0; i < ROUTED; i++)
        logits[i] = (float)reference_dot(normed, values + i * HIDDEN, HIDDEN);
    reference_route(expected_ids, expected, logits, bias, &dims);
    TRY(self_test_compare_integers(test, ids, expected_ids, TOP_K, "choices of 1 token"));
    return self_test_compare(test, weights, expected, TOP_K, 1e-5, "weights of 1 token");
}

enum { HEADS = 5, NOPE = 12, ROPE = 12, LATENT = 50, INDEX_HEADS = 3, INDEX_DIM = 20, CONTEXT = 600 };

/* What rotations() writes. */
enum { LATENT_CACHE, INDEX_CACHE, INDEX_SCALES, QUERY, QUANTISED, HEAD_WEIGHTS, RESULTS };

static hadal_status compare_results(self_test *test, buffer *const got[RESULTS], buffer *const expected[RESULTS])
{
    static const char *const names[RESULTS] = {"latent cache", "index cache",    "index scales",
                                               "queries",      "index queries", "index weights"};
    for (size_t i = 0; i < RESULTS; i++) {
        int32_t *words;
        size_t count = buffer_bytes(got[i]) / sizeof *words;
        TRY(self_test_allocate(test, &words, count, sizeof *words));
        TRY(buffer_read(expected[i], 0, words, count * sizeof *words));
        TRY(self_test_compare_integers(test, got[i], words, count, names[i]));
    }
    return HADAL_OK;
}

/* One launch gives the bits of five, which have trials of their own. */
hadal_status self_test_rotations(self_test *test, int variant)
{
    static const size_t columns[] = {LATENT + ROPE, LATENT, INDEX_DIM, INDEX_DIM, INDEX_DIM, HEADS * (NOPE + ROPE),
                                     INDEX_HEADS * INDEX_DIM, INDEX_HEADS};
    enum { INPUTS = sizeof columns / sizeof *columns };
    static const int32_t position = 517, row = 533;
    const rope_dims rope = {.heads = HEADS, .nope = NOPE, .rope = ROPE, .latent = LATENT};
    const latent_dims latent = {.latent = LATENT, .rope = ROPE,
                                .cache = variant == HADAL_INDEX_F32 ? HADAL_KV_F32 : HADAL_KV_BF16};
    const index_dims index = {.heads = INDEX_HEADS, .dim = INDEX_DIM, .rope = ROPE, .type = (hadal_index_cache)variant};
    size_t element = index_element_bytes(index.type), head_row = round_up(LATENT, ROW_UNIT) + round_up(ROPE, ROW_UNIT);
    const size_t bytes[RESULTS] = {CONTEXT * latent_row_bytes(&latent),
                                   CONTEXT * round_up(INDEX_DIM, ROW_UNIT) * element,
                                   CONTEXT * sizeof(float),
                                   HEADS * head_row * sizeof(float),
                                   INDEX_HEADS * round_up(INDEX_DIM, ROW_UNIT) * element,
                                   round_up(INDEX_HEADS, ROW_UNIT) * sizeof(float)};
    static const dtype types[] = {[HADAL_INDEX_INT8] = DTYPE_F8_E4M3, [HADAL_INDEX_FP8] = DTYPE_BF16,
                                  [HADAL_INDEX_F32] = DTYPE_F32};
    double frequencies[ROPE / 2], *elements;
    float *values;
    const matrix *weight;
    buffer *in[INPUTS], *one[RESULTS], *each[RESULTS], *table, *at, *rows;
    rotations_op op;
    latent_op latents;
    index_rotate_op indexer;
    rope_op ropes;
    matvec_op matvec;
    reference_frequencies(frequencies, ROPE / 2);
    TRY(rope_table_create(&table, test->device, frequencies, ROPE / 2, CONTEXT, 1.0));
    TRY(self_test_keep(test, table));
    TRY(self_test_upload(test, &at, &position, sizeof position));
    TRY(self_test_upload(test, &rows, &row, sizeof row));
    for (size_t i = 0; i < INPUTS; i++)
        TRY(self_test_rows(test, &values, &in[i], 1, columns[i]));
    for (size_t i = 0; i < RESULTS; i++) {
        TRY(self_test_result(test, &one[i], bytes[i]));
        TRY(self_test_result(test, &each[i], bytes[i]));
    }
    TRY(self_test_matrix(test, &weight, &elements, types[variant], HEADS, LATENT, NOPE));
    rotations_create(&op, test->device, &rope, &latent, &index);
    matvec_create(&matvec, test->device);
    TRY(latent_create(&latents, test->device, &latent));
    TRY(index_rotate_create(&indexer, test->device, &index));
    TRY(rope_create(&ropes, test->device, &rope));
    const rotations_rows whole = {one[LATENT_CACHE], in[0], in[1], one[INDEX_CACHE], one[INDEX_SCALES], in[2], in[3],
                                  in[4], one[QUERY], in[5], one[QUANTISED], one[HEAD_WEIGHTS], in[6], in[7], table, at,
                                  rows, 0.25};
    TRY(rotations(&op, &whole, weight, 1e-6));
    TRY(matvec_heads(&matvec, each[QUERY], head_row, in[5], NOPE + ROPE, weight, 0.25));
    TRY(latent_store(&latents, each[LATENT_CACHE], in[0], in[1], table, at, rows, 1, 1e-6));
    TRY(index_key(&indexer, each[INDEX_CACHE], each[INDEX_SCALES], in[2], in[3], in[4], table, at, rows, 1));
    TRY(rope_queries(&ropes, each[QUERY], in[5], table, at, 1, 0.25));
    TRY(index_query(&indexer, each[QUANTISED], each[HEAD_WEIGHTS], in[6], in[7], table, at, 1));
    return compare_results(test, one, each);
}

/* Splits of lists combined, and multiplied. */
hadal_status self_test_attend_values(self_test *test, int variant)
{
    enum { SPLITS = 11, VALUE = 30, STEP = 32, PADDED = 64, SUMS = HEADS * SPLITS * PADDED };
    const attend_dims dims = {.heads = HEADS, .latent = LATENT, .rope = ROPE, .cache = HADAL_KV_BF16};
    const matrix *weight;
    double *elements, *expected, mean_here[LATENT];
    float *partials, attended[LATENT];
    buffer *scratch, *out, *mean;
    attend_values_op op;
    TRY(self_test_matrix(test, &weight, &elements, (dtype)variant, HEADS, VALUE, LATENT));
    TRY(self_test_rows(test, &partials, &scratch, 1, SUMS + 2 * HEADS * SPLITS));
    for (size_t i = 0; i < HEADS * SPLITS; i++)
        partials[SUMS + 2 * i + 1] = 1.0f + fabsf(partials[SUMS + 2 * i + 1]); /* totals of weights */
    TRY(buffer_write(scratch, 0, partials, (SUMS + 2 * HEADS * SPLITS) * sizeof *partials));
    TRY(self_test_upload(test, &out, partials, HEADS * STEP * sizeof *partials));
    TRY(self_test_result(test, &mean, HEADS * PADDED * sizeof *partials));
    TRY(self_test_allocate(test, &expected, HEADS * STEP, sizeof *expected));
    attend_values_create(&op, test->device, &dims);
    TRY(attend_values(&op, out, STEP, mean, scratch, SPLITS, weight));
    for (size_t head = 0; head < HEADS; head++) {
        reference_combine(mean_here, partials + head * SPLITS * PADDED, partials + SUMS + 2 * head * SPLITS, LATENT,
                          SPLITS);
        for (size_t i = 0; i < LATENT; i++)
            attended[i] = (float)mean_here[i];
        for (size_t r = 0; r < STEP; r++)
            expected[head * STEP + r] =
                r < VALUE ? reference_dot(attended, elements + (head * VALUE + r) * LATENT, LATENT)
                          : (double)partials[head * STEP + r]; /* what lies between heads stays */
    }
    return self_test_compare(test, out, expected, HEADS * STEP, 3e-6, "11 splits of 5 heads");
}
