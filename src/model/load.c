/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* From mapped files to a model on a device. */

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/expect.h"
#include "model/head_sources.h"
#include "model/model.h"
#include "ops/attend.h"
#include "ops/fill.h"
#include "ops/index_scores.h"
#include "ops/rope.h"
#include "ops/self_test.h"

/* What is uploaded, or made on the device, and how far it got. */
typedef struct upload {
    hadal_model *model;
    const hadal_model_options *options;
    uint64_t done, total;
    uint32_t random; /* 0: what the views hold; else they hold nothing, and this is the last seed used */
    matrix_needs needs;
} upload;

static hadal_status report_progress(upload *up, uint64_t bytes)
{
    up->done += bytes;
    if (up->options->progress && up->total && !up->options->progress(up->options->user, "loading", up->done, up->total))
        return failure(HADAL_STOPPED, "loading was stopped");
    return HADAL_OK;
}

/* A random vector. */
static hadal_status make_vector(upload *up, buffer **vector, size_t length)
{
    hadal_device *device = up->model->device;
    TRY(buffer_create(vector, device, MEMORY_NORMS, round_up(length, ROW_UNIT) * sizeof(float)));
    TRY(fill_rows(device, *vector, FILL_F32, 1, length, length, 1, ++up->random));
    return report_progress(up, 0);
}

/* A vector as float32, padded. */
static hadal_status load_vector(upload *up, buffer **vector, const tensor_view *view)
{
    size_t length = (size_t)view->shape[0], padded = round_up(length, ROW_UNIT);
    float *values;
    hadal_status status;
    if (up->random)
        return make_vector(up, vector, length);
    TRY(memory_allocate(&values, padded, sizeof *values));
    dtype_decode(values, view->data, length, view->type);
    TRY_OR(done, buffer_create(vector, up->model->device, MEMORY_NORMS, padded * sizeof *values));
    TRY_OR(done, buffer_write(*vector, 0, values, padded * sizeof *values));
    TRY_OR(done, report_progress(up, view->bytes));
done:
    free(values);
    return status;
}

static matrix_source source_of(upload *up, const matrix_view *view)
{
    return (matrix_source){
        .type = view->weight->type,
        .random = up->random ? ++up->random : 0,
        .values = view->weight->data,
        .scales = view->scale ? view->scale->data : NULL,
        .rows = (size_t)view->rows,
        .columns = (size_t)view->columns,
        .block_rows = view->block_rows,
        .block_columns = view->block_columns,
    };
}

static uint64_t stored_bytes(const matrix_view *view)
{
    return view->weight->bytes + (view->scale ? view->scale->bytes : 0);
}

static hadal_status load_matrix(upload *up, matrix *loaded, memory_class use, const matrix_view *view)
{
    const matrix_source source = source_of(up, view);
    TRY(matrix_create(loaded, up->model->device, use, &source));
    up->needs.types |= 1u << loaded->type;
    return report_progress(up, stored_bytes(view));
}

/* kv_b_proj as one W_UK^T and one W_UV a head. */
static hadal_status load_heads(upload *up, layer_weights *layer, const matrix_view *view)
{
    const model_config *config = &up->model->config;
    const matrix_source whole = source_of(up, view);
    head_sources heads;
    TRY(head_sources_make(&heads, &whole, config));
    hadal_status status = matrix_create_stack(&layer->k_up_proj, up->model->device, MEMORY_ATTENTION, heads.k_up,
                                              config->num_attention_heads);
    if (status == HADAL_OK)
        status = matrix_create_stack(&layer->v_up_proj, up->model->device, MEMORY_ATTENTION, heads.v_up,
                                     config->num_attention_heads);
    head_sources_free(&heads);
    TRY(status);
    up->needs.stacked_types |= 1u << layer->k_up_proj.type | 1u << layer->v_up_proj.type;
    return report_progress(up, stored_bytes(view));
}

static hadal_status load_mlp(upload *up, mlp_weights *mlp, memory_class use, const mlp_view *view)
{
    TRY(load_matrix(up, &mlp->gate_proj, use, &view->gate_proj));
    TRY(load_matrix(up, &mlp->up_proj, use, &view->up_proj));
    return load_matrix(up, &mlp->down_proj, use, &view->down_proj);
}

/* One of the three matrices of all experts, as a stack; `member` is its place in mlp_view. */
static hadal_status load_stack(upload *up, matrix *loaded, const mlp_view *experts, size_t member)
{
    uint32_t count = up->model->config.n_routed_experts;
    matrix_source *sources;
    uint64_t bytes = 0;
    TRY(memory_allocate(&sources, count, sizeof *sources));
    for (uint32_t e = 0; e < count; e++) {
        const matrix_view *view = (const matrix_view *)(const void *)((const char *)&experts[e] + member);
        sources[e] = source_of(up, view);
        bytes += stored_bytes(view);
    }
    hadal_status status = matrix_create_stack(loaded, up->model->device, MEMORY_EXPERTS, sources, count);
    free(sources);
    TRY(status);
    up->needs.stacked_types |= 1u << loaded->type;
    return report_progress(up, bytes);
}

