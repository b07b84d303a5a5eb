/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Products with weights: the larger part of a step in bytes. */

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench/ops.h"

static matrix_source random_source(const ops *o, bool quantised, size_t rows, size_t columns, uint32_t seed)
{
    const model_config *c = &o->s.config;
    bool fp8 = quantised && c->quantized;
    return (matrix_source){
        .type = fp8 ? DTYPE_F8_E4M3 : DTYPE_BF16,
        .rows = rows,
        .columns = columns,
        .block_rows = c->block_rows,
        .block_columns = c->block_columns,
        .random = seed,
    };
}

static const char *type_name(const matrix *weight)
{
    static const char *const names[DTYPE_COUNT] = {
        [DTYPE_F32] = "f32", [DTYPE_BF16] = "bf16", [DTYPE_F16] = "f16", [DTYPE_F8_E4M3] = "fp8"};
    return names[weight->type];
}

void ops_free_weights(ops *o)
{
    for (size_t i = 0; i < OPS_COPIES; i++)
        matrix_free(&o->weights[i]);
}

static hadal_status make_stack(ops *o, matrix *made, size_t experts, size_t rows, size_t columns, uint32_t seed)
{
    matrix_source *sources;
    TRY(memory_allocate(&sources, experts, sizeof *sources));
    for (size_t e = 0; e < experts; e++)
        sources[e] = random_source(o, true, rows, columns, seed);
    hadal_status status = matrix_create_stack(made, o->b->device, MEMORY_OTHER, sources, experts);
    free(sources);
    return status;
}

hadal_status ops_make_weights(ops *o, bool quantised, size_t heads, size_t rows, size_t columns)
{
    const matrix_source source = random_source(o, quantised, rows, columns, 1);
    size_t copies = bench_copies(o->b, max_size(heads, 1) * matrix_source_bytes(&source, 1));
    for (o->copies = 0; o->copies < min_size(copies, OPS_COPIES); o->copies++) {
        const matrix_source copy = random_source(o, quantised, rows, columns, (uint32_t)o->copies + 1);
        matrix *made = &o->weights[o->copies];
        TRY(heads ? make_stack(o, made, heads, rows, columns, copy.random)
                  : matrix_create(made, o->b->device, MEMORY_OTHER, &copy));
    }
    return HADAL_OK;
}

/* A row about o->weights, of which `rows` rows of each of `heads` matrices are read. */
static hadal_status measure_weights(ops *o, const char *name, size_t heads, size_t rows, bench_work *run)
{
    char counted[BENCH_TEXT];
    const matrix *weight = &o->weights[0];
    size_t columns = weight->columns;
    snprintf(counted, sizeof counted, "%s %zu x [%zu, %zu]: weights, inputs and results once", type_name(weight), heads,
             rows, columns);
    uint64_t bytes = heads * (matrix_bytes(weight, rows) + o->rows * (rows + columns) * sizeof(float));
    bench_case row = ops_case(o, name, counted, bytes, (uint64_t)2 * o->rows * heads * rows * columns, run);
    row.row.tokens = o->rows;
    row.row.working_set = o->copies * heads * matrix_bytes(weight, rows);
    return bench_best(o->b, &row);
}

/* ---- Projections ----------------------------------------------------------------------------------- */

hadal_status ops_run_linear(void *state, size_t repetition)
{
    ops *o = state;
    return linear_run(&o->linear, o->out, o->in, &o->weights[repetition % o->copies], o->rows, false);
}

static hadal_status projection(ops *o, const char *name, bool quantised, size_t rows, size_t columns, buffer *out,
                               const buffer *in, size_t tokens)
{
    hadal_status status;
    o->out = out;
    o->in = in;
    o->rows = tokens;
    TRY_OR(done, ops_make_weights(o, quantised, 0, rows, columns));
    TRY_OR(done, measure_weights(o, name, 1, rows, ops_run_linear));
done:
    ops_free_weights(o);
    return status;
}

