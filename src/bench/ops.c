/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The operations of a layer one by one, through the wrappers with which the forward pass runs them. */

#include "bench/ops.h"

#include "base/memory.h"
#include "bench/ceilings.h"
#include "model/expect.h"
#include "model/model.h"
#include "ops/fill.h"

bench_case ops_case(ops *o, const char *name, const char *counted, uint64_t bytes, uint64_t operations, bench_work *run)
{
    return (bench_case){
        .row = {.name = name, .phase = o->phase, .counted = counted, .tokens = o->tokens, .bytes = bytes,
                .operations = operations},
        .compute = CEILING_BF16,
        .run = run,
        .state = o,
    };
}

/* ---- What passes over activations ------------------------------------------------------------------ */

static hadal_status run_norm(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return norm_rms(&o->norm, o->a->h, o->a->x, o->vector, o->tokens, o->s.config.hidden_size, 1e-6);
}

static hadal_status run_rope(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return rope_queries(&o->rope, o->a->query, o->a->q, o->rope_table, o->a->positions, o->tokens, 1.0);
}

static hadal_status run_latent(void *state, size_t repetition)
{
    const ops *o = state;
    return latent_store(&o->latent, o->s.caches[repetition % o->s.sets].latent, o->a->kv, o->vector, o->rope_table,
                        o->a->positions, o->a->rows, o->tokens, CONFIG_LATENT_NORM_EPS);
}

static hadal_status run_index_key(void *state, size_t repetition)
{
    const ops *o = state;
    const layer_cache *cache = &o->s.caches[repetition % o->s.sets];
    return index_key(&o->index_rotate, cache->index, cache->index_scales, o->a->index_key, o->vector, o->vector,
                     o->rope_table, o->a->positions, o->a->rows, o->tokens);
}

static hadal_status run_index_query(void *state, size_t repetition)
{
    const ops *o = state;
    const activations *a = o->a;
    (void)repetition;
    return index_query(&o->index_rotate, a->index_quantised, a->index_head_weights, a->index_query, a->index_weights,
                       o->rope_table, a->positions, o->tokens);
}

static hadal_status run_route(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return route_choose(&o->route, o->a->expert_ids, o->a->expert_weights, o->a->router_logits, o->vector, o->tokens);
}

/* Of the experts that run_route chose. */
static hadal_status run_dispatch(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return dispatch_slots(&o->dispatch, o->a->expert_offsets, o->a->expert_slots, o->a->expert_ids,
                          o->tokens * o->s.config.num_experts_per_tok, o->s.config.n_routed_experts);
}

static hadal_status run_swiglu(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return swiglu(&o->swiglu, o->a->gate, o->a->gate, o->a->up, o->tokens * o->s.config.num_experts_per_tok,
                  o->s.config.moe_intermediate_size);
}

static hadal_status run_combine(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return moe_combine(&o->moe_combine, o->a->x, o->a->expert_out, o->a->expert_weights, o->a->shared_out, o->tokens,
                       o->s.config.hidden_size, o->s.config.num_experts_per_tok);
}

static hadal_status simple(ops *o, const char *name, const char *counted, uint64_t bytes, bench_work *run)
{
    bench_case row = ops_case(o, name, counted, bytes, 0, run);
    return bench_best(o->b, &row);
}

