/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the rows of a bench say, of dimensions small enough to count by hand, and that steps of random weights are
 * finite. */

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "bench/runner.h"
#include "device/tuning.h"
#include "model/expect.h"
#include "model/model.h"
#include "tests/check.h"
#include "tests/ops/device.h"

enum { MOST_ROWS = 200 };

typedef struct rows {
    hadal_bench_row row[MOST_ROWS];
    size_t count, stop_after; /* 0: never */
} rows;

static bool keep(void *user, const hadal_bench_row *row)
{
    rows *kept = user;
    assert_true(kept->count < MOST_ROWS);
    kept->row[kept->count++] = *row;
    if (strcmp(row->clock, "difference") != 0) /* of two noisy times it may be anything */
        assert_true(row->microseconds > 0 && row->least <= row->microseconds && row->microseconds <= row->most);
    assert_true(row->samples > 0 && *row->counted && row->share >= 0);
    return kept->count != kept->stop_after;
}

static const hadal_bench_row *find(const rows *kept, const char *name, size_t tokens)
{
    for (size_t i = 0; i < kept->count; i++)
        if (strcmp(kept->row[i].name, name) == 0 && kept->row[i].tokens == tokens)
            return &kept->row[i];
    fail_msg("no row '%s' of %zu tokens", name, tokens);
    return NULL;
}

/* The small model's: 8 heads of 32 + 32, latents of 128 + 32, 4 index heads of 64, 16 experts of 128, 4 a token. */
static const char *small_dims(void)
{
    static char path[4096];
    const char *top = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/weights/config.json", top ? top : ".");
    return path;
}

static hadal_bench_options small_options(void)
{
    static const size_t contexts[] = {300}, tokens[] = {1, 5}, batches[] = {2};
    return (hadal_bench_options){.dims = small_dims(), .contexts = contexts, .context_count = 1, .tokens = tokens,
                                 .token_count = 2, .batches = batches, .batch_count = 1, .seconds = 0.002,
                                 .working_set = 1 << 20};
}

static void ceilings_have_rates(void **state)
{
    (void)state;
    rows kept = {.count = 0};
    const hadal_bench_options options = small_options();
    CHECK_OK(hadal_bench_device(test_device(), &options, keep, &kept));
    assert_int_equal(kept.count, device_shape_of(test_device())->matrix == DEVICE_MATRIX_NONE ? 7 : 8);
    const hadal_bench_row *copy = find(&kept, "copy", 0), *read = find(&kept, "read", 0);
    assert_int_equal(copy->bytes, 2 * read->bytes);
    assert_true(find(&kept, "fp32", 0)->operations > 0);
    assert_true(find(&kept, "launch", 0)->microseconds <= find(&kept, "launch pitch", 0)->microseconds);
}