static hadal_status load_experts(upload *up, layer_weights *layer, const layer_view *view)
{
    TRY(load_matrix(up, &layer->router, MEMORY_ROUTER, &view->router));
    TRY(load_vector(up, &layer->router_bias, view->router_bias));
    TRY(load_mlp(up, &layer->shared_experts, MEMORY_SHARED_EXPERTS, &view->shared_experts));
    TRY(load_stack(up, &layer->experts.gate_proj, view->experts, offsetof(mlp_view, gate_proj)));
    TRY(load_stack(up, &layer->experts.up_proj, view->experts, offsetof(mlp_view, up_proj)));
    return load_stack(up, &layer->experts.down_proj, view->experts, offsetof(mlp_view, down_proj));
}

static hadal_status load_attention(upload *up, layer_weights *layer, const layer_view *view)
{
    TRY(load_matrix(up, &layer->q_a_proj, MEMORY_ATTENTION, &view->q_a_proj));
    TRY(load_vector(up, &layer->q_a_layernorm, view->q_a_layernorm));
    TRY(load_matrix(up, &layer->q_b_proj, MEMORY_ATTENTION, &view->q_b_proj));
    TRY(load_matrix(up, &layer->kv_a_proj, MEMORY_ATTENTION, &view->kv_a_proj));
    TRY(load_vector(up, &layer->kv_a_layernorm, view->kv_a_layernorm));
    TRY(load_heads(up, layer, &view->kv_b_proj));
    return load_matrix(up, &layer->o_proj, MEMORY_ATTENTION, &view->o_proj);
}

static hadal_status load_indexer(upload *up, layer_weights *layer, const layer_view *view)
{
    TRY(load_matrix(up, &layer->indexer_wq_b, MEMORY_INDEXER, &view->indexer_wq_b));
    TRY(load_matrix(up, &layer->indexer_wk, MEMORY_INDEXER, &view->indexer_wk));
    TRY(load_matrix(up, &layer->indexer_weights_proj, MEMORY_INDEXER, &view->indexer_weights_proj));
    TRY(load_vector(up, &layer->indexer_k_norm_weight, view->indexer_k_norm_weight));
    return load_vector(up, &layer->indexer_k_norm_bias, view->indexer_k_norm_bias);
}

static hadal_status load_layer(upload *up, layer_weights *layer, const layer_view *view)
{
    TRY(load_vector(up, &layer->input_layernorm, view->input_layernorm));
    TRY(load_vector(up, &layer->post_attention_layernorm, view->post_attention_layernorm));
    TRY(load_attention(up, layer, view));
    TRY(load_indexer(up, layer, view));
    layer->has_experts = view->experts != NULL;
    return layer->has_experts ? load_experts(up, layer, view) : load_mlp(up, &layer->mlp, MEMORY_DENSE_MLP, &view->mlp);
}

hadal_status model_rope_table(buffer **table, hadal_device *device, const model_config *config)
{
    size_t pairs = config->qk_rope_head_dim / 2;
    double *frequencies;
    *table = NULL;
    TRY(memory_allocate(&frequencies, pairs, sizeof *frequencies));
    config_rope_frequencies(config, frequencies);
    hadal_status status = rope_table_create(table, device, frequencies, pairs, config->max_position_embeddings,
                                            config_rope_amplitude(config));
    free(frequencies);
    return status;
}

/* Confirms what the model may use of the matrix unit, with caches of the usual types. */
static void confirm_matrix_unit(upload *up)
{
    const model_config *c = &up->model->config;
    hadal_device *device = up->model->device;
    const index_dims index = {c->index_n_heads, c->index_head_dim, c->qk_rope_head_dim, HADAL_INDEX_INT8, false};
    const attend_dims attend = {c->num_attention_heads, c->kv_lora_rank, c->qk_rope_head_dim, HADAL_KV_BF16};
    up->needs.uses[MATRIX_INDEX_SCORES] = index_scores_on_matrix_unit(device, &index);
    up->needs.uses[MATRIX_ATTENTION] = attend_on_matrix_unit(device, &attend);
    self_test_matrix_unit(device, &up->needs);
}