/* Rows of heads as src/model/forward.c has them. */
static hadal_status run_k_up(void *state, size_t repetition)
{
    ops *o = state;
    const model_config *c = &o->s.config;
    size_t heads = c->num_attention_heads, q_width = c->qk_nope_head_dim + c->qk_rope_head_dim;
    size_t query_width = round_up(c->kv_lora_rank, ROW_UNIT) + round_up(c->qk_rope_head_dim, ROW_UNIT);
    const head_layout q_rows = {round_up(heads * q_width, ROW_UNIT), q_width};
    const head_layout query_rows = {heads * query_width, query_width};
    return linear_heads(&o->linear, o->a->query, query_rows, o->a->q, q_rows, &o->weights[repetition % o->copies],
                        o->tokens, 1.0);
}

static hadal_status run_v_up(void *state, size_t repetition)
{
    ops *o = state;
    const model_config *c = &o->s.config;
    size_t heads = c->num_attention_heads, latent = round_up(c->kv_lora_rank, ROW_UNIT);
    const head_layout attended_rows = {heads * latent, latent};
    const head_layout value_rows = {round_up(heads * c->v_head_dim, ROW_UNIT), c->v_head_dim};
    return linear_heads(&o->linear, o->a->values, value_rows, o->a->attended, attended_rows,
                        &o->weights[repetition % o->copies], o->tokens, 1.0);
}

static hadal_status measure_heads(ops *o, const char *name, size_t rows, size_t columns, bench_work *run)
{
    size_t heads = o->s.config.num_attention_heads;
    hadal_status status;
    o->rows = o->tokens;
    TRY_OR(done, ops_make_weights(o, true, heads, rows, columns));
    TRY_OR(done, measure_weights(o, name, heads, rows, run));
done:
    ops_free_weights(o);
    return status;
}

/* What one token has in one launch: W_UK and all rotations. */
static hadal_status run_rotations(void *state, size_t repetition)
{
    ops *o = state;
    const activations *a = o->a;
    const layer_cache *cache = &o->s.caches[0];
    const rotations_rows rows = {
        cache->latent, a->kv, o->vector, cache->index, cache->index_scales, a->index_key, o->vector, o->vector,
        a->query, a->q, a->index_quantised, a->index_head_weights, a->index_query, a->index_weights, o->rope_table,
        a->positions, a->rows, 1.0};
    return rotations(&o->rotations, &rows, &o->weights[repetition % o->copies], 1e-6);
}

static hadal_status measure_rotations(ops *o)
{
    const model_config *c = &o->s.config;
    size_t heads = c->num_attention_heads;
    hadal_status status;
    TRY_OR(done, ops_make_weights(o, true, heads, c->kv_lora_rank, c->qk_nope_head_dim));
    if (rotations_take(&o->rotations, &o->linear.matvec, &o->weights[0]))
        TRY_OR(done, measure_weights(o, "rotations, k_up", heads, c->kv_lora_rank, run_rotations));
done:
    ops_free_weights(o);
    return status;
}

/* And the combination of a list's splits, where there are several, with W_UV. */
static hadal_status run_attend_values(void *state, size_t repetition)
{
    ops *o = state;
    const activations *a = o->a;
    return attend_values(&o->attend_values, a->values, o->s.config.v_head_dim, a->attended, a->partials, o->splits,
                         &o->weights[repetition % o->copies]);
}

static hadal_status measure_splits(ops *o)
{
    const matrix *weight = &o->weights[0];
    size_t heads = o->s.config.num_attention_heads, latent = weight->columns;
    uint64_t bytes = heads * (matrix_bytes(weight, weight->rows) +
                              (o->splits * (latent + 2) + latent + weight->rows) * sizeof(float));
    char counted[BENCH_TEXT];
    snprintf(counted, sizeof counted, "%s %zu x [%zu, %zu], %zu splits: weights, sums and results once",
             type_name(weight), heads, weight->rows, latent, o->splits);
    bench_case row = ops_case(o, "combine, v_up", counted, bytes, 2 * heads * latent * (o->splits + weight->rows),
                              run_attend_values);
    row.row.working_set = o->copies * heads * matrix_bytes(weight, weight->rows);
    return bench_best(o->b, &row);
}

static hadal_status measure_attend_values(ops *o)
{
    const model_config *c = &o->s.config;
    size_t heads = c->num_attention_heads;
    hadal_status status;
    TRY_OR(done, sequences_split(&o->splits, &o->s));
    TRY_OR(done, ops_make_weights(o, true, heads, c->v_head_dim, c->kv_lora_rank));
    if (o->splits > 1 && attend_values_takes(&o->attend_values, &o->linear.matvec, &o->weights[0]))
        TRY_OR(done, measure_splits(o));
done:
    ops_free_weights(o);
    return status;
}

