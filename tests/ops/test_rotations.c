/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/rotations.h"

#include "tests/ops/host_matrix.h"

enum { HEADS = 5, NOPE = 20, ROPE = 12, LATENT = 50, INDEX_HEADS = 3, INDEX_DIM = 20, CONTEXT = 600, POSITION = 517 };

/* What rotations writes: the whole of each buffer, so that it touches nothing else. */
typedef struct outputs {
    buffer *latent_cache, *index_cache, *index_scales, *query, *quantised, *head_weights;
} outputs;

static outputs make_outputs(const latent_dims *latent, const index_dims *index)
{
    size_t element = index_element_bytes(index->type), row = round_up(LATENT, ROW_UNIT) + round_up(ROPE, ROW_UNIT);
    return (outputs){test_poisoned_buffer(CONTEXT * latent_row_bytes(latent)),
                     test_poisoned_buffer(CONTEXT * round_up(INDEX_DIM, ROW_UNIT) * element),
                     test_poisoned_buffer(CONTEXT * sizeof(float)),
                     test_poisoned_buffer(HEADS * row * sizeof(float)),
                     test_poisoned_buffer(INDEX_HEADS * round_up(INDEX_DIM, ROW_UNIT) * element),
                     test_poisoned_buffer(round_up(INDEX_HEADS, ROW_UNIT) * sizeof(float))};
}

static void check_same(buffer *a, buffer *b)
{
    void *got = test_read(a), *expected = test_read(b);
    assert_memory_equal(got, expected, buffer_bytes(a));
    free(got);
    free(expected);
    buffer_free(a);
    buffer_free(b);
}

static buffer *random_rows(uint64_t *random, size_t columns)
{
    float *values = test_random_rows(random, 1, columns);
    buffer *made = test_buffer(values, round_up(columns, ROW_UNIT) * sizeof *values);
    free(values);
    return made;
}

static void check_rotations(hadal_kv_cache kv_cache, hadal_index_cache index_cache, dtype type, bool sparse)
{
    const rope_dims rope = {.heads = HEADS, .nope = NOPE, .rope = ROPE, .latent = LATENT};
    const latent_dims latent = {.latent = LATENT, .rope = ROPE, .cache = kv_cache};
    const index_dims index = {.heads = INDEX_HEADS, .dim = INDEX_DIM, .rope = ROPE, .type = index_cache};
    uint64_t random = 4;
    size_t query_row = round_up(LATENT, ROW_UNIT) + round_up(ROPE, ROW_UNIT);
    double frequencies[ROPE / 2];
    const int32_t position = POSITION, cache_row = POSITION + 50;
    reference_frequencies(frequencies, ROPE / 2);
    buffer *table, *positions = test_buffer(&position, sizeof position),
                   *row = test_buffer(&cache_row, sizeof cache_row);
    CHECK_OK(rope_table_create(&table, test_device(), frequencies, ROPE / 2, CONTEXT, 1.0));
    buffer *kv = random_rows(&random, LATENT + ROPE), *kv_weight = random_rows(&random, LATENT);
    buffer *key = random_rows(&random, INDEX_DIM), *key_weight = random_rows(&random, INDEX_DIM);
    buffer *key_bias = random_rows(&random, INDEX_DIM), *q = random_rows(&random, HEADS * (NOPE + ROPE));
    buffer *queries = random_rows(&random, INDEX_HEADS * INDEX_DIM), *weights = random_rows(&random, INDEX_HEADS);
    outputs one = make_outputs(&latent, &index), each = make_outputs(&latent, &index);
    rotations_op op;
    latent_op latents;
    index_rotate_op indexer;
    rope_op ropes;
    matvec_op matvec;
    matrix weight;
    host_matrix k_up = make_matrix(type, HEADS, LATENT, NOPE, 8, 16, &random);
    CHECK_OK(matrix_create_stack(&weight, test_device(), MEMORY_OTHER, k_up.sources, HEADS));
    rotations_create(&op, test_device(), &rope, &latent, &index);
    matvec_create(&matvec, test_device());
    assert_true(rotations_take(&op, &matvec, &weight));
    CHECK_OK(latent_create(&latents, test_device(), &latent));
    CHECK_OK(index_rotate_create(&indexer, test_device(), &index));
    CHECK_OK(rope_create(&ropes, test_device(), &rope));
    const rotations_rows rows = {one.latent_cache, kv, kv_weight, one.index_cache, one.index_scales, key, key_weight,
                                 key_bias, one.query, q, one.quantised, one.head_weights, sparse ? queries : NULL,
                                 weights, table, positions, row, 0.25};
    CHECK_OK(rotations(&op, &rows, &weight, 1e-6));
    CHECK_OK(matvec_heads(&matvec, each.query, query_row, q, NOPE + ROPE, &weight, 0.25));
    CHECK_OK(latent_store(&latents, each.latent_cache, kv, kv_weight, table, positions, row, 1, 1e-6));
    CHECK_OK(
        index_key(&indexer, each.index_cache, each.index_scales, key, key_weight, key_bias, table, positions, row, 1));
    CHECK_OK(rope_queries(&ropes, each.query, q, table, positions, 1, 0.25));
    if (sparse)
        CHECK_OK(index_query(&indexer, each.quantised, each.head_weights, queries, weights, table, positions, 1));
    check_same(one.latent_cache, each.latent_cache);
    check_same(one.index_cache, each.index_cache);
    check_same(one.index_scales, each.index_scales);
    check_same(one.query, each.query);
    check_same(one.quantised, each.quantised);
    check_same(one.head_weights, each.head_weights);
    buffer *const buffers[] = {table, positions, row, kv, kv_weight, key, key_weight, key_bias, q, queries, weights};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    matrix_free(&weight);
    free_matrix(&k_up);
}

static void one_launch_gives_the_bits_of_five(void **state)
{
    (void)state;
    check_rotations(HADAL_KV_BF16, HADAL_INDEX_INT8, DTYPE_F8_E4M3, true);
    check_rotations(HADAL_KV_F32, HADAL_INDEX_F32, DTYPE_F32, true);
    check_rotations(HADAL_KV_F32, HADAL_INDEX_FP8, DTYPE_BF16, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_launch_gives_the_bits_of_five)};
    TEST_ON_SHAPES(tests);
}
