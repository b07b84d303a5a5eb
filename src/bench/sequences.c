/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "bench/sequences.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ops/fill.h"

/* ---- Costs ---------------------------------------------------------------------------------------- */

static size_t latent_row(const sequences *s)
{
    size_t elements = round_up(s->config.kv_lora_rank, ROW_UNIT) + round_up(s->config.qk_rope_head_dim, ROW_UNIT);
    return elements * (s->settings.kv_cache == HADAL_KV_BF16 ? 2 : sizeof(float));
}

/* An index key with its scale. */
static size_t index_row(const sequences *s)
{
    return round_up(s->config.index_head_dim, ROW_UNIT) * index_element_bytes(s->settings.index_cache) +
           (s->settings.index_cache == HADAL_INDEX_F32 ? 0 : sizeof(float));
}

/* Pairs of a query and a position that it attends to, of one sequence; `most` of each query. */
static uint64_t pairs(const sequences *s, size_t most)
{
    uint64_t sum = 0;
    for (size_t t = 0; t < s->tokens; t++)
        sum += min_size(s->settings.context - t, most);
    return sum;
}

/* Positions of the latent cache that a sequence's selections can touch. */
static size_t selected_rows(const sequences *s)
{
    return min_size(s->tokens * s->settings.index_topk, s->settings.context);
}

sequences_cost sequences_index_cost(const sequences *s)
{
    const model_config *c = &s->config;
    size_t keys = s->settings.context, heads = c->index_n_heads, tokens = s->tokens;
    size_t query = heads * round_up(c->index_head_dim, ROW_UNIT) * index_element_bytes(s->settings.index_cache);
    uint64_t scores = pairs(s, SIZE_MAX);
    return (sequences_cost){
        .bytes = s->count * (keys * index_row(s) + tokens * (query + heads * sizeof(float)) + scores * sizeof(float)),
        .operations = s->count * scores * heads * 2 * c->index_head_dim,
        .rotated = s->sets * s->count * keys * index_row(s),
    };
}

sequences_cost sequences_select_cost(const sequences *s)
{
    uint64_t values = pairs(s, SIZE_MAX) + pairs(s, s->settings.index_topk);
    return (sequences_cost){.bytes = s->count * values * sizeof(float)};
}

sequences_cost sequences_attend_cost(const sequences *s, bool dense)
{
    const model_config *c = &s->config;
    size_t rows = dense ? s->settings.context : selected_rows(s);
    size_t heads = s->tokens * c->num_attention_heads;
    uint64_t attended = pairs(s, dense ? SIZE_MAX : s->settings.index_topk);
    return (sequences_cost){
        .bytes = s->count * (rows * latent_row(s) +
                             heads * (2 * (size_t)c->kv_lora_rank + c->qk_rope_head_dim) * sizeof(float)),
        .operations = s->count * attended * c->num_attention_heads * 2 *
                      (2 * (uint64_t)c->kv_lora_rank + c->qk_rope_head_dim),
        .rotated = s->sets * s->count * rows * latent_row(s),
    };
}

double bench_experts_met(const model_config *config, size_t tokens)
{
    double missed = 1;
    for (size_t t = 0; t < tokens; t++)
        missed *= 1 - (double)config->num_experts_per_tok / config->n_routed_experts;
    return config->n_routed_experts * (1 - missed);
}

/* ---- Making --------------------------------------------------------------------------------------- */

/* Every sequence's last tokens of its context. */
static hadal_status write_places(const sequences *s)
{
    int32_t *positions, *members, *rows;
    size_t count = s->count * s->tokens;
    TRY(memory_allocate(&positions, 3 * count, sizeof *positions));
    members = positions + count;
    rows = members + count;
    for (size_t t = 0; t < count; t++) {
        size_t sequence = t / s->tokens, position = s->settings.context - s->tokens + t % s->tokens;
        positions[t] = (int32_t)position;
        members[t] = (int32_t)sequence;
        rows[t] = (int32_t)(sequence * s->settings.context + position);
    }
    hadal_status status = buffer_write(s->a.positions, 0, positions, count * sizeof *positions);
    if (status == HADAL_OK)
        status = buffer_write(s->a.sequences, 0, members, count * sizeof *members);
    if (status == HADAL_OK)
        status = buffer_write(s->a.rows, 0, rows, count * sizeof *rows);
    free(positions);
    return status;
}

