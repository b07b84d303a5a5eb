/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Every size that tuning may choose gives what the usual size gives, which the other tests compare with plain C; and
 * every size matters: some value of it changes launches. */

#include "device/tuning.h"
#include "ops/attend.h"
#include "ops/dispatch.h"
#include "ops/fill.h"
#include "ops/index_scores.h"
#include "ops/linear.h"
#include "ops/top_k.h"
#include "tests/ops/device.h"

/* Results of a family's operations one behind the other, and their launches. */
typedef struct outcome {
    float values[1 << 18];
    size_t count;
    launch_record launches[LAUNCH_RECORDS];
    size_t launch_count;
} outcome;

static buffer *filled(fill_type type, double amplitude, uint32_t seed, size_t bytes)
{
    buffer *made = test_buffer(NULL, bytes);
    CHECK_OK(fill_buffer(test_device(), made, type, amplitude, seed));
    return made;
}

static void keep(outcome *out, buffer *got, size_t count)
{
    assert_true(out->count + count <= sizeof out->values / sizeof *out->values);
    CHECK_OK(buffer_read(got, 0, out->values + out->count, count * sizeof(float)));
    out->count += count;
}

static matrix random_stack(dtype type, size_t experts, size_t rows, size_t columns)
{
    matrix made;
    matrix_source sources[4];
    for (uint32_t e = 0; e < experts; e++)
        sources[e] = (matrix_source){.type = type, .rows = rows, .columns = columns, .block_rows = 128,
                                     .block_columns = 128, .random = e + 1};
    CHECK_OK(experts > 1 ? matrix_create_stack(&made, test_device(), MEMORY_OTHER, sources, experts)
                         : matrix_create(&made, test_device(), MEMORY_OTHER, sources));
    return made;
}

/* Results of `kept` tokens are kept. */
static void run_product(outcome *out, dtype type, size_t tokens, size_t rows, size_t columns, size_t kept)
{
    linear_op op;
    matrix weight = random_stack(type, 1, rows, columns);
    size_t stride = round_up(rows, ROW_UNIT);
    buffer *in = filled(FILL_F32, 1, 1, tokens * round_up(columns, ROW_UNIT) * sizeof(float));
    buffer *result = test_buffer(NULL, tokens * stride * sizeof(float));
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(linear_run(&op, result, in, &weight, tokens, false));
    keep(out, result, kept * stride);
    linear_free(&op);
    matrix_free(&weight);
    buffer_free(in);
    buffer_free(result);
}

