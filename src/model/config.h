/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* config.json of a DeepSeek-V3.2 model: every dimension comes from here. Field names as in the file. */

#ifndef HADAL_MODEL_CONFIG_H
#define HADAL_MODEL_CONFIG_H

#include "base/status.h"

/* rope_scaling of type "yarn"; present == false: plain RoPE. */
typedef struct yarn_config {
    bool present;
    double factor;
    double original_max_position_embeddings;
    double beta_fast, beta_slow;
    double mscale, mscale_all_dim; /* mscale_all_dim 0: unset */
} yarn_config;

typedef struct model_config {
    char model_type[64];
    uint32_t vocab_size, hidden_size, num_hidden_layers, first_k_dense_replace;
    uint32_t intermediate_size, moe_intermediate_size;
    uint32_t num_attention_heads, q_lora_rank, kv_lora_rank;
    uint32_t qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
    uint32_t index_n_heads, index_head_dim, index_topk;
    uint32_t n_routed_experts, n_shared_experts, num_experts_per_tok, n_group, topk_group;
    uint32_t max_position_embeddings, num_nextn_predict_layers;
    double routed_scaling_factor, rms_norm_eps, rope_theta;
    bool norm_topk_prob, tie_word_embeddings;
    yarn_config yarn;
    int32_t bos_token_id, eos_token_id; /* -1: none */
    bool quantized;                     /* quantization_config with fp8 e4m3 blocks is present */
    bool scale_ue8m0;                   /* scale_fmt is ue8m0: scales are powers of two */
    uint32_t block_rows, block_columns; /* weight_block_size; 0, 0 when not quantized */
} model_config;

/* Reads and checks a config.json. Missing or out-of-range fields, and values that would change the computation
 * in a way that is not implemented, are HADAL_ERROR_DATA naming file, field, expected and found. */
HADAL_CHECKED hadal_status config_load(model_config *config, const char *path);

/* softmax scale of attention: (nope + rope)^-0.5 * m^2, with m = 0.1 mscale_all_dim ln(factor) + 1 under YaRN. */
double config_softmax_scale(const model_config *config);

/* Rotation per position of each pair of rope dimensions, in radians: frequencies[qk_rope_head_dim / 2], with
 * YaRN's interpolation applied. */
void config_rope_frequencies(const model_config *config, double *frequencies);

/* The factor on cos and sin: get_mscale(factor, mscale) / get_mscale(factor, mscale_all_dim); 1 without YaRN. */
double config_rope_amplitude(const model_config *config);

/* Parameters without the multi-token-prediction layer, and of those the ones that one token uses. */
uint64_t config_parameters(const model_config *config);
uint64_t config_active_parameters(const model_config *config);

#endif
