/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Self-test of attention: over a selection and over everything, lists long enough to be split, and short ones. */

#include "ops/self_test.h"

#include <string.h>

#include "base/memory.h"
#include "ops/attend.h"
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
    TRY(attend(&op, sparse_out, query_buffer, cache_buffer, at, selected_buffer, LONGEST, count_buffer, LONGEST, TOKENS,
               scratch));
    TRY(attend(&op, dense_out, query_buffer, cache_buffer, at, NULL, 0, NULL, CAPACITY, TOKENS, scratch));
    for (size_t i = 0; i < TOKENS * HEADS; i++) {
        size_t t = i / HEADS;
        reference_attend(sparse + i * PADDED, &dims, query + i * ROW, cache, selected + t * LONGEST, (size_t)counts[t]);
        reference_attend(dense + i * PADDED, &dims, query + i * ROW, cache, NULL, (size_t)positions[t] + 1);
    }
    TRY(self_test_compare(test, sparse_out, sparse, OUT, 3e-6, "3 queries of 5 heads, 300 selected"));
    return self_test_compare(test, dense_out, dense, OUT, 3e-6, "3 queries of 5 heads over 700 positions");
}
