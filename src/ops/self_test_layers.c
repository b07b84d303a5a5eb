/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Self-tests of what stands between the matrices of a layer. */

#include "ops/self_test.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "ops/dispatch.h"
#include "ops/embed.h"
#include "ops/latent.h"
#include "ops/moe_combine.h"
#include "ops/norm.h"
#include "ops/reference.h"
#include "ops/rope.h"
#include "ops/swiglu.h"

hadal_status self_test_rms_norm(self_test *test, int variant)
{
    enum { ROWS = 3, COLUMNS = 1100, STRIDE = 1104 };
    norm_op op;
    float *in, *weight;
    double *expected;
    buffer *in_buffer, *weight_buffer, *out;
    (void)variant;
    TRY(norm_create(&op, test->device));
    TRY(self_test_rows(test, &in, &in_buffer, ROWS, COLUMNS));
    TRY(self_test_rows(test, &weight, &weight_buffer, 1, COLUMNS));
    TRY(self_test_result(test, &out, ROWS * STRIDE * sizeof(float)));
    TRY(self_test_allocate(test, &expected, ROWS * STRIDE, sizeof *expected));
    TRY(norm_rms(&op, out, in_buffer, weight_buffer, ROWS, COLUMNS, 1e-6));
    for (size_t row = 0; row < ROWS; row++)
        reference_rms_norm(expected + row * STRIDE, in + row * STRIDE, weight, COLUMNS, 1e-6);
    return self_test_compare(test, out, expected, ROWS * STRIDE, 2e-6, "3 rows of 1100");
}

/* What the trials that rotate share: how fast pairs turn, and their table. */
enum { TOKENS = 5, ROPE = 34, PAIRS = ROPE / 2, PADDED_ROPE = 48 };

static hadal_status make_rotations(self_test *test, double *frequencies, buffer **table, buffer **position_buffer,
                                   const int32_t *positions)
{
    const size_t most_positions = 163840; /* of the released model */
    reference_frequencies(frequencies, PAIRS);
    TRY(self_test_upload(test, position_buffer, positions, TOKENS * sizeof *positions));
    TRY(rope_table_create(table, test->device, frequencies, PAIRS, most_positions, 1.0));
    return self_test_keep(test, *table);
}

hadal_status self_test_rope(self_test *test, int variant)
{
    enum { HEADS = 3, NOPE = 20, WIDTH = NOPE + ROPE, Q_STRIDE = 176, LATENT = 16, ROW = LATENT + PADDED_ROPE };
    const rope_dims dims = {.heads = HEADS, .nope = NOPE, .rope = ROPE, .latent = LATENT};
    static const int32_t positions[TOKENS] = {163839, 0, 255, 256, 4095};
    const double scale = 0.25;
    rope_op op;
    float *q;
    double frequencies[PAIRS], *expected;
    buffer *q_buffer, *table, *at, *query;
    void *zeros;
    (void)variant;
    TRY(rope_create(&op, test->device, &dims));
    TRY(make_rotations(test, frequencies, &table, &at, positions));
    TRY(self_test_rows(test, &q, &q_buffer, TOKENS, HEADS * WIDTH));
    TRY(self_test_allocate(test, &zeros, TOKENS * HEADS * ROW, sizeof(float)));
    TRY(self_test_upload(test, &query, zeros, TOKENS * HEADS * ROW * sizeof(float)));
    TRY(self_test_allocate(test, &expected, TOKENS * HEADS * ROW, sizeof *expected));
    TRY(rope_queries(&op, query, q_buffer, table, at, TOKENS, scale));
    for (size_t i = 0; i < TOKENS * HEADS; i++)
        reference_rope(expected + i * ROW + LATENT, q + i / HEADS * Q_STRIDE + i % HEADS * WIDTH + NOPE, frequencies,
                       PAIRS, positions[i / HEADS], scale);
    return self_test_compare(test, query, expected, TOKENS * HEADS * ROW, 1e-6, "5 positions up to 163839");
}

