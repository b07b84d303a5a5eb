/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Finding every tensor of a model: the demo model, and a tiny one with every way to be wrong. */

#include "model/bind.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tests/check.h"
#include "tests/weights/writer.h"

/* Sizes that no block of 16 x 32 divides, and all different, so that a swapped one shows. */
static model_config tiny_config(void)
{
    return (model_config){
        .vocab_size = 50, .hidden_size = 40, .num_hidden_layers = 3, .first_k_dense_replace = 1,
        .intermediate_size = 44, .moe_intermediate_size = 24, .num_attention_heads = 3, .q_lora_rank = 20,
        .kv_lora_rank = 28, .qk_nope_head_dim = 12, .qk_rope_head_dim = 10, .v_head_dim = 14, .index_n_heads = 5,
        .index_head_dim = 18, .index_topk = 8, .n_routed_experts = 4, .n_shared_experts = 2,
        .num_experts_per_tok = 2, .n_group = 2, .topk_group = 1, .max_position_embeddings = 64,
        .routed_scaling_factor = 1, .rms_norm_eps = 1e-6, .rope_theta = 10000,
        .quantized = true, .block_rows = 16, .block_columns = 32,
    };
}

/* A checkpoint on its way to a directory. */
enum { MOST_TENSORS = 160 };
typedef struct checkpoint_draft {
    written_tensor tensors[MOST_TENSORS];
    size_t count;
} checkpoint_draft;

__attribute__((format(printf, 5, 6))) static void add(checkpoint_draft *draft, const char *dtype_text, uint64_t rows,
                                                      uint64_t columns, const char *name, ...)
{
    assert_true(draft->count < MOST_TENSORS);
    written_tensor *tensor = &draft->tensors[draft->count++];
    *tensor = (written_tensor){.rank = columns ? 2 : 1, .shape = {rows, columns}};
    snprintf(tensor->dtype, sizeof tensor->dtype, "%s", dtype_text);
    va_list arguments;
    va_start(arguments, name);
    vsnprintf(tensor->name, sizeof tensor->name, name, arguments);
    va_end(arguments);
}

/* A matrix in e4m3 and the scales of its blocks. */
static void add_fp8(checkpoint_draft *draft, uint64_t rows, uint64_t columns, const char *prefix, const char *name)
{
    add(draft, "F8_E4M3", rows, columns, "%s%s.weight", prefix, name);
    add(draft, "F32", (rows + 15) / 16, (columns + 31) / 32, "%s%s.weight_scale_inv", prefix, name);
}

static void add_mlp(checkpoint_draft *draft, const model_config *c, uint64_t width, const char *prefix)
{
    add_fp8(draft, width, c->hidden_size, prefix, "gate_proj");
    add_fp8(draft, width, c->hidden_size, prefix, "up_proj");
    add_fp8(draft, c->hidden_size, width, prefix, "down_proj");
}