static void operations_count_what_they_must_move(void **state)
{
    (void)state;
    rows kept = {.count = 0};
    const hadal_bench_options options = small_options();
    uint64_t before = hadal_device_allocated(test_device());
    CHECK_OK(hadal_bench_ops(test_device(), &options, keep, &kept));
    assert_int_equal(hadal_device_allocated(test_device()), before);
    const hadal_bench_row *q_a = find(&kept, "linear q_a_proj", 5); /* fp8 [128, 256], blocks of 128 x 128 */
    assert_int_equal(q_a->bytes, 128 * 256 + 2 * 4 + 5 * (128 + 256) * 4);
    assert_int_equal(q_a->operations, 2 * 5 * 128 * 256);
    assert_true(q_a->working_set >= 1 << 20);
    assert_string_equal(q_a->phase, "prefill");
    const hadal_bench_row *dense = find(&kept, "attend dense", 1);
    assert_int_equal(dense->bytes, 300 * 160 * 2 + 8 * (2 * 128 + 32) * 4);
    assert_int_equal(dense->operations, 300 * 8 * 2 * (2 * 128 + 32));
    const hadal_bench_row *sparse = find(&kept, "attend sparse", 5); /* 5 x 256 selections of 300 positions */
    assert_int_equal(sparse->bytes, 300 * 160 * 2 + 5 * 8 * (2 * 128 + 32) * 4);
    assert_int_equal(sparse->operations, 5 * 256 * 8 * 2 * (2 * 128 + 32));
    const hadal_bench_row *index = find(&kept, "index_scores", 5);
    uint64_t pairs = 300 + 299 + 298 + 297 + 296;
    assert_int_equal(index->bytes, 300 * (64 + 4) + 5 * (4 * 64 + 4 * 4) + pairs * 4);
    assert_int_equal(index->operations, pairs * 4 * 2 * 64);
    /* A GPU splits 256 selections in 4; a CPU does not, and has nothing to combine. */
    size_t combined = 0;
    for (size_t i = 0; i < kept.count; i++)
        combined += strcmp(kept.row[i].name, "combine, v_up") == 0;
    assert_int_equal(combined, !device_shape_of(test_device())->cpu);
    if (combined)
        assert_int_equal(find(&kept, "combine, v_up", 1)->bytes, 8 * (32 * 128 + 4 + (4 * 130 + 128 + 32) * 4));
}

static void attention_compares_dense_and_sparse(void **state)
{
    (void)state;
    rows kept = {.count = 0};
    const hadal_bench_options options = small_options();
    CHECK_OK(hadal_bench_attention(test_device(), &options, keep, &kept));
    const hadal_bench_row *dense = find(&kept, "dense", 1), *sparse = find(&kept, "sparse", 1);
    assert_int_equal(dense->batch, 2);
    assert_int_equal(sparse->bytes, find(&kept, "index", 1)->bytes + find(&kept, "select", 1)->bytes +
                                        find(&kept, "attend", 1)->bytes);
    assert_true(fabs(sparse->ratio - dense->microseconds / sparse->microseconds) < 1e-9);
    assert_true(dense->launches > 0 && sparse->launches > dense->launches);
    if (device_shape_of(test_device())->matrix != DEVICE_MATRIX_NONE)
        return; /* all in latent space */
    const hadal_bench_row *latent = find(&kept, "dense MQA", 5), *heads = find(&kept, "dense MHA", 5);
    uint64_t pairs = 300 + 299 + 298 + 297 + 296, projection = 2 * 8 * 128 * (32 + 32);
    assert_int_equal(heads->operations, pairs * 8 * 2 * (32 + 32 + 32) + 300 * projection);
    assert_int_equal(latent->operations, pairs * 8 * 2 * (2 * 128 + 32) + 5 * projection);
    assert_int_equal(latent->bytes, heads->bytes);
    assert_true(fabs(heads->ratio - latent->microseconds / heads->microseconds) < 1e-9);
}

static void a_layer_of_experts_is_a_difference(void **state)
{
    (void)state;
    rows kept = {.count = 0};
    hadal_model *model;
    hadal_bench_options options = small_options();
    options.batches = NULL; /* one */
    CHECK_OK(hadal_model_random(&model, test_device(), small_dims(), 3, NULL));
    assert_int_equal(hadal_model_describe(model)->first_k_dense_replace, 1);
    assert_string_equal(hadal_model_describe(model)->weight_format, "fp8");
    uint64_t before = hadal_device_allocated(test_device());
    CHECK_OK(hadal_bench_model(model, &options, keep, &kept));
    assert_int_equal(hadal_device_allocated(test_device()), before);
    const hadal_bench_row *step = find(&kept, "decode", 1), *layer = find(&kept, "layer of experts", 1);
    assert_string_equal(layer->clock, "difference");
    assert_true(layer->launches > 0 && layer->launches < step->launches / 2);
    assert_true(layer->bytes > 0 && layer->bytes < step->bytes);
    const model_config *c = &model->config;
    uint64_t experts = 3 * (4 + 1) * 128 * 256; /* routed and shared ones, of a byte an element */
    assert_true(layer->bytes > experts && layer->bytes < 3 * experts);
    assert_int_equal(c->num_hidden_layers, 3);
    hadal_model_free(model);
}

