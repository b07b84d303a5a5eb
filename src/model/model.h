/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* A model's weights on a device. Nothing here changes after loading. */

#ifndef HADAL_MODEL_MODEL_H
#define HADAL_MODEL_MODEL_H

#include "model/bind.h"
#include "ops/matrix.h"

typedef struct mlp_weights {
    matrix gate_proj, up_proj, down_proj;
} mlp_weights;

/* Vectors are float32, padded with zeros to a multiple of ROW_UNIT. */
typedef struct layer_weights {
    buffer *input_layernorm, *post_attention_layernorm; /* [hidden_size] */
    matrix q_a_proj, q_b_proj, kv_a_proj, o_proj;
    matrix k_up_proj, v_up_proj; /* kv_b_proj by heads: W_UK^T [kv_lora_rank, nope], W_UV [v, kv_lora_rank] */
    buffer *q_a_layernorm, *kv_a_layernorm;
    matrix indexer_wq_b, indexer_wk, indexer_weights_proj;
    buffer *indexer_k_norm_weight, *indexer_k_norm_bias;
    bool has_experts;           /* false: mlp; true: router, experts and shared_experts */
    mlp_weights mlp;
    matrix router;
    buffer *router_bias;        /* [n_routed_experts] */
    mlp_weights experts;        /* stacks of n_routed_experts */
    mlp_weights shared_experts;
} layer_weights;

struct hadal_model {
    hadal_device *device;
    model_config config;
    hadal_model_info info;
    hadal_linear linear;
    matrix embed_tokens, lm_head;
    bool tied;                  /* lm_head shares the buffers of embed_tokens */
    buffer *norm;               /* [hidden_size] */
    buffer *rope_table;         /* see ops/rope.h */
    layer_weights *layers;      /* [num_hidden_layers] */
};

/* The public description of a model. view: NULL when only the config is there. */
void model_describe(hadal_model_info *info, const model_config *config, const model_view *view);

/* The table of rotations of a model (see ops/rope.h); the caller frees it. */
HADAL_CHECKED hadal_status model_rope_table(buffer **table, hadal_device *device, const model_config *config);

/* Reads config.json in a directory and binds its weights. Released by model_files_close. */
typedef struct model_files {
    model_config config;
    checkpoint *weights;
    model_view view;
} model_files;

HADAL_CHECKED hadal_status model_files_open(model_files *files, const char *directory);
void model_files_close(model_files *files);

#endif