static hadal_status measure_simple(ops *o)
{
    static const char counted[] = "float32 inputs and results, what is stored, once";
    const model_config *c = &o->s.config;
    uint64_t t = o->tokens, f = sizeof(float), d = c->hidden_size, k = c->num_experts_per_tok;
    uint64_t heads = c->num_attention_heads, index = (uint64_t)c->index_n_heads * c->index_head_dim;
    uint64_t latent = c->kv_lora_rank + c->qk_rope_head_dim, e = c->n_routed_experts;
    uint64_t latent_bytes = latent_row_bytes(&o->latent.dims);
    uint64_t element = index_element_bytes(o->s.settings.index_cache);
    TRY(simple(o, "rms_norm", counted, (2 * t + 1) * d * f, run_norm));
    TRY(simple(o, "rope_queries", counted, 2 * t * heads * c->qk_rope_head_dim * f, run_rope));
    TRY(simple(o, "latent_store", counted, t * (latent * f + latent_bytes), run_latent));
    TRY(simple(o, "index_key", counted, t * c->index_head_dim * (f + element), run_index_key));
    TRY(simple(o, "index_query", counted, t * (index * (f + element) + 2 * c->index_n_heads * f), run_index_query));
    TRY(simple(o, "route_choose", counted, (t * (e + 2 * k) + e) * f, run_route));
    TRY(simple(o, "dispatch_slots", counted, (2 * t * k + e + 1) * f, run_dispatch));
    TRY(simple(o, "swiglu", counted, 3 * t * k * c->moe_intermediate_size * f, run_swiglu));
    return simple(o, "moe_combine", counted, t * ((k + 3) * d + k) * f, run_combine);
}

/* ---- Embedding -------------------------------------------------------------------------------------- */

static hadal_status run_embed(void *state, size_t repetition)
{
    const ops *o = state;
    (void)repetition;
    return embed_rows(&o->embed, o->a->x, &o->weights[0], o->a->tokens, o->tokens);
}

static hadal_status measure_embed(ops *o)
{
    const model_config *c = &o->s.config;
    const matrix_source source = {.type = DTYPE_BF16, .rows = c->vocab_size, .columns = c->hidden_size, .random = 1};
    TRY(matrix_create(&o->weights[0], o->b->device, MEMORY_OTHER, &source));
    hadal_status status = simple(o, "embed_rows", "bf16 rows read and float32 rows written",
                                 (uint64_t)o->tokens * c->hidden_size * (2 + sizeof(float)), run_embed);
    matrix_free(&o->weights[0]);
    return status;
}

/* ---- Attention --------------------------------------------------------------------------------------- */

static hadal_status attention_part(ops *o, const char *name, const char *counted, sequences_cost cost, ceiling compute,
                                   bench_work *run)
{
    bench_case row = ops_case(o, name, counted, cost.bytes, cost.operations, run);
    row.row.context = o->s.settings.context;
    row.row.working_set = cost.rotated;
    row.compute = compute;
    row.state = &o->s;
    return bench_best(o->b, &row);
}

static hadal_status measure_attention(ops *o)
{
    sequences *s = &o->s;
    TRY(attention_part(o, "index_scores", "keys, queries and scores once; 2 operations a head, dim and pair",
                       sequences_index_cost(s), CEILING_INT8, sequences_index));
    TRY(attention_part(o, "top_k", "scores read, selections written once", sequences_select_cost(s), CEILING_FP32,
                       sequences_select));
    TRY(attention_part(o, "attend sparse", "rows that can be selected, queries and results once; selected pairs",
                       sequences_attend_cost(s, false), CEILING_BF16, sequences_attend));
    return attention_part(o, "attend dense", "all rows, queries and results once; causal pairs",
                          sequences_attend_cost(s, true), CEILING_BF16, sequences_dense);
}

/* ---- All ---------------------------------------------------------------------------------------------- */

static hadal_status create_operations(ops *o)
{
    hadal_device *device = o->b->device;
    const model_config *c = &o->s.config;
    const settings *s = &o->s.settings;
    const rope_dims rope = {c->num_attention_heads, c->qk_nope_head_dim, c->qk_rope_head_dim, c->kv_lora_rank};
    const latent_dims latent = {c->kv_lora_rank, c->qk_rope_head_dim, s->kv_cache};
    const index_dims index = {c->index_n_heads, c->index_head_dim, c->qk_rope_head_dim, s->index_cache, c->scale_ue8m0};
    const route_dims routing = {c->n_routed_experts, c->n_group, c->topk_group, c->num_experts_per_tok,
                                c->norm_topk_prob, c->routed_scaling_factor};
    TRY(linear_create(&o->linear, device, HADAL_LINEAR_OWN));
    TRY(norm_create(&o->norm, device));
    TRY(rope_create(&o->rope, device, &rope));
    TRY(latent_create(&o->latent, device, &latent));
    TRY(index_rotate_create(&o->index_rotate, device, &index));
    rotations_create(&o->rotations, device, &rope, &latent, &index);
    attend_values_create(&o->attend_values, device, &o->s.attend.dims);
    TRY(route_create(&o->route, device, &routing));
    TRY(dispatch_create(&o->dispatch, device));
    TRY(swiglu_create(&o->swiglu, device));
    TRY(moe_combine_create(&o->moe_combine, device));
    return embed_create(&o->embed, device, DTYPE_BF16);
}