/* The names and shapes of sections 2 and 3 of the reference, for one layer. */
static void add_layer(checkpoint_draft *draft, const model_config *c, unsigned layer)
{
    char prefix[64];
    uint64_t heads = c->num_attention_heads;
    add(draft, "BF16", c->hidden_size, 0, "model.layers.%u.input_layernorm.weight", layer);
    add(draft, "F16", c->hidden_size, 0, "model.layers.%u.post_attention_layernorm.weight", layer);
    snprintf(prefix, sizeof prefix, "model.layers.%u.self_attn.", layer);
    add_fp8(draft, c->q_lora_rank, c->hidden_size, prefix, "q_a_proj");
    add(draft, "BF16", c->q_lora_rank, 0, "%sq_a_layernorm.weight", prefix);
    add_fp8(draft, heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), c->q_lora_rank, prefix, "q_b_proj");
    add_fp8(draft, c->kv_lora_rank + c->qk_rope_head_dim, c->hidden_size, prefix, "kv_a_proj_with_mqa");
    add(draft, "F32", c->kv_lora_rank, 0, "%skv_a_layernorm.weight", prefix);
    add_fp8(draft, heads * (c->qk_nope_head_dim + c->v_head_dim), c->kv_lora_rank, prefix, "kv_b_proj");
    add_fp8(draft, c->hidden_size, heads * c->v_head_dim, prefix, "o_proj");
    add_fp8(draft, (uint64_t)c->index_n_heads * c->index_head_dim, c->q_lora_rank, prefix, "indexer.wq_b");
    add_fp8(draft, c->index_head_dim, c->hidden_size, prefix, "indexer.wk");
    add(draft, "BF16", c->index_n_heads, c->hidden_size, "%sindexer.weights_proj.weight", prefix);
    add(draft, "F32", c->index_head_dim, 0, "%sindexer.k_norm.weight", prefix);
    add(draft, "F32", c->index_head_dim, 0, "%sindexer.k_norm.bias", prefix);
    snprintf(prefix, sizeof prefix, "model.layers.%u.mlp.", layer);
    if (layer < c->first_k_dense_replace) {
        add_mlp(draft, c, c->intermediate_size, prefix);
        return;
    }
    add(draft, "F32", c->n_routed_experts, c->hidden_size, "%sgate.weight", prefix);
    add(draft, "F32", c->n_routed_experts, 0, "%sgate.e_score_correction_bias", prefix);
    snprintf(prefix, sizeof prefix, "model.layers.%u.mlp.shared_experts.", layer);
    add_mlp(draft, c, (uint64_t)c->n_shared_experts * c->moe_intermediate_size, prefix);
    for (unsigned expert = 0; expert < c->n_routed_experts; expert++) {
        snprintf(prefix, sizeof prefix, "model.layers.%u.mlp.experts.%u.", layer, expert);
        add_mlp(draft, c, c->moe_intermediate_size, prefix);
    }
}

static checkpoint_draft tiny_draft(void)
{
    model_config config = tiny_config();
    checkpoint_draft made = {0};
    add(&made, "BF16", config.vocab_size, config.hidden_size, "model.embed_tokens.weight");
    add(&made, "F16", config.vocab_size, config.hidden_size, "lm_head.weight");
    add(&made, "F32", config.hidden_size, 0, "model.norm.weight");
    for (unsigned layer = 0; layer < config.num_hidden_layers; layer++)
        add_layer(&made, &config, layer);
    return made;
}

static written_tensor *tensor_of(checkpoint_draft *draft, const char *name)
{
    for (size_t i = 0; i < draft->count; i++)
        if (strcmp(draft->tensors[i].name, name) == 0)
            return &draft->tensors[i];
    fail_msg("no tensor %s in the draft", name);
    return NULL;
}

static void set_dtype(checkpoint_draft *draft, const char *name, const char *dtype_text)
{
    snprintf(tensor_of(draft, name)->dtype, sizeof draft->tensors[0].dtype, "%s", dtype_text);
}

/* Writes the draft and binds it; the checkpoint is left in *weights for the caller to close. */
static hadal_status bind_draft(model_view *view, checkpoint **weights, const checkpoint_draft *draft,
                               const model_config *config, const char *directory)
{
    write_tensors(directory, "model.safetensors", draft->tensors, draft->count);
    CHECK_OK(checkpoint_open(weights, directory));
    return bind_model(view, *weights, config);
}

static void check_binds(const checkpoint_draft *draft, const model_config *config, const char *directory)
{
    model_view view;
    checkpoint *weights;
    CHECK_OK(bind_draft(&view, &weights, draft, config, directory));
    bind_free(&view);
    checkpoint_close(weights);
}

static void check_refused(const checkpoint_draft *draft, const model_config *config, const char *directory,
                          const char *words)
{
    model_view view, zero = {0};
    checkpoint *weights;
    CHECK_FAILS(HADAL_ERROR_DATA, words, bind_draft(&view, &weights, draft, config, directory));
    assert_non_null(strstr(hadal_error_message(), path_in(directory, "model.safetensors: ")));
    assert_null(strchr(hadal_error_message(), '\n'));
    assert_memory_equal(&view, &zero, sizeof view);
    checkpoint_close(weights);
}