static hadal_status measure_heads_of_one(ops *o)
{
    o->rows = 1;
    TRY(measure_rotations(o));
    return measure_attend_values(o);
}

/* The router and the choice in one launch, as one token has it. */
static hadal_status run_route_one(void *state, size_t repetition)
{
    ops *o = state;
    const activations *a = o->a;
    const matvec_input in = {.in = a->x, .norm_weight = o->vector, .epsilon = 1e-6};
    return route_one(&o->route, a->expert_ids, a->expert_weights, a->router_logits, a->route_counter, o->vector, &in,
                     &o->weights[repetition % o->copies]);
}

static hadal_status measure_route_one(ops *o)
{
    const model_config *c = &o->s.config;
    hadal_status status;
    o->rows = 1;
    TRY_OR(done, ops_make_weights(o, false, 0, c->n_routed_experts, c->hidden_size));
    if (o->tokens == 1 && route_takes_one(&o->linear.matvec, &o->weights[0]))
        TRY_OR(done, measure_weights(o, "route_one", 1, c->n_routed_experts, run_route_one));
done:
    ops_free_weights(o);
    return status;
}

/* ---- Several projections of one normalised input ------------------------------------------------------ */

/* Those of x, then those of q_latent; a copy is of all of one input, one behind the other in o->weights. */
enum { OF_X = 4, OF_Q_LATENT = 2 };

static hadal_status run_of_x(void *state, size_t repetition)
{
    ops *o = state;
    const activations *a = o->a;
    const matrix *w = &o->weights[repetition % o->copies * OF_X];
    const project_input in = {a->x, o->vector, 1e-6, a->h};
    const matvec_output outs[OF_X] = {{a->kv, &w[0]}, {a->index_key, &w[1]}, {a->q_latent, &w[2]},
                                      {a->index_weights, &w[3]}};
    return project(&o->linear, &o->norm, outs, OF_X, &in, o->tokens);
}

static hadal_status run_of_q_latent(void *state, size_t repetition)
{
    ops *o = state;
    const activations *a = o->a;
    const matrix *w = &o->weights[repetition % o->copies * OF_Q_LATENT];
    const project_input in = {a->q_latent, o->vector, CONFIG_LATENT_NORM_EPS, a->q_latent};
    const matvec_output outs[OF_Q_LATENT] = {{a->q, &w[0]}, {a->index_query, &w[1]}};
    return project(&o->linear, &o->norm, outs, OF_Q_LATENT, &in, o->tokens);
}

typedef struct projected {
    size_t rows;
    bool quantised;
} projected;

static hadal_status measure_projected(ops *o, const char *name, const char *counted, const projected *outs,
                                      size_t count, size_t columns, bench_work *run)
{
    uint64_t weights = 0, rows = 0;
    for (size_t i = 0; i < count; i++) {
        const matrix_source source = random_source(o, outs[i].quantised, outs[i].rows, columns, 1);
        weights += matrix_source_bytes(&source, 1);
        rows += outs[i].rows;
    }
    o->copies = min_size(bench_copies(o->b, weights), OPS_COPIES / count);
    for (size_t i = 0; i < o->copies * count; i++) {
        const projected *out = &outs[i % count];
        const matrix_source source = random_source(o, out->quantised, out->rows, columns, (uint32_t)i + 1);
        TRY(matrix_create(&o->weights[i], o->b->device, MEMORY_OTHER, &source));
    }
    bench_case row = ops_case(o, name, counted, weights + o->tokens * (rows + columns) * sizeof(float),
                              2 * o->tokens * rows * columns, run);
    row.row.working_set = o->copies * weights;
    return bench_best(o->b, &row);
}

