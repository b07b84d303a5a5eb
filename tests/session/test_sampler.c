/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "hadal.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "session/probability.h"
#include "tests/check.h"

static const hadal_sampler_options plain = {.temperature = 1, .top_p = 1, .repeat_penalty = 1};

static hadal_sampler *create(uint32_t vocab_size, hadal_sampler_options options)
{
    hadal_sampler *made;
    CHECK_OK(hadal_sampler_create(&made, vocab_size, &options));
    return made;
}

static int32_t pick(hadal_sampler *sampler, const float *logits)
{
    int32_t token;
    CHECK_OK(hadal_sampler_pick(sampler, logits, &token, NULL));
    return token;
}

/* ---- Numbers that must be the same everywhere ---------------------------------------------------------------- */

/* The first outputs of splitmix64 for this seed, as its authors' C code gives them. */
static void random_numbers_are_those_of_the_definition(void **state)
{
    (void)state;
    uint64_t seed = 1234567;
    static const uint64_t expected[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                        UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
    for (size_t i = 0; i < 4; i++)
        assert_true(random_bits(&seed) == expected[i]);
}

/* The checksum of all bits is that of a Python transcription: no operation was fused, reordered or widened. */
static void the_exponential_has_the_same_bits_everywhere(void **state)
{
    (void)state;
    uint64_t checksum = 0, bits;
    for (int i = 0; i <= 100000; i++) {
        double x = -i / 141.5, value = probability_exp(x);
        memcpy(&bits, &value, sizeof bits);
        checksum = (checksum ^ bits) * UINT64_C(0x100000001b3);
        assert_true(fabs(value - exp(x)) <= 4e-16 * exp(x));
    }
    assert_true(checksum == UINT64_C(0x708996fa00c49442));
    assert_true(probability_exp(0) == 1);
    assert_true(probability_exp(-709) == 0);
    assert_true(probability_exp(-INFINITY) == 0);
    assert_true(isnan(probability_exp(NAN)));
}

typedef struct known_answer {
    hadal_sampler_options options;
    int32_t tokens[16];
    size_t count;
} known_answer;

/* The tokens that a Python transcription of the steps picks, with sorted lists and the C library's exp. */
static void seeds_give_known_tokens(void **state)
{
    (void)state;
    static const known_answer answers[] = {
        {{1, 1, 0, 0, 1, 64, 42}, {771, 186, 306, 366, 47, 891, 246, 829, 364, 638, 233, 497}, 12},
        {{0.7f, 1, 0, 40, 1, 64, 42}, {287, 452, 422, 407, 482, 242, 437, 784, 407, 844, 964, 362}, 12},
        {{1.5f, 0.6f, 0, 0, 1, 64, 7}, {212, 482, 771, 574, 167, 844, 152, 784, 407, 197, 422, 184}, 12},
        {{1, 1, 0.3f, 0, 1, 64, 7}, {422, 17, 934, 604, 467, 302, 482, 377, 167, 437, 137, 979}, 12},
        {{0.8f, 0.9f, 0.05f, 50, 1.3f, 4, 123456789012345},
         {739, 272, 467, 994, 814, 979, 152, 227, 709, 392, 889, 754, 407, 994, 979, 664}, 16},
        {{2, 0.999f, 0, 0, 2, 1, 3}, {272, 912, 323, 874, 47, 218, 754, 346, 818, 873, 400, 837}, 12},
    };
    float logits[1000];
    for (int i = 0; i < 1000; i++)
        logits[i] = (float)(i * 7919 % 512) / 64 - 5;
    for (size_t a = 0; a < sizeof answers / sizeof *answers; a++) {
        hadal_sampler *sampler = create(1000, answers[a].options);
        for (size_t i = 0; i < answers[a].count; i++) {
            int32_t token = pick(sampler, logits);
            assert_int_equal(token, answers[a].tokens[i]);
            hadal_sampler_accept(sampler, token);
        }
        hadal_sampler_free(sampler);
    }
}

/* ---- What the options do ------------------------------------------------------------------------------------- */

static void temperature_zero_takes_the_first_of_the_best(void **state)
{
    (void)state;
    hadal_sampler *greedy = create(6, (hadal_sampler_options){.top_p = 1, .repeat_penalty = 1});
    assert_int_equal(pick(greedy, (float[]){-3, 2, 5, 5, 1, 5}), 2);
    assert_int_equal(pick(greedy, (float[]){-3, -2, -5, -5, -1, -INFINITY}), 4);
    assert_int_equal(pick(greedy, (float[]){7, 7, 7, 7, 7, 7}), 0);
    assert_int_equal(pick(greedy, (float[]){-INFINITY, -INFINITY, -INFINITY, 0, -INFINITY, -INFINITY}), 3);
    hadal_sampler_free(greedy);
}

enum { DRAWS = 100000, SMALL = 8 };

/* Draws many tokens and compares their numbers with the probabilities by Pearson's chi-squared; tokens of probability
 * 0 must not come. `bound`: about the 99.9 % point for the degrees of freedom; the fixed seed makes it repeatable. */
static void check_distribution(hadal_sampler_options options, const float *logits, const double *expected, double bound)
{
    options.seed = 20240607;
    hadal_sampler *sampler = create(SMALL, options);
    size_t counts[SMALL] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[pick(sampler, logits)]++;
    double total = 0, chi_squared = 0;
    for (int i = 0; i < SMALL; i++)
        total += expected[i];
    for (int i = 0; i < SMALL; i++) {
        double mean = expected[i] / total * DRAWS;
        if (expected[i] == 0)
            assert_int_equal(counts[i], 0);
        else
            chi_squared += ((double)counts[i] - mean) * ((double)counts[i] - mean) / mean;
    }
    assert_true(chi_squared < bound);
    hadal_sampler_free(sampler);
}

/* Probabilities 0.4, 0.2, 0.16, 0.1, 0.08, 0.04, 0.02, 0 in mixed order. */
static const double probabilities[SMALL] = {0.1, 0.4, 0.02, 0.16, 0, 0.08, 0.2, 0.04};

static void set_logits(float logits[static SMALL])
{
    for (int i = 0; i < SMALL; i++)
        logits[i] = (float)log(probabilities[i]) + 3;
}

static void tokens_come_as_often_as_they_are_likely(void **state)
{
    (void)state;
    float logits[SMALL];
    set_logits(logits);
    check_distribution(plain, logits, probabilities, 22.5);
    double squared[SMALL], root[SMALL];
    for (int i = 0; i < SMALL; i++) {
        squared[i] = probabilities[i] * probabilities[i];
        root[i] = sqrt(probabilities[i]);
    }
    hadal_sampler_options options = plain;
    options.temperature = 0.5f;
    check_distribution(options, logits, squared, 22.5);
    options.temperature = 2;
    check_distribution(options, logits, root, 22.5);
}

static void filters_leave_the_likely_tokens(void **state)
{
    (void)state;
    float logits[SMALL];
    set_logits(logits);
    hadal_sampler_options options = plain;
    options.top_k = 3;
    check_distribution(options, logits, (double[SMALL]){0, 0.4, 0, 0.16, 0, 0, 0.2, 0}, 13.9);
    options = plain;
    options.top_p = 0.7f; /* 0.4 + 0.2 = 0.6 is less, with 0.16 enough */
    check_distribution(options, logits, (double[SMALL]){0, 0.4, 0, 0.16, 0, 0, 0.2, 0}, 13.9);
    options = plain;
    options.min_p = 0.24f; /* of 0.4: 0.096 */
    check_distribution(options, logits, (double[SMALL]){0.1, 0.4, 0, 0.16, 0, 0, 0.2, 0}, 16.3);
}

/* top-p counts within what top-k left, and before temperature: 0.4 + 0.2 of 0.76 is 0.789. */
static void filters_follow_one_another_and_temperature_comes_last(void **state)
{
    (void)state;
    float logits[SMALL];
    set_logits(logits);
    hadal_sampler_options options = plain;
    options.top_k = 3;
    options.top_p = 0.78f;
    check_distribution(options, logits, (double[SMALL]){0, 0.4, 0, 0, 0, 0, 0.2, 0}, 10.9);
    options.top_p = 0.8f;
    check_distribution(options, logits, (double[SMALL]){0, 0.4, 0, 0.16, 0, 0, 0.2, 0}, 13.9);
    options = plain;
    options.temperature = 50; /* all but even; had it come first, top-p would keep more tokens */
    options.top_p = 0.59f;
    options.min_p = 0.1f;
    double flat[SMALL] = {0, pow(0.4, 0.02), 0, 0, 0, 0, pow(0.2, 0.02), 0};
    check_distribution(options, logits, flat, 10.9);
}

static void extreme_options_keep_the_best_token(void **state)
{
    (void)state;
    float logits[SMALL];
    set_logits(logits);
    hadal_sampler_options cases[5] = {plain, plain, plain, plain, plain};
    cases[0].top_p = 0;
    cases[1].top_k = 1;
    cases[2].min_p = 1;
    cases[3].temperature = 1e-6f;
    cases[4].temperature = 1e-45f;
    for (size_t i = 0; i < 5; i++) {
        hadal_sampler *sampler = create(SMALL, cases[i]);
        for (int draw = 0; draw < 100; draw++)
            assert_int_equal(pick(sampler, logits), 1);
        hadal_sampler_free(sampler);
    }
}

/* Two equal tokens hold half of the probability each: the first is enough. */
static void top_p_ends_where_its_mass_is_reached(void **state)
{
    (void)state;
    const float logits[] = {1, 1, 0.5f};
    hadal_sampler_options options = plain;
    options.top_p = 0.5f;
    hadal_sampler *two = create(2, options);
    options.top_k = 2;
    hadal_sampler *two_of_three = create(3, options);
    for (int draw = 0; draw < 100; draw++) {
        assert_int_equal(pick(two, logits), 0);
        assert_int_equal(pick(two_of_three, logits), 0);
    }
    hadal_sampler_free(two);
    hadal_sampler_free(two_of_three);
}

static void a_top_k_beyond_the_vocabulary_is_no_limit(void **state)
{
    (void)state;
    float logits[SMALL];
    set_logits(logits);
    hadal_sampler_options options = plain;
    options.top_k = UINT32_MAX;
    check_distribution(options, logits, probabilities, 22.5);
    options.top_k = SMALL;
    options.temperature = 1e30f; /* every token that is possible at all, equally */
    check_distribution(options, logits, (double[SMALL]){1, 1, 1, 1, 0, 1, 1, 1}, 22.5);
}

static void the_penalty_reaches_as_far_back_as_told(void **state)
{
    (void)state;
    const float logits[] = {4, 3, -1, -1.5f};
    hadal_sampler_options options = {.top_p = 1, .repeat_penalty = 2, .repeat_last = 2};
    hadal_sampler *sampler = create(4, options);
    assert_int_equal(pick(sampler, logits), 0);
    hadal_sampler_accept(sampler, 0);
    hadal_sampler_accept(sampler, 0);
    assert_int_equal(pick(sampler, logits), 1); /* 4 / 2 < 3, once however often it came */
    hadal_sampler_accept(sampler, 1);
    assert_int_equal(pick(sampler, logits), 0); /* 0 and 1 penalised: 2 against 1.5 */
    hadal_sampler_accept(sampler, 3);
    assert_int_equal(pick(sampler, logits), 0); /* 0 has dropped out */
    hadal_sampler_accept(sampler, -1);
    hadal_sampler_accept(sampler, 4); /* no tokens: passed over */
    assert_int_equal(pick(sampler, (float[]){-9, -9, -2, -1.5f}), 2); /* -1.5 * 2 < -2 */
    hadal_sampler_free(sampler);

    options.repeat_last = 0; /* stands for 64 */
    sampler = create(4, options);
    hadal_sampler_accept(sampler, 0);
    for (int i = 0; i < 63; i++)
        hadal_sampler_accept(sampler, 3);
    assert_int_equal(pick(sampler, logits), 1);
    hadal_sampler_accept(sampler, 3);
    assert_int_equal(pick(sampler, logits), 0);
    hadal_sampler_free(sampler);
}

static void seeds_decide_alone(void **state)
{
    (void)state;
    float logits[100];
    for (int i = 0; i < 100; i++)
        logits[i] = (float)(i % 7);
    hadal_sampler_options options = plain;
    options.seed = 5;
    hadal_sampler *first = create(100, options), *second = create(100, options);
    options.seed = 6;
    hadal_sampler *other = create(100, options);
    int differing = 0;
    for (int i = 0; i < 200; i++) {
        int32_t token = pick(first, logits);
        assert_int_equal(token, pick(second, logits));
        differing += token != pick(other, logits);
    }
    assert_true(differing > 150);
    hadal_sampler_free(first);
    hadal_sampler_free(second);
    hadal_sampler_free(other);
}

/* ---- Refusals, and log-probabilities ------------------------------------------------------------------------- */

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    hadal_sampler *made;
    static const struct {
        hadal_sampler_options options;
        const char *message;
    } cases[] = {
        {{-1, 1, 0, 0, 1, 0, 0}, "temperature is -1"},      {{NAN, 1, 0, 0, 1, 0, 0}, "temperature is nan"},
        {{INFINITY, 1, 0, 0, 1, 0, 0}, "temperature is inf"}, {{1, 1.5f, 0, 0, 1, 0, 0}, "top-p is 1.5"},
        {{1, -0.5f, 0, 0, 1, 0, 0}, "top-p is -0.5"},       {{1, NAN, 0, 0, 1, 0, 0}, "top-p is nan"},
        {{1, 1, 2, 0, 1, 0, 0}, "min-p is 2"},              {{1, 1, NAN, 0, 1, 0, 0}, "min-p is nan"},
        {{1, 1, 0, 0, 0, 0, 0}, "repeat penalty is 0"},     {{1, 1, 0, 0, INFINITY, 0, 0}, "repeat penalty is inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_FAILS(HADAL_ERROR_ARGUMENT, cases[i].message, hadal_sampler_create(&made, 10, &cases[i].options));
        assert_null(made);
    }
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "vocabulary", hadal_sampler_create(&made, 0, &plain));
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "options", hadal_sampler_create(&made, 10, NULL));
}

