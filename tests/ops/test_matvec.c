/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/matvec.h"

#include "ops/route.h"
#include "tests/ops/host_matrix.h"

/* One expert's row, normalised or not, times an input. */
static double product(const host_matrix *m, size_t expert, size_t row, const float *in)
{
    return reference_dot(in, m->values + (expert * m->rows + row) * m->columns, m->columns);
}

static matrix upload(const host_matrix *m, bool stack)
{
    matrix made;
    CHECK_OK(stack ? matrix_create_stack(&made, test_device(), MEMORY_OTHER, m->sources, m->experts)
                   : matrix_create(&made, test_device(), MEMORY_OTHER, m->sources));
    return made;
}

/* in normalised by norm_weight, as floats. Freed with free(). */
static float *normalise(const float *in, const float *norm_weight, size_t columns)
{
    double *exact = calloc(columns, sizeof *exact);
    float *normed = calloc(round_up(columns, ROW_UNIT), sizeof *normed);
    reference_rms_norm(exact, in, norm_weight, columns, 1e-6);
    for (size_t i = 0; i < columns; i++)
        normed[i] = (float)exact[i];
    free(exact);
    return normed;
}

enum { OUTPUTS = 6 };

/* Matrices of several dtypes and heights, more of them than a launch takes, from the second of three rows. */
static void check_projections(size_t columns, bool norm)
{
    static const dtype types[OUTPUTS] = {DTYPE_F8_E4M3, DTYPE_BF16, DTYPE_F8_E4M3, DTYPE_F32, DTYPE_F16, DTYPE_F8_E4M3};
    static const size_t rows[OUTPUTS] = {150, 33, 1, 17, 64, 300};
    uint64_t random = columns;
    size_t stride = round_up(columns, ROW_UNIT);
    float *in = test_random_rows(&random, 3, columns), *norm_weight = test_random_rows(&random, 1, columns);
    float *normed = norm ? normalise(in + stride, norm_weight, columns) : in + stride;
    buffer *in_buffer = test_buffer(in, 3 * stride * sizeof *in);
    buffer *weight_buffer = test_buffer(norm_weight, stride * sizeof *norm_weight);
    host_matrix hosts[OUTPUTS];
    matrix weights[OUTPUTS];
    matvec_output outs[OUTPUTS];
    matvec_op op;
    matvec_create(&op, test_device());
    for (size_t i = 0; i < OUTPUTS; i++) {
        hosts[i] = make_matrix(types[i], 1, rows[i], columns, 64, 32, &random);
        weights[i] = upload(&hosts[i], false);
        assert_true(matvec_takes(&op, &weights[i]));
        outs[i] = (matvec_output){test_poisoned_buffer(round_up(rows[i], ROW_UNIT) * sizeof(float)), &weights[i]};
    }
    const matvec_input input = {in_buffer, 1, norm ? weight_buffer : NULL, 1e-6};
    CHECK_OK(matvec_run(&op, &input, outs, OUTPUTS, false));
    for (size_t i = 0; i < OUTPUTS; i++) {
        double *expected = calloc(rows[i], sizeof *expected);
        for (size_t r = 0; r < rows[i]; r++)
            expected[r] = product(&hosts[i], 0, r, normed);
        float *got = test_read(outs[i].out);
        CHECK_CLOSE(got, expected, rows[i], 2e-6);
        free(got);
        free(expected);
        buffer_free(outs[i].out);
        matrix_free(&weights[i]);
        free_matrix(&hosts[i]);
    }
    buffer_free(in_buffer);
    buffer_free(weight_buffer);
    if (norm)
        free(normed);
    free(in);
    free(norm_weight);
}

static void projections_of_several_dtypes_agree(void **state)
{
    (void)state;
    static const size_t columns[] = {1, 129, 1536, 5000};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        check_projections(columns[i], i % 2 == 1);
    check_projections(7168, true);
}

