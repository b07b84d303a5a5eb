/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend_heads.h"

#include "tests/ops/device.h"
#include "tests/ops/host_matrix.h"

/* Inputs of one call, on the host; the cache is stored as float32 unless `stored` says else. */
typedef struct heads_case {
    attend_heads_dims dims;
    hadal_kv_cache stored;
    dtype weights;
    size_t tokens, keys, first_row, positions; /* positions: that have keys and values at once */
    size_t q_stride, row, out_stride, cache_rows;
    float *q, *query, *cache;
    host_matrix k_up, v_up;
} heads_case;

static const double scale = 0.25;

/* The float that bfloat16 keeps of a value: its upper half. */
static float cut(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= 0xffff0000u;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

/* Rows of the cache that no query sees are NaN, and so is what q and query hold beside the parts that count. */
static heads_case make_case(attend_heads_dims dims, dtype weights, size_t tokens, size_t keys, size_t positions)
{
    uint64_t random = dims.heads * 7919 + dims.latent * 31 + tokens + keys;
    size_t latent = round_up(dims.latent, ROW_UNIT), width = dims.nope + dims.rope;
    heads_case made = {.dims = dims, .weights = weights, .tokens = tokens, .keys = keys, .positions = positions};
    made.stored = keys % 2 ? HADAL_KV_BF16 : HADAL_KV_F32;
    made.first_row = keys % 3;
    made.cache_rows = made.first_row + keys + 1;
    made.row = latent + round_up(dims.rope, ROW_UNIT);
    made.q_stride = round_up(dims.heads * width, ROW_UNIT);
    made.out_stride = round_up(dims.heads * dims.value, ROW_UNIT);
    made.q = test_random_rows(&random, tokens, made.q_stride);
    made.query = test_random_rows(&random, tokens * dims.heads, made.row);
    made.cache = test_random_rows(&random, made.cache_rows, made.row);
    for (size_t i = 0; i < tokens * made.q_stride; i++)
        if (i % made.q_stride % width >= dims.nope)
            made.q[i] = NAN;
    for (size_t i = 0; i < tokens * dims.heads * made.row; i++) {
        size_t column = i % made.row;
        made.query[i] = column < latent ? NAN : column < latent + dims.rope ? made.query[i] : 0;
    }
    for (size_t i = 0; i < made.cache_rows * made.row; i++) {
        size_t column = i % made.row, row = i / made.row;
        bool padding = column >= dims.latent && (column < latent || column >= latent + dims.rope);
        bool seen = row >= made.first_row && row < made.first_row + keys;
        made.cache[i] = !seen ? NAN : padding ? 0 : cut(made.cache[i]);
    }
    made.k_up = make_matrix(weights, dims.heads, dims.latent, dims.nope, 128, 128, &random);
    made.v_up = make_matrix(weights, dims.heads, dims.value, dims.latent, 128, 128, &random);
    return made;
}

static void free_case(heads_case *freed)
{
    free(freed->q), free(freed->query), free(freed->cache);
    free_matrix(&freed->k_up), free_matrix(&freed->v_up);
}

static double *expect(const heads_case *of)
{
    const attend_heads_dims *d = &of->dims;
    double *out = calloc(of->tokens * of->out_stride, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < of->tokens * d->heads; i++) {
        size_t token = i / d->heads, head = i % d->heads;
        reference_attend_heads(out + token * of->out_stride + head * d->value, d,
                               of->q + token * of->q_stride + head * (d->nope + d->rope),
                               of->query + i * of->row + round_up(d->latent, ROW_UNIT),
                               of->cache + of->first_row * of->row, of->k_up.values + head * d->latent * d->nope,
                               of->v_up.values + head * d->value * d->latent, of->keys - of->tokens + token + 1, scale);
    }
    return out;
}

static buffer *cache_buffer(const heads_case *of)
{
    size_t count = of->cache_rows * of->row;
    if (of->stored == HADAL_KV_F32)
        return test_buffer(of->cache, count * sizeof *of->cache);
    uint16_t *halves = malloc(count * sizeof *halves);
    assert_non_null(halves);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, of->cache + i, sizeof bits);
        halves[i] = (uint16_t)(bits >> 16);
    }
    buffer *made = test_buffer(halves, count * sizeof *halves);
    free(halves);
    return made;
}