static void logits_that_are_no_numbers_are_reported(void **state)
{
    (void)state;
    int32_t token;
    double logprob;
    for (int temperature = 0; temperature < 2; temperature++) {
        hadal_sampler_options options = plain;
        options.temperature = (float)temperature;
        hadal_sampler *sampler = create(3, options);
        CHECK_FAILS(HADAL_ERROR_INTERNAL, "logit of token 1 is NaN",
                    hadal_sampler_pick(sampler, (float[]){0, NAN, 1}, &token, &logprob));
        CHECK_FAILS(HADAL_ERROR_INTERNAL, "logit of token 2 is infinite",
                    hadal_sampler_pick(sampler, (float[]){0, 1, INFINITY}, &token, &logprob));
        CHECK_FAILS(HADAL_ERROR_INTERNAL, "all 3 logits are -infinity",
                    hadal_sampler_pick(sampler, (float[]){-INFINITY, -INFINITY, -INFINITY}, &token, NULL));
        hadal_sampler_free(sampler);
    }
}

static void log_probabilities_are_of_the_unmodified_logits(void **state)
{
    (void)state;
    float logits[SMALL];
    set_logits(logits);
    for (int i = 0; i < SMALL; i++) {
        double found = hadal_log_probability(logits, SMALL, i);
        assert_true(probabilities[i] == 0 ? found == -INFINITY : fabs(found - log(probabilities[i])) < 1e-6);
    }
    assert_true(hadal_log_probability((float[]){-7}, 1, 0) == 0);
    assert_true(fabs(hadal_log_probability((float[]){1e30f, 1e30f}, 2, 1) + log(2)) < 1e-15);
    assert_true(hadal_log_probability(logits, SMALL, SMALL) == -INFINITY);
    assert_true(hadal_log_probability(logits, SMALL, -1) == -INFINITY);

    hadal_sampler_options options = {.temperature = 0.1f, .top_p = 0.5f, .repeat_penalty = 3};
    hadal_sampler *sampler = create(SMALL, options);
    hadal_sampler_accept(sampler, 1);
    int32_t token;
    double logprob;
    CHECK_OK(hadal_sampler_pick(sampler, logits, &token, &logprob));
    assert_true(logprob == hadal_log_probability(logits, SMALL, token));
    hadal_sampler_free(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_numbers_are_those_of_the_definition),
        cmocka_unit_test(the_exponential_has_the_same_bits_everywhere),
        cmocka_unit_test(seeds_give_known_tokens),
        cmocka_unit_test(temperature_zero_takes_the_first_of_the_best),
        cmocka_unit_test(tokens_come_as_often_as_they_are_likely),
        cmocka_unit_test(filters_leave_the_likely_tokens),
        cmocka_unit_test(filters_follow_one_another_and_temperature_comes_last),
        cmocka_unit_test(extreme_options_keep_the_best_token),
        cmocka_unit_test(top_p_ends_where_its_mass_is_reached),
        cmocka_unit_test(a_top_k_beyond_the_vocabulary_is_no_limit),
        cmocka_unit_test(the_penalty_reaches_as_far_back_as_told),
        cmocka_unit_test(seeds_decide_alone),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(logits_that_are_no_numbers_are_reported),
        cmocka_unit_test(log_probabilities_are_of_the_unmodified_logits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
