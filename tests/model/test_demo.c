/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The trained demo model in weights/: its reference logits and greedy tokens, quantised caches against exact ones, a
 * needle through sparse and dense attention, and memory as planned. */

#include <jansson.h>
#include <zlib.h>

#include "session/session.h"
#include "tests/npy.h"
#include "tests/ops/device.h"

enum { MOST_TOKENS = 8192, VOCABULARY = 4096 };

static hadal_model *demo;

static const hadal_session_options exact = {.context = 704, .attention = HADAL_ATTENTION_SPARSE,
                                            .kv_cache = HADAL_KV_F32, .index_cache = HADAL_INDEX_F32};

static const char *demo_directory(void)
{
    static char path[1024];
    const char *top = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/weights", top ? top : ".");
    return path;
}

static const char *reference_path(const char *name)
{
    static char path[2048];
    snprintf(path, sizeof path, "%s/reference/%s", demo_directory(), name);
    return path;
}

static size_t read_tokens(int32_t tokens[MOST_TOKENS])
{
    size_t count = 0;
    FILE *file = fopen(reference_path("tokens.txt"), "r");
    assert_non_null(file);
    while (count < MOST_TOKENS && fscanf(file, "%d", &tokens[count]) == 1)
        count++;
    fclose(file);
    assert_int_equal(count, 600);
    return count;
}

