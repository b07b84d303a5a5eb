/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The device memory that a model and a session need, before anything is allocated: by the same functions that size the
 * buffers (matrix_source_bytes, settings_*_needs), so that the plan is what will happen. */

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/expect.h"
#include "model/head_sources.h"
#include "model/model.h"
#include "model/settings.h"
#include "ops/rope.h"

static const char *const class_names[MEMORY_CLASSES] = {
    [MEMORY_EMBEDDING] = "embedding and head",
    [MEMORY_ATTENTION] = "attention",
    [MEMORY_INDEXER] = "indexer",
    [MEMORY_DENSE_MLP] = "dense MLPs",
    [MEMORY_EXPERTS] = "routed experts",
    [MEMORY_SHARED_EXPERTS] = "shared experts",
    [MEMORY_ROUTER] = "routers",
    [MEMORY_NORMS] = "norms and rotations",
    [MEMORY_LATENT_CACHE] = "latent cache",
    [MEMORY_INDEX_CACHE] = "index cache",
    [MEMORY_ACTIVATIONS] = "activations",
    [MEMORY_INDEX_SCORES] = "index scores",
    [MEMORY_ATTENTION_PARTIALS] = "attention partials",
};

typedef uint64_t class_bytes[MEMORY_CLASSES];

/* ---- Weights ----------------------------------------------------------------------------------------- */

static matrix_source shape_of(const matrix_view *view)
{
    return (matrix_source){
        .type = view->weight->type,
        .rows = (size_t)view->rows,
        .columns = (size_t)view->columns,
        .block_rows = view->block_rows,
        .block_columns = view->block_columns,
    };
}

static void count_matrix(class_bytes bytes, memory_class use, const matrix_view *view, size_t copies)
{
    const matrix_source shape = shape_of(view);
    bytes[use] += matrix_source_bytes(&shape, 1) * copies;
}

static void count_mlp(class_bytes bytes, memory_class use, const mlp_view *mlp, size_t copies)
{
    count_matrix(bytes, use, &mlp->gate_proj, copies);
    count_matrix(bytes, use, &mlp->up_proj, copies);
    count_matrix(bytes, use, &mlp->down_proj, copies);
}

static void count_vector(class_bytes bytes, size_t length)
{
    bytes[MEMORY_NORMS] += round_up(length, ROW_UNIT) * sizeof(float);
}

/* kv_b_proj is stored by heads. */
static hadal_status count_heads(class_bytes bytes, const matrix_view *view, const model_config *config)
{
    const matrix_source whole = shape_of(view);
    head_sources heads;
    TRY(head_sources_make(&heads, &whole, config));
    bytes[MEMORY_ATTENTION] += matrix_source_bytes(heads.k_up, config->num_attention_heads);
    bytes[MEMORY_ATTENTION] += matrix_source_bytes(heads.v_up, config->num_attention_heads);
    head_sources_free(&heads);
    return HADAL_OK;
}

static hadal_status count_layer(class_bytes bytes, const layer_view *layer, const model_config *c)
{
    const matrix_view *const attention[] = {&layer->q_a_proj, &layer->q_b_proj, &layer->kv_a_proj, &layer->o_proj};
    const matrix_view *const indexer[] = {&layer->indexer_wq_b, &layer->indexer_wk, &layer->indexer_weights_proj};
    const size_t vectors[] = {c->hidden_size, c->hidden_size, c->q_lora_rank, c->kv_lora_rank, c->index_head_dim,
                              c->index_head_dim};
    for (size_t i = 0; i < sizeof attention / sizeof *attention; i++)
        count_matrix(bytes, MEMORY_ATTENTION, attention[i], 1);
    for (size_t i = 0; i < sizeof indexer / sizeof *indexer; i++)
        count_matrix(bytes, MEMORY_INDEXER, indexer[i], 1);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        count_vector(bytes, vectors[i]);
    TRY(count_heads(bytes, &layer->kv_b_proj, c));
    if (!layer->experts) {
        count_mlp(bytes, MEMORY_DENSE_MLP, &layer->mlp, 1);
        return HADAL_OK;
    }
    count_matrix(bytes, MEMORY_ROUTER, &layer->router, 1);
    count_vector(bytes, c->n_routed_experts);
    count_mlp(bytes, MEMORY_SHARED_EXPERTS, &layer->shared_experts, 1);
    count_mlp(bytes, MEMORY_EXPERTS, layer->experts, c->n_routed_experts); /* experts are alike */
    return HADAL_OK;
}