/* A NaN among e4m3 codes makes its row NaN, and no other. */
static void codes_that_are_no_numbers_stay_so(void **state)
{
    (void)state;
    enum { ROWS = 9, COLUMNS = 601 };
    uint64_t random = 1;
    host_matrix host = make_matrix(DTYPE_F8_E4M3, 1, ROWS, COLUMNS, 64, 32, &random);
    unsigned char *codes = (unsigned char *)(uintptr_t)host.sources->values;
    codes[3 * COLUMNS + 2] = 0x7f;
    codes[8 * COLUMNS + 600] = 0xff;
    matrix weight = upload(&host, false);
    float *in = test_random_rows(&random, 1, COLUMNS);
    buffer *in_buffer = test_buffer(in, round_up(COLUMNS, ROW_UNIT) * sizeof *in);
    buffer *out = test_buffer(NULL, 16 * sizeof(float));
    matvec_op op;
    matvec_create(&op, test_device());
    const matvec_input input = {.in = in_buffer};
    CHECK_OK(matvec_run(&op, &input, &(matvec_output){out, &weight}, 1, false));
    float *got = test_read(out);
    for (int r = 0; r < ROWS; r++)
        assert_int_equal(isnan(got[r]) != 0, r == 3 || r == 8);
    buffer_free(in_buffer);
    buffer_free(out);
    matrix_free(&weight);
    free_matrix(&host);
    free(in);
    free(got);
}

/* Row c has code c in its only column. Subnormal codes and inputs far from 1 lose nothing. */
static void every_code_counts_as_its_value(void **state)
{
    (void)state;
    enum { CODES = 256 };
    static const float inputs[] = {1.0f, -0x1p-40f, 0x1p60f}, scales[] = {0.5f, 8.0f};
    unsigned char codes[CODES];
    float values[CODES];
    for (int c = 0; c < CODES; c++)
        codes[c] = (unsigned char)((c & 127) == 127 ? 0 : c);
    dtype_decode(values, codes, CODES, DTYPE_F8_E4M3);
    const matrix_source source = {.type = DTYPE_F8_E4M3, .values = codes, .scales = scales, .rows = CODES, .columns = 1,
                                  .block_rows = CODES / 2, .block_columns = ROW_UNIT};
    matrix weight;
    matvec_op op;
    matvec_create(&op, test_device());
    CHECK_OK(matrix_create(&weight, test_device(), MEMORY_OTHER, &source));
    assert_int_equal(weight.type, DTYPE_F8_E4M3);
    buffer *out = test_buffer(NULL, CODES * sizeof(float));
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        float in[ROW_UNIT] = {inputs[i]};
        buffer *in_buffer = test_buffer(in, sizeof in);
        const matvec_input input = {.in = in_buffer};
        CHECK_OK(matvec_run(&op, &input, &(matvec_output){out, &weight}, 1, false));
        float *got = test_read(out);
        for (int c = 0; c < CODES; c++)
            assert_true(got[c] == values[c] * scales[c / (CODES / 2)] * inputs[i]);
        buffer_free(in_buffer);
        free(got);
    }
    buffer_free(out);
    matrix_free(&weight);
}

typedef struct expert_case {
    dtype routed, shared;
    size_t tokens, choices, experts, hidden, width, shared_width;
} expert_case;

static float act_of(const host_matrix *gate, const host_matrix *up, size_t expert, size_t row, const float *in)
{
    double g = product(gate, expert, row, in);
    return (float)(g / (1 + exp(-g)) * product(up, expert, row, in));
}

