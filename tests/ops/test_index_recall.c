/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* How many of the positions that full precision selects a quantised index cache selects as well: random data at the
 * released dims, from the outputs of the projections to the selection. */

#include "ops/index_scores.h"
#include "ops/rope.h"
#include "ops/top_k.h"
#include "tests/ops/device.h"

enum { HEADS = 64, DIM = 128, ROPE = 64, KEYS = 32768, TOP = 2048, QUERIES = 4 };

/* What all four forms of the cache get. */
typedef struct recall_input {
    buffer *keys, *weight, *bias, *queries, *weights, *table, *key_positions, *query_positions;
} recall_input;

static buffer *normal_values(uint64_t *random, size_t count)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) { /* Box and Muller */
        double u = ((double)(random_bits(random) >> 11) + 1) * 0x1p-53;
        double v = (double)(random_bits(random) >> 11) * 0x1p-53;
        values[i] = (float)(sqrt(-2 * log(u)) * cos(2 * 3.14159265358979 * v));
    }
    buffer *made = test_buffer(values, count * sizeof *values);
    free(values);
    return made;
}

static recall_input make_input(void)
{
    uint64_t random = 2025;
    double frequencies[ROPE / 2];
    float ones[DIM];
    int32_t *positions = malloc(KEYS * sizeof *positions);
    assert_non_null(positions);
    for (size_t i = 0; i < DIM; i++)
        ones[i] = 1;
    for (int32_t s = 0; s < KEYS; s++)
        positions[s] = s;
    reference_frequencies(frequencies, ROPE / 2);
    recall_input made = {
        .keys = normal_values(&random, (size_t)KEYS * DIM),
        .queries = normal_values(&random, (size_t)QUERIES * HEADS * DIM),
        .weights = normal_values(&random, (size_t)QUERIES * HEADS),
        .weight = test_buffer(ones, sizeof ones),
        .bias = test_buffer(NULL, sizeof ones),
        .key_positions = test_buffer(positions, KEYS * sizeof *positions),
        .query_positions = test_buffer(positions + KEYS - QUERIES, QUERIES * sizeof *positions),
    };
    CHECK_OK(rope_table_create(&made.table, test_device(), frequencies, ROPE / 2, KEYS, 1.0));
    free(positions);
    return made;
}

/* selected[QUERIES][TOP]; freed with free(). */
static int32_t *select_positions(const recall_input *in, hadal_index_cache type, bool scale_ue8m0)
{
    const index_dims dims = {HEADS, DIM, ROPE, type, scale_ue8m0};
    index_rotate_op rotate;
    index_scores_op score;
    top_k_op top;
    CHECK_OK(index_rotate_create(&rotate, test_device(), &dims));
    CHECK_OK(index_scores_create(&score, test_device(), &dims));
    CHECK_OK(top_k_create(&top, test_device()));
    size_t row_bytes = DIM * index_element_bytes(type);
    buffer *cache = test_buffer(NULL, KEYS * row_bytes), *scales = test_buffer(NULL, KEYS * sizeof(float));
    buffer *quantised = test_buffer(NULL, QUERIES * HEADS * row_bytes);
    buffer *head_weights = test_buffer(NULL, QUERIES * HEADS * sizeof(float));
    buffer *scores = test_buffer(NULL, (size_t)QUERIES * KEYS * sizeof(float));
    buffer *selected = test_buffer(NULL, (size_t)QUERIES * TOP * sizeof(int32_t));
    buffer *counts = test_buffer(NULL, QUERIES * sizeof(int32_t));
    CHECK_OK(index_key(&rotate, cache, type == HADAL_INDEX_F32 ? NULL : scales, in->keys, in->weight, in->bias,
                       in->table, in->key_positions, in->key_positions, KEYS));
    CHECK_OK(index_query(&rotate, quantised, head_weights, in->queries, in->weights, in->table, in->query_positions,
                         QUERIES));
    CHECK_OK(index_scores(&score, scores, KEYS, quantised, head_weights, cache, type == HADAL_INDEX_F32 ? NULL : scales,
                          in->query_positions, NULL, 0, QUERIES, KEYS));
    buffer *scratch = test_buffer(NULL, top_k_scratch_bytes(QUERIES, KEYS));
    CHECK_OK(top_k(&top, selected, TOP, counts, scores, KEYS, in->query_positions, 0, QUERIES, TOP, scratch));
    int32_t *positions = test_read(selected);
    buffer *const used[] = {cache, scales, quantised, head_weights, scores, selected, counts, scratch};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    return positions;
}

/* The share of the wanted positions that were got; both ascending in each query's row. */
static double measure_recall(const int32_t *got, const int32_t *wanted)
{
    size_t found = 0;
    for (size_t query = 0; query < QUERIES; query++) {
        const int32_t *a = got + query * TOP, *b = wanted + query * TOP;
        for (size_t i = 0, j = 0; i < TOP && j < TOP;) {
            found += a[i] == b[j];
            int32_t left = a[i], right = b[j];
            i += left <= right;
            j += right <= left;
        }
    }
    return (double)found / (QUERIES * TOP);
}

static void quantised_index_keys_recall_the_selection_of_full_precision(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        hadal_index_cache type;
        bool scale_ue8m0;
        double least;
    } forms[] = {{"int8", HADAL_INDEX_INT8, false, 0.985},
                 {"fp8, float scales", HADAL_INDEX_FP8, false, 0.955},
                 {"fp8, power-of-two scales", HADAL_INDEX_FP8, true, 0.955}};
    recall_input in = make_input();
    int32_t *wanted = select_positions(&in, HADAL_INDEX_F32, false);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        int32_t *got = select_positions(&in, forms[i].type, forms[i].scale_ue8m0);
        double recall = measure_recall(got, wanted);
        print_message("recall of %s: %.4f\n", forms[i].name, recall);
        assert_true(recall >= forms[i].least);
        free(got);
    }
    buffer *const used[] = {in.keys, in.weight, in.bias, in.queries, in.weights, in.table, in.key_positions,
                            in.query_positions};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantised_index_keys_recall_the_selection_of_full_precision),
    };
    TEST_ON_SHAPES(tests);
}
