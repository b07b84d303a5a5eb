/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "model/bind.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { NAME_BYTES = 128 }; /* the longest name is of 71 bytes and two numbers of 10 digits */

typedef struct tensor_binder {
    const checkpoint *weights;
    const model_config *config;
    bool *used; /* by index in the checkpoint */
} tensor_binder;

/* Made of constants and numbers, so that it always fits. */
typedef struct tensor_name {
    char text[NAME_BYTES];
} tensor_name;

__attribute__((format(printf, 1, 2))) static tensor_name format_name(const char *format, ...)
{
    tensor_name name;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name.text, sizeof name.text, format, arguments);
    va_end(arguments);
    return name;
}

static tensor_name join(const char *prefix, const char *suffix)
{
    return format_name("%s%s", prefix, suffix);
}

/* text = "[4, 8]" */
static const char *shape_text(char text[static 128], const uint64_t *shape, unsigned rank)
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < rank && i < TENSOR_MAX_RANK; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%" PRIu64, i ? ", " : "[", shape[i]);
    snprintf(text + used, 128 - used, rank > TENSOR_MAX_RANK ? ", ...]" : rank ? "]" : "[]");
    return text;
}

/* The tensor of that name, of a dtype that can be computed with, and of that shape. */
static hadal_status find(tensor_binder *binder, const tensor_view **found, const char *name, const uint64_t *shape,
                         unsigned rank)
{
    char expected[128], actual[128];
    const tensor_view *view = checkpoint_find(binder->weights, name);
    if (!view)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s is missing; the config implies one of shape %s",
                       checkpoint_path(binder->weights), name, shape_text(expected, shape, rank));
    if (view->rank != rank || memcmp(view->shape, shape, rank * sizeof *shape) != 0)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: shape is %s, expected %s by the config", view->file, name,
                       shape_text(actual, view->shape, view->rank), shape_text(expected, shape, rank));
    if (!view->supported)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: dtype is %s, expected F32, BF16, F16 or F8_E4M3", view->file,
                       name, view->dtype_text);
    binder->used[view - checkpoint_at(binder->weights, 0)] = true;
    *found = view;
    return HADAL_OK;
}

static hadal_status bind_vector(tensor_binder *binder, const tensor_view **vector, const char *prefix,
                                const char *suffix, uint64_t length)
{
    tensor_name name = join(prefix, suffix);
    TRY(find(binder, vector, name.text, &length, 1));
    if ((*vector)->type == DTYPE_F8_E4M3)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: dtype is F8_E4M3, expected F32, BF16 or F16 for a vector",
                       (*vector)->file, name.text);
    return HADAL_OK;
}

static hadal_status bind_scale(tensor_binder *binder, matrix_view *matrix, const char *weight_name)
{
    const model_config *config = binder->config;
    if (!config->quantized)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: dtype is F8_E4M3, but config.json has no quantization_config",
                       matrix->weight->file, weight_name);
    matrix->block_rows = config->block_rows;
    matrix->block_columns = config->block_columns;
    tensor_name name = join(weight_name, "_scale_inv");
    const uint64_t shape[] = {divide_up(matrix->rows, matrix->block_rows),
                              divide_up(matrix->columns, matrix->block_columns)};
    TRY(find(binder, &matrix->scale, name.text, shape, 2));
    if (matrix->scale->type != DTYPE_F32)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: dtype is %s, expected F32 for block scales",
                       matrix->scale->file, name.text, matrix->scale->dtype_text);
    return HADAL_OK;
}

static hadal_status bind_matrix(tensor_binder *binder, matrix_view *matrix, const char *prefix, const char *suffix,
                                uint64_t rows, uint64_t columns)
{
    tensor_name name = join(prefix, suffix);
    *matrix = (matrix_view){.rows = rows, .columns = columns};
    TRY(find(binder, &matrix->weight, name.text, (const uint64_t[]){rows, columns}, 2));
    return matrix->weight->type == DTYPE_F8_E4M3 ? bind_scale(binder, matrix, name.text) : HADAL_OK;
}

