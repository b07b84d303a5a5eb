/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend_values.h"

#include "ops/reference.h"
#include "tests/ops/host_matrix.h"

typedef struct values_case {
    size_t heads, latent, value, splits;
    dtype type;
} values_case;

/* Partial sums of a list: `empty` of the splits had nothing to attend to. */
static float *random_partials(const values_case *c, size_t empty, uint64_t *random)
{
    size_t rows = c->heads * c->splits, sums = rows * round_up(c->latent, ROW_UNIT);
    float *made = test_random_rows(random, 1, sums + 2 * rows);
    for (size_t i = 0; i < rows; i++) {
        bool nothing = i % c->splits >= c->splits - empty;
        made[sums + 2 * i] = nothing ? -INFINITY : 30 * made[sums + 2 * i];
        made[sums + 2 * i + 1] = nothing ? 0 : 1.5f + made[sums + 2 * i + 1];
    }
    return made;
}

static void check_values(const values_case *c)
{
    const attend_dims dims = {(uint32_t)c->heads, (uint32_t)c->latent, 16, HADAL_KV_BF16};
    uint64_t random = c->latent + c->splits;
    size_t step = c->value + 3, padded = round_up(c->latent, ROW_UNIT), sums = c->heads * c->splits * padded;
    host_matrix host = make_matrix(c->type, c->heads, c->value, c->latent, 16, 32, &random);
    float *partials = random_partials(c, c->splits / 3, &random), *mean_floats = calloc(padded, sizeof *mean_floats);
    double *expected = calloc(c->heads * step, sizeof *expected), *mean = calloc(padded, sizeof *mean);
    buffer *scratch = test_buffer(partials, (sums + 2 * c->heads * c->splits) * sizeof *partials);
    buffer *out = test_buffer(NULL, c->heads * step * sizeof(float));
    buffer *attended = test_poisoned_buffer(c->heads * padded * sizeof(float));
    attend_values_op op;
    matvec_op matvec;
    matrix weight;
    CHECK_OK(matrix_create_stack(&weight, test_device(), MEMORY_OTHER, host.sources, c->heads));
    matvec_create(&matvec, test_device());
    attend_values_create(&op, test_device(), &dims);
    assert_true(attend_values_takes(&op, &matvec, &weight));
    CHECK_OK(attend_values(&op, out, step, attended, scratch, c->splits, &weight));
    for (size_t head = 0; head < c->heads; head++) {
        reference_combine(mean, partials + head * c->splits * padded, partials + sums + 2 * head * c->splits, c->latent,
                          c->splits);
        for (size_t i = 0; i < c->latent; i++)
            mean_floats[i] = (float)mean[i];
        for (size_t r = 0; r < c->value; r++)
            expected[head * step + r] =
                reference_dot(mean_floats, host.values + (head * c->value + r) * c->latent, c->latent);
    }
    float *got = test_read(out);
    double error = reference_error(got, expected, c->heads * step);
    if (!(error <= 3e-6))
        fail_msg("%zu heads of %zu x %zu, %zu splits: relative error %g", c->heads, c->value, c->latent, c->splits,
                 error);
    free(got), free(partials), free(mean_floats), free(expected), free(mean);
    buffer_free(scratch);
    buffer_free(out);
    buffer_free(attended);
    matrix_free(&weight);
    free_matrix(&host);
}

static void splits_are_combined_and_multiplied(void **state)
{
    (void)state;
    check_values(&(values_case){5, 50, 30, 2, DTYPE_BF16});
    check_values(&(values_case){3, 512, 128, 32, DTYPE_F8_E4M3}); /* as released */
    check_values(&(values_case){2, 130, 70, 11, DTYPE_F32});
    check_values(&(values_case){1, 16, 4, 3, DTYPE_F16});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(splits_are_combined_and_multiplied)};
    TEST_ON_SHAPES(tests);
}
