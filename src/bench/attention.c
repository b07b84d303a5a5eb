/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Dense against sparse attention, in latent space: what the indexer's selection gains. For prefill also dense attention
 * in latent space against the same by heads, each with its products of W_UK and W_UV. */

#include <stdlib.h>

#include "base/memory.h"
#include "bench/ceilings.h"
#include "bench/sequences.h"
#include "model/expect.h"
#include "ops/attend_heads.h"

/* A row with what all rows of these sequences share. */
static bench_case start_case(sequences *s, const char *name, const char *counted, const char *phase,
                             sequences_cost cost, bench_work *run)
{
    return (bench_case){
        .row = {.name = name, .phase = phase, .counted = counted, .context = s->settings.context, .batch = s->count,
                .tokens = s->tokens, .bytes = cost.bytes, .operations = cost.operations,
                .working_set = cost.rotated},
        .compute = CEILING_BF16,
        .run = run,
        .state = s,
    };
}

static hadal_status measure_sparse(bench *b, sequences *s, const char *phase, double dense)
{
    const sequences_cost index = sequences_index_cost(s), select = sequences_select_cost(s);
    const sequences_cost chosen = sequences_attend_cost(s, false);
    bench_case part = start_case(s, "index", "keys, queries and scores once; 2 operations a head, dim and pair", phase,
                                 index, sequences_index);
    part.compute = CEILING_INT8;
    TRY(bench_best(b, &part));
    part = start_case(s, "select", "scores read, selections written once", phase, select, sequences_select);
    TRY(bench_best(b, &part));
    part = start_case(s, "attend", "rows that can be selected, queries and results once; selected pairs", phase, chosen,
                      sequences_attend);
    TRY(bench_best(b, &part));
    const sequences_cost all = {index.bytes + select.bytes + chosen.bytes, index.operations + chosen.operations,
                                index.rotated + chosen.rotated};
    bench_case whole = start_case(s, "sparse", "index, select and attend in a row", phase, all, sequences_sparse);
    whole.against = dense;
    return bench_by_clock(b, &whole);
}

/* ---- By heads -------------------------------------------------------------------------------------- */

/* One sequence, and weights that turn its latents into keys and values. */
typedef struct by_heads {
    sequences *s;
    attend_heads_op op;
    linear_op linear;
    latent_op latent;
    matrix k_up, v_up;
} by_heads;

static hadal_status make_stack(matrix *made, const by_heads *h, size_t rows, size_t columns)
{
    const model_config *c = &h->s->config;
    matrix_source *sources;
    TRY(memory_allocate(&sources, c->num_attention_heads, sizeof *sources));
    for (size_t i = 0; i < c->num_attention_heads; i++)
        sources[i] = (matrix_source){.type = c->quantized ? DTYPE_F8_E4M3 : DTYPE_BF16, .rows = rows,
                                     .columns = columns, .block_rows = c->block_rows,
                                     .block_columns = c->block_columns, .random = (uint32_t)i + 1};
    hadal_status status = matrix_create_stack(made, h->s->device, MEMORY_OTHER, sources, c->num_attention_heads);
    free(sources);
    return status;
}

static void free_by_heads(by_heads *h)
{
    matrix_free(&h->k_up);
    matrix_free(&h->v_up);
    linear_free(&h->linear);
}

static hadal_status make_by_heads(by_heads *h, sequences *s)
{
    const model_config *c = &s->config;
    const attend_heads_dims dims = settings_heads_dims(c);
    const latent_dims cached = {c->kv_lora_rank, c->qk_rope_head_dim, s->settings.kv_cache};
    hadal_status status;
    *h = (by_heads){.s = s};
    attend_heads_create(&h->op, s->device, &dims);
    TRY(linear_create(&h->linear, s->device, HADAL_LINEAR_OWN));
    TRY_OR(failed, latent_create(&h->latent, s->device, &cached));
    TRY_OR(failed, make_stack(&h->k_up, h, c->kv_lora_rank, c->qk_nope_head_dim));
    TRY_OR(failed, make_stack(&h->v_up, h, c->v_head_dim, c->kv_lora_rank));
    return HADAL_OK;
failed:
    free_by_heads(h);
    return status;
}

static hadal_status run_by_heads(void *state, size_t repetition)
{
    by_heads *h = state;
    const sequences *s = h->s;
    const activations *a = &s->a;
    const attend_heads_memory memory = settings_heads_memory(&s->settings, &s->config, a);
    const attend_heads_step step = {s->tokens, s->settings.context, a->q, a->query,
                                    s->caches[repetition % s->sets].latent, 0, &h->k_up, &h->v_up, 0.1};
    return attend_heads(&h->op, &h->linear, &h->latent, a->values, &step, &memory);
}

