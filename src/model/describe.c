/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What a model is, in the public record, and the files that it comes from. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/paths.h"
#include "model/model.h"

/* Matrix elements of a view, by dtype. */
static void count_matrix(uint64_t counts[DTYPE_COUNT], const matrix_view *view)
{
    if (view->weight)
        counts[view->weight->type] += view->rows * view->columns;
}

static void count_mlp(uint64_t counts[DTYPE_COUNT], const mlp_view *mlp)
{
    count_matrix(counts, &mlp->gate_proj);
    count_matrix(counts, &mlp->up_proj);
    count_matrix(counts, &mlp->down_proj);
}

static void count_layer(uint64_t counts[DTYPE_COUNT], const layer_view *layer, uint32_t experts)
{
    const matrix_view *const attention[] = {&layer->q_a_proj, &layer->q_b_proj, &layer->kv_a_proj, &layer->kv_b_proj,
                                            &layer->o_proj, &layer->indexer_wq_b, &layer->indexer_wk};
    for (size_t i = 0; i < sizeof attention / sizeof *attention; i++)
        count_matrix(counts, attention[i]);
    count_mlp(counts, &layer->mlp);
    count_mlp(counts, &layer->shared_experts);
    for (uint32_t expert = 0; layer->experts && expert < experts; expert++)
        count_mlp(counts, &layer->experts[expert]);
}

/* The dtype of nine tenths or more of the layers' matrix elements, else "mixed". */
static const char *weight_format(const model_config *config, const model_view *view)
{
    static const char *const names[DTYPE_COUNT] = {
        [DTYPE_F32] = "f32", [DTYPE_BF16] = "bf16", [DTYPE_F16] = "f16", [DTYPE_F8_E4M3] = "fp8"};
    uint64_t counts[DTYPE_COUNT] = {0}, total = 0;
    if (!view)
        return config->quantized ? "fp8" : "bf16";
    for (uint32_t layer = 0; layer < view->layer_count; layer++)
        count_layer(counts, &view->layers[layer], config->n_routed_experts);
    for (int type = 0; type < DTYPE_COUNT; type++)
        total += counts[type];
    for (int type = 0; type < DTYPE_COUNT; type++)
        if (counts[type] >= total - total / 10)
            return names[type];
    return "mixed";
}

void model_describe(hadal_model_info *info, const model_config *config, const model_view *view)
{
    *info = (hadal_model_info){
        .vocab_size = config->vocab_size,
        .hidden_size = config->hidden_size,
        .num_hidden_layers = config->num_hidden_layers,
        .first_k_dense_replace = config->first_k_dense_replace,
        .intermediate_size = config->intermediate_size,
        .moe_intermediate_size = config->moe_intermediate_size,
        .num_attention_heads = config->num_attention_heads,
        .q_lora_rank = config->q_lora_rank,
        .kv_lora_rank = config->kv_lora_rank,
        .qk_nope_head_dim = config->qk_nope_head_dim,
        .qk_rope_head_dim = config->qk_rope_head_dim,
        .v_head_dim = config->v_head_dim,
        .index_n_heads = config->index_n_heads,
        .index_head_dim = config->index_head_dim,
        .index_topk = config->index_topk,
        .n_routed_experts = config->n_routed_experts,
        .n_shared_experts = config->n_shared_experts,
        .num_experts_per_tok = config->num_experts_per_tok,
        .n_group = config->n_group,
        .topk_group = config->topk_group,
        .max_position_embeddings = config->max_position_embeddings,
        .bos_token_id = config->bos_token_id,
        .eos_token_id = config->eos_token_id,
        .parameters = config_parameters(config),
        .active_parameters = config_active_parameters(config),
    };
    snprintf(info->model_type, sizeof info->model_type, "%s", config->model_type);
    snprintf(info->weight_format, sizeof info->weight_format, "%s", weight_format(config, view));
}

hadal_status hadal_find_model(char **directory, const char *chosen)
{
    const char *given = chosen ? chosen : getenv("HADAL_MODEL");
    if (given && *given) /* what it holds is checked by whoever reads it */
        return memory_copy_text(directory, given, strlen(given));
    return paths_find_data(directory, NULL, "HADAL_MODEL", "model", "config.json");
}

hadal_status model_files_open(model_files *files, const char *directory)
{
    char *path;
    hadal_status status;
    *files = (model_files){0};
    TRY(file_join(&path, directory, "config.json"));
    TRY_OR(failed, config_load(&files->config, path));
    TRY_OR(failed, checkpoint_open(&files->weights, directory));
    TRY_OR(failed, bind_model(&files->view, files->weights, &files->config));
    free(path);
    return HADAL_OK;
failed:
    free(path);
    model_files_close(files);
    return status;
}

void model_files_close(model_files *files)
{
    bind_free(&files->view);
    checkpoint_close(files->weights);
    *files = (model_files){0};
}