/* ---- What is right ---- */

static void check_matrix(const matrix_view *matrix, const char *name, uint64_t rows, uint64_t columns)
{
    assert_string_equal(matrix->weight->name, name);
    assert_int_equal(matrix->rows, rows);
    assert_int_equal(matrix->columns, columns);
    if (matrix->weight->type != DTYPE_F8_E4M3) {
        assert_true(!matrix->scale && !matrix->block_rows && !matrix->block_columns);
        return;
    }
    assert_int_equal(strncmp(matrix->scale->name, name, strlen(name)), 0);
    assert_string_equal(matrix->scale->name + strlen(name), "_scale_inv");
    assert_int_equal(matrix->scale->shape[0], (rows + matrix->block_rows - 1) / matrix->block_rows);
    assert_int_equal(matrix->scale->shape[1], (columns + matrix->block_columns - 1) / matrix->block_columns);
}

static void every_tensor_finds_its_part(void **state)
{
    model_config c = tiny_config();
    checkpoint_draft made = tiny_draft();
    model_view view;
    checkpoint *weights;
    CHECK_OK(bind_draft(&view, &weights, &made, &c, *state));
    assert_int_equal(view.layer_count, 3);
    check_matrix(&view.embed_tokens, "model.embed_tokens.weight", 50, 40);
    check_matrix(&view.lm_head, "lm_head.weight", 50, 40);
    assert_string_equal(view.norm->name, "model.norm.weight");
    const layer_view *dense = &view.layers[0], *last = &view.layers[2];
    assert_string_equal(dense->input_layernorm->name, "model.layers.0.input_layernorm.weight");
    assert_string_equal(dense->post_attention_layernorm->name, "model.layers.0.post_attention_layernorm.weight");
    assert_string_equal(dense->q_a_layernorm->name, "model.layers.0.self_attn.q_a_layernorm.weight");
    assert_string_equal(dense->kv_a_layernorm->name, "model.layers.0.self_attn.kv_a_layernorm.weight");
    assert_string_equal(dense->indexer_k_norm_weight->name, "model.layers.0.self_attn.indexer.k_norm.weight");
    assert_string_equal(dense->indexer_k_norm_bias->name, "model.layers.0.self_attn.indexer.k_norm.bias");
    check_matrix(&dense->q_a_proj, "model.layers.0.self_attn.q_a_proj.weight", 20, 40);
    check_matrix(&dense->q_b_proj, "model.layers.0.self_attn.q_b_proj.weight", 66, 20);
    check_matrix(&dense->kv_a_proj, "model.layers.0.self_attn.kv_a_proj_with_mqa.weight", 38, 40);
    check_matrix(&dense->kv_b_proj, "model.layers.0.self_attn.kv_b_proj.weight", 78, 28);
    check_matrix(&dense->o_proj, "model.layers.0.self_attn.o_proj.weight", 40, 42);
    check_matrix(&dense->indexer_wq_b, "model.layers.0.self_attn.indexer.wq_b.weight", 90, 20);
    check_matrix(&dense->indexer_wk, "model.layers.0.self_attn.indexer.wk.weight", 18, 40);
    check_matrix(&dense->indexer_weights_proj, "model.layers.0.self_attn.indexer.weights_proj.weight", 5, 40);
    check_matrix(&dense->mlp.gate_proj, "model.layers.0.mlp.gate_proj.weight", 44, 40);
    check_matrix(&dense->mlp.up_proj, "model.layers.0.mlp.up_proj.weight", 44, 40);
    check_matrix(&dense->mlp.down_proj, "model.layers.0.mlp.down_proj.weight", 40, 44);
    assert_true(!dense->experts && !dense->router_bias);
    check_matrix(&last->router, "model.layers.2.mlp.gate.weight", 4, 40);
    assert_string_equal(last->router_bias->name, "model.layers.2.mlp.gate.e_score_correction_bias");
    check_matrix(&last->shared_experts.down_proj, "model.layers.2.mlp.shared_experts.down_proj.weight", 40, 48);
    check_matrix(&last->experts[3].gate_proj, "model.layers.2.mlp.experts.3.gate_proj.weight", 24, 40);
    check_matrix(&last->experts[3].down_proj, "model.layers.2.mlp.experts.3.down_proj.weight", 40, 24);
    bind_free(&view);
    bind_free(NULL);
    checkpoint_close(weights);
}