hadal_status self_test_latent(self_test *test, int variant)
{
    enum { LATENT = 100, PADDED = 112, KV_STRIDE = 144, ROW = PADDED + PADDED_ROPE, CAPACITY = 300 };
    static const int32_t positions[TOKENS] = {299, 0, 255, 256, 17};
    const latent_dims dims = {.latent = LATENT, .rope = ROPE, .cache = (hadal_kv_cache)variant};
    bool halves = variant == HADAL_KV_BF16;
    const double tolerance = halves ? 0x1.02p-9 : 2e-6; /* half a unit of 8 bits: cut off, not rounded, is seen */
    latent_op op;
    float *kv, *weight, *got;
    char stored[ROW * sizeof(float)];
    double frequencies[PAIRS], *expected;
    buffer *kv_buffer, *weight_buffer, *table, *at, *cache;
    TRY(latent_create(&op, test->device, &dims));
    TRY(make_rotations(test, frequencies, &table, &at, positions));
    TRY(self_test_rows(test, &kv, &kv_buffer, TOKENS, LATENT + ROPE));
    TRY(self_test_rows(test, &weight, &weight_buffer, 1, LATENT));
    TRY(self_test_allocate(test, &got, TOKENS * ROW, sizeof *got));
    TRY(self_test_allocate(test, &expected, TOKENS * ROW, sizeof *expected));
    TRY(buffer_create(&cache, test->device, MEMORY_OTHER, CAPACITY * latent_row_bytes(&dims)));
    TRY(self_test_keep(test, cache));
    TRY(latent_store(&op, cache, kv_buffer, weight_buffer, table, at, at, TOKENS, 1e-6));
    for (size_t t = 0; t < TOKENS; t++) {
        TRY(buffer_read(cache, (size_t)positions[t] * latent_row_bytes(&dims), stored, latent_row_bytes(&dims)));
        dtype_decode(got + t * ROW, stored, ROW, halves ? DTYPE_BF16 : DTYPE_F32);
        reference_latent(expected + t * ROW, kv + t * KV_STRIDE, weight, LATENT, ROPE, 1e-6, frequencies,
                         positions[t], 1.0);
    }
    self_test_compare_values(test, got, expected, TOKENS * ROW, tolerance, "5 positions of 300");
    return HADAL_OK;
}

/* The same for one token that the launch brings along, with what other kernels read of it. */
static hadal_status embed_alone(self_test *test, const embed_op *op, const matrix *embedding, const double *values,
                                size_t stride)
{
    const embed_token token = {31, 7, 2, 1031};
    const int32_t expected_inputs[] = {token.position, token.sequence, token.row};
    buffer *out, *inputs[3];
    double *expected;
    TRY(self_test_result(test, &out, stride * sizeof(float)));
    for (int i = 0; i < 3; i++)
        TRY(self_test_result(test, &inputs[i], sizeof(int32_t)));
    TRY(self_test_allocate(test, &expected, stride, sizeof *expected));
    TRY(embed_one(op, out, embedding, &token, inputs[0], inputs[1], inputs[2]));
    memcpy(expected, values + (size_t)token.id * embedding->columns, embedding->columns * sizeof *values);
    for (int i = 0; i < 3; i++)
        TRY(self_test_compare_integers(test, inputs[i], &expected_inputs[i], 1, "input of 1 token"));
    return self_test_compare(test, out, expected, stride, 1e-7, "row of 1 token");
}

hadal_status self_test_embed(self_test *test, int variant)
{
    enum { ROWS = 97, COLUMNS = 50, STRIDE = 64 };
    static const int32_t tokens[] = {96, 0, 31, 32, 96};
    enum { COUNT = sizeof tokens / sizeof *tokens };
    const matrix *embedding;
    embed_op op;
    double *values, *expected;
    buffer *token_buffer, *out;
    TRY(self_test_matrix(test, &embedding, &values, (dtype)variant, 1, ROWS, COLUMNS));
    TRY(embed_create(&op, test->device, embedding->type));
    TRY(self_test_upload(test, &token_buffer, tokens, sizeof tokens));
    TRY(self_test_result(test, &out, COUNT * STRIDE * sizeof(float)));
    TRY(self_test_allocate(test, &expected, COUNT * STRIDE, sizeof *expected));
    TRY(embed_rows(&op, out, embedding, token_buffer, COUNT));
    for (size_t t = 0; t < COUNT; t++)
        memcpy(expected + t * STRIDE, values + (size_t)tokens[t] * COLUMNS, COLUMNS * sizeof *values);
    TRY(self_test_compare(test, out, expected, COUNT * STRIDE, 1e-7, "5 rows of 50"));
    return embed_alone(test, &op, embedding, values, STRIDE);
}

hadal_status self_test_route(self_test *test, int variant)
{
    enum { COUNT = 9, EXPERTS = 40, STRIDE = 48, TOP_K = 6 };
    const route_dims dims = {.experts = EXPERTS, .groups = 8, .top_groups = 3, .top_k = TOP_K, .normalise = true,
                             .scaling = 2.5};
    route_op op;
    float *logits, *bias;
    int32_t expected_ids[COUNT * TOP_K];
    double expected[COUNT * TOP_K];
    buffer *logit_buffer, *bias_buffer, *ids, *weights;
    (void)variant;
    TRY(route_create(&op, test->device, &dims));
    TRY(self_test_rows(test, &logits, &logit_buffer, COUNT, EXPERTS));
    TRY(self_test_rows(test, &bias, &bias_buffer, 1, EXPERTS));
    memset(logits, 0, STRIDE * sizeof *logits); /* the first token's choice is all ties */
    for (size_t i = 0; i < EXPERTS; i++)        /* and all choices are negative: 0 is not low enough for a mask */
        bias[i] = -1.0f - (i < EXPERTS / 2 ? 0.0f : fabsf(bias[i]));
    TRY(buffer_write(logit_buffer, 0, logits, STRIDE * sizeof *logits));
    TRY(buffer_write(bias_buffer, 0, bias, EXPERTS * sizeof *bias));
    TRY(self_test_result(test, &ids, sizeof expected_ids));
    TRY(self_test_result(test, &weights, COUNT * TOP_K * sizeof(float)));
    TRY(route_choose(&op, ids, weights, logit_buffer, bias_buffer, COUNT));
    for (size_t t = 0; t < COUNT; t++)
        reference_route(expected_ids + t * TOP_K, expected + t * TOP_K, logits + t * STRIDE, bias, &dims);
    TRY(self_test_compare_integers(test, ids, expected_ids, COUNT * TOP_K, "choices of 9 tokens"));
    return self_test_compare(test, weights, expected, COUNT * TOP_K, 1e-6, "weights of 9 tokens");
}

