/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The page that says what the model computes. Notation: T tokens of the step, d hidden_size, H heads. Equations:
 * DeepSeek-V3 technical report, https://arxiv.org/abs/2412.19437, section 2.1 (attention, experts), and the
 * DeepSeek-V3.2 report (lightning indexer, sparse attention). */

#include "model/forward.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/model.h"
#include "ops/attend.h"
#include "ops/attend_heads.h"
#include "ops/attend_values.h"
#include "ops/dispatch.h"
#include "ops/embed.h"
#include "ops/index_rotate.h"
#include "ops/index_scores.h"
#include "ops/latent.h"
#include "ops/linear.h"
#include "ops/moe_combine.h"
#include "ops/norm.h"
#include "ops/project.h"
#include "ops/rope.h"
#include "ops/rotations.h"
#include "ops/route.h"
#include "ops/swiglu.h"
#include "ops/top_k.h"

/* The operations, prepared for the model's dimensions and the session's cache types. */
typedef struct operations {
    embed_op embed;
    norm_op norm;
    linear_op linear;
    rope_op rope;
    latent_op latent;
    index_rotate_op index_rotate;
    index_scores_op index_scores;
    top_k_op top_k;
    rotations_op rotations;
    attend_op attend;
    attend_heads_op attend_heads;
    attend_values_op attend_values;
    route_op route;
    dispatch_op dispatch;
    swiglu_op swiglu;
    moe_combine_op moe_combine;
} operations;

/* The tokens of a step. */
typedef struct step {
    size_t tokens;
    size_t keys;     /* the largest of their positions + 1 */
    bool mixed;      /* they belong to several sequences; else their positions follow one another */
    bool sparse;     /* attend to the indexer's selection, else to every earlier position */
    bool by_heads;   /* attend to keys and values of every head, else in latent space */
    size_t first_row; /* of their sequence in the caches, unless mixed */
} step;

struct forward {
    hadal_model *model;
    settings settings;
    double softmax_scale;
    operations ops;
    activations a;
    layer_cache *caches; /* [num_hidden_layers] */
    size_t not_normed;   /* tokens of the step, until a.h holds their last norm; then 0 */
};

/* ---- Attention ------------------------------------------------------------------------------------ */

/* [kv; index_key; q_latent; index_weights] = W RMSNorm(x), [q; index_query] = W RMSNorm(q_latent); what the indexer
 * selects by is needed only where it selects. */
static hadal_status project_inputs(forward *f, const layer_weights *w, const step *s)
{
    const model_config *c = &f->model->config;
    const activations *a = &f->a;
    const project_input x = {a->x, w->input_layernorm, c->rms_norm_eps, a->h};
    const project_input q_latent = {a->q_latent, w->q_a_layernorm, CONFIG_LATENT_NORM_EPS, a->q_latent};
    const matvec_output of_x[] = {{a->kv, &w->kv_a_proj},
                                  {a->index_key, &w->indexer_wk},
                                  {a->q_latent, &w->q_a_proj},
                                  {a->index_weights, &w->indexer_weights_proj}};
    const matvec_output of_q_latent[] = {{a->q, &w->q_b_proj}, {a->index_query, &w->indexer_wq_b}};
    TRY(project(&f->ops.linear, &f->ops.norm, of_x, s->sparse ? 4 : 3, &x, s->tokens));
    return project(&f->ops.linear, &f->ops.norm, of_q_latent, s->sparse ? 2 : 1, &q_latent, s->tokens);
}

/* The latent part of query[t, h] = [q_nope W_UK ; RoPE(q_pe)] * scale: the query against the latent cache. */
static hadal_status absorb_queries(forward *f, const layer_weights *w, const step *s)
{
    const model_config *c = &f->model->config;
    size_t heads = c->num_attention_heads, q_width = c->qk_nope_head_dim + c->qk_rope_head_dim;
    size_t query_width = round_up(c->kv_lora_rank, ROW_UNIT) + round_up(c->qk_rope_head_dim, ROW_UNIT);
    const head_layout q_rows = {round_up(heads * q_width, ROW_UNIT), q_width};
    const head_layout query_rows = {heads * query_width, query_width};
    return linear_heads(&f->ops.linear, f->a.query, query_rows, f->a.q, q_rows, &w->k_up_proj, s->tokens,
                        f->softmax_scale);
}

/* Caches c = RMSNorm(latent) and RoPE(k_pe) of the step's tokens, and the indexer's keys; makes the queries, and those
 * of the indexer. */