static hadal_status count_weights(class_bytes bytes, const model_view *view, const model_config *config)
{
    count_matrix(bytes, MEMORY_EMBEDDING, &view->embed_tokens, 1);
    if (view->lm_head.weight != view->embed_tokens.weight)
        count_matrix(bytes, MEMORY_EMBEDDING, &view->lm_head, 1);
    count_vector(bytes, config->hidden_size);
    bytes[MEMORY_NORMS] += rope_table_bytes(config->qk_rope_head_dim / 2, config->max_position_embeddings);
    for (uint32_t layer = 0; layer < view->layer_count; layer++)
        TRY(count_layer(bytes, &view->layers[layer], config));
    return HADAL_OK;
}

static hadal_status count_expected(class_bytes bytes, const model_config *config)
{
    expected_model expected;
    TRY(expect_model(&expected, config));
    hadal_status status = count_weights(bytes, &expected.view, config);
    expect_free(&expected);
    return status;
}

/* ---- The plan ------------------------------------------------------------------------------------------- */

/* The bytes of weights: of the files in a model directory, or as the config alone has it. */
static hadal_status plan_weights(hadal_plan *plan, class_bytes bytes, model_config *config, const char *path)
{
    bool directory = file_check_directory(path) == HADAL_OK;
    if (!directory || !checkpoint_is_present(path)) {
        char *config_path;
        TRY(directory ? file_join(&config_path, path, "config.json")
                      : memory_copy_text(&config_path, path, strlen(path)));
        hadal_status status = config_load(config, config_path);
        free(config_path);
        TRY(status);
        plan->from_config_only = true;
        model_describe(&plan->model, config, NULL);
        return count_expected(bytes, config);
    }
    model_files files;
    TRY(model_files_open(&files, path));
    *config = files.config;
    plan->file_bytes = checkpoint_file_bytes(files.weights);
    model_describe(&plan->model, config, &files.view);
    hadal_status status = count_weights(bytes, &files.view, config);
    model_files_close(&files);
    return status;
}

static void count_needs(class_bytes bytes, const buffer_need *needs, size_t count, uint64_t copies)
{
    for (size_t i = 0; i < count; i++)
        bytes[needs[i].use] += needs[i].bytes * copies;
}

static void plan_session(hadal_plan *plan, class_bytes bytes, const settings *s, const model_config *config)
{
    buffer_need needs[ACTIVATION_NEEDS], cache_needs[CACHE_NEEDS];
    count_needs(bytes, needs, settings_activation_needs(needs, s, config), 1);
    size_t cache_count = settings_cache_needs(cache_needs, s, config);
    count_needs(bytes, cache_needs, cache_count, config->num_hidden_layers);
    for (size_t i = 0; i < cache_count; i++)
        plan->cache_bytes_per_token += cache_needs[i].bytes / s->context * config->num_hidden_layers;
    plan->context = s->context;
    plan->chunk = s->chunk;
}

static void write_rows(hadal_plan *plan, const class_bytes bytes)
{
    for (int use = 0; use < MEMORY_OTHER; use++) {
        bool weights = use < MEMORY_LATENT_CACHE; /* classes of weights come first */
        *(weights ? &plan->weight_bytes : &plan->session_bytes) += bytes[use];
        if (bytes[use])
            plan->rows[plan->row_count++] = (hadal_plan_row){class_names[use], bytes[use]};
        if (weights)
            plan->weight_row_count = plan->row_count;
    }
}

hadal_status hadal_plan_make(hadal_plan *plan, const char *path, const hadal_session_options *session,
                             const hadal_device_info *device)
{
    model_config config;
    settings resolved;
    class_bytes bytes = {0};
    *plan = (hadal_plan){0};
    TRY(plan_weights(plan, bytes, &config, path));
    TRY(settings_resolve(&resolved, &config, session, device));
    plan_session(plan, bytes, &resolved, &config);
    write_rows(plan, bytes);
    return HADAL_OK;
}