static int32_t best_token(const float *logits)
{
    int32_t best = 0;
    for (int32_t i = 1; i < VOCABULARY; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

/* rows[position] = logits of every position */
static bool keep_logits(void *user, size_t position, const float *logits)
{
    memcpy((float *)user + position * VOCABULARY, logits, VOCABULARY * sizeof *logits);
    return true;
}

static float *all_logits(const hadal_session_options *options, const int32_t *tokens, size_t count)
{
    hadal_session *session;
    float *rows = calloc(count * VOCABULARY, sizeof *rows);
    const hadal_feed_options feed = {.logits = keep_logits, .user = rows};
    CHECK_OK(hadal_session_create(&session, demo, options));
    CHECK_OK(hadal_session_feed(session, tokens, count, &feed));
    hadal_session_free(session);
    return rows;
}

static void the_reference_logits_are_reproduced(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    size_t count = read_tokens(tokens);
    npy_array expected = npy_read(reference_path("logits.npy"), "<f4", sizeof(float));
    float *got = all_logits(&exact, tokens, count), worst = 0;
    const float *last = got + (count - expected.shape[0]) * VOCABULARY, *reference = expected.data;
    for (size_t i = 0; i < expected.shape[0] * VOCABULARY; i++)
        worst = fmaxf(worst, fabsf(last[i] - reference[i]));
    printf("largest difference of a logit: %g\n", (double)worst);
    assert_true(worst < 1e-3f);
    free(got);
    free(expected.data);
}

static void the_reference_greedy_tokens_are_reproduced(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    size_t count = read_tokens(tokens);
    hadal_session *session;
    json_t *root = json_load_file(reference_path("greedy.json"), 0, NULL);
    const json_t *expected = json_object_get(root, "new_tokens");
    assert_int_equal(json_array_size(expected), 64);
    CHECK_OK(hadal_session_create(&session, demo, &exact));
    CHECK_OK(hadal_session_feed(session, tokens, count, NULL));
    for (size_t i = 0; i < 64; i++) {
        int32_t token = best_token(hadal_session_logits(session));
        assert_int_equal(token, json_integer_value(json_array_get(expected, i)));
        CHECK_OK(hadal_session_feed(session, &token, 1, NULL));
    }
    json_decref(root);
    hadal_session_free(session);
}

/* ln of the sum of e^logit */
static double log_sum(const float *logits)
{
    double sum = 0, most = logits[best_token(logits)];
    for (int32_t i = 0; i < VOCABULARY; i++)
        sum += exp(logits[i] - most);
    return most + log(sum);
}

/* KL(exact || other) of one position's next-token distributions, in nats. */
static double divergence(const float *exact_logits, const float *other_logits)
{
    double sum = 0, exact_sum = log_sum(exact_logits), other_sum = log_sum(other_logits);
    for (int32_t i = 0; i < VOCABULARY; i++) {
        double p = exact_logits[i] - exact_sum;
        sum += exp(p) * (p - (other_logits[i] - other_sum));
    }
    return sum;
}

static void quantised_caches_hardly_change_the_predictions(void **state)
{
    (void)state;
    static const hadal_session_options quantised[] = {
        {.context = 704, .attention = HADAL_ATTENTION_SPARSE, .index_cache = HADAL_INDEX_INT8},
        {.context = 704, .attention = HADAL_ATTENTION_SPARSE, .index_cache = HADAL_INDEX_FP8},
        {.context = 704, .attention = HADAL_ATTENTION_SPARSE, .index_cache = HADAL_INDEX_F32},
    };
    static const char *const names[] = {"int8", "fp8", "f32"};
    int32_t tokens[MOST_TOKENS];
    size_t count = read_tokens(tokens);
    float *reference = all_logits(&exact, tokens, count);
    for (size_t i = 0; i < 3; i++) {
        float *got = all_logits(&quantised[i], tokens, count);
        double sum = 0;
        for (size_t position = 0; position < count; position++)
            sum += divergence(reference + position * VOCABULARY, got + position * VOCABULARY);
        printf("bf16 latents, %s index keys: mean KL against f32 caches %.2g\n", names[i], sum / (double)count);
        assert_true(sum / (double)count <= 0.02);
        free(got);
    }
    free(reference);
}

static float *exact_rows; /* logits in exact precision */

static void remember_exact_logits(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    exact_rows = all_logits(&exact, tokens, read_tokens(tokens));
}

static void fast_precision_hardly_changes_the_predictions(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    size_t count = read_tokens(tokens);
    float *got = all_logits(&exact, tokens, count);
    double sum = 0;
    for (size_t position = 0; position < count; position++)
        sum += divergence(exact_rows + position * VOCABULARY, got + position * VOCABULARY);
    printf("fast precision: mean KL against exact %.2g\n", sum / (double)count);
    assert_true(sum / (double)count <= 0.02);
    assert_memory_not_equal(exact_rows, got, count * VOCABULARY * sizeof *got);
    free(got);
}

static void the_needle_is_found_sparse_and_dense(void **state)
{
    (void)state;
    static const hadal_session_options sessions[] = {
        {.context = 4160, .attention = HADAL_ATTENTION_SPARSE, .index_cache = HADAL_INDEX_INT8},
        {.context = 4160, .attention = HADAL_ATTENTION_SPARSE, .index_cache = HADAL_INDEX_FP8},
        {.context = 4160, .attention = HADAL_ATTENTION_DENSE},
    };
    static char text[1 << 18];
    hadal_tokenizer *tokenizer;
    hadal_tokens prompt = {0};
    gzFile file = gzopen(reference_path("needle-4k.txt.gz"), "rb");
    int length = gzread(file, text, sizeof text);
    gzclose(file);
    assert_true(length > 0);
    CHECK_OK(hadal_tokenizer_load(&tokenizer, demo_directory()));
    CHECK_OK(hadal_tokenize(tokenizer, &prompt, text, (size_t)length, HADAL_TEXT_BOS));
    assert_int_equal(prompt.count, 4092);
    for (size_t i = 0; i < sizeof sessions / sizeof *sessions; i++) {
        hadal_session *session;
        int32_t answer[4];
        char *words;
        size_t bytes;
        CHECK_OK(hadal_session_create(&session, demo, &sessions[i]));
        CHECK_OK(hadal_session_feed(session, prompt.ids, prompt.count, NULL));
        for (size_t n = 0; n < 4; n++) {
            answer[n] = best_token(hadal_session_logits(session));
            CHECK_OK(hadal_session_feed(session, &answer[n], 1, NULL));
        }
        CHECK_OK(hadal_detokenize(tokenizer, &words, &bytes, answer, 4, 0));
        assert_memory_equal(words, " 532227.", 8);
        free(words);
        hadal_session_free(session);
    }
    hadal_tokens_free(&prompt);
    hadal_tokenizer_free(tokenizer);
}

/* Bytes and operations that kernels whose name begins so are counted with, for one token after `before` others. */
static void count_work(uint64_t *bytes, uint64_t *operations, const char *kernels, size_t context, size_t before)
{
    const hadal_session_options options = {.context = context, .attention = HADAL_ATTENTION_SPARSE, .index_topk = 64};
    int32_t token = 7, *tokens = calloc(before, sizeof *tokens);
    hadal_session *session;
    hadal_profile_row *rows;
    size_t count;
    CHECK_OK(hadal_session_create(&session, demo, &options));
    CHECK_OK(hadal_session_feed(session, tokens, before, NULL));
    hadal_device_profile_reset(test_device());
    CHECK_OK(hadal_session_feed(session, &token, 1, NULL));
    CHECK_OK(hadal_device_profile(test_device(), &rows, &count));
    *bytes = *operations = 0;
    for (size_t row = 0; row < count; row++)
        if (strncmp(rows[row].kernel, kernels, strlen(kernels)) == 0) {
            *bytes += rows[row].bytes;
            *operations += rows[row].operations;
        }
    assert_true(*bytes > 0 && *operations > 0);
    free(rows);
    free(tokens);
    hadal_session_free(session);
}

/* Twice as many tokens leave what attention reads and computes unchanged, as index_topk positions are read anyway. */
static void the_work_of_sparse_attention_does_not_grow_with_the_tokens(void **state)
{
    (void)state;
    uint64_t bytes[2], operations[2];
    for (size_t i = 0; i < 2; i++)
        count_work(&bytes[i], &operations[i], "attend", 2100, i ? 2048 : 1024);
    assert_int_equal(bytes[0], bytes[1]);
    assert_int_equal(operations[0], operations[1]);
}

/* A larger context that stays empty leaves the indexer's work unchanged: score rows are as long as there are keys. */
static void the_work_of_the_indexer_does_not_grow_with_an_empty_context(void **state)
{
    (void)state;
    static const char *const kernels[] = {"index_scores", "top_k"};
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        uint64_t bytes[2], operations[2];
        for (size_t i = 0; i < 2; i++)
            count_work(&bytes[i], &operations[i], kernels[k], i ? 8192 : 512, 300);
        assert_int_equal(bytes[0], bytes[1]);
        assert_int_equal(operations[0], operations[1]);
    }
}

static bool drop_logits(void *user, size_t position, const float *logits)
{
    (void)user, (void)position, (void)logits;
    return true;
}

/* Launches of RMSNorm for a prompt in one step, with the logits of all its tokens or of the last. */
static uint64_t count_norms(size_t tokens, bool all_logits)
{
    const hadal_session_options options = {.context = tokens, .chunk = (uint32_t)tokens};
    const hadal_feed_options feed = {.logits = all_logits ? drop_logits : NULL};
    int32_t *zeros = calloc(tokens, sizeof *zeros);
    hadal_session *session;
    hadal_profile_row *rows;
    size_t count;
    uint64_t launches = 0;
    CHECK_OK(hadal_session_create(&session, demo, &options));
    hadal_device_profile_reset(test_device());
    CHECK_OK(hadal_session_feed(session, zeros, tokens, &feed));
    CHECK_OK(hadal_device_profile(test_device(), &rows, &count));
    for (size_t row = 0; row < count; row++)
        if (strcmp(rows[row].kernel, "rms_norm") == 0)
            launches += rows[row].launches;
    free(rows);
    free(zeros);
    hadal_session_free(session);
    return launches;
}

/* Logits are made at most 2048 tokens at a time here, behind one norm of the whole step; those of one need none. */
static void logits_of_a_step_share_one_norm(void **state)
{
    (void)state;
    assert_int_equal(count_norms(2100, true), count_norms(2100, false) + 1);
}

/* What `hadal inspect` predicts is what the device counts, class by class in sum, and steps take no more. */
static void memory_is_what_was_planned(void **state)
{
    (void)state;
    static const hadal_session_options sessions[] = {
        {.context = 1000},
        {.context = 4097, .chunk = 33, .kv_cache = HADAL_KV_F32, .index_cache = HADAL_INDEX_F32, .index_topk = 100},
        {.context = 100, .chunk = 512, .index_cache = HADAL_INDEX_FP8},
    };
    int32_t tokens[MOST_TOKENS];
    uint64_t before = hadal_device_allocated(test_device());
    read_tokens(tokens);
    for (size_t i = 0; i < sizeof sessions / sizeof *sessions; i++) {
        hadal_plan plan;
        hadal_session *session;
        CHECK_OK(hadal_plan_make(&plan, demo_directory(), &sessions[i], hadal_device_describe(test_device())));
        assert_int_equal(plan.weight_bytes, before);
        CHECK_OK(hadal_session_create(&session, demo, &sessions[i]));
        assert_int_equal(plan.session_bytes, hadal_device_allocated(test_device()) - before);
        CHECK_OK(hadal_session_feed(session, tokens, 70, NULL));
        assert_int_equal(plan.session_bytes, hadal_device_allocated(test_device()) - before);
        hadal_session_free(session);
        assert_int_equal(hadal_device_allocated(test_device()), before);
    }
}

static void bad_feeds_are_refused_and_change_nothing(void **state)
{
    (void)state;
    const hadal_session_options options = {.context = 8}, too_long = {.context = 1000000};
    const int32_t tokens[] = {1, 2, 4096, -1, 5, 6, 7, 8, 9};
    hadal_session *session;
    CHECK_OK(hadal_session_create(&session, demo, &options));
    CHECK_FAILS(HADAL_ERROR_DATA, "token 2 is 4096", hadal_session_feed(session, tokens, 3, NULL));
    CHECK_FAILS(HADAL_ERROR_DATA, "is -1", hadal_session_feed(session, tokens + 3, 1, NULL));
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "do not fit", hadal_session_feed(session, tokens, 9, NULL));
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "no tokens", hadal_session_feed(session, tokens, 0, NULL));
    assert_int_equal(hadal_session_length(session), 0);
    CHECK_OK(hadal_session_feed(session, tokens, 2, NULL));
    assert_int_equal(hadal_session_length(session), 2);
    hadal_session_free(session);
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "max_position_embeddings", hadal_session_create(&session, demo, &too_long));
    assert_null(session);
}

