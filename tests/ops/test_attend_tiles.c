/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The kernel of cl/attend_tiles.cl, whose warpgroups have roles: run by threads, without a device (warpgroups.h). */

#include "tests/ops/warpgroups.h"

#include "base/memory.h"
#include "base/random.h"
#include "ops/attend.h"
#include "ops/reference.h"
#include "tests/check.h"

enum { SEQUENCES = 3, CAPACITY = 200 };

static const attend_dims dims = {.heads = HEADS, .latent = LATENT, .rope = ROPE, .cache = HADAL_KV_BF16};

/* One call of the kernel. */
typedef struct tiles_case {
    int tokens, splits;
    const int *counts;         /* [tokens] lengths of lists */
    bool sparse, sequences, rising; /* rising: scores rise from tile to tile by more than exp() can hold */
} tiles_case;

/* Its arguments. */
static struct {
    float *out, *scratch, *query, *cache;
    char *stored;
    int positions[8], selected[8 * CAPACITY], sequences[8], split_length;
    const int *counts;
    bool sparse, in_sequences;
} call;

static void *work_item(void *number)
{
    me = (int)(size_t)number;
    attend_tiles(call.out, call.scratch, call.query, call.stored, call.positions, call.sparse ? call.selected : NULL,
                 CAPACITY, call.counts, call.in_sequences ? call.sequences : NULL, CAPACITY, call.split_length);
    return NULL;
}

static void run_group(void)
{
    pthread_t threads[THREADS];
    pthread_attr_t attributes;
    group.events = 0;
    memset(group.event_arrived, 0, sizeof group.event_arrived);
    memset(group.event_rounds, 0, sizeof group.event_rounds);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], &attributes, work_item, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_attr_destroy(&attributes);
    for (int i = 0; i < MEETINGS; i++)
        assert_int_equal(group.arrived[i], 0); /* nobody waits for someone who has left */
}

static void run_groups(const tiles_case *c)
{
    group.groups[0] = HEADS / 64;
    group.groups[1] = (size_t)c->splits;
    group.groups[2] = (size_t)c->tokens;
    for (group.group[2] = 0; group.group[2] < group.groups[2]; group.group[2]++)
        for (group.group[1] = 0; group.group[1] < group.groups[1]; group.group[1]++)
            for (group.group[0] = 0; group.group[0] < group.groups[0]; group.group[0]++)
                run_group();
}

static float *random_values(uint64_t *random, size_t count, float largest)
{
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = random_float(random) * largest;
    return values;
}

static void *poison(size_t bytes)
{
    void *made = malloc(bytes);
    assert_non_null(made);
    return memset(made, 0xff, bytes);
}

static void make_call(const tiles_case *c, size_t heads)
{
    uint64_t random = (uint64_t)c->splits;
    size_t elements = SEQUENCES * CAPACITY * ROW;
    call.sparse = c->sparse;
    call.in_sequences = c->sequences;
    call.counts = c->counts;
    call.out = poison(heads * LATENT * sizeof(float));
    call.scratch = poison(heads * (size_t)c->splits * (LATENT + 2) * sizeof(float));
    call.query = random_values(&random, heads * ROW, 0.15f);
    call.cache = random_values(&random, elements, 1.0f);
    call.stored = malloc(elements * 2);
    assert_non_null(call.stored);
    for (size_t i = 0; i < heads && c->rising; i++)
        call.query[i * ROW] = i % 3 ? 2.0f : 16.0f;
    for (size_t i = 0; i < elements; i++) {
        if (c->rising && i % ROW == 0)
            call.cache[i] = (float)(i / ROW % CAPACITY / 20);
        uint16_t stored = (uint16_t)bf16_bits(call.cache[i]);
        memcpy(call.stored + 2 * i, &stored, sizeof stored);
        call.cache[i] = as_float((uint)stored << 16);
    }
    for (int t = 0; t < c->tokens; t++) {
        call.positions[t] = c->counts[t] - 1;
        call.sequences[t] = c->sequences ? (2 * t + 1) % SEQUENCES : 0;
        for (int i = 0; i < c->counts[t]; i++)
            call.selected[t * CAPACITY + i] = i * CAPACITY / c->counts[t];
    }
}

