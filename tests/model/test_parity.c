/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The whole model against transformers' deepseek_v32: each case of tests/model/data, with float32 caches. A near tie
 * may flip a selection, so a few rows may differ; see tests/model/data/README.md. */

#include "tests/npy.h"
#include "tests/ops/device.h"

enum { MOST_TOKENS = 4096 };

typedef struct reference_case {
    char directory[1024];
    int32_t tokens[MOST_TOKENS];
    size_t count;
    npy_array logits; /* [count, vocab_size] */
} reference_case;

/* A file below tests/model/data, or below the source tree's top. */
static void data_path(char path[1024], const char *name)
{
    const char *top = getenv("top_srcdir");
    snprintf(path, 1024, "%s/tests/model/data/%s", top ? top : ".", name);
}

static void read_case(reference_case *read, const char *name)
{
    char path[2048];
    data_path(read->directory, name);
    snprintf(path, sizeof path, "%s/tokens.txt", read->directory);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    read->count = 0;
    while (read->count < MOST_TOKENS && fscanf(file, "%d", &read->tokens[read->count]) == 1)
        read->count++;
    fclose(file);
    snprintf(path, sizeof path, "%s/logits.npy", read->directory);
    read->logits = npy_read(path, "<f4", sizeof(float));
    assert_int_equal(read->logits.shape[0], read->count);
}

/* Logits of every token, as a session gives them. */
typedef struct logits_sink {
    float *rows;
    size_t vocabulary, received;
} logits_sink;

static bool keep_logits(void *user, size_t position, const float *logits)
{
    logits_sink *sink = user;
    memcpy(sink->rows + position * sink->vocabulary, logits, sink->vocabulary * sizeof *logits);
    sink->received++;
    return true;
}

/* Feeds tokens in parts of `part` tokens (0: all at once) to a session with these options. Freed with free(). */
static float *run(hadal_model *model, const reference_case *c, const hadal_session_options *options, size_t part)
{
    hadal_session *session;
    logits_sink sink = {.vocabulary = hadal_model_describe(model)->vocab_size};
    const hadal_feed_options feed = {.logits = keep_logits, .user = &sink};
    sink.rows = calloc(c->count * sink.vocabulary, sizeof *sink.rows);
    CHECK_OK(hadal_session_create(&session, model, options));
    for (size_t done = 0; done < c->count;) {
        size_t count = part && part < c->count - done ? part : c->count - done;
        CHECK_OK(hadal_session_feed(session, c->tokens + done, count, &feed));
        done += count;
    }
    assert_int_equal(sink.received, c->count);
    hadal_session_free(session);
    return sink.rows;
}

static size_t argmax(const float *row, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (row[i] > row[best])
            best = i;
    return best;
}

/* ||a - b|| / ||b|| of a row. */
static double row_error(const float *a, const float *b, size_t count)
{
    double difference = 0, magnitude = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        magnitude += (double)b[i] * b[i];
    }
    return sqrt(difference / magnitude);
}

/* Fails unless 98 % of the rows agree to within the tolerance and 99 % in their best token. */
static void check_rows(const char *what, const float *got, const float *expected, size_t rows, size_t vocabulary,
                       double tolerance)
{
    size_t close = 0, same = 0;
    double worst = 0;
    for (size_t row = 0; row < rows; row++) {
        const float *a = got + row * vocabulary, *b = expected + row * vocabulary;
        double error = row_error(a, b, vocabulary);
        close += error <= tolerance;
        same += argmax(a, vocabulary) == argmax(b, vocabulary);
        worst = error > worst || error != error ? error : worst;
    }
    printf("%s: %zu of %zu rows within %g, %zu with the same best token, largest error %.2g\n", what, close, rows,
           tolerance, same, worst);
    if ((double)close < 0.98 * (double)rows || (double)same < 0.99 * (double)rows)
        fail_msg("%s: too many rows differ", what);
}

static const hadal_session_options exact = {.kv_cache = HADAL_KV_F32, .index_cache = HADAL_INDEX_F32};