static hadal_status create_memory(ops *o)
{
    const model_config *c = &o->s.config;
    size_t longest = max_size(max_size(c->hidden_size, c->kv_lora_rank),
                              max_size(c->index_head_dim, c->n_routed_experts));
    TRY(model_rope_table(&o->rope_table, o->b->device, c));
    TRY(buffer_create(&o->vector, o->b->device, MEMORY_OTHER, round_up(longest, ROW_UNIT) * sizeof(float)));
    return fill_buffer(o->b->device, o->vector, FILL_F32, 1, 1);
}

hadal_status ops_create(ops *o, bench *b, const model_config *config, size_t tokens, size_t context)
{
    hadal_status status;
    *o = (ops){.b = b, .tokens = tokens, .phase = tokens > 1 ? "prefill" : "decode"};
    TRY(sequences_create(&o->s, b, config, 1, tokens, context));
    o->a = &o->s.a;
    TRY_OR(failed, create_operations(o));
    TRY_OR(failed, create_memory(o));
    return HADAL_OK;
failed:
    ops_free(o);
    return status;
}

void ops_free(ops *o)
{
    linear_free(&o->linear);
    buffer_free(o->rope_table);
    buffer_free(o->vector);
    sequences_free(&o->s);
}

static hadal_status measure_rest(ops *o)
{
    TRY(ops_matrices(o));
    TRY(ops_experts(o));
    TRY(measure_embed(o));
    return measure_simple(o);
}

/* Of steps of that many tokens; what does not see the context is measured at the first one alone. */
static hadal_status measure_step(bench *b, const model_config *config, size_t tokens, const size_t *contexts,
                                 size_t context_count)
{
    hadal_status status = HADAL_OK;
    for (size_t i = 0; i < context_count && status == HADAL_OK; i++) {
        ops o;
        TRY(ops_create(&o, b, config, tokens, contexts[i]));
        status = measure_attention(&o);
        if (status == HADAL_OK && i == 0)
            status = measure_rest(&o);
        ops_free(&o);
    }
    return status;
}

static hadal_status measure_all(bench *b, const model_config *config)
{
    static const size_t default_contexts[] = {131072}, default_tokens[] = {1, 2048};
    const size_t *contexts, *tokens;
    size_t context_count, token_count;
    bench_list(&contexts, &context_count, b->options.contexts, b->options.context_count, default_contexts, 1, SIZE_MAX);
    bench_list(&tokens, &token_count, b->options.tokens, b->options.token_count, default_tokens, 2, SIZE_MAX);
    for (size_t i = 0; i < token_count; i++)
        if (b->options.phases & (tokens[i] > 1 ? HADAL_BENCH_PREFILL : HADAL_BENCH_DECODE))
            TRY(measure_step(b, config, tokens[i], contexts, context_count));
    return HADAL_OK;
}

hadal_status hadal_bench_ops(hadal_device *device, const hadal_bench_options *options, hadal_bench_report report,
                             void *user)
{
    bench b;
    model_config config;
    hadal_status status;
    TRY(config_of_dims(&config, options ? options->dims : NULL));
    TRY_OR(done, bench_open(&b, device, "ops", options, report, user));
    TRY_OR(done, ceilings_measure(&b));
    TRY_OR(done, measure_all(&b, &config));
done:
    bench_close(&b);
    return status;
}