/* out[tokens, out_stride], where behind the heads zeros stand for what is not written; freed with free(). */
static float *run_case(const heads_case *of)
{
    const attend_heads_dims *d = &of->dims;
    const latent_dims cached = {d->latent, d->rope, of->stored};
    attend_heads_op op;
    linear_op linear;
    latent_op latent;
    matrix k_up, v_up;
    size_t positions = of->positions, key = round_up(d->nope, ROW_UNIT), value = round_up(d->value, ROW_UNIT);
    size_t out_bytes = of->tokens * of->out_stride * sizeof(float);
    float *zeros = calloc(1, out_bytes);
    attend_heads_create(&op, test_device(), d);
    CHECK_OK(linear_create(&linear, test_device(), HADAL_LINEAR_OWN));
    CHECK_OK(latent_create(&latent, test_device(), &cached));
    CHECK_OK(matrix_create_stack(&k_up, test_device(), MEMORY_OTHER, of->k_up.sources, d->heads));
    CHECK_OK(matrix_create_stack(&v_up, test_device(), MEMORY_OTHER, of->v_up.sources, d->heads));
    buffer *q = test_buffer(of->q, of->tokens * of->q_stride * sizeof *of->q), *cache = cache_buffer(of);
    buffer *query = test_buffer(of->query, of->tokens * d->heads * of->row * sizeof *of->query);
    buffer *out = test_buffer(zeros, out_bytes);
    const attend_heads_memory memory = {positions, test_poisoned_buffer(positions * of->row * sizeof(float)),
                                        test_poisoned_buffer(d->heads * positions * key * sizeof(float)),
                                        test_poisoned_buffer(d->heads * positions * value * sizeof(float)),
                                        test_poisoned_buffer(of->tokens * d->heads * 2 * sizeof(float))};
    const attend_heads_step step = {of->tokens, of->keys, q, query, cache, of->first_row, &k_up, &v_up, scale};
    CHECK_OK(attend_heads(&op, &linear, &latent, out, &step, &memory));
    float *got = test_read(out);
    CHECK_OK(attend_heads(&op, &linear, &latent, out, &step, &memory));
    float *again = test_read(out);
    assert_memory_equal(got, again, out_bytes); /* the same bits every time */
    buffer *const used[] = {q, query, cache, out, memory.rows, memory.keys, memory.values, memory.totals};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    matrix_free(&k_up);
    matrix_free(&v_up);
    linear_free(&linear);
    free(again);
    free(zeros);
    return got;
}

static void check_within(heads_case made, double tolerance)
{
    float *got = run_case(&made);
    double *expected = expect(&made);
    CHECK_CLOSE(got, expected, made.tokens * made.out_stride, tolerance);
    free(got), free(expected);
    free_case(&made);
}

static void check_case(heads_case made)
{
    check_within(made, 4e-6);
}

static const attend_heads_dims cases[] = {
    {1, 1, 2, 1, 1}, {3, 15, 4, 17, 33}, {8, 32, 32, 32, 128}, {5, 40, 18, 24, 100},
};

static void attention_by_heads_agrees_at_awkward_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(make_case(cases[i], DTYPE_F32, 1, 1, 64));
        check_case(make_case(cases[i], DTYPE_BF16, 7, 7, 64));
        check_case(make_case(cases[i], DTYPE_F8_E4M3, 33, 65, 128)); /* the last tokens of a prompt */
    }
}

/* Keys and values of some positions at a time: queries that stand before a part, in it and behind it. */
static void positions_in_parts_are_one_softmax(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(make_case(cases[i], DTYPE_F32, 200, 200, 64));
        check_case(make_case(cases[i], DTYPE_F32, 70, 128, 64));
        check_case(make_case(cases[i], DTYPE_F32, 5, 197, 64));
    }
}

static void attention_by_heads_agrees_at_released_dims(void **state)
{
    (void)state;
    const attend_heads_dims dims = {4, 128, 64, 128, 512};
    check_case(make_case(dims, DTYPE_F8_E4M3, 20, 90, 64));
}

static void scores_of_any_size_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        heads_case made = make_case(cases[1], DTYPE_F32, 20, 150, 64);
        size_t latent = round_up(cases[1].latent, ROW_UNIT);
        for (size_t i = 0; i < made.tokens * cases[1].heads; i++)
            made.query[i * made.row + latent] = 2; /* exp() of these scores is infinite or 0 */
        for (size_t s = 0; s < made.keys; s++)
            made.cache[(made.first_row + s) * made.row + latent] = (float)sign * (float)(1000 + s % 7);
        check_within(made, 1e-3); /* a score of 2000 is known to 1.2e-4 */
    }
}

static void what_pays_is_counted(void **state)
{
    (void)state;
    const attend_heads_dims dims = {128, 128, 64, 128, 512};
    attend_heads_op op;
    attend_heads_create(&op, test_device(), &dims);
    assert_false(attend_heads_pays(&op, 1, 1));
    assert_true(attend_heads_pays(&op, 6, 6));
    assert_true(attend_heads_pays(&op, 2048, 2048));
    assert_false(attend_heads_pays(&op, 100, 2048)); /* few queries for so many keys and values to make */
    assert_true(attend_heads_pays(&op, 256, 2048));
    /* values that no local memory holds: private memory of CPUs does */
    attend_heads_op wide;
    attend_heads_create(&wide, test_device(), &(attend_heads_dims){4, 128, 64, 1 << 20, 1 << 20});
    assert_int_equal(attend_heads_pays(&wide, 64, 64), device_shape_of(test_device())->group == 1);
    assert_int_equal(attend_heads_positions(&dims, 100), 128);
    size_t positions = attend_heads_positions(&dims, 163840);
    assert_int_equal(positions % 64, 0);
    assert_true(positions * (576 + 128 * 256) * sizeof(float) <= ATTEND_HEADS_BYTES);
    assert_true((positions + 64) * (576 + 128 * 256) * sizeof(float) > ATTEND_HEADS_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_by_heads_agrees_at_awkward_sizes),
        cmocka_unit_test(positions_in_parts_are_one_softmax),
        cmocka_unit_test(attention_by_heads_agrees_at_released_dims),
        cmocka_unit_test(scores_of_any_size_neither_overflow_nor_vanish),
        cmocka_unit_test(what_pays_is_counted),
    };
    TEST_ON_SHAPES(tests);
}