/* What attend_combine makes of scratch. */
static void combine_splits(size_t heads, size_t splits)
{
    const float *totals = call.scratch + heads * splits * LATENT;
    double mean[LATENT];
    for (size_t row = 0; row < heads && splits > 1; row++) {
        reference_combine(mean, call.scratch + row * splits * LATENT, totals + 2 * row * splits, LATENT, splits);
        for (size_t i = 0; i < LATENT; i++)
            call.out[row * LATENT + i] = (float)mean[i];
    }
}

static void check_tiles(tiles_case c)
{
    int longest = 0;
    size_t heads = (size_t)c.tokens * HEADS;
    for (int t = 0; t < c.tokens; t++)
        longest = c.counts[t] > longest ? c.counts[t] : longest;
    call.split_length = (longest + c.splits * KEYS - 1) / (c.splits * KEYS) * KEYS;
    make_call(&c, heads);
    run_groups(&c);
    combine_splits(heads, (size_t)c.splits);
    double *expected = calloc(heads * LATENT, sizeof *expected);
    assert_non_null(expected);
    for (size_t row = 0; row < heads; row++) {
        size_t t = row / HEADS, first = c.sequences ? (size_t)call.sequences[t] * CAPACITY : 0;
        reference_attend(expected + row * LATENT, &dims, call.query + row * ROW, call.cache + first * ROW,
                         c.sparse ? call.selected + t * CAPACITY : NULL, (size_t)c.counts[t]);
    }
    double error = reference_error(call.out, expected, heads * LATENT);
    if (!(error <= 0x1p-8))
        fail_msg("%d tokens in %d splits, the longest list %d: relative error %g", c.tokens, c.splits, longest, error);
    free(call.out), free(call.scratch), free(call.query), free(call.cache), free(call.stored), free(expected);
}

static const int awkward[] = {1, 16, 17, 50}, several[] = {130, 4};

static void lists_of_any_length_are_attended_to(void **state)
{
    (void)state;
    check_tiles((tiles_case){.tokens = 4, .splits = 1, .counts = awkward, .sparse = true});
    check_tiles((tiles_case){.tokens = 4, .splits = 1, .counts = awkward});
    check_tiles((tiles_case){.tokens = 2, .splits = 1, .counts = several, .sparse = true}); /* slots come round again */
}

static void splits_add_up_even_empty_ones(void **state)
{
    (void)state;
    check_tiles((tiles_case){.tokens = 4, .splits = 4, .counts = awkward, .sparse = true});
    check_tiles((tiles_case){.tokens = 2, .splits = 3, .counts = several});
}

static void tokens_of_sequences_read_their_own_rows(void **state)
{
    (void)state;
    check_tiles((tiles_case){.tokens = 4, .splits = 1, .counts = awkward, .sparse = true, .sequences = true});
    check_tiles((tiles_case){.tokens = 2, .splits = 2, .counts = several, .sequences = true});
}

static void sums_are_scaled_when_scores_rise(void **state)
{
    (void)state;
    check_tiles((tiles_case){.tokens = 2, .splits = 1, .counts = several, .rising = true});
    check_tiles((tiles_case){.tokens = 2, .splits = 2, .counts = several, .sparse = true, .rising = true});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_any_length_are_attended_to),
        cmocka_unit_test(splits_add_up_even_empty_ones),
        cmocka_unit_test(tokens_of_sequences_read_their_own_rows),
        cmocka_unit_test(sums_are_scaled_when_scores_rise),
    };
    pthread_mutex_init(&group.lock, NULL);
    pthread_cond_init(&group.changed, NULL);
    pthread_barrier_init(&group.all, NULL, THREADS);
    for (size_t i = 0; i < 3; i++)
        pthread_barrier_init(&group.warpgroups[i], NULL, WARPGROUP);
    for (size_t i = 0; i < WARPS; i++)
        pthread_barrier_init(&group.warps[i], NULL, 32);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