static hadal_status prepare_attention(forward *f, const layer_weights *w, const layer_cache *cache, const step *s)
{
    const activations *a = &f->a;
    const buffer *table = f->model->rope_table;
    const rotations_rows rows = {
        cache->latent, a->kv, w->kv_a_layernorm, cache->index, cache->index_scales, a->index_key,
        w->indexer_k_norm_weight, w->indexer_k_norm_bias, a->query, a->q, a->index_quantised, a->index_head_weights,
        s->sparse ? a->index_query : NULL, a->index_weights, table, a->positions, a->rows, f->softmax_scale};
    if (s->tokens == 1 && rotations_take(&f->ops.rotations, &f->ops.linear.matvec, &w->k_up_proj))
        return rotations(&f->ops.rotations, &rows, &w->k_up_proj, CONFIG_LATENT_NORM_EPS);
    if (!s->by_heads)
        TRY(absorb_queries(f, w, s));
    TRY(latent_store(&f->ops.latent, cache->latent, a->kv, w->kv_a_layernorm, table, a->positions, a->rows, s->tokens,
                     CONFIG_LATENT_NORM_EPS));
    TRY(index_key(&f->ops.index_rotate, cache->index, cache->index_scales, a->index_key, w->indexer_k_norm_weight,
                  w->indexer_k_norm_bias, table, a->positions, a->rows, s->tokens));
    TRY(rope_queries(&f->ops.rope, a->query, a->q, table, a->positions, s->tokens, f->softmax_scale));
    return s->sparse ? index_query(&f->ops.index_rotate, a->index_quantised, a->index_head_weights, a->index_query,
                                   a->index_weights, table, a->positions, s->tokens)
                     : HADAL_OK;
}

/* selected[t] = the positions of the index_topk largest I[t, s] = sum over j of w[t, j] ReLU(q[t, j] . k[s]). Scores
 * are made and consumed for score_rows queries at a time, so that memory is bounded whatever the prompt's length. Rows
 * are as long as there are keys, not as the context. */
static hadal_status select_positions(forward *f, const layer_cache *cache, const step *s)
{
    const activations *a = &f->a;
    const settings *set = &f->settings;
    const index_sequences sequences = {a->sequences, set->context, s->mixed};
    for (size_t first = 0; first < s->tokens; first += set->score_rows) {
        size_t rows = min_size(set->score_rows, s->tokens - first);
        size_t keys = s->mixed ? s->keys : s->keys - s->tokens + first + rows;
        size_t stride = round_up(keys, ROW_UNIT);
        TRY(index_scores(&f->ops.index_scores, a->scores, stride, a->index_quantised, a->index_head_weights,
                         cache->index, cache->index_scales, a->positions, &sequences, first, rows, keys));
        TRY(top_k(&f->ops.top_k, a->selected, round_up(set->index_topk, ROW_UNIT), a->selected_counts, a->scores,
                  stride, a->positions, first, rows, set->index_topk, a->selection_scratch));
    }
    return HADAL_OK;
}

/* values[t, h] = softmax(query[t, h] . cache) cache W_UV */
static hadal_status attend_to_cache(forward *f, const layer_weights *w, const layer_cache *cache, const step *s)
{
    const model_config *c = &f->model->config;
    const activations *a = &f->a;
    size_t heads = c->num_attention_heads, latent = round_up(c->kv_lora_rank, ROW_UNIT), splits;
    const head_layout attended_rows = {heads * latent, latent};
    const head_layout value_rows = {round_up(heads * c->v_head_dim, ROW_UNIT), c->v_head_dim};
    const attend_lists lists = {
        .positions = a->positions,
        .selected = s->sparse ? a->selected : NULL,
        .selected_stride = round_up(f->settings.index_topk, ROW_UNIT),
        .counts = a->selected_counts,
        .sequences = a->sequences,
        .sequence_stride = f->settings.context,
        .longest = s->sparse ? min_size(f->settings.index_topk, s->keys) : s->keys,
    };
    TRY(attend_splits(&f->ops.attend, &splits, a->attended, a->query, cache->latent, &lists, s->tokens, a->partials));
    if (s->tokens == 1 && splits > 1 &&
        attend_values_takes(&f->ops.attend_values, &f->ops.linear.matvec, &w->v_up_proj))
        return attend_values(&f->ops.attend_values, a->values, value_rows.head_stride, a->attended, a->partials, splits,
                             &w->v_up_proj);
    TRY(attend_combine(&f->ops.attend, a->attended, a->partials, splits, s->tokens));
    return linear_heads(&f->ops.linear, a->values, value_rows, a->attended, attended_rows, &w->v_up_proj, s->tokens,
                        1.0);
}

