/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Self-test of attention: over a selection and over everything, lists long enough to be split, and short ones. */

#include "ops/self_test.h"

#include <string.h>

#include "base/memory.h"
#include "ops/attend.h"
#include "ops/attend_heads.h"
#include "ops/reference.h"

enum { HEADS = 5, LATENT = 50, PADDED = 64, ROPE = 18, ROW = 96, CAPACITY = 700, TOKENS = 3, LONGEST = 300 };
static const int32_t positions[TOKENS] = {699, 0, 350};

/* *values: random rows with zeros behind latent and behind rope; *made: the same, stored. */
static hadal_status make_cache(self_test *test, float **values, buffer **made, hadal_kv_cache type)
{
    buffer *floats;
    uint16_t *halves;
    TRY(self_test_rows(test, values, &floats, CAPACITY, PADDED + ROPE));
    TRY(self_test_allocate(test, &halves, CAPACITY * ROW, sizeof *halves));
    for (size_t i = 0; i < CAPACITY * ROW; i++) {
        float *value = *values + i;
        uint32_t bits;
        if (i % ROW >= LATENT && i % ROW < PADDED)
            *value = 0;
        memcpy(&bits, value, sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
        if (type == HADAL_KV_BF16)
            dtype_decode(value, &halves[i], 1, DTYPE_BF16);
    }
    return type == HADAL_KV_BF16 ? self_test_upload(test, made, halves, CAPACITY * ROW * sizeof *halves)
                                 : self_test_upload(test, made, *values, CAPACITY * ROW * sizeof **values);
}

hadal_status self_test_attend(self_test *test, int variant)
{
    enum { OUT = TOKENS * HEADS * PADDED };
    const attend_dims dims = {.heads = HEADS, .latent = LATENT, .rope = ROPE, .cache = (hadal_kv_cache)variant};
    attend_op op;
    float *query, *cache;
    int32_t selected[TOKENS * LONGEST] = {0}, counts[TOKENS];
    double *sparse, *dense;
    buffer *query_buffer, *cache_buffer, *at, *selected_buffer, *count_buffer, *sparse_out, *dense_out, *scratch;
    for (size_t t = 0; t < TOKENS; t++) {
        size_t visible = (size_t)positions[t] + 1, count = min_size(LONGEST, visible);
        counts[t] = (int32_t)count;
        for (size_t i = 0; i < count; i++)
            selected[t * LONGEST + i] = (int32_t)(i * visible / count);
    }
    TRY(attend_create(&op, test->device, &dims));
    TRY(self_test_rows(test, &query, &query_buffer, TOKENS * HEADS, ROW)); /* what meets padding counts for nothing */
    TRY(make_cache(test, &cache, &cache_buffer, dims.cache));
    TRY(self_test_upload(test, &at, positions, sizeof positions));
    TRY(self_test_upload(test, &selected_buffer, selected, sizeof selected));
    TRY(self_test_upload(test, &count_buffer, counts, sizeof counts));
    TRY(self_test_result(test, &sparse_out, OUT * sizeof(float)));
    TRY(self_test_result(test, &dense_out, OUT * sizeof(float)));
    TRY(self_test_result(test, &scratch, attend_scratch_bytes(&dims, TOKENS, CAPACITY)));
    TRY(self_test_allocate(test, &sparse, OUT, sizeof *sparse));
    TRY(self_test_allocate(test, &dense, OUT, sizeof *dense));
    const attend_lists selection = {.positions = at, .selected = selected_buffer, .selected_stride = LONGEST,
                                    .counts = count_buffer, .longest = LONGEST};
    const attend_lists all = {.positions = at, .longest = CAPACITY};
    TRY(attend(&op, sparse_out, query_buffer, cache_buffer, &selection, TOKENS, scratch));
    TRY(attend(&op, dense_out, query_buffer, cache_buffer, &all, TOKENS, scratch));
    for (size_t i = 0; i < TOKENS * HEADS; i++) {
        size_t t = i / HEADS;
        reference_attend(sparse + i * PADDED, &dims, query + i * ROW, cache, selected + t * LONGEST, (size_t)counts[t]);
        reference_attend(dense + i * PADDED, &dims, query + i * ROW, cache, NULL, (size_t)positions[t] + 1);
    }
    TRY(self_test_compare(test, sparse_out, sparse, OUT, 3e-6, "3 queries of 5 heads, 300 selected"));
    return self_test_compare(test, dense_out, dense, OUT, 3e-6, "3 queries of 5 heads over 700 positions");
}

/* Rows of the released dimensions, which matrix units take; without one the same on the portable kernel. 37 rows are no
 * multiple of a tile, 200 are split; scores rise along the lists, so that sums are scaled on the way. */
hadal_status self_test_attend_tiles(self_test *test, int variant)
{
    enum { HEADS_HERE = 64, LATENTS = 512, ROPES = 64, WIDTH = LATENTS + ROPES, ROWS = 400, QUERIES = 2, LIST = 200 };
    const attend_dims dims = {.heads = HEADS_HERE, .latent = LATENTS, .rope = ROPES, .cache = HADAL_KV_BF16};
    const int32_t counts[QUERIES] = {LIST, 37};
    int32_t selected[QUERIES * LIST];
    attend_op op;
    float *query, *cache;
    uint16_t *stored;
    double *expected;
    buffer *query_buffer, *floats, *cache_buffer, *selected_buffer, *count_buffer, *out, *scratch;
    (void)variant;
    for (int i = 0; i < QUERIES * LIST; i++)
        selected[i] = i % LIST * (ROWS / LIST) + i / LIST;
    TRY(attend_create(&op, test->device, &dims));
    TRY(self_test_rows(test, &query, &floats, QUERIES * HEADS_HERE, WIDTH));
    TRY(self_test_rows(test, &cache, &floats, ROWS, WIDTH));
    TRY(self_test_allocate(test, &stored, ROWS * WIDTH, sizeof *stored));
    TRY(self_test_allocate(test, &expected, QUERIES * HEADS_HERE * LATENTS, sizeof *expected));
    for (size_t i = 0; i < QUERIES * HEADS_HERE * WIDTH; i++)
        query[i] *= i % WIDTH ? 0.1f : 8.0f;
    for (size_t i = 0; i < ROWS * WIDTH; i++) {
        uint32_t bits;
        if (i % WIDTH == 0)
            cache[i] = (float)(i / WIDTH / 50);
        memcpy(&bits, cache + i, sizeof bits);
        stored[i] = (uint16_t)(bits >> 16);
        dtype_decode(cache + i, stored + i, 1, DTYPE_BF16);
    }
    TRY(self_test_upload(test, &query_buffer, query, QUERIES * HEADS_HERE * WIDTH * sizeof *query));
    TRY(self_test_upload(test, &cache_buffer, stored, ROWS * WIDTH * sizeof *stored));
    TRY(self_test_upload(test, &selected_buffer, selected, sizeof selected));
    TRY(self_test_upload(test, &count_buffer, counts, sizeof counts));
    TRY(self_test_result(test, &out, QUERIES * HEADS_HERE * LATENTS * sizeof(float)));
    TRY(self_test_result(test, &scratch, attend_scratch_bytes(&dims, QUERIES, LIST)));
    const attend_lists lists = {.positions = count_buffer, .selected = selected_buffer, .selected_stride = LIST,
                                .counts = count_buffer, .longest = LIST};
    TRY(attend(&op, out, query_buffer, cache_buffer, &lists, QUERIES, scratch));
    for (size_t i = 0; i < QUERIES * HEADS_HERE; i++) {
        size_t t = i / HEADS_HERE;
        reference_attend(expected + i * LATENTS, &dims, query + i * WIDTH, cache, selected + t * LIST,
                         (size_t)counts[t]);
    }
    return self_test_compare(test, out, expected, QUERIES * HEADS_HERE * LATENTS, 0x1p-8,
                             "2 queries of 64 heads, 200 and 37 selected rows of 512 + 64");
}

/* What a trial of attention by heads is run on. */
typedef struct heads_trial {
    attend_heads_op op;
    linear_op linear;
    latent_op latent;
    attend_heads_memory memory;
} heads_trial;

static hadal_status make_trial(self_test *test, heads_trial *trial, const attend_heads_dims *dims, size_t tokens,
                               size_t part)
{
    const latent_dims cached = {dims->latent, dims->rope, HADAL_KV_F32};
    attend_heads_memory *m = &trial->memory;
    size_t rows = part * sizeof(float);
    *trial = (heads_trial){.memory = {.positions = part}};
    attend_heads_create(&trial->op, test->device, dims);
    TRY(latent_create(&trial->latent, test->device, &cached));
    TRY(self_test_result(test, &m->rows, rows * ROW));
    TRY(self_test_result(test, &m->keys, rows * dims->heads * round_up(dims->nope, ROW_UNIT)));
    TRY(self_test_result(test, &m->values, rows * dims->heads * round_up(dims->value, ROW_UNIT)));
    TRY(self_test_result(test, &m->totals, tokens * dims->heads * 2 * sizeof(float)));
    return linear_create(&trial->linear, test->device, HADAL_LINEAR_OWN);
}

/* The last 70 of 150 positions, 64 at a time, with weights of that dtype. A matrix unit, where there is one, makes the
 * values. */
hadal_status self_test_attend_heads(self_test *test, int variant)
{
    enum { NOPE = 24, VALUE = 40, QUERIES = 70, KEYS = 150, PART = 64, Q_STRIDE = 224, OUT_STRIDE = 208 };
    const attend_heads_dims dims = {HEADS, NOPE, ROPE, VALUE, LATENT};
    heads_trial trial;
    const matrix *k_up, *v_up;
    float *q, *query, *cache;
    double *k_values, *v_values, *expected;
    buffer *q_buffer, *query_buffer, *cache_buffer, *out;
    TRY(make_trial(test, &trial, &dims, QUERIES, PART));
    TRY(self_test_rows(test, &q, &q_buffer, QUERIES, HEADS * (NOPE + ROPE)));
    TRY(self_test_rows(test, &query, &query_buffer, QUERIES * HEADS, PADDED + ROPE));
    TRY(make_cache(test, &cache, &cache_buffer, HADAL_KV_F32));
    TRY(self_test_matrix(test, &k_up, &k_values, (dtype)variant, HEADS, LATENT, NOPE));
    TRY(self_test_matrix(test, &v_up, &v_values, (dtype)variant, HEADS, VALUE, LATENT));
    TRY(self_test_allocate(test, &expected, QUERIES * OUT_STRIDE, sizeof *expected));
    TRY(self_test_upload(test, &out, expected, QUERIES * OUT_STRIDE * sizeof(float)));
    const attend_heads_step step = {QUERIES, KEYS, q_buffer, query_buffer, cache_buffer, 0, k_up, v_up, 0.1};
    hadal_status status = attend_heads(&trial.op, &trial.linear, &trial.latent, out, &step, &trial.memory);
    linear_free(&trial.linear);
    TRY(status);
    for (size_t i = 0; i < QUERIES * HEADS; i++) {
        size_t token = i / HEADS, head = i % HEADS;
        reference_attend_heads(expected + token * OUT_STRIDE + head * VALUE, &dims,
                               q + token * Q_STRIDE + head * (NOPE + ROPE), query + i * ROW + PADDED, cache,
                               k_values + head * LATENT * NOPE, v_values + head * VALUE * LATENT,
                               KEYS - QUERIES + token + 1, step.scale);
    }
    bool exact = device_matrix_for(test->device, MATRIX_PRODUCTS) == DEVICE_MATRIX_NONE;
    return self_test_compare(test, out, expected, QUERIES * OUT_STRIDE, exact ? 6e-6 : 0x1p-8,
                             "70 queries of 5 heads, 150 positions in three parts");
}
