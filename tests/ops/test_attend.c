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
    int32_t *sequences; /* NULL: one */
} attend_case;

enum { SEQUENCES = 3 };

/* A row of pad(latent) + pad(rope) values with zero padding in both parts. */
static void fill_row(uint64_t *random, const attend_case *filled, float *row)
{
    for (size_t i = 0; i < filled->row; i++) {
        bool latent = i < filled->dims.latent;
        bool rope = i >= filled->latent_stride && i < filled->latent_stride + filled->dims.rope;
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
    free(freed->sequences);
}

/* The tokens of the case belong to SEQUENCES sequences from now on, each with a cache of its own; the caches of all
 * stand one behind the other. */
static attend_case in_sequences(attend_case made)
{
    uint64_t random = made.capacity;
    size_t count = made.capacity * made.row;
    made.sequences = calloc(made.tokens, sizeof *made.sequences);
    made.cache = realloc(made.cache, SEQUENCES * count * sizeof *made.cache);
    for (size_t token = 0; token < made.tokens; token++)
        made.sequences[token] = (int32_t)((2 * token + 1) % SEQUENCES);
    for (size_t i = 0; i < (SEQUENCES - 1) * made.capacity; i++)
        fill_row(&random, &made, made.cache + count + i * made.row);
    for (size_t i = count; i < SEQUENCES * count && made.dims.cache == HADAL_KV_BF16; i++)
        made.cache[i] = bf16(to_bf16(made.cache[i]));
    return made;
}

static size_t cache_rows(const attend_case *of)
{
    return of->sequences ? SEQUENCES * of->capacity : of->capacity;
}

static size_t first_row(const attend_case *of, size_t token)
{
    return of->sequences ? (size_t)of->sequences[token] * of->capacity : 0;
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
        reference_attend(out + row * of->latent_stride, &of->dims, of->query + row * of->row,
                         of->cache + first_row(of, row / heads) * of->row, list, list_length(of, row / heads));
    }
    return out;
}

/* The cache as it is stored. */
static buffer *cache_buffer(const attend_case *of)
{
    size_t count = cache_rows(of) * of->row;
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
    buffer *counts = test_buffer(of->counts, of->tokens * sizeof *of->counts), *selected = NULL, *sequences = NULL;
    if (of->selected)
        selected = test_buffer(of->selected, of->tokens * of->selected_stride * sizeof *of->selected);
    if (of->sequences)
        sequences = test_buffer(of->sequences, of->tokens * sizeof *of->sequences);
    buffer *out = test_poisoned_buffer(of->tokens * of->dims.heads * of->latent_stride * sizeof(float));
    buffer *scratch = test_poisoned_buffer(attend_scratch_bytes(&of->dims, of->tokens, of->longest));
    const attend_lists lists = {.positions = positions, .selected = selected, .selected_stride = of->selected_stride,
                                .counts = of->selected ? counts : NULL, .sequences = sequences,
                                .sequence_stride = of->capacity, .longest = of->longest};
    CHECK_OK(attend(&op, out, query, cache, &lists, of->tokens, scratch));
    float *got = test_read(out);
    CHECK_OK(attend(&op, out, query, cache, &lists, of->tokens, scratch));
    float *again = test_read(out);
    assert_memory_equal(got, again, buffer_bytes(out)); /* the same bits every time */
    buffer *const used[] = {query, cache, positions, counts, selected, sequences, out, scratch};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        buffer_free(used[i]);
    free(again);
    return got;
}

/* How far means may be off: on the matrix unit queries and weights are bfloat16. */
static double tolerance(void)
{
    return device_shape_of(test_device())->matrix == DEVICE_MATRIX_NONE ? 3e-6 : 0x1p-8;
}

static void check_case(attend_case made)
{
    float *got = run_case(&made);
    double *expected = expect(&made);
    CHECK_CLOSE(got, expected, made.tokens * made.dims.heads * made.latent_stride, tolerance());
    free(got), free(expected);
    free_case(&made);
}

static const attend_dims cases[] = {
    {1, 1, 2, HADAL_KV_BF16},    {3, 17, 4, HADAL_KV_F32},   {8, 128, 32, HADAL_KV_BF16}, {8, 128, 32, HADAL_KV_F32},
    {5, 100, 18, HADAL_KV_BF16}, {16, 257, 64, HADAL_KV_F32}, {20, 33, 16, HADAL_KV_BF16},
};