/* Random inputs of every operation. What operations count in and leave zero for their next use (selection_scratch,
 * route_counter) stays as it was made. */
static hadal_status fill_activations(const sequences *s)
{
    const double query_amplitude = 0.3; /* logits of a few units against latents of the caches */
    const activations *a = &s->a;
    buffer *const inputs[] = {a->x, a->h, a->q_latent, a->q, a->kv, a->query, a->attended, a->values, a->index_query,
                              a->index_key, a->index_weights, a->index_head_weights, a->scores, a->router_logits,
                              a->expert_weights, a->gate, a->up, a->expert_out, a->shared_out};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        TRY(fill_buffer(s->device, inputs[i], FILL_F32, inputs[i] == a->query ? query_amplitude : 1, (uint32_t)i + 1));
    TRY(fill_buffer(s->device, a->tokens, FILL_INT32, s->config.vocab_size, 1));
    if (s->settings.index_cache == HADAL_INDEX_INT8)
        TRY(fill_buffer(s->device, a->index_quantised, FILL_INT8, 127, 1));
    else if (s->settings.index_cache == HADAL_INDEX_FP8)
        TRY(fill_buffer(s->device, a->index_quantised, FILL_F8, 448, 1));
    else
        TRY(fill_buffer(s->device, a->index_quantised, FILL_F32, 1, 1));
    return write_places(s);
}

/* As many sets of caches as make what sparse attention reads of them the working set, in half of the memory. */
static size_t choose_sets(const sequences *s, const bench *b)
{
    uint64_t keys = s->settings.context, most = hadal_device_describe(b->device)->memory_bytes / 2;
    uint64_t set = s->count * keys * (index_row(s) + latent_row(s));
    size_t sets = bench_copies(b, s->count * (keys * index_row(s) + selected_rows(s) * latent_row(s)));
    while (sets > 1 && sets * set > most)
        sets--;
    return sets;
}

hadal_status sequences_create_operations(sequences *s)
{
    const model_config *c = &s->config;
    const index_dims index = {c->index_n_heads, c->index_head_dim, c->qk_rope_head_dim, s->settings.index_cache,
                              c->scale_ue8m0};
    const attend_dims dims = {c->num_attention_heads, c->kv_lora_rank, c->qk_rope_head_dim, s->settings.kv_cache};
    TRY(index_scores_create(&s->index_scores, s->device, &index));
    TRY(top_k_create(&s->top_k, s->device));
    return attend_create(&s->attend, s->device, &dims);
}

static hadal_status create_memory(sequences *s)
{
    buffer_need needs[ACTIVATION_NEEDS], cache_needs[CACHE_NEEDS];
    size_t count = settings_activation_needs(needs, &s->settings, &s->config);
    size_t cache_count = settings_cache_needs(cache_needs, &s->settings, &s->config);
    TRY(memory_allocate(&s->caches, s->sets, sizeof *s->caches));
    TRY(settings_allocate(&s->a, s->device, needs, count));
    TRY(fill_activations(s));
    for (size_t i = 0; i < s->sets; i++) {
        TRY(settings_allocate(&s->caches[i], s->device, cache_needs, cache_count));
        TRY(settings_fill_cache(&s->caches[i], s->device, &s->settings, (uint32_t)(2 * i)));
    }
    return HADAL_OK;
}

hadal_status sequences_create(sequences *s, const bench *b, const model_config *config, size_t count, size_t tokens,
                              size_t context)
{
    hadal_status status;
    const hadal_session_options options = {.context = context, .chunk = count * tokens, .sequences = count};
    *s = (sequences){.device = b->device, .config = *config, .count = count, .tokens = tokens};
    if (count == 0 || tokens == 0 || tokens > context)
        return failure(HADAL_ERROR_ARGUMENT, "bench: a step of %zu tokens of %zu sequences cannot end at a context of "
                       "%zu tokens; expected at least one and at most the context", tokens, count, context);
    TRY(settings_resolve(&s->settings, config, &options, hadal_device_describe(b->device)));
    s->sets = choose_sets(s, b);
    TRY_OR(failed, sequences_create_operations(s));
    TRY_OR(failed, create_memory(s));
    TRY_OR(failed, sequences_sparse(s, 0)); /* selections that attend can be run on by itself */
    return device_finish(b->device);
failed:
    sequences_free(s);
    return status;
}

