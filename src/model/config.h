/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* config.json of a DeepSeek-V3.2 model: every dimension comes from here. Field names as in the file. */

#ifndef HADAL_MODEL_CONFIG_H
#define HADAL_MODEL_CONFIG_H

#include "base/status.h"

/* Epsilon of the norms of the q and kv latents and of the indexer's k_norm: all reference implementations fix it,
 * whatever rms_norm_eps says. */
#define CONFIG_LATENT_NORM_EPS 1e-6

/* rope_scaling of type "yarn" (https://arxiv.org/abs/2309.00071); present == false: plain RoPE. */
typedef struct yarn_config {
    bool present;
    double factor;
    double original_max_position_embeddings;
    double beta_fast, beta_slow;
    double mscale, mscale_all_dim; /* 0: unset */
    double attention_factor;       /* the cos/sin factor given outright, in place of the mscales'; 0: unset */
} yarn_config;

/* Every count is at least 1 unless said, and bounded so that no product of dimensions overflows 64 bits, nor
 * num_attention_heads or index_n_heads times a head's dimensions 32 bits. */
typedef struct model_config {
    char model_type[64];
    uint32_t vocab_size, hidden_size, num_hidden_layers;
    uint32_t first_k_dense_replace; /* 0 to num_hidden_layers: layers before this one have a dense MLP */
    uint32_t intermediate_size, moe_intermediate_size;
    uint32_t num_attention_heads, q_lora_rank, kv_lora_rank;
    uint32_t qk_nope_head_dim, qk_rope_head_dim, v_head_dim; /* qk_rope_head_dim is even */
    uint32_t index_n_heads, index_head_dim, index_topk;      /* index_head_dim >= qk_rope_head_dim */
    uint32_t n_routed_experts, n_shared_experts, num_experts_per_tok, n_group, topk_group;
    uint32_t max_position_embeddings;
    uint32_t num_nextn_predict_layers; /* may be 0 */
    double routed_scaling_factor, rope_theta;
    double rms_norm_eps; /* of the layers' and the final norm; latents use CONFIG_LATENT_NORM_EPS */
    bool norm_topk_prob, tie_word_embeddings;
    yarn_config yarn;
    int32_t bos_token_id, eos_token_id; /* -1: none; of a list of ends, the first */
    bool quantized;                     /* quantization_config with fp8 e4m3 blocks is present */
    bool scale_ue8m0;                   /* scale_fmt is ue8m0: scales are powers of two */
    uint32_t block_rows, block_columns; /* weight_block_size; 0, 0 when not quantized */
} model_config;

/* Reads and checks a config.json, in the official form or as transformers 5 writes it (rope_parameters for
 * rope_scaling and rope_theta, mlp_layer_types). HADAL_ERROR_INPUT: it cannot be opened. HADAL_ERROR_DATA, naming
 * file, field, expected and found: missing or out-of-range fields, and values that would change the computation in
 * a way that is not implemented. A field that is absent takes a default only where the official code and
 * transformers agree on it. */
HADAL_CHECKED hadal_status config_load(model_config *config, const char *path);

/* softmax scale of attention: (nope + rope)^-0.5 * m^2, with m = 0.1 mscale_all_dim ln(factor) + 1 under YaRN. */
double config_softmax_scale(const model_config *config);

/* Rotation per position of each pair of rope dimensions, in radians: frequencies[qk_rope_head_dim / 2], with
 * YaRN's interpolation applied, the same at every position. */
void config_rope_frequencies(const model_config *config, double *frequencies);

/* The factor on cos and sin: get_mscale(factor, mscale) / get_mscale(factor, mscale_all_dim), or attention_factor
 * if that is given; 1 without YaRN. When one of the two mscales is absent or 0, neither counts: 0.1 ln(factor) + 1,
 * as in transformers. */
double config_rope_amplitude(const model_config *config);

/* Parameters without the multi-token-prediction layer (block scales are no parameters), and of those the ones that
 * one token uses: all but the routed experts that it does not choose and the other rows of embed_tokens. */
uint64_t config_parameters(const model_config *config);
uint64_t config_active_parameters(const model_config *config);

#endif
