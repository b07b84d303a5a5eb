/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which stored tensor plays which part: names and shapes that the config implies, each found and checked once. */

#ifndef HADAL_MODEL_BIND_H
#define HADAL_MODEL_BIND_H

#include "model/config.h"
#include "weights/checkpoint.h"

/* A matrix [rows, columns] and, when it is F8_E4M3, its scales: F32 [ceil(rows / block_rows),
 * ceil(columns / block_columns)]. */
typedef struct matrix_view {
    const tensor_view *weight;
    const tensor_view *scale; /* NULL unless weight is F8_E4M3; stored value * scale of its block = weight */
    uint64_t rows, columns;
    uint32_t block_rows, block_columns; /* 0, 0 unless weight is F8_E4M3; blocks at the edges are cut off */
} matrix_view;

typedef struct mlp_view {
    matrix_view gate_proj, up_proj, down_proj; /* [width, hidden_size] twice, [hidden_size, width] */
} mlp_view;

/* H heads; vectors are F32, BF16 or F16, also in one layer. */
typedef struct layer_view {
    const tensor_view *input_layernorm, *post_attention_layernorm; /* [hidden_size] */
    matrix_view q_a_proj;  /* [q_lora_rank, hidden_size] */
    matrix_view q_b_proj;  /* [H (nope + rope), q_lora_rank] */
    matrix_view kv_a_proj; /* kv_a_proj_with_mqa [kv_lora_rank + rope, hidden_size] */
    matrix_view kv_b_proj; /* [H (nope + v), kv_lora_rank] */
    matrix_view o_proj;    /* [hidden_size, H v] */
    const tensor_view *q_a_layernorm, *kv_a_layernorm; /* [q_lora_rank], [kv_lora_rank] */
    matrix_view indexer_wq_b;         /* [index_n_heads index_head_dim, q_lora_rank] */
    matrix_view indexer_wk;           /* [index_head_dim, hidden_size] */
    matrix_view indexer_weights_proj; /* [index_n_heads, hidden_size] */
    const tensor_view *indexer_k_norm_weight, *indexer_k_norm_bias; /* [index_head_dim] */
    mlp_view mlp;                    /* dense layers only */
    matrix_view router;              /* expert layers only: mlp.gate [n_routed_experts, hidden_size] */
    const tensor_view *router_bias;  /* e_score_correction_bias [n_routed_experts] */
    mlp_view *experts;               /* [n_routed_experts], alike in dtype; NULL in dense layers */
    mlp_view shared_experts;         /* width n_shared_experts * moe_intermediate_size */
} layer_view;

typedef struct model_view {
    matrix_view embed_tokens, lm_head; /* [vocab_size, hidden_size]; lm_head = embed_tokens when tied and absent */
    const tensor_view *norm;           /* [hidden_size] */
    layer_view *layers;                /* [layer_count] */
    uint32_t layer_count;              /* num_hidden_layers */
} model_view;

/* Finds every tensor that the config implies and checks its shape and dtype; refuses missing, misshapen and mistyped
 * tensors, missing scales, and tensors that the config leaves no place for, other than those of the multi-token
 * prediction layers. Such a layer is one of the num_nextn_predict_layers behind the last, or any behind the last
 * that holds an eh_proj. HADAL_ERROR_DATA, with one line that names file, tensor, expected and found. The view
 * borrows from `weights` until bind_free, and is zero after a failure. */
HADAL_CHECKED hadal_status bind_model(model_view *view, const checkpoint *weights, const model_config *config);
void bind_free(model_view *view);

#endif
