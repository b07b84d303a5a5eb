/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Whole steps of a model, in caches that look as if every position before had been taken. */

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench/ceilings.h"
#include "bench/sequences.h"
#include "model/forward.h"
#include "model/model.h"

/* Steps of `tokens` tokens of each of `batch` timelines that end at `context`, through a model or its first layers. */
typedef struct steps {
    bench *b;
    hadal_model model; /* a view of the measured one */
    settings settings;
    forward *forward;
    size_t batch, tokens;
    forward_token *ids; /* [batch, tokens] */
    float *logits;      /* [settings.logit_rows, vocab_size] */
    uint64_t random;
} steps;

/* ---- What a step costs at least ---------------------------------------------------------------------- */

typedef struct step_cost {
    uint64_t bytes, operations;
} step_cost;

/* A matrix, of which `copies` are read and each token uses `used`. */
static void add_matrix(step_cost *cost, const matrix *weight, double copies, double used, size_t tokens)
{
    cost->bytes += (uint64_t)(copies * (double)matrix_bytes(weight, weight->rows));
    cost->operations += (uint64_t)(2 * used * (double)tokens * (double)weight->rows * (double)weight->columns);
}

static void add_mlp(step_cost *cost, const mlp_weights *mlp, double copies, double used, size_t tokens)
{
    add_matrix(cost, &mlp->gate_proj, copies, used, tokens);
    add_matrix(cost, &mlp->up_proj, copies, used, tokens);
    add_matrix(cost, &mlp->down_proj, copies, used, tokens);
}

static void add_layer(step_cost *cost, const steps *s, const layer_weights *w)
{
    const model_config *c = &s->model.config;
    const matrix *const once[] = {&w->q_a_proj, &w->q_b_proj, &w->kv_a_proj, &w->o_proj, &w->indexer_wk};
    const matrix *const indexer[] = {&w->indexer_wq_b, &w->indexer_weights_proj};
    const sequences all = {.config = *c, .settings = s->settings, .count = s->batch, .tokens = s->tokens, .sets = 1};
    size_t tokens = s->batch * s->tokens;
    bool sparse = s->settings.context > s->settings.index_topk;
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        add_matrix(cost, once[i], 1, 1, tokens);
    for (size_t i = 0; sparse && i < sizeof indexer / sizeof *indexer; i++)
        add_matrix(cost, indexer[i], 1, 1, tokens);
    add_matrix(cost, &w->k_up_proj, c->num_attention_heads, c->num_attention_heads, tokens);
    add_matrix(cost, &w->v_up_proj, c->num_attention_heads, c->num_attention_heads, tokens);
    const sequences_cost parts[] = {sequences_attend_cost(&all, !sparse), sequences_index_cost(&all),
                                    sequences_select_cost(&all)};
    for (size_t i = 0; i < (sparse ? 3 : 1); i++) {
        cost->bytes += parts[i].bytes;
        cost->operations += parts[i].operations;
    }
    if (!w->has_experts) {
        add_mlp(cost, &w->mlp, 1, 1, tokens);
        return;
    }
    add_matrix(cost, &w->router, 1, 1, tokens);
    add_mlp(cost, &w->shared_experts, 1, 1, tokens);
    add_mlp(cost, &w->experts, bench_experts_met(c, tokens), c->num_experts_per_tok, tokens);
}

static step_cost cost_of(const steps *s)
{
    step_cost cost = {0};
    for (uint32_t layer = 0; layer < s->model.config.num_hidden_layers; layer++)
        add_layer(&cost, s, &s->model.layers[layer]);
    if (s->tokens == 1)
        add_matrix(&cost, &s->model.lm_head, 1, 1, s->batch);
    return cost;
}

/* ---- Steps -------------------------------------------------------------------------------------------- */

static void steps_free(steps *s)
{
    forward_free(s->forward);
    free(s->ids);
    free(s->logits);
    *s = (steps){0};
}

/* Of the first `layers` layers. s must stay where it is. */
static hadal_status steps_create(steps *s, bench *b, const hadal_model *model, uint32_t layers, size_t batch,
                                 size_t tokens, size_t context)
{
    hadal_status status;
    const hadal_session_options options = {.context = context, .chunk = batch * tokens, .sequences = batch};
    *s = (steps){.b = b, .model = *model, .batch = batch, .tokens = tokens, .random = 1};
    s->model.config.num_hidden_layers = layers;
    if (tokens == 0 || tokens > context)
        return failure(HADAL_ERROR_ARGUMENT, "bench: a step of %zu tokens cannot end at a context of %zu tokens; "
                       "expected at least one and at most the context", tokens, context);
    TRY(settings_resolve(&s->settings, &model->config, &options, hadal_device_describe(b->device)));
    TRY_OR(failed, memory_allocate(&s->ids, batch * tokens, sizeof *s->ids));
    TRY_OR(failed, memory_allocate(&s->logits, s->settings.logit_rows * model->config.vocab_size, sizeof *s->logits));
    TRY_OR(failed, forward_create(&s->forward, &s->model, &s->settings));
    TRY_OR(failed, forward_fill_caches(s->forward, 1));
    return HADAL_OK;
failed:
    steps_free(s);
    return status;
}