/* values[t, h] = softmax([scale q_nope ; RoPE(q_pe)] . [W_UK c ; RoPE(k_pe)]) W_UV c: the same as plain multi-head
 * attention. W_UK and W_UV meet positions instead of queries. */
static hadal_status attend_by_heads(forward *f, const layer_weights *w, const layer_cache *cache, const step *s)
{
    const activations *a = &f->a;
    const attend_heads_memory memory = settings_heads_memory(&f->settings, &f->model->config, a);
    const attend_heads_step call = {s->tokens, s->keys, a->q, a->query, cache->latent, s->first_row, &w->k_up_proj,
                                    &w->v_up_proj, f->softmax_scale};
    return attend_heads(&f->ops.attend_heads, &f->ops.linear, &f->ops.latent, a->values, &call, &memory);
}

/* x += W_o values */
static hadal_status attention(forward *f, const layer_weights *w, const layer_cache *cache, const step *s)
{
    TRY(project_inputs(f, w, s));
    TRY(prepare_attention(f, w, cache, s));
    if (s->sparse)
        TRY(select_positions(f, cache, s));
    TRY((s->by_heads ? attend_by_heads : attend_to_cache)(f, w, cache, s));
    return linear_run(&f->ops.linear, f->a.x, f->a.values, &w->o_proj, s->tokens, true);
}

/* ---- Feed-forward ----------------------------------------------------------------------------------- */

/* out (+)= down(silu(gate(h)) * up(h)) */
static hadal_status mlp(forward *f, buffer *out, const mlp_weights *w, const step *s, bool accumulate)
{
    const activations *a = &f->a;
    TRY(linear_run(&f->ops.linear, a->gate, a->h, &w->gate_proj, s->tokens, false));
    TRY(linear_run_again(&f->ops.linear, a->up, a->h, &w->up_proj, s->tokens, false));
    TRY(swiglu(&f->ops.swiglu, a->gate, a->gate, a->up, s->tokens, w->gate_proj.rows));
    return linear_run(&f->ops.linear, out, a->gate, &w->down_proj, s->tokens, accumulate);
}

/* expert_ids[t] = the experts that the router chooses, expert_weights[t] their weights, and their slots by expert */
static hadal_status route(forward *f, const layer_weights *w, const step *s, const linear_slots *slots)
{
    const model_config *c = &f->model->config;
    const activations *a = &f->a;
    TRY(linear_run(&f->ops.linear, a->router_logits, a->h, &w->router, s->tokens, false));
    TRY(route_choose(&f->ops.route, a->expert_ids, a->expert_weights, a->router_logits, w->router_bias, s->tokens));
    if (!linear_wants_lists(slots))
        return HADAL_OK;
    return dispatch_slots(&f->ops.dispatch, a->expert_offsets, a->expert_slots, a->expert_ids,
                          s->tokens * c->num_experts_per_tok, c->n_routed_experts);
}

/* x += sum over chosen experts e of weight_e MLP_e(h) + MLP_shared(h) */
static hadal_status experts(forward *f, const layer_weights *w, const step *s)
{
    const model_config *c = &f->model->config;
    const activations *a = &f->a;
    const linear_slots slots = {a->expert_ids, a->expert_offsets, a->expert_slots, s->tokens, c->num_experts_per_tok};
    size_t choices = c->num_experts_per_tok;
    TRY(route(f, w, s, &slots));
    TRY(linear_experts(&f->ops.linear, a->gate, a->h, &w->experts.gate_proj, &slots, choices));
    TRY(linear_experts_again(&f->ops.linear, a->up, a->h, &w->experts.up_proj, &slots, choices));
    TRY(swiglu(&f->ops.swiglu, a->gate, a->gate, a->up, s->tokens * choices, c->moe_intermediate_size));
    TRY(linear_experts(&f->ops.linear, a->expert_out, a->gate, &w->experts.down_proj, &slots, 1));
    TRY(mlp(f, a->shared_out, &w->shared_experts, s, false));
    return moe_combine(&f->ops.moe_combine, a->x, a->expert_out, a->expert_weights, a->shared_out, s->tokens,
                       c->hidden_size, choices);
}

/* What experts() and mlp() compute, for one token: whatever it needs of the weights is read once, in two launches
 * behind the router's. */
