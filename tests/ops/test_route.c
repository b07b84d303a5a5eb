/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/route.h"

#include "ops/reference.h"
#include "tests/ops/device.h"

enum { MOST = 64 };

/* What the kernel chose for tokens of logits[tokens, pad(experts)]. */
static void route(int32_t *ids, float *weights, const route_dims *dims, const float *logits, const float *bias,
                  size_t tokens)
{
    size_t stride = round_up(dims->experts, ROW_UNIT), count = tokens * dims->top_k;
    route_op op;
    CHECK_OK(route_create(&op, test_device(), dims));
    buffer *logit_buffer = test_buffer(logits, tokens * stride * sizeof *logits);
    buffer *bias_buffer = test_buffer(bias, stride * sizeof *bias);
    buffer *id_buffer = test_poisoned_buffer(count * sizeof *ids);
    buffer *weight_buffer = test_poisoned_buffer(count * sizeof *weights);
    CHECK_OK(route_choose(&op, id_buffer, weight_buffer, logit_buffer, bias_buffer, tokens));
    CHECK_OK(buffer_read(id_buffer, 0, ids, count * sizeof *ids));
    CHECK_OK(buffer_read(weight_buffer, 0, weights, count * sizeof *weights));
    buffer_free(logit_buffer);
    buffer_free(bias_buffer);
    buffer_free(id_buffer);
    buffer_free(weight_buffer);
}

static void check_against_reference(const route_dims *dims, const float *logits, const float *bias, size_t tokens)
{
    size_t stride = round_up(dims->experts, ROW_UNIT), count = tokens * dims->top_k;
    int32_t *ids = calloc(count, sizeof *ids), expected_ids[MOST];
    float *weights = calloc(count, sizeof *weights);
    double expected_weights[MOST];
    route(ids, weights, dims, logits, bias, tokens);
    for (size_t t = 0; t < tokens; t++) {
        reference_route(expected_ids, expected_weights, logits + t * stride, bias, dims);
        assert_memory_equal(ids + t * dims->top_k, expected_ids, dims->top_k * sizeof *ids);
        CHECK_CLOSE(weights + t * dims->top_k, expected_weights, dims->top_k, 1e-6);
    }
    free(ids);
    free(weights);
}

static void check_random(const route_dims *dims, size_t tokens, float spread)
{
    uint64_t random = dims->experts * 10 + dims->groups;
    float *logits = test_random_rows(&random, tokens, dims->experts);
    float *bias = test_random_rows(&random, 1, dims->experts);
    for (size_t i = 0; i < tokens * round_up(dims->experts, ROW_UNIT); i++)
        logits[i] *= spread;
    check_against_reference(dims, logits, bias, tokens);
    free(logits);
    free(bias);
}

static void choice_agrees_at_awkward_sizes(void **state)
{
    (void)state;
    static const route_dims sizes[] = {
        {.experts = 1, .groups = 1, .top_groups = 1, .top_k = 1, .normalise = true, .scaling = 1},
        {.experts = 7, .groups = 1, .top_groups = 1, .top_k = 7, .normalise = true, .scaling = 2.5},
        {.experts = 6, .groups = 3, .top_groups = 2, .top_k = 3, .normalise = false, .scaling = 1.5},
        {.experts = 16, .groups = 4, .top_groups = 2, .top_k = 4, .normalise = true, .scaling = 2.5},
        {.experts = 13, .groups = 13, .top_groups = 5, .top_k = 4, .normalise = true, .scaling = 1},
        {.experts = 45, .groups = 9, .top_groups = 9, .top_k = 11, .normalise = false, .scaling = 1},
        {.experts = 256, .groups = 8, .top_groups = 4, .top_k = 8, .normalise = true, .scaling = 2.5},
        {.experts = 1024, .groups = 32, .top_groups = 4, .top_k = 64, .normalise = true, .scaling = 2.5},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_random(&sizes[i], 5, 3.0f);
}

static void router_bias_steers_the_choice_but_not_the_weights(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 4, .groups = 1, .top_groups = 1, .top_k = 2, .normalise = false, .scaling = 1};
    const float logits[16] = {2.0f, 1.0f, 0.0f, -1.0f}, bias[16] = {0.0f, 0.0f, 0.0f, 10.0f};
    int32_t ids[2];
    float weights[2];
    route(ids, weights, &dims, logits, bias, 1);
    assert_int_equal(ids[0], 3);
    assert_int_equal(ids[1], 0);
    assert_true(fabs(weights[0] - 1 / (1 + exp(1))) < 1e-6);
    assert_true(fabs(weights[1] - 1 / (1 + exp(-2))) < 1e-6);
}