/* Going back and feeding other tokens gives the same bits as never having fed what was dropped. */
enum { TIMELINES = 3, TIMELINE_STEPS = 30 };

/* Timeline i begins i * 7 steps late and takes every step's token from its own place in the text. */
static size_t step_of_timelines(hadal_step_token step[TIMELINES], const int32_t *tokens, size_t number, size_t first,
                                size_t count)
{
    size_t length = 0;
    for (size_t i = first; i < first + count; i++)
        if (number >= i * 7)
            step[length++] = (hadal_step_token){tokens[i * 100 + number], (uint32_t)(count > 1 ? i : 0)};
    return length;
}

typedef struct kept_rows {
    float *rows;
    size_t count;
} kept_rows;

static bool keep_row(void *user, size_t position, const float *logits)
{
    kept_rows *kept = user;
    (void)position;
    memcpy(kept->rows + kept->count++ * VOCABULARY, logits, VOCABULARY * sizeof *logits);
    return true;
}

/* Timelines that step together give the logits that each gives alone, sparse and dense. */
static void timelines_side_by_side_do_not_disturb_each_other(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    read_tokens(tokens);
    for (size_t dense = 0; dense < 2; dense++) {
        hadal_session_options options = {.context = 40, .index_topk = 8, .kv_cache = HADAL_KV_F32,
                                         .attention = dense ? HADAL_ATTENTION_DENSE : HADAL_ATTENTION_SPARSE};
        kept_rows alone[TIMELINES], together = {calloc(TIMELINES * TIMELINE_STEPS * VOCABULARY, sizeof(float)), 0};
        hadal_step_token step[TIMELINES];
        hadal_session *session;
        for (size_t i = 0; i < TIMELINES; i++) {
            alone[i] = (kept_rows){calloc(TIMELINE_STEPS * VOCABULARY, sizeof(float)), 0};
            CHECK_OK(hadal_session_create(&session, demo, &options));
            for (size_t n = 0; n < TIMELINE_STEPS; n++) {
                size_t length = step_of_timelines(step, tokens, n, i, 1);
                if (length)
                    CHECK_OK(hadal_session_step(session, step, length, keep_row, &alone[i]));
            }
            hadal_session_free(session);
            alone[i].count = 0;
        }
        options.sequences = TIMELINES;
        CHECK_OK(hadal_session_create(&session, demo, &options));
        for (size_t n = 0; n < TIMELINE_STEPS; n++) {
            size_t length = step_of_timelines(step, tokens, n, 0, TIMELINES);
            together.count = 0;
            CHECK_OK(hadal_session_step(session, step, length, keep_row, &together));
            for (size_t row = 0; row < length; row++) {
                kept_rows *own = &alone[step[row].sequence];
                assert_true(divergence(own->rows + own->count++ * VOCABULARY,
                                       together.rows + row * VOCABULARY) <= 1e-6);
            }
        }
        for (uint32_t i = 0; i < TIMELINES; i++)
            assert_int_equal(hadal_session_length_of(session, i), TIMELINE_STEPS - i * 7);
        const hadal_session_options too_many = {.context = 40, .sequences = SIZE_MAX / 80};
        hadal_session *none;
        CHECK_FAILS(HADAL_ERROR_ARGUMENT, "tokens together", hadal_session_create(&none, demo, &too_many));
        const hadal_step_token unknown = {1, TIMELINES}, disorder[] = {{1, 2}, {1, 0}}, bad[] = {{1, 0}, {-1, 1}};
        CHECK_FAILS(HADAL_ERROR_ARGUMENT, "timeline 3", hadal_session_step(session, &unknown, 1, keep_row, &together));
        CHECK_FAILS(HADAL_ERROR_ARGUMENT, "order", hadal_session_step(session, disorder, 2, keep_row, &together));
        CHECK_FAILS(HADAL_ERROR_DATA, "token 1", hadal_session_step(session, bad, 2, keep_row, &together));
        assert_int_equal(hadal_session_length_of(session, 0), TIMELINE_STEPS);
        hadal_session_free(session);
        for (size_t i = 0; i < TIMELINES; i++)
            free(alone[i].rows);
        free(together.rows);
    }
}