/* The parameters that the config counts are the elements that the files hold, block scales aside. */
static uint64_t stored_elements(const checkpoint *weights)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < checkpoint_count(weights); i++) {
        const tensor_view *view = checkpoint_at(weights, i);
        if (!strstr(view->name, "_scale_inv"))
            sum += view->bytes / dtype_bytes(view->type);
    }
    return sum;
}

static void the_demo_model_binds(void **state)
{
    (void)state;
    const char *directory = getenv("HADAL_MODEL");
    model_config config;
    checkpoint *weights;
    model_view view;
    if (!directory)
        directory = "weights";
    CHECK_OK(config_load(&config, path_in(directory, "config.json")));
    CHECK_OK(checkpoint_open(&weights, directory));
    CHECK_OK(bind_model(&view, weights, &config));
    assert_true(stored_elements(weights) == config_parameters(&config));
    bind_free(&view);
    checkpoint_close(weights);
}

static void parameters_are_the_elements_of_the_files(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    write_tensors(*state, "model.safetensors", made.tensors, made.count);
    checkpoint *weights;
    CHECK_OK(checkpoint_open(&weights, *state));
    assert_true(stored_elements(weights) == config_parameters(&config));
    checkpoint_close(weights);
}

static void a_tied_head_may_be_absent(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    tensor_of(&made, "lm_head.weight")->left_out = true;
    config.tie_word_embeddings = true;
    model_view view;
    checkpoint *weights;
    CHECK_OK(bind_draft(&view, &weights, &made, &config, *state));
    assert_ptr_equal(view.lm_head.weight, view.embed_tokens.weight);
    bind_free(&view);
    checkpoint_close(weights);
    config.tie_word_embeddings = false;
    check_refused(&made, &config, *state, "tensor lm_head.weight is missing; the config implies one of shape [50, 40]");
}

static void a_tied_head_that_is_there_is_used(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    config.tie_word_embeddings = true;
    model_view view;
    checkpoint *weights;
    CHECK_OK(bind_draft(&view, &weights, &made, &config, *state));
    assert_string_equal(view.lm_head.weight->name, "lm_head.weight");
    bind_free(&view);
    checkpoint_close(weights);
}

static void matrices_of_16_and_32_bits_need_no_quantization_config(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    static const char *const dtypes[] = {"BF16", "F16", "F32"};
    for (size_t i = 0; i < made.count; i++) {
        if (strcmp(made.tensors[i].dtype, "F8_E4M3") == 0) {
            /* the experts of a layer stay alike, by name */
            snprintf(made.tensors[i].dtype, sizeof made.tensors[i].dtype, "%s",
                     dtypes[strlen(made.tensors[i].name) % 3]);
            made.tensors[i + 1].left_out = true;
        }
    }
    config.quantized = false;
    config.block_rows = config.block_columns = 0;
    check_binds(&made, &config, *state);
}

static void embeddings_and_heads_may_be_fp8(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    set_dtype(&made, "model.embed_tokens.weight", "F8_E4M3");
    add(&made, "F32", 4, 2, "model.embed_tokens.weight_scale_inv");
    check_binds(&made, &config, *state);
}

/* ---- What is wrong ---- */