static hadal_status load_weights(upload *up, const model_view *view)
{
    hadal_model *model = up->model;
    model->tied = view->lm_head.weight == view->embed_tokens.weight;
    TRY(load_matrix(up, &model->embed_tokens, MEMORY_EMBEDDING, &view->embed_tokens));
    if (model->tied)
        model->lm_head = model->embed_tokens;
    else
        TRY(load_matrix(up, &model->lm_head, MEMORY_EMBEDDING, &view->lm_head));
    TRY(load_vector(up, &model->norm, view->norm));
    TRY(model_rope_table(&model->rope_table, model->device, &model->config));
    TRY(memory_allocate(&model->layers, model->config.num_hidden_layers, sizeof *model->layers));
    for (uint32_t layer = 0; layer < model->config.num_hidden_layers; layer++)
        TRY(load_layer(up, &model->layers[layer], &view->layers[layer]));
    confirm_matrix_unit(up);
    return device_finish(model->device);
}

hadal_status hadal_model_load(hadal_model **model, hadal_device *device, const char *directory,
                              const hadal_model_options *options)
{
    static const hadal_model_options defaults = {0};
    model_files files;
    hadal_model *made = NULL;
    hadal_status status;
    *model = NULL;
    TRY(model_files_open(&files, directory));
    TRY_OR(done, memory_allocate(&made, 1, sizeof *made));
    made->device = device;
    made->config = files.config;
    made->linear = options ? options->linear : HADAL_LINEAR_AUTO;
    model_describe(&made->info, &files.config, &files.view);
    upload up = {
        .model = made,
        .options = options ? options : &defaults,
        .total = checkpoint_file_bytes(files.weights),
    };
    device_set_phase(device, "load");
    TRY_OR(done, load_weights(&up, &files.view));
    *model = made;
    made = NULL;
done:
    hadal_model_free(made);
    model_files_close(&files);
    return status;
}

/* How many of a model's layers are made: a few of them have at most one dense layer, a single one has experts. */
static void keep_layers(model_config *config, uint32_t layers)
{
    if (layers == 0 || layers == config->num_hidden_layers)
        return;
    uint32_t most_dense = layers > 1 ? 1 : 0;
    if (config->first_k_dense_replace > most_dense && config->first_k_dense_replace < config->num_hidden_layers)
        config->first_k_dense_replace = most_dense;
    if (config->first_k_dense_replace > layers)
        config->first_k_dense_replace = layers;
    config->num_hidden_layers = layers;
}

hadal_status hadal_model_random(hadal_model **model, hadal_device *device, const char *dims, uint32_t layers,
                                const hadal_model_options *options)
{
    static const hadal_model_options defaults = {0};
    expected_model expected = {0};
    hadal_model *made;
    hadal_status status;
    *model = NULL;
    TRY(memory_allocate(&made, 1, sizeof *made));
    made->device = device;
    TRY_OR(done, config_of_dims(&made->config, dims));
    keep_layers(&made->config, layers);
    made->linear = options ? options->linear : HADAL_LINEAR_AUTO;
    TRY_OR(done, expect_model(&expected, &made->config));
    model_describe(&made->info, &made->config, &expected.view);
    upload up = {.model = made, .options = options ? options : &defaults, .random = 1};
    device_set_phase(device, "load");
    TRY_OR(done, load_weights(&up, &expected.view));
    *model = made;
    made = NULL;
done:
    hadal_model_free(made);
    expect_free(&expected);
    return status;
}

static void free_mlp(mlp_weights *mlp)
{
    matrix_free(&mlp->gate_proj);
    matrix_free(&mlp->up_proj);
    matrix_free(&mlp->down_proj);
}

static void free_layer(layer_weights *layer)
{
    buffer *const vectors[] = {layer->input_layernorm, layer->post_attention_layernorm, layer->q_a_layernorm,
                               layer->kv_a_layernorm, layer->indexer_k_norm_weight, layer->indexer_k_norm_bias,
                               layer->router_bias};
    matrix *const matrices[] = {
        &layer->q_a_proj,     &layer->q_b_proj,   &layer->kv_a_proj,
        &layer->k_up_proj,    &layer->v_up_proj,  &layer->o_proj,
        &layer->indexer_wq_b, &layer->indexer_wk, &layer->indexer_weights_proj,
        &layer->router,
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        buffer_free(vectors[i]);
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++)
        matrix_free(matrices[i]);
    free_mlp(&layer->mlp);
    free_mlp(&layer->experts);
    free_mlp(&layer->shared_experts);
}

void hadal_model_free(hadal_model *model)
{
    if (!model)
        return;
    for (uint32_t layer = 0; model->layers && layer < model->config.num_hidden_layers; layer++)
        free_layer(&model->layers[layer]);
    free(model->layers);
    matrix_free(&model->embed_tokens);
    if (!model->tied)
        matrix_free(&model->lm_head);
    buffer_free(model->norm);
    buffer_free(model->rope_table);
    free(model);
}

const hadal_model_info *hadal_model_describe(const hadal_model *model)
{
    return &model->info;
}