/* Group 0 holds the best single expert, group 1 the best two together. */
static void group_score_is_the_sum_of_two_experts_not_of_one(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 6, .groups = 2, .top_groups = 1, .top_k = 2, .normalise = true, .scaling = 1};
    const float logits[16] = {3.0f, -5.0f, -5.0f, 1.0f, 1.5f, -5.0f}, bias[16] = {0};
    int32_t ids[2];
    float weights[2];
    route(ids, weights, &dims, logits, bias, 1);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[1], 3);
    check_against_reference(&dims, logits, bias, 1);
}

static void a_group_of_one_expert_has_its_score(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 4, .groups = 4, .top_groups = 2, .top_k = 2, .normalise = true, .scaling = 1};
    const float logits[16] = {0.0f, 2.0f, -1.0f, 1.0f}, bias[16] = {0};
    int32_t ids[2];
    float weights[2];
    route(ids, weights, &dims, logits, bias, 1);
    assert_int_equal(ids[0], 1);
    assert_int_equal(ids[1], 3);
    check_against_reference(&dims, logits, bias, 1);
}

/* All choices are negative: a mask of 0 would lift the experts of the groups that were not kept above them. */
static void masked_groups_lose_even_to_negative_choices(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 8, .groups = 4, .top_groups = 1, .top_k = 2, .normalise = true, .scaling = 1};
    const float logits[16] = {0}, bias[16] = {-3.0f, -3.0f, -2.0f, -5.0f, -2.5f, -2.5f, -4.0f, -4.0f};
    int32_t ids[2];
    float weights[2];
    route(ids, weights, &dims, logits, bias, 1);
    assert_int_equal(ids[0], 4);
    assert_int_equal(ids[1], 5);
    check_against_reference(&dims, logits, bias, 1);
}

static void ties_go_to_the_lower_index_in_groups_and_in_experts(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 12, .groups = 4, .top_groups = 2, .top_k = 5, .normalise = true, .scaling = 1};
    const float logits[16] = {0}, bias[16] = {0};
    int32_t ids[5];
    float weights[5];
    route(ids, weights, &dims, logits, bias, 1);
    for (int32_t k = 0; k < 5; k++) {
        assert_int_equal(ids[k], k);
        assert_true(fabs(weights[k] - 0.2) < 1e-6);
    }
    const float some[16] = {1.0f, 1.0f, 0.0f, 2.0f, 2.0f, 2.0f, 1.0f, 2.0f, 2.0f, 2.0f, 2.0f, 1.0f};
    check_against_reference(&dims, some, bias, 1);
}

static void scores_that_underflow_are_not_divided_by_zero(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 4, .groups = 1, .top_groups = 1, .top_k = 2, .normalise = true, .scaling = 1};
    const float logits[16] = {-1000.0f, -1000.0f, -1000.0f, -1000.0f}, bias[16] = {0};
    int32_t ids[2];
    float weights[2];
    route(ids, weights, &dims, logits, bias, 1);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[1], 1);
    assert_true(weights[0] == 0.0f && weights[1] == 0.0f);
}

/* Later kernels take ids as indices, so that they must be in range and different whatever came in. */
static void logits_that_are_no_numbers_still_give_valid_ids(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 48, .groups = 8, .top_groups = 3, .top_k = 18, .normalise = true, .scaling = 1};
    static const float strange[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0f, 1.0f, NAN};
    float logits[3 * 48], bias[48] = {0}, weights[3 * 18];
    int32_t ids[3 * 18];
    for (size_t i = 0; i < 3 * 48; i++)
        logits[i] = i < 48 ? NAN : strange[i * i % 7];
    route(ids, weights, &dims, logits, bias, 3);
    for (size_t t = 0; t < 3; t++) {
        bool seen[48] = {false};
        for (size_t k = 0; k < 18; k++) {
            int32_t id = ids[t * 18 + k];
            assert_in_range(id, 0, 47);
            assert_false(seen[id]);
            seen[id] = true;
        }
    }
}

static void more_experts_than_local_memory_holds_are_refused(void **state)
{
    (void)state;
    const route_dims dims = {.experts = 1025, .groups = 1, .top_groups = 1, .top_k = 1, .scaling = 1};
    route_op op;
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "1025", route_create(&op, test_device(), &dims));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choice_agrees_at_awkward_sizes),
        cmocka_unit_test(router_bias_steers_the_choice_but_not_the_weights),
        cmocka_unit_test(group_score_is_the_sum_of_two_experts_not_of_one),
        cmocka_unit_test(a_group_of_one_expert_has_its_score),
        cmocka_unit_test(masked_groups_lose_even_to_negative_choices),
        cmocka_unit_test(ties_go_to_the_lower_index_in_groups_and_in_experts),
        cmocka_unit_test(scores_that_underflow_are_not_divided_by_zero),
        cmocka_unit_test(logits_that_are_no_numbers_still_give_valid_ids),
        cmocka_unit_test(more_experts_than_local_memory_holds_are_refused),
    };
    TEST_ON_SHAPES(tests);
}