static matvec_experts experts_of_one(const forward *f, const layer_weights *w)
{
    const activations *a = &f->a;
    const mlp_weights *routed = &w->experts, *shared = w->has_experts ? &w->shared_experts : &w->mlp;
    return (matvec_experts){&routed->gate_proj, &routed->up_proj, &routed->down_proj, &shared->gate_proj,
                            &shared->up_proj,   &shared->down_proj, a->expert_ids, a->expert_weights,
                            1, w->has_experts ? f->model->config.num_experts_per_tok : 0};
}

static hadal_status feed_forward_of_one(forward *f, const layer_weights *w, const matvec_experts *experts)
{
    const activations *a = &f->a;
    const matvec_input in = {.in = a->x, .norm_weight = w->post_attention_layernorm,
                             .epsilon = f->model->config.rms_norm_eps};
    if (w->has_experts)
        TRY(route_one(&f->ops.route, a->expert_ids, a->expert_weights, a->router_logits, a->route_counter,
                      w->router_bias, &in, &w->router));
    TRY(matvec_gated(&f->ops.linear.matvec, a->gate, &in, experts));
    return matvec_down(&f->ops.linear.matvec, a->x, a->gate, experts);
}

static hadal_status feed_forward(forward *f, const layer_weights *w, const step *s)
{
    const model_config *c = &f->model->config;
    const matvec_experts one = experts_of_one(f, w);
    if (s->tokens == 1 && matvec_takes_experts(&f->ops.linear.matvec, &one) &&
        (!w->has_experts || route_takes_one(&f->ops.linear.matvec, &w->router)))
        return feed_forward_of_one(f, w, &one);
    TRY(norm_rms(&f->ops.norm, f->a.h, f->a.x, w->post_attention_layernorm, s->tokens, c->hidden_size,
                 c->rms_norm_eps));
    return w->has_experts ? experts(f, w, s) : mlp(f, f->a.x, &w->mlp, s, true);
}

/* ---- Steps -------------------------------------------------------------------------------------------- */

static bool wants_sparse(const settings *s, size_t keys)
{
    if (s->attention == HADAL_ATTENTION_AUTO) /* up to index_topk keys the selection is everything */
        return keys > s->index_topk;
    return s->attention == HADAL_ATTENTION_SPARSE;
}

/* The row of a token in the caches. */
static int32_t cache_row(const forward *f, const forward_token *token)
{
    return (int32_t)((size_t)token->sequence * f->settings.context + (size_t)token->position);
}

/* In parts, so that a step of any size needs no memory. */
static hadal_status write_inputs(forward *f, const forward_token *tokens, size_t count)
{
    enum { PART = 256 };
    int32_t ids[PART], positions[PART], sequences[PART], rows[PART];
    const activations *a = &f->a;
    for (size_t first = 0; first < count; first += PART) {
        size_t here = min_size(PART, count - first), offset = first * sizeof(int32_t), bytes = here * sizeof(int32_t);
        for (size_t i = 0; i < here; i++) {
            const forward_token *token = &tokens[first + i];
            ids[i] = token->id;
            positions[i] = token->position;
            sequences[i] = token->sequence;
            rows[i] = cache_row(f, token);
        }
        TRY(buffer_write(a->tokens, offset, ids, bytes));
        TRY(buffer_write(a->positions, offset, positions, bytes));
        TRY(buffer_write(a->sequences, offset, sequences, bytes));
        TRY(buffer_write(a->rows, offset, rows, bytes));
    }
    return HADAL_OK;
}

/* a->x = the tokens' rows of the embedding; positions, sequences and rows for all that follows. One token's go with the
 * launch: each of the writes would wait for the device. */
static hadal_status embed(forward *f, const forward_token *tokens, size_t count)
{
    const activations *a = &f->a;
    if (count > 1) {
        TRY(write_inputs(f, tokens, count));
        return embed_rows(&f->ops.embed, a->x, &f->model->embed_tokens, a->tokens, count);
    }
    const embed_token token = {tokens->id, tokens->position, tokens->sequence, cache_row(f, tokens)};
    return embed_one(&f->ops.embed, a->x, &f->model->embed_tokens, &token, a->positions, a->sequences, a->rows);
}

