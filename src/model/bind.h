/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which stored tensor plays which part: names and shapes that the config implies, each found and checked once. */

#ifndef HADAL_MODEL_BIND_H
#define HADAL_MODEL_BIND_H

#include "model/config.h"
#include "weights/checkpoint.h"

/* A matrix [rows, columns] and, when it is F8_E4M3, its scales F32 [ceil(rows/block_rows), ceil(columns/block_columns)]. */
typedef struct matrix_view {
    const tensor_view *weight;
    const tensor_view *scale; /* NULL unless weight is F8_E4M3 */
    uint64_t rows, columns;
    uint32_t block_rows, block_columns;
} matrix_view;

typedef struct mlp_view {
    matrix_view gate_proj, up_proj, down_proj;
} mlp_view;

typedef struct layer_view {
    const tensor_view *input_layernorm, *post_attention_layernorm; /* [hidden_size] */
    matrix_view q_a_proj, q_b_proj, kv_a_proj, kv_b_proj, o_proj;
    const tensor_view *q_a_layernorm, *kv_a_layernorm; /* [q_lora_rank], [kv_lora_rank] */
    matrix_view indexer_wq_b, indexer_wk, indexer_weights_proj;
    const tensor_view *indexer_k_norm_weight, *indexer_k_norm_bias; /* [index_head_dim] */
    mlp_view mlp;                    /* dense layers only */
    matrix_view router;              /* expert layers only: mlp.gate [n_routed_experts, hidden_size] */
    const tensor_view *router_bias;  /* e_score_correction_bias [n_routed_experts] */
    mlp_view *experts;               /* [n_routed_experts]; NULL in dense layers */
    mlp_view shared_experts;         /* width n_shared_experts * moe_intermediate_size */
} layer_view;

typedef struct model_view {
    matrix_view embed_tokens, lm_head; /* lm_head = embed_tokens when tied and absent */
    const tensor_view *norm;
    layer_view *layers; /* [num_hidden_layers] */
} model_view;

/* Finds every tensor that the config implies and checks its shape and dtype; refuses missing, extra (other than
 * the multi-token-prediction layer's), misshapen and mistyped tensors and missing scales. The view borrows both. */
HADAL_CHECKED hadal_status bind_model(model_view *view, const checkpoint *weights, const model_config *config);
void bind_free(model_view *view);

#endif