/* out = x + what the experts of one token make of its normalised x. */
static void reference_experts(double *out, const float *x, const float *norm_weight, const expert_case *c,
                              const host_matrix m[6], const int32_t *ids, const float *weights)
{
    float *normed = normalise(x, norm_weight, c->hidden);
    for (size_t r = 0; r < c->hidden; r++)
        out[r] = x[r];
    for (size_t slot = 0; slot <= c->choices; slot++) {
        const host_matrix *own = slot < c->choices ? m : m + 3;
        size_t expert = slot < c->choices ? (size_t)ids[slot] : 0;
        float *act = calloc(own[0].rows, sizeof *act);
        for (size_t i = 0; i < own[0].rows; i++)
            act[i] = act_of(&own[0], &own[1], expert, i, normed);
        for (size_t r = 0; r < c->hidden; r++)
            out[r] += (slot < c->choices ? weights[slot] : 1.0f) * product(&own[2], expert, r, act);
        free(act);
    }
    free(normed);
}

static void check_experts(const expert_case *c)
{
    uint64_t random = c->hidden + c->width;
    size_t stride = round_up(c->hidden, ROW_UNIT);
    size_t act_floats = c->tokens * (c->choices * round_up(c->width, ROW_UNIT) + round_up(c->shared_width, ROW_UNIT));
    float *x = test_random_rows(&random, c->tokens, c->hidden), *norm_weight = test_random_rows(&random, 1, c->hidden);
    int32_t ids[16] = {0};
    float weights[16] = {0};
    host_matrix hosts[6];
    matrix made[6];
    for (size_t i = 0; i < c->tokens * c->choices; i++) {
        ids[i] = (int32_t)(test_random(&random) % c->experts);
        weights[i] = test_random_float(&random);
    }
    for (size_t i = 0; i < 6; i++) {
        size_t width = i < 3 ? c->width : c->shared_width;
        hosts[i] = make_matrix(i < 3 ? c->routed : c->shared, i < 3 ? c->experts : 1, i % 3 == 2 ? c->hidden : width,
                               i % 3 == 2 ? width : c->hidden, 16, 32, &random);
        made[i] = upload(&hosts[i], i < 3);
    }
    double *expected = calloc(c->tokens * stride, sizeof *expected);
    for (size_t t = 0; t < c->tokens; t++)
        reference_experts(expected + t * stride, x + t * stride, norm_weight, c, hosts, ids + t * c->choices,
                          weights + t * c->choices);
    buffer *x_buffer = test_buffer(x, c->tokens * stride * sizeof *x);
    buffer *norm_buffer = test_buffer(norm_weight, stride * sizeof *norm_weight);
    buffer *id_buffer = test_buffer(ids, sizeof ids), *weight_buffer = test_buffer(weights, sizeof weights);
    buffer *act = test_buffer(NULL, act_floats * sizeof(float));
    const matvec_experts experts = {&made[0], &made[1],  &made[2],      &made[3],  &made[4],
                                    &made[5], id_buffer, weight_buffer, c->tokens, c->choices};
    const matvec_input input = {.in = x_buffer, .norm_weight = norm_buffer, .epsilon = 1e-6};
    matvec_op op;
    matvec_create(&op, test_device());
    assert_true(matvec_takes_experts(&op, &experts));
    CHECK_OK(matvec_gated(&op, act, &input, &experts));
    CHECK_OK(matvec_down(&op, x_buffer, act, &experts));
    float *got = test_read(x_buffer);
    CHECK_CLOSE(got, expected, c->tokens * stride, 3e-6);
    buffer *const buffers[] = {x_buffer, norm_buffer, id_buffer, weight_buffer, act};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_free(buffers[i]);
    for (size_t i = 0; i < 6; i++) {
        matrix_free(&made[i]);
        free_matrix(&hosts[i]);
    }
    free(x);
    free(norm_weight);
    free(expected);
    free(got);
}