static step plan_step(const forward *f, const forward_token *tokens, size_t count)
{
    const settings *set = &f->settings;
    step s = {.tokens = count, .first_row = (size_t)tokens->sequence * set->context};
    for (size_t i = 0; i < count; i++) {
        s.keys = max_size(s.keys, (size_t)tokens[i].position + 1);
        s.mixed |= tokens[i].sequence != tokens[0].sequence;
    }
    s.sparse = wants_sparse(set, s.keys);
    s.by_heads = !s.sparse && !s.mixed && f->a.head_keys && attend_heads_pays(&f->ops.attend_heads, count, s.keys);
    return s;
}

static hadal_status run_step(forward *f, const step *s, const forward_token *tokens)
{
    const hadal_model *m = f->model;
    TRY(embed(f, tokens, s->tokens));
    for (uint32_t layer = 0; layer < m->config.num_hidden_layers; layer++) {
        TRY(attention(f, &m->layers[layer], &f->caches[layer], s));
        TRY(feed_forward(f, &m->layers[layer], s));
    }
    f->not_normed = s->tokens;
    return HADAL_OK;
}

hadal_status forward_step(forward *f, const forward_token *tokens, size_t count)
{
    const step s = plan_step(f, tokens, count);
    device_set_phase(f->model->device, count > 1 && !s.mixed ? "prefill" : "decode");
    return run_step(f, &s, tokens);
}

/* Parameters of a layer's dense products: of attention, which all layers have. */
static uint64_t dense_parameters(const layer_weights *w)
{
    const matrix *const dense[] = {&w->q_a_proj, &w->q_b_proj, &w->kv_a_proj, &w->o_proj, &w->indexer_wq_b};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++)
        sum += (uint64_t)dense[i]->rows * dense[i]->columns;
    return sum;
}

hadal_status forward_expect(forward *f, size_t ahead)
{
    const hadal_model *m = f->model;
    const layer_weights *w = &m->layers[0];
    return linear_choose(&f->ops.linear, f->a.q, f->a.q_latent, &w->q_b_proj, min_size(f->settings.chunk, ahead), ahead,
                         dense_parameters(w) * m->config.num_hidden_layers);
}

/* logits = lm_head RMSNorm(x) of those tokens of the step */
static hadal_status multiply_logits(forward *f, size_t first, size_t rows)
{
    const hadal_model *m = f->model;
    const activations *a = &f->a;
    const model_config *c = &m->config;
    const matvec_input x = {.in = a->x, .row = first, .norm_weight = m->norm, .epsilon = c->rms_norm_eps};
    const matvec_output logits = {a->logits, &m->lm_head};
    if (rows == 1 && matvec_takes(&f->ops.linear.matvec, &m->lm_head))
        return matvec_run(&f->ops.linear.matvec, &x, &logits, 1, false);
    if (f->not_normed)
        TRY(norm_rms(&f->ops.norm, a->h, a->x, m->norm, f->not_normed, c->hidden_size, c->rms_norm_eps));
    f->not_normed = 0; /* logits are asked for some rows at a time */
    return linear_run_from(&f->ops.linear, a->logits, a->h, first, &m->lm_head, rows);
}

hadal_status forward_prepare(forward *f)
{
    const forward_token first = {0};
    step s = plan_step(f, &first, 1);
    device_set_phase(f->model->device, "load");
    TRY(run_step(f, &s, &first));
    if (!s.sparse && wants_sparse(&f->settings, f->settings.context)) {
        s.sparse = true;
        TRY(run_step(f, &s, &first));
    }
    TRY(multiply_logits(f, 0, 1));
    return device_finish(f->model->device);
}

hadal_status forward_start_logits(forward *f, size_t first, size_t rows)
{
    TRY(multiply_logits(f, first, rows));
    return device_flush(f->model->device);
}

hadal_status forward_read_logits(forward *f, float *logits, size_t rows)
{
    size_t vocabulary = f->model->config.vocab_size, stride = round_up(vocabulary, ROW_UNIT);
    for (size_t row = 0; row < rows; row++)
        TRY(buffer_read(f->a.logits, row * stride * sizeof(float), logits + row * vocabulary,
                        vocabulary * sizeof(float)));
    return HADAL_OK;
}

hadal_status forward_logits(forward *f, float *logits, size_t first, size_t rows)
{
    TRY(multiply_logits(f, first, rows));
    return forward_read_logits(f, logits, rows);
}

/* ---- Creation ------------------------------------------------------------------------------------------- */