/* Weights are read once for all timelines of a step, but for experts that only some of them meet. */
static void steps_of_several_timelines_share_weights(void **state)
{
    (void)state;
    static const size_t batches[] = {1, 3};
    rows kept = {.count = 0};
    hadal_model *model;
    hadal_bench_options options = small_options();
    options.phases = HADAL_BENCH_DECODE;
    options.batches = batches;
    options.batch_count = 2;
    CHECK_OK(hadal_model_random(&model, test_device(), small_dims(), 2, NULL));
    CHECK_OK(hadal_bench_model(model, &options, keep, &kept));
    const hadal_bench_row *one = &kept.row[kept.count - 2], *three = &kept.row[kept.count - 1];
    assert_int_equal(one->batch, 1);
    assert_int_equal(three->batch, 3);
    assert_int_equal(three->operations, 3 * one->operations);
    assert_true(three->bytes > one->bytes && three->bytes < 3 * one->bytes);
    hadal_model_free(model);
}

/* ---- Tuning --------------------------------------------------------------------------------------- */

/* Lists so long that the device's groups would not take all the pieces into which they may be cut. */
static hadal_bench_options tuning_options(const hadal_device *device)
{
    static size_t context;
    hadal_bench_options options = small_options();
    context = max_size(2000, 300 * (size_t)hadal_device_describe(device)->compute_units);
    options.contexts = &context;
    options.sizes = "attend.groups";
    return options;
}

/* A device whose sizes nobody else sees, in a cache directory of its own. */
static hadal_device *open_apart(char directory[256])
{
    hadal_device *device;
    const char *parent = getenv("TMPDIR");
    snprintf(directory, 256, "%s/hadal-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(directory));
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .cache_directory = directory};
    CHECK_OK(hadal_device_open(&device, &options));
    return device;
}

/* Removes the directory, in which programs are, and sizes if `tuned`. */
static void close_apart(hadal_device *device, const char *directory, bool tuned)
{
    hadal_device_close(device);
    DIR *opened = opendir(directory);
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened));) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            assert_int_equal(remove(path), 0);
        tuned -= strstr(entry->d_name, ".tuning") != NULL;
    }
    closedir(opened);
    assert_int_equal(rmdir(directory), 0);
    assert_false(tuned);
}

static void tuning_keeps_one_value_of_a_size(void **state)
{
    (void)state;
    char directory[256];
    hadal_device *device = open_apart(directory);
    rows kept = {.count = 0};
    const hadal_bench_options options = tuning_options(device);
    CHECK_OK(hadal_bench_tune(device, &options, keep, &kept));
    assert_int_equal(hadal_device_allocated(device), 0);
    size_t chosen = 0;
    assert_true(kept.count > 1);
    for (size_t i = 0; i < kept.count; i++) {
        const hadal_bench_row *row = &kept.row[i];
        assert_string_equal(row->bench, "tune");
        assert_string_equal(row->name, "attend.groups");
        if (!row->kept)
            continue;
        assert_int_equal(device_tuned(device, TUNED_ATTEND_GROUPS), row->value);
        assert_true(i == 0 ? row->ratio == 1 : row->ratio >= 1.02);
        chosen++;
    }
    assert_int_equal(chosen, 1);
    close_apart(device, directory, hadal_device_describe(device)->tuned > 0);
}