static void attention_agrees_at_awkward_sizes_sparse_and_dense(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_case(make_case(cases[i], 1, 1, 1, false));
        check_case(make_case(cases[i], 3, 77, 77, false));
        check_case(make_case(cases[i], 1, 1000, 1000, false));
        check_case(make_case(cases[i], 5, 200, 31, true));
        check_case(make_case(cases[i], 30, 40, 16, true)); /* the first queries see fewer than the list holds */
        check_case(make_case(cases[i], 1, 3000, 700, true));
    }
}

static void attention_agrees_at_released_dims(void **state)
{
    (void)state;
    const attend_dims dims = {128, 512, 64, HADAL_KV_BF16};
    check_case(make_case(dims, 1, 500, 300, true));
    check_case(make_case(dims, 2, 20, 20, false));
}

static void tokens_of_several_sequences_read_their_own_caches(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i += 3) {
        check_case(in_sequences(make_case(cases[i], 4, 77, 77, false)));
        check_case(in_sequences(make_case(cases[i], 5, 200, 31, true)));
        check_case(in_sequences(make_case(cases[i], 2, 900, 700, true)));
    }
}

static size_t list_position(const attend_case *of, size_t token, size_t i)
{
    return of->selected ? (size_t)of->selected[token * of->selected_stride + i] : i;
}

/* Whether any token of the case has this row in its list. */
static bool is_listed(const attend_case *of, size_t position)
{
    for (size_t token = 0; token < of->tokens; token++)
        for (size_t i = 0; i < list_length(of, token); i++)
            if (first_row(of, token) + list_position(of, token, i) == position)
                return true;
    return false;
}

/* Every row of the cache that no list holds becomes `value`, and so does room behind the last row of the cache. */
static void check_with_other_rows(attend_case made, float value)
{
    for (size_t position = 0; position < cache_rows(&made); position++)
        if (!is_listed(&made, position))
            for (size_t i = 0; i < made.row; i++)
                made.cache[position * made.row + i] = value;
    check_case(made);
}

static void rows_that_are_not_selected_are_never_read(void **state)
{
    (void)state;
    for (int f32 = 0; f32 < 2; f32++) {
        const attend_dims dims = {8, 128, 32, f32 ? HADAL_KV_F32 : HADAL_KV_BF16};
        check_with_other_rows(make_case(dims, 1, 1000, 33, true), NAN);
        check_with_other_rows(make_case(dims, 3, 700, 100, true), NAN);
        attend_case dense = make_case(dims, 2, 90, 90, false);
        dense.positions[0] = 40; /* rows from 71 on are the future of both */
        dense.positions[1] = 70;
        check_with_other_rows(dense, NAN);
    }
}

/* Rows that would win every softmax, some of them behind the end of the lists. */
static void softmax_is_over_the_selected_rows_alone(void **state)
{
    (void)state;
    const attend_dims dims = {8, 128, 32, HADAL_KV_BF16};
    attend_case made = make_case(dims, 2, 500, 50, true);
    made.counts[0] = 30;
    made.counts[1] = 49;
    for (size_t i = 0; i < made.tokens * dims.heads * made.row; i++)
        made.query[i] = fabsf(made.query[i]);
    check_with_other_rows(made, 64.0f);
}

static void scores_of_any_size_neither_overflow_nor_vanish(void **state)
{
    (void)state;
    const attend_dims dims = cases[1];
    for (int sign = -1; sign <= 1; sign += 2) {
        attend_case made = make_case(dims, 1, 300, 300, false);
        for (size_t s = 0; s < made.capacity; s++)
            made.cache[s * made.row] = (float)sign * 1000.0f; /* exp() of it is infinite or 0 */
        for (size_t head = 0; head < dims.heads; head++)
            made.query[head * made.row] = 2;
        check_case(made);
    }
}

static void the_last_rows_of_a_long_cache_are_reached(void **state)
{
    (void)state;
    const attend_dims dims = cases[6];
    attend_case made = make_case(dims, 2, 163840, 40, true);
    for (size_t token = 0; token < made.tokens; token++)
        made.selected[token * made.selected_stride + 39] = made.positions[token];
    check_with_other_rows(made, NAN);
}