hadal_status self_test_dispatch(self_test *test, int variant)
{
    enum { SLOTS = 300, EXPERTS = 11 };
    dispatch_op op;
    int32_t ids[SLOTS], expected_slots[SLOTS], expected_offsets[EXPERTS + 1];
    buffer *id_buffer, *slots, *offsets;
    (void)variant;
    TRY(dispatch_create(&op, test->device));
    for (size_t i = 0; i < SLOTS; i++)
        ids[i] = (int32_t)(i * i % EXPERTS); /* squares: some experts have none */
    TRY(self_test_upload(test, &id_buffer, ids, sizeof ids));
    TRY(self_test_result(test, &slots, sizeof expected_slots));
    TRY(self_test_result(test, &offsets, sizeof expected_offsets));
    TRY(dispatch_slots(&op, offsets, slots, id_buffer, SLOTS, EXPERTS));
    reference_dispatch(expected_offsets, expected_slots, ids, SLOTS, EXPERTS);
    TRY(self_test_compare_integers(test, offsets, expected_offsets, EXPERTS + 1, "lists of 11 experts"));
    return self_test_compare_integers(test, slots, expected_slots, SLOTS, "300 slots");
}

hadal_status self_test_swiglu(self_test *test, int variant)
{
    enum { ROWS = 3, COLUMNS = 2100, STRIDE = 2112 };
    swiglu_op op;
    float *gate, *up;
    double *expected;
    buffer *gate_buffer, *up_buffer, *out;
    (void)variant;
    TRY(swiglu_create(&op, test->device));
    TRY(self_test_rows(test, &gate, &gate_buffer, ROWS, COLUMNS));
    TRY(self_test_rows(test, &up, &up_buffer, ROWS, COLUMNS));
    TRY(self_test_result(test, &out, ROWS * STRIDE * sizeof(float)));
    TRY(self_test_allocate(test, &expected, ROWS * STRIDE, sizeof *expected));
    TRY(swiglu(&op, out, gate_buffer, up_buffer, ROWS, COLUMNS));
    for (size_t row = 0; row < ROWS; row++)
        reference_swiglu(expected + row * STRIDE, gate + row * STRIDE, up + row * STRIDE, COLUMNS);
    return self_test_compare(test, out, expected, ROWS * STRIDE, 1e-6, "3 rows of 2100");
}

hadal_status self_test_moe_combine(self_test *test, int variant)
{
    enum { COUNT = 3, COLUMNS = 1100, STRIDE = 1104, TOP_K = 5 };
    moe_combine_op op;
    float *x, *expert_out, *shared, *weights;
    double *expected;
    buffer *x_buffer, *expert_buffer, *shared_buffer, *weight_buffer;
    (void)variant;
    TRY(moe_combine_create(&op, test->device));
    TRY(self_test_rows(test, &x, &x_buffer, COUNT, COLUMNS));
    TRY(self_test_rows(test, &expert_out, &expert_buffer, COUNT * TOP_K, COLUMNS));
    TRY(self_test_rows(test, &shared, &shared_buffer, COUNT, COLUMNS));
    TRY(self_test_rows(test, &weights, &weight_buffer, 1, COUNT * TOP_K));
    TRY(self_test_allocate(test, &expected, COUNT * STRIDE, sizeof *expected));
    TRY(moe_combine(&op, x_buffer, expert_buffer, weight_buffer, shared_buffer, COUNT, COLUMNS, TOP_K));
    for (size_t t = 0; t < COUNT; t++)
        reference_moe_combine(expected + t * STRIDE, x + t * STRIDE, expert_out + t * TOP_K * STRIDE,
                              weights + t * TOP_K, shared + t * STRIDE, COLUMNS, STRIDE, TOP_K);
    return self_test_compare(test, x_buffer, expected, COUNT * STRIDE, 1e-6, "3 tokens of 5 experts");
}