/* Other tokens in every repetition, so that they meet other experts. Decode reads their logits, as generation does. */
static hadal_status run_step(void *state, size_t repetition)
{
    steps *s = state;
    (void)repetition;
    size_t count = s->batch * s->tokens, most = s->settings.logit_rows;
    for (size_t i = 0; i < count; i++)
        s->ids[i] = (forward_token){(int32_t)(random_bits(&s->random) % s->model.config.vocab_size),
                                    (int32_t)(s->settings.context - s->tokens + i % s->tokens),
                                    (int32_t)(i / s->tokens)};
    TRY(forward_step(s->forward, s->ids, count));
    for (size_t first = 0; s->tokens == 1 && first < count; first += most)
        TRY(forward_logits(s->forward, s->logits, first, min_size(most, count - first)));
    return HADAL_OK;
}

static hadal_status measure_steps(bench_case *measured, bench *b, const hadal_model *model, uint32_t layers,
                                  size_t batch, size_t tokens, size_t context)
{
    steps s;
    TRY(steps_create(&s, b, model, layers, batch, tokens, context));
    const step_cost cost = cost_of(&s);
    const char *phase = tokens == 1 ? "decode" : "prefill";
    *measured = (bench_case){
        .row = {.name = phase, .phase = phase, .context = context, .batch = batch, .tokens = tokens,
                .bytes = cost.bytes, .operations = cost.operations},
        .compute = CEILING_BF16,
        .run = run_step,
        .state = &s,
    };
    hadal_status status = bench_clock_only(b, measured);
    steps_free(&s);
    return status;
}

/* ---- Rows --------------------------------------------------------------------------------------------- */

/* What one layer of experts adds: the difference of `more` and `less`, which have `layers` fewer of them. Its least
 * and most are not known. */
static bench_case difference(const bench_case *more, const bench_case *less, uint32_t layers)
{
    bench_case each = *more;
    each.row.name = "layer of experts";
    each.row.clock = "difference";
    each.row.microseconds = (more->row.microseconds - less->row.microseconds) / layers;
    each.row.least = each.row.most = each.row.microseconds;
    each.row.launches = (more->row.launches - less->row.launches) / layers;
    each.row.bytes = (more->row.bytes - less->row.bytes) / layers;
    each.row.operations = (more->row.operations - less->row.operations) / layers;
    return each;
}

static hadal_status measure(bench *b, const hadal_model *model, size_t batch, size_t tokens, size_t context)
{
    char counted[BENCH_TEXT];
    bench_case whole, part;
    uint32_t layers = model->config.num_hidden_layers, dense = model->config.first_k_dense_replace;
    TRY(measure_steps(&whole, b, model, layers, batch, tokens, context));
    snprintf(counted, sizeof counted, "%u layers (%u dense)%s: weights, of experts those that are met, and caches once",
             layers, dense, tokens == 1 ? ", logits" : "");
    whole.row.counted = counted;
    TRY(bench_report_row(b, &whole));
    if (layers < dense + 2)
        return HADAL_OK;
    TRY(measure_steps(&part, b, model, dense + 1, batch, tokens, context));
    bench_case each = difference(&whole, &part, layers - dense - 1);
    snprintf(counted, sizeof counted, "one of %u layers, from steps of %u and of %u: as above", layers - dense, layers,
             dense + 1);
    return bench_report_row(b, &each);
}

static hadal_status measure_all(bench *b, const hadal_model *model)
{
    static const size_t default_contexts[] = {4096, 32768, 131072}, default_tokens[] = {2048}, default_batches[] = {1};
    const hadal_bench_options *o = &b->options;
    const size_t *contexts, *tokens, *batches;
    size_t context_count, token_count, batch_count, most = model->config.max_position_embeddings;
    bench_list(&contexts, &context_count, o->contexts, o->context_count, default_contexts, 3, most);
    bench_list(&tokens, &token_count, o->tokens, o->token_count, default_tokens, 1, SIZE_MAX);
    bench_list(&batches, &batch_count, o->batches, o->batch_count, default_batches, 1, SIZE_MAX);
    for (size_t i = 0; o->phases & HADAL_BENCH_DECODE && i < batch_count; i++)
        for (size_t j = 0; j < context_count; j++)
            TRY(measure(b, model, batches[i], 1, contexts[j]));
    for (size_t i = 0; o->phases & HADAL_BENCH_PREFILL && i < token_count; i++)
        for (size_t j = 0; tokens[i] > 1 && j < context_count; j++)
            TRY(measure(b, model, 1, tokens[i], contexts[j]));
    return HADAL_OK;
}

hadal_status hadal_bench_model(hadal_model *model, const hadal_bench_options *options, hadal_bench_report report,
                               void *user)
{
    bench b;
    hadal_status status;
    TRY_OR(done, bench_open(&b, model->device, "model", options, report, user));
    TRY_OR(done, ceilings_measure(&b));
    TRY_OR(done, measure_all(&b, model));
done:
    bench_close(&b);
    return status;
}