/* What the profile counted of the kernels whose names start with "attend". */
typedef struct attend_work {
    uint64_t launches, bytes, operations;
} attend_work;

static attend_work work_of(const attend_case *of, float **got)
{
    hadal_profile_row *rows;
    size_t count;
    attend_work work = {0};
    hadal_device_profile_reset(test_device());
    *got = run_case(of);
    CHECK_OK(hadal_device_profile(test_device(), &rows, &count));
    for (size_t i = 0; i < count; i++)
        if (strncmp(rows[i].kernel, "attend", strlen("attend")) == 0) {
            work.launches += rows[i].launches;
            work.bytes += rows[i].bytes;
            work.operations += rows[i].operations;
        }
    free(rows);
    return work;
}

/* The same rows, selected from a context and from one of twice its length: the same work, the same bits. */
static void twice_the_context_is_the_same_work_for_sparse_attention(void **state)
{
    (void)state;
    enum { CONTEXT = 600, TOP = 64 };
    const attend_dims dims = {8, 128, 32, HADAL_KV_BF16};
    attend_case near = make_case(dims, 2, CONTEXT, TOP, true), far = make_case(dims, 2, 2 * CONTEXT, TOP, true);
    memcpy(far.query, near.query, near.tokens * dims.heads * near.row * sizeof *near.query);
    for (size_t token = 0; token < near.tokens; token++)
        for (size_t i = 0; i < TOP; i++) {
            size_t from = list_position(&near, token, i), to = 2 * from + token;
            far.selected[token * far.selected_stride + i] = (int32_t)to;
            memcpy(far.cache + to * far.row, near.cache + from * near.row, near.row * sizeof *near.cache);
        }
    float *near_got, *far_got;
    attend_work near_work = work_of(&near, &near_got), far_work = work_of(&far, &far_got);
    assert_true(near_work.operations > 0 && near_work.bytes > 0);
    assert_memory_equal(&near_work, &far_work, sizeof near_work);
    assert_memory_equal(near_got, far_got, near.tokens * dims.heads * near.latent_stride * sizeof *near_got);
    free(near_got), free(far_got), free_case(&near), free_case(&far);

    near = make_case(dims, 2, CONTEXT, CONTEXT, false), far = make_case(dims, 2, 2 * CONTEXT, 2 * CONTEXT, false);
    near_work = work_of(&near, &near_got), far_work = work_of(&far, &far_got);
    assert_true(far_work.operations >= near_work.operations * 19 / 10); /* dense attention does twice as much */
    free(near_got), free(far_got), free_case(&near), free_case(&far);
}

/* sum over i of a[i] * b[i * stride] */
static double dot(const double *a, const double *b, size_t count, size_t stride)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i] * b[i * stride];
    return sum;
}

/* Multi-head attention as it is defined: keys and values of each head are made from the cached latents (c, rotated kr)
 * with W_UK [NOPE, LATENT] and W_UV [V, LATENT]; attention in latent space must give the same. */
static void absorbed_attention_equals_multi_head_attention(void **state)
{
    (void)state;
    enum { HEADS = 5, LATENT = 48, ROPE = 16, NOPE = 24, V = 20, KEYS = 150, ROW = LATENT + ROPE };
    const double scale = 0.3;
    attend_case made = make_case((attend_dims){HEADS, LATENT, ROPE, HADAL_KV_F32}, 1, KEYS, KEYS, false);
    uint64_t random = 11;
    double q[HEADS][NOPE], up_key[HEADS][NOPE * LATENT], up_value[HEADS][V * LATENT], expected[HEADS * V] = {0};
    float got[HEADS * V];
    for (size_t h = 0; h < HEADS; h++) {
        double weights[KEYS], total = 0, rows[KEYS][ROW];
        for (size_t i = 0; i < NOPE; i++)
            q[h][i] = (double)test_random_float(&random);
        for (size_t i = 0; i < NOPE * LATENT; i++)
            up_key[h][i] = (double)test_random_float(&random) * 0.3;
        for (size_t i = 0; i < V * LATENT; i++)
            up_value[h][i] = (double)test_random_float(&random) * 0.3;
        float *query = made.query + h * ROW;
        double rotated[ROPE];
        for (size_t i = 0; i < ROPE; i++) {
            rotated[i] = (double)query[LATENT + i];
            query[LATENT + i] = (float)(rotated[i] * scale);
        }
        for (size_t i = 0; i < LATENT; i++)
            query[i] = (float)(dot(q[h], up_key[h] + i, NOPE, LATENT) * scale);
        for (size_t s = 0; s < KEYS; s++) {
            for (size_t i = 0; i < ROW; i++)
                rows[s][i] = (double)made.cache[s * ROW + i];
            double score = dot(rotated, rows[s] + LATENT, ROPE, 1);
            for (size_t i = 0; i < NOPE; i++)
                score += q[h][i] * dot(rows[s], up_key[h] + i * LATENT, LATENT, 1);
            total += weights[s] = exp(score * scale);
        }
        for (size_t s = 0; s < KEYS; s++)
            for (size_t i = 0; i < V; i++)
                expected[h * V + i] += weights[s] / total * dot(rows[s], up_value[h] + i * LATENT, LATENT, 1);
    }
    float *latents = run_case(&made);
    for (size_t h = 0; h < HEADS; h++) {
        double latent[LATENT];
        for (size_t i = 0; i < LATENT; i++)
            latent[i] = (double)latents[h * LATENT + i];
        for (size_t i = 0; i < V; i++)
            got[h * V + i] = (float)dot(latent, up_value[h] + i * LATENT, LATENT, 1);
    }
    CHECK_CLOSE(got, expected, HEADS * V, 3e-6);
    free(latents), free_case(&made);
}