static void each_missing_tensor_is_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    for (size_t i = 0; i < made.count; i++) {
        char words[256];
        made.tensors[i].left_out = true;
        snprintf(words, sizeof words, "tensor %s is missing; the config implies one of shape [%" PRIu64,
                 made.tensors[i].name, made.tensors[i].shape[0]);
        check_refused(&made, &config, *state, words);
        made.tensors[i].left_out = false;
    }
}

static void each_misshapen_tensor_is_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    for (size_t i = 0; i < made.count; i++) {
        written_tensor *tensor = &made.tensors[i];
        unsigned last = tensor->rank - 1;
        char words[256];
        tensor->shape[last]++;
        snprintf(words, sizeof words, "tensor %s: shape is [", tensor->name);
        check_refused(&made, &config, *state, words);
        tensor->shape[last]--;
    }
    tensor_of(&made, "model.norm.weight")->shape[0] = 7;
    check_refused(&made, &config, *state, "tensor model.norm.weight: shape is [7], expected [40] by the config");
}

static void swapped_and_flattened_matrices_are_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    written_tensor *head = tensor_of(&made, "lm_head.weight");
    head->shape[0] = 40, head->shape[1] = 50;
    check_refused(&made, &config, *state, "tensor lm_head.weight: shape is [40, 50], expected [50, 40]");
    head->rank = 1, head->shape[0] = 2000;
    check_refused(&made, &config, *state, "tensor lm_head.weight: shape is [2000], expected [50, 40]");
    head->rank = 3, head->shape[0] = 1, head->shape[1] = 50, head->shape[2] = 40;
    check_refused(&made, &config, *state, "tensor lm_head.weight: shape is [1, 50, 40], expected [50, 40]");
    head->rank = 0;
    check_refused(&made, &config, *state, "tensor lm_head.weight: shape is [], expected [50, 40]");
}

static void a_matrix_of_an_unknown_dtype_is_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    set_dtype(&made, "lm_head.weight", "I64");
    check_refused(&made, &config, *state, "tensor lm_head.weight: dtype is I64, expected F32, BF16, F16 or F8_E4M3");
}

static void a_vector_in_fp8_is_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    set_dtype(&made, "model.norm.weight", "F8_E4M3");
    check_refused(&made, &config, *state,
                  "tensor model.norm.weight: dtype is F8_E4M3, expected F32, BF16 or F16 for a vector");
}

static void scales_of_another_dtype_are_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    set_dtype(&made, "model.layers.1.self_attn.o_proj.weight_scale_inv", "BF16");
    check_refused(
        &made, &config, *state,
        "tensor model.layers.1.self_attn.o_proj.weight_scale_inv: dtype is BF16, expected F32 for block scales");
}

/* Trap: rows that are no multiple of the block (38 = 2 * 16 + 6, as 576 = 4 * 128 + 64) have a scale for the rest. */
static void scales_without_the_cut_off_block_are_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    written_tensor *scale = tensor_of(&made, "model.layers.0.self_attn.kv_a_proj_with_mqa.weight_scale_inv");
    assert_true(scale->shape[0] == 3 && scale->shape[1] == 2);
    scale->shape[0] = 2;
    check_refused(&made, &config, *state, "kv_a_proj_with_mqa.weight_scale_inv: shape is [2, 2], expected [3, 2]");
}

static void scales_beside_a_matrix_that_needs_none_are_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    set_dtype(&made, "model.layers.0.self_attn.o_proj.weight", "BF16");
    check_refused(&made, &config, *state, "tensor model.layers.0.self_attn.o_proj.weight_scale_inv has no place");
}

static void fp8_without_quantization_config_is_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    config.quantized = false;
    config.block_rows = config.block_columns = 0;
    check_refused(&made, &config, *state,
                  "q_a_proj.weight: dtype is F8_E4M3, but config.json has no quantization_config");
}