static hadal_status bind_mlp(tensor_binder *binder, mlp_view *mlp, const char *prefix, uint64_t width)
{
    uint64_t hidden = binder->config->hidden_size;
    TRY(bind_matrix(binder, &mlp->gate_proj, prefix, "gate_proj.weight", width, hidden));
    TRY(bind_matrix(binder, &mlp->up_proj, prefix, "up_proj.weight", width, hidden));
    return bind_matrix(binder, &mlp->down_proj, prefix, "down_proj.weight", hidden, width);
}

/* Experts run as one batch: each of their three matrices has one dtype in a layer. */
static hadal_status check_alike(const matrix_view *first, const matrix_view *other)
{
    if (first->weight->type == other->weight->type)
        return HADAL_OK;
    return failure(HADAL_ERROR_DATA,
                   "%s: tensor %s: dtype is %s, expected %s as in %s: the experts of a layer are alike",
                   other->weight->file, other->weight->name, other->weight->dtype_text, first->weight->dtype_text,
                   first->weight->name);
}

static hadal_status bind_experts(tensor_binder *binder, layer_view *layer, const char *prefix)
{
    const model_config *config = binder->config;
    TRY(bind_matrix(binder, &layer->router, prefix, "gate.weight", config->n_routed_experts, config->hidden_size));
    TRY(bind_vector(binder, &layer->router_bias, prefix, "gate.e_score_correction_bias", config->n_routed_experts));
    tensor_name shared = join(prefix, "shared_experts.");
    TRY(bind_mlp(binder, &layer->shared_experts, shared.text,
                 (uint64_t)config->n_shared_experts * config->moe_intermediate_size));
    TRY(memory_allocate(&layer->experts, config->n_routed_experts, sizeof *layer->experts));
    for (uint32_t expert = 0; expert < config->n_routed_experts; expert++) {
        mlp_view *mlp = &layer->experts[expert];
        tensor_name name = format_name("%sexperts.%" PRIu32 ".", prefix, expert);
        TRY(bind_mlp(binder, mlp, name.text, config->moe_intermediate_size));
        TRY(check_alike(&layer->experts[0].gate_proj, &mlp->gate_proj));
        TRY(check_alike(&layer->experts[0].up_proj, &mlp->up_proj));
        TRY(check_alike(&layer->experts[0].down_proj, &mlp->down_proj));
    }
    return HADAL_OK;
}

static hadal_status bind_attention(tensor_binder *binder, layer_view *layer, const char *prefix)
{
    const model_config *c = binder->config;
    uint64_t hidden = c->hidden_size, heads = c->num_attention_heads;
    TRY(bind_matrix(binder, &layer->q_a_proj, prefix, "q_a_proj.weight", c->q_lora_rank, hidden));
    TRY(bind_vector(binder, &layer->q_a_layernorm, prefix, "q_a_layernorm.weight", c->q_lora_rank));
    TRY(bind_matrix(binder, &layer->q_b_proj, prefix, "q_b_proj.weight",
                    heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), c->q_lora_rank));
    TRY(bind_matrix(binder, &layer->kv_a_proj, prefix, "kv_a_proj_with_mqa.weight",
                    c->kv_lora_rank + c->qk_rope_head_dim, hidden));
    TRY(bind_vector(binder, &layer->kv_a_layernorm, prefix, "kv_a_layernorm.weight", c->kv_lora_rank));
    TRY(bind_matrix(binder, &layer->kv_b_proj, prefix, "kv_b_proj.weight",
                    heads * (c->qk_nope_head_dim + c->v_head_dim), c->kv_lora_rank));
    return bind_matrix(binder, &layer->o_proj, prefix, "o_proj.weight", hidden, heads * c->v_head_dim);
}

static hadal_status bind_indexer(tensor_binder *binder, layer_view *layer, const char *prefix)
{
    const model_config *c = binder->config;
    TRY(bind_matrix(binder, &layer->indexer_wq_b, prefix, "wq_b.weight", (uint64_t)c->index_n_heads * c->index_head_dim,
                    c->q_lora_rank));
    TRY(bind_matrix(binder, &layer->indexer_wk, prefix, "wk.weight", c->index_head_dim, c->hidden_size));
    TRY(bind_matrix(binder, &layer->indexer_weights_proj, prefix, "weights_proj.weight", c->index_n_heads,
                    c->hidden_size));
    TRY(bind_vector(binder, &layer->indexer_k_norm_weight, prefix, "k_norm.weight", c->index_head_dim));
    return bind_vector(binder, &layer->indexer_k_norm_bias, prefix, "k_norm.bias", c->index_head_dim);
}