/* ---- On the matrix unit ---------------------------------------------------------------------------- */

static const attend_dims tiles = {64, 512, 64, HADAL_KV_BF16}, more_tiles = {192, 512, 64, HADAL_KV_BF16};

/* Scores of the size that scaled queries give. */
static attend_case scaled(attend_case made, float factor)
{
    for (size_t i = 0; i < made.tokens * made.dims.heads * made.row; i++)
        made.query[i] *= factor;
    return made;
}

static void tiles_agree_at_awkward_sizes_sparse_and_dense(void **state)
{
    (void)state;
    check_case(scaled(make_case(tiles, 1, 1, 1, false), 0.1f));
    check_case(scaled(make_case(tiles, 3, 77, 77, false), 0.1f));
    check_case(scaled(make_case(more_tiles, 40, 70, 16, true), 0.1f)); /* the first queries see fewer */
    check_case(scaled(make_case(tiles, 5, 200, 33, true), 0.1f));
    check_case(scaled(make_case(tiles, 1, 3000, 2048, true), 0.1f)); /* many splits, the last one short */
    check_case(scaled(make_case(more_tiles, 2, 1001, 1001, false), 0.1f));
    check_case(in_sequences(scaled(make_case(tiles, 5, 300, 100, true), 0.1f)));
    check_case(in_sequences(scaled(make_case(tiles, 4, 130, 130, false), 0.1f)));
}

static void tiles_read_the_listed_rows_alone(void **state)
{
    (void)state;
    check_with_other_rows(scaled(make_case(tiles, 3, 700, 100, true), 0.1f), NAN);
    check_with_other_rows(in_sequences(scaled(make_case(tiles, 3, 300, 50, true), 0.1f)), NAN);
    attend_case counted = scaled(make_case(tiles, 2, 500, 50, true), 0.1f);
    counted.counts[0] = 30;
    counted.counts[1] = 49;
    check_with_other_rows(counted, 64.0f);
}

/* Scores that rise and fall from tile to tile by more than exp() can hold. */
static void tiles_scale_their_sums_when_scores_rise(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        attend_case made = scaled(make_case(tiles, 1, 400, 400, false), 0.1f);
        for (size_t s = 0; s < made.capacity; s++)
            made.cache[s * made.row] = (float)sign * (float)(s / 40);
        for (size_t head = 0; head < tiles.heads; head++)
            made.query[head * made.row] = head % 3 == 0 ? 16.0f : 2.0f;
        check_case(made);
    }
}

/* cl/attend_blocks.cl: two groups of 32 heads, the second with a single one, and a group of 16 with few. */
static const attend_dims blocks = {33, 512, 64, HADAL_KV_BF16}, few_heads = {5, 512, 128, HADAL_KV_BF16};