static void experts_agree(void **state)
{
    (void)state;
    static const expert_case cases[] = {
        {DTYPE_F8_E4M3, DTYPE_F8_E4M3, 1, 3, 8, 700, 100, 100},
        {DTYPE_F8_E4M3, DTYPE_BF16, 1, 4, 5, 130, 40, 90},
        {DTYPE_BF16, DTYPE_BF16, 3, 2, 4, 50, 17, 34},
        {DTYPE_F16, DTYPE_F32, 2, 1, 2, 33, 600, 5},
        {DTYPE_F8_E4M3, DTYPE_F8_E4M3, 1, 0, 1, 300, 1, 650},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_experts(&cases[i]);
}

/* Router and choice in one launch choose what the choice alone does, twice: the counter is back at 0. */
static void a_router_chooses_in_one_launch(void **state)
{
    (void)state;
    enum { EXPERTS = 40, TOP_K = 6, COLUMNS = 700, STRIDE = 704 };
    const route_dims dims = {.experts = EXPERTS, .groups = 8, .top_groups = 3, .top_k = TOP_K, .normalise = true,
                             .scaling = 2.5};
    uint64_t random = 9;
    for (dtype type = DTYPE_F32; type <= DTYPE_BF16; type++) {
        host_matrix host = make_matrix(type, 1, EXPERTS, COLUMNS, 1, 16, &random);
        matrix weight = upload(&host, false);
        float *in = test_random_rows(&random, 1, COLUMNS), *norm_weight = test_random_rows(&random, 1, COLUMNS);
        float bias[48] = {0}, logits[48] = {0}, *normed = normalise(in, norm_weight, COLUMNS);
        for (size_t i = 0; i < EXPERTS; i++)
            logits[i] = (float)product(&host, 0, i, normed);
        int32_t expected_ids[TOP_K];
        double expected[TOP_K];
        reference_route(expected_ids, expected, logits, bias, &dims);
        buffer *in_buffer = test_buffer(in, STRIDE * sizeof *in), *bias_buffer = test_buffer(bias, sizeof bias);
        buffer *norm_buffer = test_buffer(norm_weight, STRIDE * sizeof *in), *counter = test_buffer(NULL, 4);
        buffer *ids = test_poisoned_buffer(sizeof expected_ids), *weights = test_poisoned_buffer(TOP_K * sizeof(float));
        buffer *logit_buffer = test_poisoned_buffer(sizeof logits);
        const matvec_input input = {.in = in_buffer, .norm_weight = norm_buffer, .epsilon = 1e-6};
        route_op op;
        CHECK_OK(route_create(&op, test_device(), &dims));
        for (int run = 0; run < 2; run++) {
            CHECK_OK(route_one(&op, ids, weights, logit_buffer, counter, bias_buffer, &input, &weight));
            int32_t *got_ids = test_read(ids);
            float *got = test_read(weights);
            assert_memory_equal(got_ids, expected_ids, sizeof expected_ids);
            CHECK_CLOSE(got, expected, TOP_K, 1e-5);
            free(got_ids);
            free(got);
        }
        buffer *const buffers[] = {in_buffer, bias_buffer, norm_buffer, counter, ids, weights, logit_buffer};
        for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
            buffer_free(buffers[i]);
        matrix_free(&weight);
        free_matrix(&host);
        free(in);
        free(norm_weight);
        free(normed);
    }
}

/* Blocks of scales into which no whole tiles go, and stacks in several slabs, are left to ops/linear.h. */
static void what_does_not_fit_is_not_taken(void **state)
{
    (void)state;
    uint64_t random = 2;
    host_matrix host = make_matrix(DTYPE_F8_E4M3, 1, 30, 40, 6, 16, &random);
    matrix weight = upload(&host, false);
    matvec_op op;
    matvec_create(&op, test_device());
    assert_false(matvec_takes(&op, &weight));
    matrix_free(&weight);
    free_matrix(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projections_of_several_dtypes_agree),
        cmocka_unit_test(codes_that_are_no_numbers_stay_so),
        cmocka_unit_test(every_code_counts_as_its_value),
        cmocka_unit_test(experts_agree),
        cmocka_unit_test(a_router_chooses_in_one_launch),
        cmocka_unit_test(what_does_not_fit_is_not_taken),
    };
    TEST_ON_SHAPES(tests);
}