void sequences_free(sequences *s)
{
    buffer_need needs[ACTIVATION_NEEDS], cache_needs[CACHE_NEEDS];
    size_t count = settings_activation_needs(needs, &s->settings, &s->config);
    size_t cache_count = settings_cache_needs(cache_needs, &s->settings, &s->config);
    settings_release(&s->a, needs, count);
    for (size_t i = 0; s->caches && i < s->sets; i++)
        settings_release(&s->caches[i], cache_needs, cache_count);
    free(s->caches);
    s->caches = NULL;
}

/* ---- Running -------------------------------------------------------------------------------------- */

/* Positions up to the last of a piece's queries. */
static size_t keys_of(const sequences *s, size_t first, size_t rows)
{
    return s->count > 1 ? s->settings.context : s->settings.context - s->tokens + first + rows;
}

static hadal_status score_piece(const sequences *s, size_t repetition, size_t first, size_t rows)
{
    const activations *a = &s->a;
    const layer_cache *cache = &s->caches[repetition % s->sets];
    const index_sequences members = {a->sequences, s->settings.context, s->count > 1};
    size_t keys = keys_of(s, first, rows);
    return index_scores(&s->index_scores, a->scores, round_up(keys, ROW_UNIT), a->index_quantised,
                        a->index_head_weights, cache->index, cache->index_scales, a->positions, &members, first, rows,
                        keys);
}

static hadal_status select_piece(sequences *s, size_t first, size_t rows)
{
    const activations *a = &s->a;
    return top_k(&s->top_k, a->selected, round_up(s->settings.index_topk, ROW_UNIT), a->selected_counts, a->scores,
                 round_up(keys_of(s, first, rows), ROW_UNIT), a->positions, first, rows, s->settings.index_topk,
                 a->selection_scratch);
}

/* Scores, selections or both by turns, for as many queries at a time as there is room for scores. */
static hadal_status run_pieces(sequences *s, size_t repetition, bool score, bool select)
{
    size_t most = s->settings.score_rows, tokens = s->count * s->tokens;
    for (size_t first = 0; first < tokens; first += most) {
        size_t rows = min_size(most, tokens - first);
        if (score)
            TRY(score_piece(s, repetition, first, rows));
        if (select)
            TRY(select_piece(s, first, rows));
    }
    return HADAL_OK;
}

static attend_lists lists_of(const sequences *s, bool dense)
{
    const activations *a = &s->a;
    size_t context = s->settings.context, topk = s->settings.index_topk;
    return (attend_lists){
        .positions = a->positions,
        .selected = dense ? NULL : a->selected,
        .selected_stride = round_up(topk, ROW_UNIT),
        .counts = a->selected_counts,
        .sequences = a->sequences,
        .sequence_stride = context,
        .longest = dense ? context : min_size(topk, context),
    };
}

static hadal_status run_attend(const sequences *s, size_t repetition, bool dense)
{
    const activations *a = &s->a;
    const attend_lists lists = lists_of(s, dense);
    return attend(&s->attend, a->attended, a->query, s->caches[repetition % s->sets].latent, &lists,
                  s->count * s->tokens, a->partials);
}

hadal_status sequences_split(size_t *splits, const sequences *s)
{
    const activations *a = &s->a;
    const attend_lists lists = lists_of(s, false);
    return attend_splits(&s->attend, splits, a->attended, a->query, s->caches[0].latent, &lists, s->count * s->tokens,
                         a->partials);
}

hadal_status sequences_index(void *state, size_t repetition)
{
    return run_pieces(state, repetition, true, false);
}

hadal_status sequences_select(void *state, size_t repetition)
{
    return run_pieces(state, repetition, false, true);
}

hadal_status sequences_attend(void *state, size_t repetition)
{
    return run_attend(state, repetition, false);
}

hadal_status sequences_dense(void *state, size_t repetition)
{
    return run_attend(state, repetition, true);
}

hadal_status sequences_sparse(void *state, size_t repetition)
{
    TRY(run_pieces(state, repetition, true, true));
    return run_attend(state, repetition, false);
}