static hadal_status measure_project(ops *o)
{
    const model_config *c = &o->s.config;
    const projected of_x[OF_X] = {{c->kv_lora_rank + c->qk_rope_head_dim, true}, {c->index_head_dim, true},
                                  {c->q_lora_rank, true}, {c->index_n_heads, false}};
    const projected of_q_latent[OF_Q_LATENT] = {
        {(size_t)c->num_attention_heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), true},
        {(size_t)c->index_n_heads * c->index_head_dim, true}};
    hadal_status status = measure_projected(o, "project x", "RMSNorm, kv_a, wk, q_a, weights_proj: weights, input, "
                                            "results once", of_x, OF_X, c->hidden_size, run_of_x);
    ops_free_weights(o);
    TRY(status);
    status = measure_projected(o, "project q_latent", "RMSNorm, q_b, wq_b: weights, input, results once", of_q_latent,
                               OF_Q_LATENT, c->q_lora_rank, run_of_q_latent);
    ops_free_weights(o);
    return status;
}

hadal_status ops_matrices(ops *o)
{
    const model_config *c = &o->s.config;
    const activations *a = o->a;
    size_t t = o->tokens, d = c->hidden_size, heads = c->num_attention_heads;
    size_t shared = (size_t)c->n_shared_experts * c->moe_intermediate_size;
    size_t head = c->qk_nope_head_dim + c->qk_rope_head_dim, index = (size_t)c->index_n_heads * c->index_head_dim;
    TRY(projection(o, "linear q_a_proj", true, c->q_lora_rank, d, a->q_latent, a->h, t));
    TRY(projection(o, "linear q_b_proj", true, heads * head, c->q_lora_rank, a->q, a->q_latent, t));
    TRY(projection(o, "linear kv_a_proj", true, c->kv_lora_rank + c->qk_rope_head_dim, d, a->kv, a->h, t));
    TRY(measure_heads(o, "linear_heads k_up", c->kv_lora_rank, c->qk_nope_head_dim, run_k_up));
    TRY(measure_heads(o, "linear_heads v_up", c->v_head_dim, c->kv_lora_rank, run_v_up));
    TRY(projection(o, "linear o_proj", true, d, heads * c->v_head_dim, a->x, a->values, t));
    TRY(projection(o, "linear indexer wq_b", true, index, c->q_lora_rank, a->index_query, a->q_latent, t));
    TRY(projection(o, "linear indexer wk", true, c->index_head_dim, d, a->index_key, a->h, t));
    TRY(projection(o, "linear indexer weights", false, c->index_n_heads, d, a->index_weights, a->h, t));
    TRY(projection(o, "linear router", false, c->n_routed_experts, d, a->router_logits, a->h, t));
    TRY(projection(o, "linear dense gate_proj", true, c->intermediate_size, d, a->gate, a->h, t));
    TRY(projection(o, "linear dense down_proj", true, d, c->intermediate_size, a->shared_out, a->gate, t));
    TRY(projection(o, "linear shared gate_proj", true, shared, d, a->gate, a->h, t));
    TRY(projection(o, "linear shared down_proj", true, d, shared, a->shared_out, a->gate, t));
    TRY(measure_project(o));
    if (t == 1)
        TRY(measure_heads_of_one(o));
    TRY(measure_route_one(o));
    return projection(o, "linear lm_head", false, c->vocab_size, d, a->logits, a->h,
                      min_size(t, o->s.settings.logit_rows));
}

/* ---- Experts --------------------------------------------------------------------------------------- */

/* ids[t, k] = different experts of a token, all equally likely. */
static hadal_status choose_experts(ops *o, buffer *ids, uint64_t seed)
{
    const model_config *c = &o->s.config;
    size_t choices = c->num_experts_per_tok, count = o->tokens * choices;
    int32_t *chosen;
    TRY(memory_allocate(&chosen, count, sizeof *chosen));
    for (size_t i = 0; i < count; i++) {
        size_t first = i / choices * choices, j;
        do {
            chosen[i] = (int32_t)(random_bits(&seed) % c->n_routed_experts);
            for (j = first; j < i && chosen[j] != chosen[i]; j++)
                ;
        } while (j < i);
    }
    hadal_status status = buffer_write(ids, 0, chosen, count * sizeof *chosen);
    free(chosen);
    return status;
}

