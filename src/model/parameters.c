/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Parameter counts that follow from a config alone. The bounds of config_load keep every product below 2^62. */

#include "model/config.h"

/* Attention, indexer and the two norms of a layer. */
static uint64_t attention_parameters(const model_config *c)
{
    uint64_t d = c->hidden_size, heads = c->num_attention_heads;
    uint64_t query = d * c->q_lora_rank + c->q_lora_rank +
                     c->q_lora_rank * heads * (c->qk_nope_head_dim + c->qk_rope_head_dim);
    uint64_t key_value = d * (c->kv_lora_rank + c->qk_rope_head_dim) + c->kv_lora_rank +
                         c->kv_lora_rank * heads * (c->qk_nope_head_dim + c->v_head_dim);
    uint64_t output = heads * c->v_head_dim * d;
    uint64_t indexer = (uint64_t)c->q_lora_rank * c->index_n_heads * c->index_head_dim + d * c->index_head_dim +
                       2 * (uint64_t)c->index_head_dim + d * c->index_n_heads;
    return query + key_value + output + indexer + 2 * d;
}

/* gate_proj, up_proj and down_proj */
static uint64_t mlp_parameters(const model_config *c, uint64_t width)
{
    return 3 * width * c->hidden_size;
}

/* All layers, with that many routed experts counted in each that has experts. */
static uint64_t layer_parameters(const model_config *c, uint64_t routed_experts)
{
    uint64_t router = (uint64_t)c->n_routed_experts * c->hidden_size + c->n_routed_experts;
    uint64_t experts = mlp_parameters(c, c->moe_intermediate_size) * (routed_experts + c->n_shared_experts);
    return c->num_hidden_layers * attention_parameters(c) +
           c->first_k_dense_replace * mlp_parameters(c, c->intermediate_size) +
           (c->num_hidden_layers - c->first_k_dense_replace) * (router + experts);
}

/* embed_tokens or lm_head */
static uint64_t vocabulary_parameters(const model_config *c)
{
    return (uint64_t)c->vocab_size * c->hidden_size;
}

uint64_t config_parameters(const model_config *config)
{
    uint64_t vocabularies = config->tie_word_embeddings ? 1 : 2;
    return layer_parameters(config, config->n_routed_experts) + vocabularies * vocabulary_parameters(config) +
           config->hidden_size;
}

uint64_t config_active_parameters(const model_config *config)
{
    /* The row of embed_tokens, unless the head uses all of it anyway. */
    uint64_t embedding = config->tie_word_embeddings ? 0 : config->hidden_size;
    return layer_parameters(config, config->num_experts_per_tok) + vocabulary_parameters(config) + embedding +
           config->hidden_size;
}