static hadal_status bind_layer(tensor_binder *binder, layer_view *layer, uint32_t index)
{
    const model_config *config = binder->config;
    tensor_name prefix = format_name("model.layers.%" PRIu32 ".", index);
    TRY(bind_vector(binder, &layer->input_layernorm, prefix.text, "input_layernorm.weight", config->hidden_size));
    TRY(bind_vector(binder, &layer->post_attention_layernorm, prefix.text, "post_attention_layernorm.weight",
                    config->hidden_size));
    tensor_name attention = join(prefix.text, "self_attn."), indexer = join(attention.text, "indexer.");
    TRY(bind_attention(binder, layer, attention.text));
    TRY(bind_indexer(binder, layer, indexer.text));
    tensor_name mlp = join(prefix.text, "mlp.");
    if (index < config->first_k_dense_replace)
        return bind_mlp(binder, &layer->mlp, mlp.text, config->intermediate_size);
    return bind_experts(binder, layer, mlp.text);
}

/* Whether a tensor is part of a multi-token-prediction layer: see bind_model. */
static bool is_prediction_tensor(const tensor_binder *binder, const char *name)
{
    const model_config *config = binder->config;
    unsigned long layer;
    if (sscanf(name, "model.layers.%9lu.", &layer) != 1 || layer < config->num_hidden_layers)
        return false;
    tensor_name prefix = format_name("model.layers.%lu.", layer);
    tensor_name marker = join(prefix.text, "eh_proj.weight");
    if (strncmp(name, prefix.text, strlen(prefix.text)) != 0) /* scanf also takes " 7" and "07" */
        return false;
    return layer - config->num_hidden_layers < config->num_nextn_predict_layers ||
           checkpoint_find(binder->weights, marker.text);
}

static hadal_status refuse_extra(const tensor_binder *binder)
{
    for (size_t i = 0; i < checkpoint_count(binder->weights); i++) {
        const tensor_view *view = checkpoint_at(binder->weights, i);
        if (!binder->used[i] && !is_prediction_tensor(binder, view->name))
            return failure(HADAL_ERROR_DATA, "%s: tensor %s has no place in the model that config.json describes",
                           view->file, view->name);
    }
    return HADAL_OK;
}

static hadal_status bind_all(tensor_binder *binder, model_view *view)
{
    const model_config *config = binder->config;
    TRY(bind_matrix(binder, &view->embed_tokens, "model.", "embed_tokens.weight", config->vocab_size,
                    config->hidden_size));
    TRY(bind_vector(binder, &view->norm, "model.", "norm.weight", config->hidden_size));
    if (config->tie_word_embeddings && !checkpoint_find(binder->weights, "lm_head.weight"))
        view->lm_head = view->embed_tokens;
    else
        TRY(bind_matrix(binder, &view->lm_head, "lm_head.", "weight", config->vocab_size, config->hidden_size));
    TRY(memory_allocate(&view->layers, config->num_hidden_layers, sizeof *view->layers));
    view->layer_count = config->num_hidden_layers;
    for (uint32_t layer = 0; layer < view->layer_count; layer++)
        TRY(bind_layer(binder, &view->layers[layer], layer));
    return refuse_extra(binder);
}

hadal_status bind_model(model_view *view, const checkpoint *weights, const model_config *config)
{
    *view = (model_view){0};
    tensor_binder binder = {.weights = weights, .config = config};
    TRY(memory_allocate(&binder.used, checkpoint_count(weights), sizeof *binder.used));
    hadal_status status = bind_all(&binder, view);
    free(binder.used);
    if (status != HADAL_OK)
        bind_free(view);
    return status;
}

void bind_free(model_view *view)
{
    if (!view)
        return;
    for (uint32_t layer = 0; layer < view->layer_count; layer++)
        free(view->layers[layer].experts);
    free(view->layers);
    *view = (model_view){0};
}