static void truncation_forgets_what_followed(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    read_tokens(tokens);
    hadal_session *straight, *back;
    const hadal_session_options options = {.context = 400};
    CHECK_OK(hadal_session_create(&straight, demo, &options));
    CHECK_OK(hadal_session_feed(straight, tokens, 300, NULL));
    CHECK_OK(hadal_session_feed(straight, tokens + 300, 20, NULL));
    CHECK_OK(hadal_session_create(&back, demo, &options));
    CHECK_OK(hadal_session_feed(back, tokens, 300, NULL));
    CHECK_OK(hadal_session_feed(back, tokens + 400, 50, NULL));
    hadal_session_truncate(back, 300);
    assert_int_equal(hadal_session_length(back), 300);
    CHECK_OK(hadal_session_feed(back, tokens + 300, 20, NULL));
    assert_memory_equal(hadal_session_logits(straight), hadal_session_logits(back), VOCABULARY * sizeof(float));
    hadal_session_free(straight);
    hadal_session_free(back);
}

/* What was begun and not waited for leaves no trace; what was waited for is fed. */
static void a_step_counts_once_it_was_waited_for(void **state)
{
    (void)state;
    int32_t tokens[MOST_TOKENS];
    read_tokens(tokens);
    float before[VOCABULARY];
    hadal_session *straight, *ahead;
    const hadal_session_options options = {.context = 302};
    CHECK_OK(hadal_session_create(&straight, demo, &options));
    CHECK_OK(hadal_session_feed(straight, tokens, 300, NULL));
    CHECK_OK(hadal_session_create(&ahead, demo, &options));
    CHECK_OK(hadal_session_feed(ahead, tokens, 300, NULL));
    memcpy(before, hadal_session_logits(ahead), sizeof before);
    CHECK_FAILS(HADAL_ERROR_DATA, "is 4096", session_start(ahead, VOCABULARY));
    CHECK_OK(session_start(ahead, tokens[400]));
    assert_int_equal(hadal_session_length(ahead), 300);
    assert_memory_equal(hadal_session_logits(ahead), before, sizeof before);
    for (size_t i = 300; i < 302; i++) {
        CHECK_OK(session_start(ahead, tokens[i]));
        CHECK_OK(session_join(ahead));
        CHECK_OK(hadal_session_feed(straight, tokens + i, 1, NULL));
        assert_int_equal(hadal_session_length(ahead), i + 1);
        assert_memory_equal(hadal_session_logits(straight), hadal_session_logits(ahead), sizeof before);
    }
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "do not fit", session_start(ahead, 0));
    hadal_session_free(straight);
    hadal_session_free(ahead);
}