static void experts_of_different_dtypes_are_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    set_dtype(&made, "model.layers.1.mlp.experts.2.up_proj.weight", "BF16");
    tensor_of(&made, "model.layers.1.mlp.experts.2.up_proj.weight_scale_inv")->left_out = true;
    check_refused(&made, &config, *state,
                  "tensor model.layers.1.mlp.experts.2.up_proj.weight: dtype is BF16, expected F8_E4M3 as in "
                  "model.layers.1.mlp.experts.0.up_proj.weight");
}

static void extra_tensors_are_named(void **state)
{
    static const char *const names[] = {
        "model.extra.weight",
        "lm_head.bias",
        "model.layers.0.self_attn.o_proj.bias",
        "model.layers.2.mlp.experts.4.up_proj.weight",
        "model.layers.0.mlp.gate.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.03.x",
        "model.layers. 3.x",
        "model.layers.3",
        "model.layers.-1.x",
        "model.layers.4294967299.x",
        "Model.layers.3.x",
        "model.layers.5.x",
    };
    model_config config = tiny_config();
    config.num_nextn_predict_layers = 1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        checkpoint_draft made = tiny_draft();
        char words[256];
        add(&made, "F32", 1, 1, "%s", names[i]);
        snprintf(words, sizeof words, "tensor %s has no place in the model that config.json describes", names[i]);
        check_refused(&made, &config, *state, words);
    }
}

static void the_prediction_layer_is_left_alone(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    add(&made, "I64", 3, 1, "model.layers.3.shared_head.head.weight"); /* whatever it is */
    add(&made, "F8_E4M3", 40, 40, "model.layers.3.self_attn.o_proj.weight");
    check_refused(&made, &config, *state, "tensor model.layers.3.self_attn.o_proj.weight has no place");
    config.num_nextn_predict_layers = 1;
    check_binds(&made, &config, *state);
    /* Files written by others may lack that field: eh_proj marks such a layer. */
    config.num_nextn_predict_layers = 0;
    add(&made, "BF16", 40, 80, "model.layers.3.eh_proj.weight");
    check_binds(&made, &config, *state);
}

/* A config that claims more than the files hold ends at the first missing tensor, without memory for the claim. */
static void a_config_of_more_layers_than_the_files_have_is_named(void **state)
{
    model_config config = tiny_config();
    checkpoint_draft made = tiny_draft();
    config.num_hidden_layers = 1024;
    check_refused(&made, &config, *state, "tensor model.layers.3.input_layernorm.weight is missing");
    config.num_hidden_layers = 2;
    check_refused(&made, &config, *state, "tensor model.layers.2.input_layernorm.weight has no place");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(every_tensor_finds_its_part),
        cmocka_unit_test(the_demo_model_binds),
        IN_DIRECTORY(parameters_are_the_elements_of_the_files),
        IN_DIRECTORY(a_tied_head_may_be_absent),
        IN_DIRECTORY(a_tied_head_that_is_there_is_used),
        IN_DIRECTORY(matrices_of_16_and_32_bits_need_no_quantization_config),
        IN_DIRECTORY(embeddings_and_heads_may_be_fp8),
        IN_DIRECTORY(each_missing_tensor_is_named),
        IN_DIRECTORY(each_misshapen_tensor_is_named),
        IN_DIRECTORY(swapped_and_flattened_matrices_are_named),
        IN_DIRECTORY(a_matrix_of_an_unknown_dtype_is_named),
        IN_DIRECTORY(a_vector_in_fp8_is_named),
        IN_DIRECTORY(scales_of_another_dtype_are_named),
        IN_DIRECTORY(scales_without_the_cut_off_block_are_named),
        IN_DIRECTORY(scales_beside_a_matrix_that_needs_none_are_named),
        IN_DIRECTORY(fp8_without_quantization_config_is_named),
        IN_DIRECTORY(experts_of_different_dtypes_are_named),
        IN_DIRECTORY(extra_tensors_are_named),
        IN_DIRECTORY(the_prediction_layer_is_left_alone),
        IN_DIRECTORY(a_config_of_more_layers_than_the_files_have_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
