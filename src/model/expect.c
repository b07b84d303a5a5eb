/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "model/expect.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static matrix_view expect_matrix(const model_config *config, bool quantisable, uint64_t rows, uint64_t columns)
{
    static const tensor_view fp8 = {.type = DTYPE_F8_E4M3}, bf16 = {.type = DTYPE_BF16};
    bool quantised = quantisable && config->quantized;
    return (matrix_view){
        .weight = quantised ? &fp8 : &bf16,
        .rows = rows,
        .columns = columns,
        .block_rows = quantised ? config->block_rows : 0,
        .block_columns = quantised ? config->block_columns : 0,
    };
}

static mlp_view expect_mlp(const model_config *config, uint64_t width)
{
    return (mlp_view){
        .gate_proj = expect_matrix(config, true, width, config->hidden_size),
        .up_proj = expect_matrix(config, true, width, config->hidden_size),
        .down_proj = expect_matrix(config, true, config->hidden_size, width),
    };
}

enum { VECTOR_HIDDEN, VECTOR_Q_LORA, VECTOR_KV_LORA, VECTOR_INDEX, VECTOR_EXPERTS, VECTORS };

static void expect_vectors(expected_model *expected, const model_config *c)
{
    const uint64_t lengths[VECTORS] = {c->hidden_size, c->q_lora_rank, c->kv_lora_rank, c->index_head_dim,
                                       c->n_routed_experts};
    for (int i = 0; i < VECTORS; i++)
        expected->vectors[i] = (tensor_view){.type = DTYPE_F32, .rank = 1, .shape = {lengths[i]}};
}

/* A layer as released models store it: all projections quantised but the router's and the indexer's weights. */
static void expect_layer(layer_view *layer, expected_model *expected, const model_config *c, bool has_experts)
{
    const tensor_view *vectors = expected->vectors;
    uint64_t d = c->hidden_size, heads = c->num_attention_heads;
    *layer = (layer_view){
        .input_layernorm = &vectors[VECTOR_HIDDEN],
        .post_attention_layernorm = &vectors[VECTOR_HIDDEN],
        .q_a_proj = expect_matrix(c, true, c->q_lora_rank, d),
        .q_b_proj = expect_matrix(c, true, heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), c->q_lora_rank),
        .kv_a_proj = expect_matrix(c, true, c->kv_lora_rank + c->qk_rope_head_dim, d),
        .kv_b_proj = expect_matrix(c, true, heads * (c->qk_nope_head_dim + c->v_head_dim), c->kv_lora_rank),
        .o_proj = expect_matrix(c, true, d, heads * c->v_head_dim),
        .q_a_layernorm = &vectors[VECTOR_Q_LORA],
        .kv_a_layernorm = &vectors[VECTOR_KV_LORA],
        .indexer_wq_b = expect_matrix(c, true, (uint64_t)c->index_n_heads * c->index_head_dim, c->q_lora_rank),
        .indexer_wk = expect_matrix(c, true, c->index_head_dim, d),
        .indexer_weights_proj = expect_matrix(c, false, c->index_n_heads, d),
        .indexer_k_norm_weight = &vectors[VECTOR_INDEX],
        .indexer_k_norm_bias = &vectors[VECTOR_INDEX],
        .mlp = expect_mlp(c, c->intermediate_size),
        .router = expect_matrix(c, false, c->n_routed_experts, d),
        .router_bias = &vectors[VECTOR_EXPERTS],
        .experts = has_experts ? expected->experts : NULL,
        .shared_experts = expect_mlp(c, (uint64_t)c->n_shared_experts * c->moe_intermediate_size),
    };
}

hadal_status expect_model(expected_model *expected, const model_config *config)
{
    static const tensor_view head = {.type = DTYPE_BF16}; /* another tensor than the embedding's */
    hadal_status status;
    *expected = (expected_model){0};
    expect_vectors(expected, config);
    TRY_OR(failed, memory_allocate(&expected->experts, config->n_routed_experts, sizeof *expected->experts));
    TRY_OR(failed, memory_allocate(&expected->view.layers, config->num_hidden_layers, sizeof(layer_view)));
    for (uint32_t e = 0; e < config->n_routed_experts; e++)
        expected->experts[e] = expect_mlp(config, config->moe_intermediate_size);
    for (uint32_t layer = 0; layer < config->num_hidden_layers; layer++)
        expect_layer(&expected->view.layers[layer], expected, config, layer >= config->first_k_dense_replace);
    model_view *view = &expected->view;
    view->layer_count = config->num_hidden_layers;
    view->norm = &expected->vectors[VECTOR_HIDDEN];
    view->embed_tokens = expect_matrix(config, false, config->vocab_size, config->hidden_size);
    view->lm_head = view->embed_tokens;
    if (!config->tie_word_embeddings)
        view->lm_head.weight = &head;
    return HADAL_OK;
failed:
    expect_free(expected);
    return status;
}

void expect_free(expected_model *expected)
{
    free(expected->experts);
    free(expected->view.layers);
    *expected = (expected_model){0};
}

hadal_status config_of_dims(model_config *config, const char *dims)
{
    if (dims && strcmp(dims, "deepseek-v3.2-exp") != 0)
        return config_load(config, dims);
    /* https://huggingface.co/deepseek-ai/DeepSeek-V3.2-Exp, config.json; tests compare with a copy of it. */
    *config = (model_config){
        .model_type = "deepseek_v32",
        .vocab_size = 129280, .hidden_size = 7168, .num_hidden_layers = 61, .first_k_dense_replace = 3,
        .intermediate_size = 18432, .moe_intermediate_size = 2048,
        .num_attention_heads = 128, .q_lora_rank = 1536, .kv_lora_rank = 512,
        .qk_nope_head_dim = 128, .qk_rope_head_dim = 64, .v_head_dim = 128,
        .index_n_heads = 64, .index_head_dim = 128, .index_topk = 2048,
        .n_routed_experts = 256, .n_shared_experts = 1, .num_experts_per_tok = 8, .n_group = 8, .topk_group = 4,
        .max_position_embeddings = 163840, .num_nextn_predict_layers = 1,
        .routed_scaling_factor = 2.5, .rope_theta = 10000, .rms_norm_eps = 1e-6,
        .norm_topk_prob = true,
        .yarn = {.present = true, .factor = 40, .original_max_position_embeddings = 4096, .beta_fast = 32,
                 .beta_slow = 1, .mscale = 1, .mscale_all_dim = 1},
        .bos_token_id = 0, .eos_token_id = 1,
        .quantized = true, .scale_ue8m0 = true, .block_rows = 128, .block_columns = 128,
    };
    return HADAL_OK;
}