static hadal_status create_attention_operations(operations *ops, hadal_device *device, const model_config *c,
                                                const settings *s)
{
    const rope_dims rope = {c->num_attention_heads, c->qk_nope_head_dim, c->qk_rope_head_dim, c->kv_lora_rank};
    const latent_dims latent = {c->kv_lora_rank, c->qk_rope_head_dim, s->kv_cache};
    const index_dims index = {c->index_n_heads, c->index_head_dim, c->qk_rope_head_dim, s->index_cache, c->scale_ue8m0};
    const attend_dims dims = {c->num_attention_heads, c->kv_lora_rank, c->qk_rope_head_dim, s->kv_cache};
    const attend_heads_dims heads = settings_heads_dims(c);
    TRY(rope_create(&ops->rope, device, &rope));
    TRY(latent_create(&ops->latent, device, &latent));
    TRY(index_rotate_create(&ops->index_rotate, device, &index));
    rotations_create(&ops->rotations, device, &rope, &latent, &index);
    TRY(index_scores_create(&ops->index_scores, device, &index));
    TRY(top_k_create(&ops->top_k, device));
    attend_values_create(&ops->attend_values, device, &dims);
    attend_heads_create(&ops->attend_heads, device, &heads);
    return attend_create(&ops->attend, device, &dims);
}

static hadal_status create_operations(operations *ops, const hadal_model *model, const settings *s)
{
    hadal_device *device = model->device;
    const model_config *c = &model->config;
    const route_dims routing = {c->n_routed_experts, c->n_group, c->topk_group, c->num_experts_per_tok,
                                c->norm_topk_prob, c->routed_scaling_factor};
    TRY(embed_create(&ops->embed, device, model->embed_tokens.type));
    TRY(norm_create(&ops->norm, device));
    TRY(linear_create(&ops->linear, device, model->linear));
    TRY(create_attention_operations(ops, device, c, s));
    TRY(swiglu_create(&ops->swiglu, device));
    if (c->first_k_dense_replace == c->num_hidden_layers)
        return HADAL_OK;
    TRY(route_create(&ops->route, device, &routing));
    TRY(dispatch_create(&ops->dispatch, device));
    return moe_combine_create(&ops->moe_combine, device);
}

static hadal_status create_memory(forward *f)
{
    const model_config *config = &f->model->config;
    buffer_need needs[ACTIVATION_NEEDS], cache_needs[CACHE_NEEDS];
    size_t count = settings_activation_needs(needs, &f->settings, config);
    size_t cache_count = settings_cache_needs(cache_needs, &f->settings, config);
    TRY(settings_allocate(&f->a, f->model->device, needs, count));
    if (f->settings.matrix_unit)
        matmul_lend(&f->ops.linear.matmul, f->a.packed, f->a.packed_factors);
    linear_lend(&f->ops.linear, f->a.dequantised, f->a.parts);
    TRY(memory_allocate(&f->caches, config->num_hidden_layers, sizeof *f->caches));
    for (uint32_t layer = 0; layer < config->num_hidden_layers; layer++)
        TRY(settings_allocate(&f->caches[layer], f->model->device, cache_needs, cache_count));
    return HADAL_OK;
}

hadal_status forward_create(forward **created, hadal_model *model, const settings *s)
{
    forward *f;
    hadal_status status;
    *created = NULL;
    TRY(memory_allocate(&f, 1, sizeof *f));
    f->model = model;
    f->settings = *s;
    f->softmax_scale = config_softmax_scale(&model->config);
    TRY_OR(failed, create_operations(&f->ops, model, s));
    TRY_OR(failed, create_memory(f));
    *created = f;
    return HADAL_OK;
failed:
    forward_free(f);
    return status;
}

hadal_status forward_fill_caches(forward *f, uint32_t seed)
{
    for (uint32_t layer = 0; layer < f->model->config.num_hidden_layers; layer++)
        TRY(settings_fill_cache(&f->caches[layer], f->model->device, &f->settings, seed + 2 * layer));
    return HADAL_OK;
}

void forward_free(forward *f)
{
    if (!f)
        return;
    const model_config *config = &f->model->config;
    buffer_need needs[ACTIVATION_NEEDS], cache_needs[CACHE_NEEDS];
    size_t count = settings_activation_needs(needs, &f->settings, config);
    size_t cache_count = settings_cache_needs(cache_needs, &f->settings, config);
    settings_release(&f->a, needs, count);
    for (uint32_t layer = 0; f->caches && layer < config->num_hidden_layers; layer++)
        settings_release(&f->caches[layer], cache_needs, cache_count);
    free(f->caches);
    linear_free(&f->ops.linear);
    free(f);
}