/* Other sizes than those that are asked for stay; a stop leaves all as they were. */
static void tuning_that_stops_changes_nothing(void **state)
{
    (void)state;
    char directory[256];
    hadal_device *device = open_apart(directory);
    rows kept = {.stop_after = 1};
    hadal_bench_options options = tuning_options(device);
    assert_true(device_set_tuned(device, TUNED_ATTEND_KEYS, 4));
    assert_int_equal(hadal_bench_tune(device, &options, keep, &kept), HADAL_STOPPED);
    assert_int_equal(device_tuned(device, TUNED_ATTEND_KEYS), 4);
    assert_int_equal(hadal_device_describe(device)->tuned, 1);
    assert_int_equal(hadal_device_allocated(device), 0);
    options.sizes = "nothing";
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "begins with 'nothing'", hadal_bench_tune(device, &options, keep, &kept));
    assert_int_equal(device_tuned(device, TUNED_ATTEND_KEYS), 4);
    CHECK_OK(hadal_bench_tune_reset(device));
    assert_int_equal(hadal_device_describe(device)->tuned, 0);
    close_apart(device, directory, false);
}

static void random_weights_keep_logits_finite(void **state)
{
    (void)state;
    static const int32_t tokens[] = {1, 2, 3, 4, 5, 6, 7};
    hadal_model *model;
    hadal_session *session;
    CHECK_OK(hadal_model_random(&model, test_device(), small_dims(), 0, NULL));
    assert_int_equal(hadal_model_describe(model)->num_hidden_layers, 6);
    CHECK_OK(hadal_session_create(&session, model, &(hadal_session_options){.context = 16}));
    CHECK_OK(hadal_session_feed(session, tokens, 7, NULL));
    const float *logits = hadal_session_logits(session);
    double squares = 0;
    for (uint32_t i = 0; i < model->config.vocab_size; i++)
        squares += (double)logits[i] * logits[i];
    double size = sqrt(squares / model->config.vocab_size);
    assert_true(size > 0.01 && size < 100);
    hadal_session_free(session);
    hadal_model_free(model);
}

static void few_layers_are_mostly_of_experts(void **state)
{
    (void)state;
    hadal_model *model;
    CHECK_OK(hadal_model_random(&model, test_device(), small_dims(), 1, NULL));
    assert_int_equal(hadal_model_describe(model)->first_k_dense_replace, 0);
    hadal_model_free(model);
    CHECK_FAILS(HADAL_ERROR_INPUT, "nowhere.json", hadal_model_random(&model, test_device(), "nowhere.json", 1, NULL));
    assert_null(model);
}

static void a_callback_stops_and_the_device_stays_as_it_was(void **state)
{
    (void)state;
    rows kept = {.stop_after = 7};
    const hadal_bench_options options = small_options();
    bool profile = true;
    assert_int_equal(hadal_bench_ops(test_device(), &options, keep, &kept), HADAL_STOPPED);
    assert_int_equal(kept.count, 7);
    CHECK_OK(device_set_profile(test_device(), false, &profile));
    assert_false(profile);
}

static void impossible_steps_are_refused(void **state)
{
    (void)state;
    static const size_t tokens[] = {400}, beyond[] = {1 << 20};
    rows kept = {.count = 0};
    hadal_bench_options options = small_options();
    options.tokens = tokens;
    options.token_count = 1;
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "a step of 400 tokens", hadal_bench_ops(test_device(), &options, keep, &kept));
    options = small_options();
    options.contexts = beyond;
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "max_position_embeddings",
                hadal_bench_attention(test_device(), &options, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ceilings_have_rates),
        cmocka_unit_test(operations_count_what_they_must_move),
        cmocka_unit_test(attention_compares_dense_and_sparse),
        cmocka_unit_test(a_layer_of_experts_is_a_difference),
        cmocka_unit_test(steps_of_several_timelines_share_weights),
        cmocka_unit_test(tuning_keeps_one_value_of_a_size),
        cmocka_unit_test(tuning_that_stops_changes_nothing),
        cmocka_unit_test(random_weights_keep_logits_finite),
        cmocka_unit_test(few_layers_are_mostly_of_experts),
        cmocka_unit_test(a_callback_stops_and_the_device_stays_as_it_was),
        cmocka_unit_test(impossible_steps_are_refused),
    };
    TEST_ON_SHAPES(tests);
}