/* Each token by the experts e and e + 1 of four. */
static void run_experts(outcome *out, size_t tokens, size_t rows, size_t columns)
{
    enum { EXPERTS = 4, CHOICES = 2 };
    linear_op op;
    dispatch_op dispatch;
    matrix weight = random_stack(DTYPE_F8_E4M3, EXPERTS, rows, columns);
    size_t count = tokens * CHOICES, stride = round_up(rows, ROW_UNIT);
    int32_t *chosen = calloc(count, sizeof *chosen);
    for (size_t i = 0; i < count; i++)
        chosen[i] = (int32_t)((i / CHOICES * 3 + i) % EXPERTS);
    buffer *ids = test_buffer(chosen, count * sizeof *chosen), *slots = test_buffer(NULL, count * sizeof(int32_t));
    buffer *offsets = test_buffer(NULL, (EXPERTS + 1) * sizeof(int32_t));
    buffer *in = filled(FILL_F32, 1, 2, tokens * round_up(columns, ROW_UNIT) * sizeof(float));
    buffer *result = test_buffer(NULL, count * stride * sizeof(float));
    const linear_slots lists = {ids, offsets, slots, tokens, CHOICES};
    CHECK_OK(dispatch_create(&dispatch, test_device()));
    CHECK_OK(dispatch_slots(&dispatch, offsets, slots, ids, count, EXPERTS));
    CHECK_OK(linear_create(&op, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(linear_experts(&op, result, in, &weight, &lists, CHOICES));
    keep(out, result, count * stride);
    linear_free(&op);
    matrix_free(&weight);
    buffer *const buffers[] = {ids, slots, offsets, in, result};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    free(chosen);
}

static void run_matvec(outcome *out)
{
    run_product(out, DTYPE_F8_E4M3, 1, 700, 1040, 1);
    run_product(out, DTYPE_F8_E4M3, 1, 2050, 200, 1);
}

static void run_linear(outcome *out)
{
    /* Blocks are for devices that they fill, and for weights that no matrix unit takes. */
    size_t rows = 128 * (size_t)hadal_device_describe(test_device())->compute_units;
    run_product(out, DTYPE_F8_E4M3, 3, 130, 200, 3);
    run_product(out, DTYPE_F8_E4M3, 20, 520, 200, 20);
    run_product(out, DTYPE_F8_E4M3, 70, 300, 72, 70);
    run_product(out, DTYPE_F32, 70, rows, 16, 1);
    run_experts(out, 40, 520, 130);
}

static buffer *last_positions(size_t tokens, size_t keys)
{
    int32_t *positions = calloc(tokens, sizeof *positions);
    for (size_t t = 0; t < tokens; t++)
        positions[t] = (int32_t)(keys - tokens + t);
    buffer *made = test_buffer(positions, tokens * sizeof *positions);
    free(positions);
    return made;
}

/* Of keys before the first position, so that none is masked; as many scores are kept as `kept` rows have. */
static void run_scores(outcome *out, size_t heads, size_t dim, size_t rows, size_t count, size_t kept)
{
    const index_dims dims = {(uint32_t)heads, (uint32_t)dim, 16, HADAL_INDEX_INT8, false};
    index_scores_op op;
    buffer *queries = filled(FILL_INT8, 127, 3, rows * heads * dim), *keys = filled(FILL_INT8, 127, 4, count * dim);
    buffer *weights = filled(FILL_F32, 1, 5, rows * round_up(heads, ROW_UNIT) * sizeof(float));
    buffer *scales = filled(FILL_F32, 1, 6, count * sizeof(float));
    buffer *positions = last_positions(rows, count + rows), *result = test_buffer(NULL, rows * count * sizeof(float));
    CHECK_OK(index_scores_create(&op, test_device(), &dims));
    CHECK_OK(index_scores(&op, result, count, queries, weights, keys, scales, positions, NULL, 0, rows, count));
    keep(out, result, kept * count);
    buffer *const buffers[] = {queries, keys, weights, scales, positions, result};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
}

static void run_index_scores(outcome *out)
{
    run_scores(out, 16, 128, 5, 208, 5);
}

/* Also of so many keys that there are enough groups, whatever number of queries share them. */
static void run_long_index_scores(outcome *out)
{
    run_scores(out, 2, 16, 20, 1424, 20);
    run_scores(out, 2, 16, 70, 33024, 3);
}

/* Positions as floats: the order counts, too. */
static void run_top_k(outcome *out)
{
    enum { ROWS = 8, KEYS = 40000, FEW_KEYS = 3008, K = 600, STRIDE = 608 };
    static const size_t keys[] = {KEYS, FEW_KEYS}; /* by both of a GPU's kernels */
    top_k_op op;
    buffer *scores = filled(FILL_F32, 1, 7, ROWS * KEYS * sizeof(float));
    buffer *selected = test_buffer(NULL, ROWS * STRIDE * sizeof(int32_t));
    buffer *counts = test_buffer(NULL, ROWS * sizeof(int32_t));
    buffer *scratch = test_buffer(NULL, max_size(top_k_scratch_bytes(ROWS, KEYS), 1));
    CHECK_OK(top_k_create(&op, test_device()));
    for (size_t k = 0; k < 2; k++) {
        buffer *positions = last_positions(ROWS, keys[k]);
        CHECK_OK(top_k(&op, selected, STRIDE, counts, scores, keys[k], positions, 0, ROWS, K, scratch));
        int32_t *got = test_read(selected);
        for (size_t i = 0; i < ROWS * STRIDE; i++)
            out->values[out->count++] = (float)got[i];
        free(got);
        buffer_free(positions);
    }
    buffer *const buffers[] = {scores, selected, counts, scratch};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
}

static void run_attend(outcome *out)
{
    enum { TOKENS = 20, KEYS = 2100, HEADS = 16, LATENT = 64, ROPE = 16, ROW = LATENT + ROPE };
    static const size_t tokens[] = {1, TOKENS};
    const attend_dims dims = {HEADS, LATENT, ROPE, HADAL_KV_BF16};
    attend_op op;
    buffer *query = filled(FILL_F32, 1, 8, TOKENS * HEADS * ROW * sizeof(float));
    buffer *cache = filled(FILL_BF16, 1, 9, KEYS * ROW * 2), *positions = last_positions(TOKENS, KEYS);
    buffer *result = test_buffer(NULL, TOKENS * HEADS * LATENT * sizeof(float));
    buffer *scratch = test_buffer(NULL, attend_scratch_bytes(&dims, TOKENS, KEYS));
    const attend_lists lists = {.positions = positions, .longest = KEYS};
    CHECK_OK(attend_create(&op, test_device(), &dims));
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        CHECK_OK(attend(&op, result, query, cache, &lists, tokens[i], scratch));
        keep(out, result, tokens[i] * HEADS * LATENT);
    }
    buffer *const buffers[] = {query, cache, positions, result, scratch};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
}

static outcome *run_family(tuned_size size)
{
    static const struct {
        const char *family;
        void (*run)(outcome *out);
    } families[] = {{"matvec.", run_matvec},
                    {"linear.", run_linear},
                    {"index_scores.rows", run_long_index_scores},
                    {"index_scores.groups", run_long_index_scores},
                    {"index_scores.", run_index_scores},
                    {"top_k.", run_top_k},
                    {"attend.", run_attend}};
    size_t i = 0;
    outcome *made = calloc(1, sizeof *made);
    assert_non_null(made);
    while (strncmp(tuning_entry_of(size)->name, families[i].family, strlen(families[i].family)) != 0)
        i++;
    families[i].run(made);
    assert_true(made->count > 0);
    CHECK_OK(device_records(test_device(), made->launches, &made->launch_count));
    return made;
}

static bool same_launches(const outcome *a, const outcome *b)
{
    bool same = a->launch_count == b->launch_count;
    for (size_t i = 0; same && i < a->launch_count; i++)
        same = a->launches[i].kernel == b->launches[i].kernel && a->launches[i].groups == b->launches[i].groups &&
               a->launches[i].items == b->launches[i].items;
    return same;
}

/* A size that decides between float32 and the matrix unit rounds operands to 16 bits on one side. */
static void check_size(tuned_size size, double tolerance)
{
    const uint16_t *values;
    size_t count = tuning_values(&values, test_device(), size);
    bool changed = false;
    if (!count)
        return;
    outcome *usual = run_family(size);
    double *expected = calloc(usual->count, sizeof *expected);
    for (size_t i = 0; i < usual->count; i++)
        expected[i] = usual->values[i];
    for (size_t i = 0; i < count; i++) {
        assert_true(device_set_tuned(test_device(), size, values[i]));
        outcome *other = run_family(size);
        assert_int_equal(other->count, usual->count);
        double error = reference_error(other->values, expected, usual->count);
        if (!(error <= tolerance))
            fail_msg("%s = %u: relative error %g > %g", tuning_entry_of(size)->name, values[i], error, tolerance);
        changed |= !same_launches(usual, other);
        free(other);
    }
    assert_true(device_set_tuned(test_device(), size, 0));
    if (!changed)
        fail_msg("%s changes no launch", tuning_entry_of(size)->name);
    free(expected);
    free(usual);
}

static void every_size_changes_launches_and_no_result(void **state)
{
    (void)state;
    CHECK_OK(device_set_profile(test_device(), true, NULL));
    for (tuned_size size = 0; size < TUNED_SIZES; size++)
        check_size(size, 1e-5);
}

/* On a device with a matrix unit, or that has it emulated: sizes that the others do not have. */
static void sizes_of_the_matrix_unit_change_results_by_rounding_alone(void **state)
{
    (void)state;
    CHECK_OK(device_set_profile(test_device(), true, NULL));
    for (tuned_size size = 0; size < TUNED_SIZES; size++)
        if (!tuning_entry_of(size)->usual[TUNING_GPU] && tuning_entry_of(size)->usual[TUNING_GPU_MATRIX])
            check_size(size, 2e-3);
}

static void a_size_is_only_what_it_may_be(void **state)
{
    (void)state;
    uint32_t usual = device_tuned(test_device(), TUNED_ATTEND_KEYS);
    assert_false(device_set_tuned(test_device(), TUNED_ATTEND_KEYS, 7));
    assert_false(device_set_tuned(test_device(), TUNED_ATTEND_KEYS, 0x10008));
    assert_int_equal(device_tuned(test_device(), TUNED_ATTEND_KEYS), usual);
    assert_int_equal(hadal_device_describe(test_device())->tuned, 0);
    assert_true(device_set_tuned(test_device(), TUNED_ATTEND_KEYS, 4));
    assert_int_equal(device_tuned(test_device(), TUNED_ATTEND_KEYS), 4);
    assert_int_equal(hadal_device_describe(test_device())->tuned, 1);
    assert_true(device_set_tuned(test_device(), TUNED_ATTEND_KEYS, usual));
    assert_int_equal(hadal_device_describe(test_device())->tuned, 0);
}

/* For each class: the usual value may be chosen, and a size without one has no values. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (tuned_size size = 0; size < TUNED_SIZES; size++) {
        const tuning_entry *entry = tuning_entry_of(size);
        assert_true(strchr(entry->name, '.') && *entry->what);
        for (int class = 0; class < TUNING_CLASSES; class++) {
            const uint16_t *values = class < TUNING_GPU ? entry->cpu : entry->gpu;
            bool found = !entry->usual[class];
            for (size_t i = 0; i < TUNED_MOST_VALUES; i++)
                found |= values[i] == entry->usual[class];
            if (!found)
                fail_msg("%s: the usual value of class %d is none of its values", entry->name, class);
        }
    }
}

/* Kernels of so many sizes take long to compile: PoCL need not optimise them, nor others' caches hold what it makes. */
static void compile_quickly(void)
{
    char path[1024];
    const char *cache = getenv("XDG_CACHE_HOME");
    if (!cache)
        return;
    snprintf(path, sizeof path, "%s/unoptimised", cache);
    setenv("XDG_CACHE_HOME", path, 1);
    setenv("POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable", 1);
}

int main(void)
{
    static const struct CMUnitTest all[] = {
        cmocka_unit_test(every_size_changes_launches_and_no_result),
        cmocka_unit_test(a_size_is_only_what_it_may_be),
        cmocka_unit_test(the_table_is_sound),
    };
    static const struct CMUnitTest on_matrix_units[] = {
        cmocka_unit_test(sizes_of_the_matrix_unit_change_results_by_rounding_alone),
    };
    /* A group of 256 work-items, so that products in blocks are among those that are compared. */
    static const device_shape gpu = {.vector = 4, .lanes = 32, .group = 256};
    compile_quickly();
    test_open_device(NULL);
    bool cpu = device_shape_of(test_device())->cpu;
    int failed = cmocka_run_group_tests_name("own shape", all, NULL, NULL);
    hadal_device_close(test_device());
    if (cpu) {
        test_open_device(&gpu);
        failed += cmocka_run_group_tests_name("GPU shape", all, NULL, NULL);
        hadal_device_close(test_device());
    }
    failed += cmocka_run_group_tests_name(test_open_matrix_unit(DEVICE_MATRIX_WGMMA), on_matrix_units, NULL, NULL);
    hadal_device_close(test_device());
    return failed != 0;
}