hadal_status ops_make_choices(ops *o)
{
    const model_config *c = &o->s.config;
    hadal_device *device = o->b->device;
    size_t count = o->tokens * c->num_experts_per_tok;
    for (size_t i = 0; i < OPS_CHOICES; i++) {
        TRY(buffer_create(&o->ids[i], device, MEMORY_OTHER, count * sizeof(int32_t)));
        TRY(buffer_create(&o->slots[i], device, MEMORY_OTHER, count * sizeof(int32_t)));
        TRY(buffer_create(&o->offsets[i], device, MEMORY_OTHER, (c->n_routed_experts + 1) * sizeof(int32_t)));
        TRY(choose_experts(o, o->ids[i], i + 1));
        TRY(dispatch_slots(&o->dispatch, o->offsets[i], o->slots[i], o->ids[i], count, c->n_routed_experts));
    }
    return HADAL_OK;
}

static linear_slots slots_of(const ops *o, size_t repetition)
{
    size_t i = repetition % OPS_CHOICES;
    return (linear_slots){o->ids[i], o->offsets[i], o->slots[i], o->tokens, o->s.config.num_experts_per_tok};
}

hadal_status ops_run_gate(void *state, size_t repetition)
{
    ops *o = state;
    const linear_slots slots = slots_of(o, repetition);
    return linear_experts(&o->linear, o->a->gate, o->a->h, &o->gate, &slots, slots.choices);
}

static hadal_status run_down(void *state, size_t repetition)
{
    ops *o = state;
    const linear_slots slots = slots_of(o, repetition);
    return linear_experts(&o->linear, o->a->expert_out, o->a->gate, &o->down, &slots, 1);
}

/* As experts() of src/model/forward.c runs them. */
static hadal_status run_experts(void *state, size_t repetition)
{
    ops *o = state;
    const linear_slots slots = slots_of(o, repetition);
    TRY(ops_run_gate(o, repetition));
    TRY(linear_experts(&o->linear, o->a->up, o->a->h, &o->up, &slots, slots.choices));
    TRY(swiglu(&o->swiglu, o->a->gate, o->a->gate, o->a->up, slots.tokens * slots.choices, o->gate.rows));
    return run_down(o, repetition);
}

static hadal_status measure_stack(ops *o, const char *name, const matrix *weight, size_t inputs, bench_work *run)
{
    char counted[BENCH_TEXT];
    double experts = bench_experts_met(&o->s.config, o->tokens);
    size_t slots = o->tokens * o->s.config.num_experts_per_tok;
    snprintf(counted, sizeof counted, "%s [%zu, %zu]: weights of the %.4g experts that are met, inputs, results once",
             type_name(weight), weight->rows, weight->columns, experts);
    uint64_t bytes = (uint64_t)(experts * (double)matrix_bytes(weight, weight->rows)) +
                     (inputs * weight->columns + slots * weight->rows) * sizeof(float);
    bench_case row = ops_case(o, name, counted, bytes, (uint64_t)2 * slots * weight->rows * weight->columns, run);
    row.row.working_set = weight->experts * matrix_bytes(weight, weight->rows);
    return bench_best(o->b, &row);
}

/* ---- Experts of one token ------------------------------------------------------------------------------ */

static matvec_experts experts_of_one(const ops *o, size_t repetition)
{
    return (matvec_experts){&o->gate, &o->up, &o->down, &o->shared_gate, &o->shared_up, &o->shared_down,
                            o->ids[repetition % OPS_CHOICES], o->a->expert_weights, 1,
                            o->s.config.num_experts_per_tok};
}

static hadal_status run_gated(void *state, size_t repetition)
{
    ops *o = state;
    const matvec_experts experts = experts_of_one(o, repetition);
    const matvec_input in = {.in = o->a->x, .norm_weight = o->vector, .epsilon = 1e-6};
    return matvec_gated(&o->linear.matvec, o->a->gate, &in, &experts);
}

/* Into h, so that x stays what it is. */
static hadal_status run_gated_down(void *state, size_t repetition)
{
    ops *o = state;
    const matvec_experts experts = experts_of_one(o, repetition);
    return matvec_down(&o->linear.matvec, o->a->h, o->a->gate, &experts);
}

hadal_status ops_run_experts_of_one(void *state, size_t repetition)
{
    TRY(run_gated(state, repetition));
    return run_gated_down(state, repetition);
}