static void check_blocks(attend_case made)
{
    enum { ENOUGH_TO_EMULATE = 128 << 10 }; /* bytes */
    attend_op op;
    CHECK_OK(attend_create(&op, test_device(), &made.dims));
    if (!device_shape_of(test_device())->emulated ||
        hadal_device_describe(test_device())->local_memory_bytes >= ENOUGH_TO_EMULATE) {
        assert_non_null(op.tiles);
        assert_int_equal(op.tile.heads, made.dims.heads > 16 ? 32 : 16);
    }
    check_case(scaled(made, 0.1f));
}

static void blocks_agree_at_awkward_sizes_sparse_and_dense(void **state)
{
    (void)state;
    check_blocks(make_case(few_heads, 1, 1, 1, false));
    check_blocks(make_case(few_heads, 7, 9, 4, true)); /* the first queries see fewer */
    check_blocks(in_sequences(make_case(few_heads, 3, 70, 66, true)));
    check_blocks(in_sequences(make_case(few_heads, 2, 90, 90, false)));
    check_blocks(make_case(few_heads, 1, 500, 500, false)); /* splits */
    attend_case early = make_case(few_heads, 1, 500, 500, false);
    early.positions[0] = 9; /* all splits but the first are empty */
    check_blocks(early);
    check_blocks(make_case(blocks, 2, 200, 65, true));
}

static void blocks_read_the_listed_rows_alone(void **state)
{
    (void)state;
    check_with_other_rows(scaled(make_case(few_heads, 2, 300, 80, true), 0.1f), NAN);
    attend_case counted = scaled(make_case(few_heads, 2, 300, 70, true), 0.1f);
    counted.counts[0] = 30;
    counted.counts[1] = 69;
    check_with_other_rows(counted, 64.0f);
}

/* Scores that rise and fall from tile to tile by more than exp() can hold. */
static void blocks_scale_their_sums_when_scores_rise(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        attend_case made = make_case(few_heads, 1, 200, 200, false);
        for (size_t s = 0; s < made.capacity; s++)
            made.cache[s * made.row] = (float)sign * (float)(s / 40);
        for (size_t head = 0; head < few_heads.heads; head++)
            made.query[head * made.row] = head % 3 == 0 ? 160.0f : 20.0f;
        check_blocks(made);
    }
}

/* The same on every unit that it is for, the instruction emulated where the device has no such. */
static int run_on_other_units(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_agree_at_awkward_sizes_sparse_and_dense),
        cmocka_unit_test(blocks_read_the_listed_rows_alone),
        cmocka_unit_test(blocks_scale_their_sums_when_scores_rise),
    };
    int failed = 0;
    for (device_matrix unit = DEVICE_MATRIX_WGMMA + 1; unit < DEVICE_MATRIX_COUNT; unit++) {
        const char *what = test_open_matrix_unit(unit);
        failed += cmocka_run_group_tests_name(what, tests, NULL, NULL);
        hadal_device_close(test_device());
    }
    return failed;
}

/* Runs `tests` where the device has such a unit. */
static int run_on_matrix_unit(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;
    test_open_device_with(NULL, HADAL_PRECISION_FAST);
    if (device_shape_of(test_device())->matrix != DEVICE_MATRIX_NONE)
        failed = _cmocka_run_group_tests("matrix unit", tests, count, NULL, NULL);
    hadal_device_close(test_device());
    return failed;
}

static int run_in_float32(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_agrees_at_awkward_sizes_sparse_and_dense),
        cmocka_unit_test(attention_agrees_at_released_dims),
        cmocka_unit_test(absorbed_attention_equals_multi_head_attention),
        cmocka_unit_test(tokens_of_several_sequences_read_their_own_caches),
        cmocka_unit_test(rows_that_are_not_selected_are_never_read),
        cmocka_unit_test(softmax_is_over_the_selected_rows_alone),
        cmocka_unit_test(scores_of_any_size_neither_overflow_nor_vanish),
        cmocka_unit_test(the_last_rows_of_a_long_cache_are_reached),
        cmocka_unit_test(twice_the_context_is_the_same_work_for_sparse_attention),
    };
    TEST_ON_SHAPES(tests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_agree_at_awkward_sizes_sparse_and_dense),
        cmocka_unit_test(tiles_read_the_listed_rows_alone),
        cmocka_unit_test(tiles_scale_their_sums_when_scores_rise),
    };
    int failed = run_on_matrix_unit(tests, sizeof tests / sizeof *tests);
    failed += run_on_other_units();
    return run_in_float32() || failed;
}