static void check_case(const char *name, bool in_parts)
{
    static reference_case c;
    hadal_model *model;
    read_case(&c, name);
    size_t vocabulary = c.logits.shape[1];
    CHECK_OK(hadal_model_load(&model, test_device(), c.directory, NULL));
    hadal_session_options options = exact;
    options.context = c.count;
    options.chunk = 64;
    float *whole = run(model, &c, &options, 0);
    check_rows(name, whole, c.logits.data, c.count, vocabulary, 1e-3);
    const size_t parts[] = {1, 7, c.count};
    for (size_t i = 0; in_parts && i < sizeof parts / sizeof *parts; i++) {
        char what[256];
        options.chunk = parts[i];
        float *other = run(model, &c, &options, i == 0 ? 1 : 0);
        snprintf(what, sizeof what, "%s in chunks of %zu against 64", name, parts[i]);
        check_rows(what, other, whole, c.count, vocabulary, 1e-4);
        free(other);
    }
    free(whole);
    free(c.logits.data);
    hadal_model_free(model);
}

/* Every case that cases.txt lists. */
static void every_reference_model_agrees_with_transformers(void **state)
{
    (void)state;
    char path[1024], line[256];
    data_path(path, "cases.txt");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t cases = 0;
    while (fgets(line, sizeof line, file)) {
        char name[128];
        if (line[0] == '#' || sscanf(line, "%127s", name) != 1)
            continue;
        check_case(name, false);
        cases++;
    }
    fclose(file);
    assert_true(cases >= 10);
}

/* The weights of q_a_layernorm are random: from the q latent before its norm the indexer selects other positions. */
static void the_indexer_reads_the_normalised_q_latent(void **state)
{
    (void)state;
    check_case("plain", false);
}

/* YaRN's m is 1.9 in the first of these models, and none of the softmax's business in the other two. */
static void the_yarn_softmax_factor_counts_once_and_only_with_mscale_all_dim(void **state)
{
    (void)state;
    check_case("yarn-all-dim-only", false);
    check_case("yarn-mscale-only", false);
    check_case("yarn-bare", false);
}

static void chunks_and_single_tokens_agree(void **state)
{
    (void)state;
    check_case("plain", true);
    check_case("fp8", true);
    check_case("odd-dims", true);
}

static void the_gpu_shape_agrees_too(void **state)
{
    (void)state;
    static const device_shape gpu = {.vector = 4, .lanes = 32, .group = 64};
    if (!device_shape_of(test_device())->cpu)
        skip();
    hadal_device *own = test_device_now;
    test_open_device(&gpu);
    check_case("odd-dims", false);
    check_case("fp8", true);
    hadal_device_close(test_device_now);
    test_device_now = own;
}

/* The same input gives the same bits. */
static void runs_repeat_to_the_bit(void **state)
{
    (void)state;
    static reference_case c;
    hadal_model *model;
    read_case(&c, "fp8");
    CHECK_OK(hadal_model_load(&model, test_device(), c.directory, NULL));
    const hadal_session_options options = {.context = c.count};
    float *first = run(model, &c, &options, 0), *second = run(model, &c, &options, 0);
    assert_memory_equal(first, second, c.count * c.logits.shape[1] * sizeof *first);
    free(first);
    free(second);
    free(c.logits.data);
    hadal_model_free(model);
}

/* The case that the command line names, alone; for whoever looks for a fault. */
static const char *wanted_case;

static void the_wanted_case_agrees(void **state)
{
    (void)state;
    check_case(wanted_case, true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest single[] = {cmocka_unit_test(the_wanted_case_agrees)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reference_model_agrees_with_transformers),
        cmocka_unit_test(the_indexer_reads_the_normalised_q_latent),
        cmocka_unit_test(the_yarn_softmax_factor_counts_once_and_only_with_mscale_all_dim),
        cmocka_unit_test(chunks_and_single_tokens_agree),
        cmocka_unit_test(the_gpu_shape_agrees_too),
        cmocka_unit_test(runs_repeat_to_the_bit),
    };
    test_open_device(NULL);
    wanted_case = argc > 1 ? argv[1] : NULL;
    int failed = wanted_case ? cmocka_run_group_tests(single, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
    hadal_device_close(test_device());
    return failed;
}
