/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend.h"

#include "ops/reference.h"
#include "tests/ops/device.h"

static float bf16(uint16_t stored)
{
    uint32_t bits = (uint32_t)stored << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint16_t to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* Inputs of one call, on the host; the cache in the float values that it stores. */
typedef struct attend_case {
    attend_dims dims;
    size_t tokens, capacity, longest;
    size_t latent_stride, row; /* elements */
    float *query, *cache;
    int32_t *positions, *selected, *counts; /* selected NULL: dense */
    size_t selected_stride;
} attend_case;

/* A row of pad(latent) + pad(rope) values with zero padding in both parts. */
static void fill_row(uint64_t *random, const attend_case *filled, float *row)
{
    for (size_t i = 0; i < filled->row; i++) {
        bool latent = i < filled->dims.latent, rope = i >= filled->latent_stride && i < filled->latent_stride + filled->dims.rope;
        float value = test_random_float(random) * 1.5f;
        row[i] = latent || rope ? value : 0;
    }
}

/* sparse: each token has `longest` positions or as many as it may see, spread over those up to its own; the last
 * token stands at capacity - 1. */
static attend_case make_case(attend_dims dims, size_t tokens, size_t capacity, size_t longest, bool sparse)
{
    uint64_t random = dims.heads * 7919 + dims.latent * 31 + tokens + capacity;
    attend_case made = {.dims = dims, .tokens = tokens, .capacity = capacity, .longest = longest};
    made.latent_stride = round_up(dims.latent, ROW_UNIT);
    made.row = made.latent_stride + round_up(dims.rope, ROW_UNIT);
    made.query = calloc(tokens * dims.heads * made.row, sizeof *made.query);
    made.cache = calloc(capacity * made.row, sizeof *made.cache);
    made.positions = calloc(tokens, sizeof *made.positions);
    made.counts = calloc(tokens, sizeof *made.counts);
    made.selected_stride = longest + 1;
    for (size_t i = 0; i < tokens * dims.heads; i++)
        fill_row(&random, &made, made.query + i * made.row);
    for (size_t i = 0; i < capacity; i++)
        fill_row(&random, &made, made.cache + i * made.row);
    for (size_t i = 0; i < capacity * made.row && dims.cache == HADAL_KV_BF16; i++)
        made.cache[i] = bf16(to_bf16(made.cache[i]));
    if (sparse)
        made.selected = calloc(tokens * made.selected_stride, sizeof *made.selected);
    for (size_t token = 0; token < tokens; token++) {
        size_t visible = capacity - tokens + token + 1, count = min_size(longest, visible);
        made.positions[token] = (int32_t)visible - 1;
        made.counts[token] = (int32_t)count;
        for (size_t i = 0; sparse && i < count; i++)
            made.selected[token * made.selected_stride + i] = (int32_t)(i * visible / count);
    }
    return made;
}

static void free_case(attend_case *freed)
{
    free(freed->query), free(freed->cache), free(freed->positions), free(freed->selected), free(freed->counts);
}

static size_t list_length(const attend_case *of, size_t token)
{
    return of->selected ? (size_t)of->counts[token] : (size_t)of->positions[token] + 1;
}

/* [tokens, heads, pad(latent)] */
static double *expect(const attend_case *of)
{
    size_t heads = of->dims.heads;
    double *out = calloc(of->tokens * heads * of->latent_stride, sizeof *out);
    assert_non_null(out);
    for (size_t row = 0; row < of->tokens * heads; row++) {
        const int32_t *list = of->selected ? of->selected + row / heads * of->selected_stride : NULL;
        reference_attend(out + row * of->latent_stride, &of->dims, of->query + row * of->row, of->cache, list,
                         list_length(of, row / heads));
    }
    return out;
}

/* The cache as it is stored. */
static buffer *cache_buffer(const attend_case *of)
{
    size_t count = of->capacity * of->row;
    if (of->dims.cache == HADAL_KV_F32)
        return test_buffer(of->cache, count * sizeof *of->cache);
    uint16_t *stored = malloc(count * sizeof *stored);
    assert_non_null(stored);
    for (size_t i = 0; i < count; i++)
        stored[i] = to_bf16(of->cache[i]);
    buffer *made = test_buffer(stored, count * sizeof *stored);
    free(stored);
    return made;
}

/* What the kernels make of the case: float[tokens, heads, pad(latent)]; freed with free(). */
static float *run_case(const attend_case *of)
{
    attend_op op;
    CHECK_OK(attend_create(&op, test_device(), &of->dims));
    buffer *query = test_buffer(of->query, of->tokens * of->dims.heads * of->row * sizeof *of->query);
    buffer *cache = cache_buffer(of), *positions = test_buffer(of->positions, of->tokens * sizeof *of->positions);
    buffer *counts = test_buffer(of->counts, of->tokens * sizeof *of->counts), *selected = NULL;
    if (of->selected)
        selected = test_buffer(of->selected, of->tokens * of->selected_stride * sizeof *of->selected);
    buffer *out = test_poisoned_buffer(of->tokens * of->dims.heads * of->latent_stride * sizeof(float));
    buffer *scratch = test_poisoned_buffer(attend_scratch_bytes(&of->dims, of->tokens, of->longest));
    CHECK_OK(attend(&op, out, query, cache, positions, selected, of->selected_stride, of->selected ? counts : NULL,
                    of->longest, of->tokens, scratch));
    float *got = test_read(out);
    CHECK_OK(attend(&op, out, query, cache, positions, selected, of->selected_stride, of->selected ? counts : NULL,
                    of->longest, of->tokens, scratch));
    float *again = test_read(out);
    assert_memory_equal(got, again, buffer_bytes(out)); /* the same bits every time */
    buffer *const used[] = {query, cache, positions, counts, selected, out, scratch};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(again);
    return got;
}

static void check_case(attend_case made)
{
    float *got = run_case(&made);
    double *expected = expect(&made);
    CHECK_CLOSE(got, expected, made.tokens * made.dims.heads * made.latent_stride, 3e-6);
    free(got), free(expected);
    free_case(&made);
}

static const struct {
    uint32_t heads, latent, rope;
} sizes[] = {{1, 1, 2}, {3, 17, 4}, {8, 128, 32}, {5, 100, 18}, {16, 257, 64}, {20, 33, 16}};

static void attention_agrees_at_awkward_sizes_sparse_and_dense(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int f32 = 0; f32 < 2; f32++) {
            const attend_dims dims = {sizes[i].heads, sizes[i].latent, sizes[i].rope, f32 ? HADAL_KV_F32 : HADAL_KV_BF16};
            check_case(make_case(dims, 1, 1, 1, false));
            check_case(make_case(dims, 3, 77, 77, false));
            check_case(make_case(dims, 1, 1000, 1000, false));
            check_case(make_case(dims, 5, 200, 31, true));
            check_case(make_case(dims, 30, 40, 16, true)); /* the first queries see fewer than the list holds */
            check_case(make_case(dims, 1, 3000, 700, true));
        }
}

static void attention_agrees_at_released_dims(void **state)
{
    (void)state;
    const attend_dims dims = {128, 512, 64, HADAL_KV_BF16};
    check_case(make_case(dims, 1, 500, 300, true));
    check_case(make_case(dims, 2, 20, 20, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_agrees_at_awkward_sizes_sparse_and_dense),
        cmocka_unit_test(attention_agrees_at_released_dims),
    };
    TEST_ON_SHAPES(tests);
}