/* What does the same in latent space: queries go there and their results come back. */
static hadal_status run_in_latent_space(void *state, size_t repetition)
{
    by_heads *h = state;
    const model_config *c = &h->s->config;
    const activations *a = &h->s->a;
    size_t heads = c->num_attention_heads, q = c->qk_nope_head_dim + c->qk_rope_head_dim;
    size_t latent = round_up(c->kv_lora_rank, ROW_UNIT), query = latent + round_up(c->qk_rope_head_dim, ROW_UNIT);
    const head_layout q_rows = {round_up(heads * q, ROW_UNIT), q}, query_rows = {heads * query, query};
    const head_layout attended = {heads * latent, latent};
    const head_layout values = {round_up(heads * c->v_head_dim, ROW_UNIT), c->v_head_dim};
    TRY(linear_heads(&h->linear, a->query, query_rows, a->q, q_rows, &h->k_up, h->s->tokens, 0.1));
    TRY(sequences_dense(h->s, repetition));
    return linear_heads(&h->linear, a->values, values, a->attended, attended, &h->v_up, h->s->tokens, 1.0);
}

/* What both must move, and by heads compute (in latent space as the row dense, and W_UK and W_UV once a query). */
static sequences_cost cost_by_heads(const by_heads *h, bool in_latent_space)
{
    const model_config *c = &h->s->config;
    size_t heads = c->num_attention_heads, tokens = h->s->tokens, keys = h->s->settings.context;
    size_t width = c->qk_nope_head_dim + c->qk_rope_head_dim + c->v_head_dim;
    uint64_t pairs = (uint64_t)tokens * keys - (uint64_t)tokens * (tokens - 1) / 2;
    uint64_t projected = 2 * (uint64_t)heads * c->kv_lora_rank * (c->qk_nope_head_dim + c->v_head_dim);
    sequences_cost cost = sequences_attend_cost(h->s, true); /* its rows of the cache are in `rotated` */
    cost.bytes = cost.rotated / h->s->sets + heads * tokens * width * sizeof(float) +
                 heads * (matrix_bytes(&h->k_up, c->kv_lora_rank) + matrix_bytes(&h->v_up, c->v_head_dim));
    cost.operations = in_latent_space ? cost.operations + tokens * projected
                                      : pairs * heads * 2 * width + keys * projected;
    return cost;
}

static hadal_status measure_by_heads(bench *b, sequences *s)
{
    by_heads h;
    hadal_status status;
    TRY(make_by_heads(&h, s));
    bench_case latent = start_case(s, "dense MQA", "dense, W_UK before and W_UV behind it", "prefill",
                                   cost_by_heads(&h, true), run_in_latent_space);
    bench_case heads = start_case(s, "dense MHA", "keys and values of every head made of all rows, causal pairs",
                                  "prefill", cost_by_heads(&h, false), run_by_heads);
    latent.state = heads.state = &h;
    TRY_OR(done, bench_by_clock(b, &latent));
    heads.against = latent.row.microseconds;
    TRY_OR(done, bench_by_clock(b, &heads));
done:
    free_by_heads(&h);
    return status;
}

static hadal_status measure(bench *b, const model_config *config, const char *phase, size_t count, size_t tokens,
                            size_t context)
{
    sequences s;
    hadal_status status;
    TRY(sequences_create(&s, b, config, count, tokens, context));
    bench_case dense = start_case(&s, "dense", "all rows, queries and results once; causal pairs", phase,
                                  sequences_attend_cost(&s, true), sequences_dense);
    TRY_OR(done, bench_by_clock(b, &dense));
    TRY_OR(done, measure_sparse(b, &s, phase, dense.row.microseconds));
    if (s.a.head_keys && count == 1)
        TRY_OR(done, measure_by_heads(b, &s));
done:
    sequences_free(&s);
    return status;
}

static hadal_status measure_all(bench *b, const model_config *config)
{
    static const size_t default_contexts[] = {8192, 32768, 65536, 131072}, default_batches[] = {1, 16, 64};
    static const size_t default_tokens[] = {2048};
    const hadal_bench_options *o = &b->options;
    const size_t *contexts, *batches, *tokens;
    size_t context_count, batch_count, token_count, most = config->max_position_embeddings;
    bench_list(&contexts, &context_count, o->contexts, o->context_count, default_contexts, 4, most);
    bench_list(&batches, &batch_count, o->batches, o->batch_count, default_batches, 3, SIZE_MAX);
    bench_list(&tokens, &token_count, o->tokens, o->token_count, default_tokens, 1, SIZE_MAX);
    for (size_t i = 0; o->phases & HADAL_BENCH_DECODE && i < batch_count; i++)
        for (size_t j = 0; j < context_count; j++)
            TRY(measure(b, config, "decode", batches[i], 1, contexts[j]));
    for (size_t i = 0; o->phases & HADAL_BENCH_PREFILL && i < token_count; i++)
        for (size_t j = 0; j < context_count; j++)
            TRY(measure(b, config, "prefill", 1, tokens[i], contexts[j]));
    return HADAL_OK;
}

hadal_status hadal_bench_attention(hadal_device *device, const hadal_bench_options *options, hadal_bench_report report,
                                   void *user)
{
    bench b;
    model_config config;
    hadal_status status;
    TRY(config_of_dims(&config, options ? options->dims : NULL));
    TRY_OR(done, bench_open(&b, device, "attention", options, report, user));
    TRY_OR(done, ceilings_measure(&b));
    TRY_OR(done, measure_all(&b, &config));
done:
    bench_close(&b);
    return status;
}