static void open_demo(const device_shape *shape, hadal_precision precision, hadal_linear linear)
{
    test_open_device_with(shape, precision);
    if (hadal_model_load(&demo, test_device(), demo_directory(), &(hadal_model_options){.linear = linear}) !=
        HADAL_OK) {
        fprintf(stderr, "%s\n", hadal_error_message());
        exit(1);
    }
}

static void close_demo(void)
{
    hadal_model_free(demo);
    hadal_device_close(test_device());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_logits_are_reproduced),
        cmocka_unit_test(the_reference_greedy_tokens_are_reproduced),
        cmocka_unit_test(quantised_caches_hardly_change_the_predictions),
        cmocka_unit_test(the_needle_is_found_sparse_and_dense),
        cmocka_unit_test(the_work_of_sparse_attention_does_not_grow_with_the_tokens),
        cmocka_unit_test(the_work_of_the_indexer_does_not_grow_with_an_empty_context),
        cmocka_unit_test(logits_of_a_step_share_one_norm),
        cmocka_unit_test(memory_is_what_was_planned),
        cmocka_unit_test(bad_feeds_are_refused_and_change_nothing),
        cmocka_unit_test(timelines_side_by_side_do_not_disturb_each_other),
        cmocka_unit_test(truncation_forgets_what_followed),
        cmocka_unit_test(a_step_counts_once_it_was_waited_for),
        cmocka_unit_test(remember_exact_logits),
    };
    const struct CMUnitTest fast_tests[] = {
        cmocka_unit_test(fast_precision_hardly_changes_the_predictions),
        cmocka_unit_test(the_needle_is_found_sparse_and_dense),
        cmocka_unit_test(memory_is_what_was_planned),
    };
    const struct CMUnitTest clblast_tests[] = {
        cmocka_unit_test(memory_is_what_was_planned),
    };
    static const device_shape gpu = {.vector = 4, .lanes = 32, .group = 256};
    open_demo(NULL, HADAL_PRECISION_EXACT, HADAL_LINEAR_AUTO);
    int failed = cmocka_run_group_tests_name("exact precision", tests, NULL, NULL);
    close_demo();
    open_demo(NULL, HADAL_PRECISION_FAST, HADAL_LINEAR_AUTO);
    if (device_shape_of(test_device())->matrix != DEVICE_MATRIX_NONE)
        failed += cmocka_run_group_tests_name("fast precision", fast_tests, NULL, NULL);
    close_demo();
    open_demo(&gpu, HADAL_PRECISION_EXACT, HADAL_LINEAR_CLBLAST);
    failed += cmocka_run_group_tests_name("a GPU's shape, with CLBlast", clblast_tests, NULL, NULL);
    close_demo();
    free(exact_rows);
    return failed;
}