static hadal_status measure_experts_of_one(ops *o)
{
    static const char counted[] = "weights of the chosen experts and the shared one once";
    const matrix *gate = &o->gate, *shared = &o->shared_gate;
    uint64_t choices = o->s.config.num_experts_per_tok;
    uint64_t each = choices * matrix_bytes(gate, gate->rows) + matrix_bytes(shared, shared->rows);
    uint64_t operations = 2 * (choices * gate->rows + shared->rows) * gate->columns;
    bench_case rows[] = {
        ops_case(o, "matvec_gated", counted, 2 * each, 2 * operations, run_gated),
        ops_case(o, "matvec_down", counted, each, operations, run_gated_down),
        ops_case(o, "experts", "matvec_gated, matvec_down: weights of the chosen experts and the shared one once",
                 3 * each, 3 * operations, ops_run_experts_of_one),
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rows[i].row.working_set = rows[i].row.bytes / choices * o->s.config.n_routed_experts;
        TRY(i < 2 ? bench_best(o->b, &rows[i]) : bench_by_clock(o->b, &rows[i]));
    }
    return HADAL_OK;
}

/* ---- Experts of several -------------------------------------------------------------------------------- */

static hadal_status measure_experts(ops *o)
{
    char counted[BENCH_TEXT];
    size_t slots = o->tokens * o->s.config.num_experts_per_tok;
    uint64_t expert = 3 * matrix_bytes(&o->gate, o->gate.rows);
    double met = bench_experts_met(&o->s.config, o->tokens);
    TRY(measure_stack(o, "linear_experts gate_proj", &o->gate, o->tokens, ops_run_gate));
    TRY(measure_stack(o, "linear_experts down_proj", &o->down, slots, run_down));
    snprintf(counted, sizeof counted, "gate, up, swiglu, down: weights of the %.4g experts that are met", met);
    bench_case row = ops_case(o, "experts", counted, (uint64_t)(met * (double)expert),
                              (uint64_t)6 * slots * o->gate.rows * o->gate.columns, run_experts);
    row.row.working_set = expert * o->gate.experts;
    return bench_by_clock(o->b, &row);
}

static hadal_status make_shared(ops *o)
{
    const model_config *c = &o->s.config;
    size_t width = (size_t)c->n_shared_experts * c->moe_intermediate_size;
    const matrix_source gate = random_source(o, true, width, c->hidden_size, 4);
    const matrix_source up = random_source(o, true, width, c->hidden_size, 5);
    const matrix_source down = random_source(o, true, c->hidden_size, width, 6);
    TRY(matrix_create(&o->shared_gate, o->b->device, MEMORY_OTHER, &gate));
    TRY(matrix_create(&o->shared_up, o->b->device, MEMORY_OTHER, &up));
    return matrix_create(&o->shared_down, o->b->device, MEMORY_OTHER, &down);
}

hadal_status ops_make_experts(ops *o)
{
    const model_config *c = &o->s.config;
    hadal_status status;
    TRY_OR(failed, ops_make_choices(o));
    TRY_OR(failed, make_stack(o, &o->gate, c->n_routed_experts, c->moe_intermediate_size, c->hidden_size, 1));
    TRY_OR(failed, make_stack(o, &o->up, c->n_routed_experts, c->moe_intermediate_size, c->hidden_size, 2));
    TRY_OR(failed, make_stack(o, &o->down, c->n_routed_experts, c->hidden_size, c->moe_intermediate_size, 3));
    TRY_OR(failed, make_shared(o));
    return HADAL_OK;
failed:
    ops_free_experts(o);
    return status;
}

void ops_free_experts(ops *o)
{
    matrix_free(&o->gate);
    matrix_free(&o->up);
    matrix_free(&o->down);
    matrix_free(&o->shared_gate);
    matrix_free(&o->shared_up);
    matrix_free(&o->shared_down);
    for (size_t i = 0; i < OPS_CHOICES; i++) {
        buffer_free(o->ids[i]);
        buffer_free(o->offsets[i]);
        buffer_free(o->slots[i]);
        o->ids[i] = o->offsets[i] = o->slots[i] = NULL;
    }
}

bool ops_experts_are_fused(const ops *o)
{
    const matvec_experts one = experts_of_one(o, 0);
    return o->tokens == 1 && matvec_takes_experts(&o->linear.matvec, &one); /* as src/model/forward.c has it */
}

hadal_status ops_experts(ops *o)
{
    TRY(ops_make_experts(o));
    hadal_status status = ops_experts_are_fused(o) ? measure_experts_of_one(o) : measure_experts(o);
    ops_free_experts(o);
    return status;
}
