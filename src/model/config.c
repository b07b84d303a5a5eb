/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "model/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "model/rope_frequencies.h"

enum { CONFIG_BYTES_LIMIT = 1 << 24 };

/* Required counts, 1 to `most`. The bounds are an order of magnitude above any published model, and keep
 * parameter counts below 2^62 (layers * experts * 3 * hidden * moe_intermediate <= 3 * 2^58). */
static const struct count_field {
    const char *name;
    size_t offset;
    uint32_t most;
} count_fields[] = {
    {"vocab_size", offsetof(model_config, vocab_size), 1 << 24},
    {"hidden_size", offsetof(model_config, hidden_size), 1 << 17},
    {"num_hidden_layers", offsetof(model_config, num_hidden_layers), 1 << 10},
    {"intermediate_size", offsetof(model_config, intermediate_size), 1 << 20},
    {"moe_intermediate_size", offsetof(model_config, moe_intermediate_size), 1 << 17},
    {"num_attention_heads", offsetof(model_config, num_attention_heads), 1 << 12},
    {"q_lora_rank", offsetof(model_config, q_lora_rank), 1 << 16},
    {"kv_lora_rank", offsetof(model_config, kv_lora_rank), 1 << 16},
    {"qk_nope_head_dim", offsetof(model_config, qk_nope_head_dim), 1 << 12},
    {"qk_rope_head_dim", offsetof(model_config, qk_rope_head_dim), 1 << 12},
    {"v_head_dim", offsetof(model_config, v_head_dim), 1 << 12},
    {"index_n_heads", offsetof(model_config, index_n_heads), 1 << 12},
    {"index_head_dim", offsetof(model_config, index_head_dim), 1 << 12},
    {"index_topk", offsetof(model_config, index_topk), 1 << 28},
    {"n_routed_experts", offsetof(model_config, n_routed_experts), 1 << 14},
    {"n_shared_experts", offsetof(model_config, n_shared_experts), 1 << 6},
    {"num_experts_per_tok", offsetof(model_config, num_experts_per_tok), 1 << 14},
    {"n_group", offsetof(model_config, n_group), 1 << 14},
    {"topk_group", offsetof(model_config, topk_group), 1 << 14},
    {"max_position_embeddings", offsetof(model_config, max_position_embeddings), 1 << 28},
};

/* If the field is present, it is this JSON. */
static hadal_status expect(json_scope scope, const char *field, const char *json)
{
    char found[JSON_EXCERPT_BYTES];
    const json_t *value = json_field(scope, field);
    if (!value || strcmp(json_excerpt(found, value), json) == 0)
        return HADAL_OK;
    return json_unexpected(scope, field, json);
}

/* Fields that may be absent, and whose one implemented value is the default of all reference implementations. */
static hadal_status check_implemented(json_scope root)
{
    static const struct {
        const char *field, *json;
    } only[] = {
        {"hidden_act", "\"silu\""},
        {"scoring_func", "\"sigmoid\""},
        {"topk_method", "\"noaux_tc\""},
        {"attention_bias", "false"},
        {"mlp_bias", "false"},
        {"moe_layer_freq", "1"},
        {"rope_interleave", "true"},
        {"indexer_rope_interleave", "false"},
    };
    for (size_t i = 0; i < sizeof only / sizeof only[0]; i++)
        TRY(expect(root, only[i].field, only[i].json));
    return HADAL_OK;
}

static hadal_status read_dimensions(model_config *config, json_scope root)
{
    for (size_t i = 0; i < sizeof count_fields / sizeof count_fields[0]; i++) {
        uint32_t value;
        TRY(json_count(&value, root, count_fields[i].name, 1, count_fields[i].most));
        memcpy((char *)config + count_fields[i].offset, &value, sizeof value);
    }
    TRY(json_optional_count(&config->num_nextn_predict_layers, root, "num_nextn_predict_layers", 0, 1 << 10));
    TRY(json_number(&config->rms_norm_eps, root, "rms_norm_eps", 1e-30, 1));
    TRY(json_number(&config->routed_scaling_factor, root, "routed_scaling_factor", 1e-6, 1e6));
    TRY(json_flag(&config->norm_topk_prob, root, "norm_topk_prob"));
    TRY(json_optional_flag(&config->tie_word_embeddings, root, "tie_word_embeddings"));
    if (config->qk_rope_head_dim % 2)
        return json_unexpected(root, "qk_rope_head_dim", "an even number: rope turns pairs of dimensions");
    if (config->index_head_dim < config->qk_rope_head_dim)
        return json_unexpected(root, "index_head_dim", "at least qk_rope_head_dim: the indexer's rope is part of it");
    /* Latent attention has no key heads of its own; older code reads the field nevertheless. */
    uint32_t key_heads = config->num_attention_heads;
    TRY(json_optional_count(&key_heads, root, "num_key_value_heads", 1, 1 << 12));
    if (key_heads != config->num_attention_heads)
        return json_unexpected(root, "num_key_value_heads", "the same as num_attention_heads");
    return HADAL_OK;
}

static hadal_status check_routing(const model_config *config, json_scope root)
{
    if (config->n_routed_experts % config->n_group)
        return json_unexpected(root, "n_group", "a divisor of n_routed_experts");
    uint32_t group_experts = config->n_routed_experts / config->n_group;
    if (config->n_group > 1 && group_experts < 2) /* a group's score is the sum of its two best experts */
        return json_unexpected(root, "n_group", "at most half of n_routed_experts: a group has 2 experts or more");
    if (config->topk_group > config->n_group)
        return json_unexpected(root, "topk_group", "at most n_group");
    if (config->num_experts_per_tok > (uint64_t)config->topk_group * group_experts)
        return json_unexpected(root, "num_experts_per_tok", "at most the experts of topk_group groups");
    return HADAL_OK;
}

/* If the field is present, it is an array of this text. */
static hadal_status expect_all(json_scope root, const char *field, const char *text, const char *expected)
{
    const json_t *values = json_field(root, field);
    for (size_t i = 0; i < json_array_size(values); i++) {
        const char *value = json_string_value(json_array_get(values, i));
        if (!value || strcmp(value, text) != 0)
            return json_unexpected(root, field, expected);
    }
    return !values || json_is_array(values) ? HADAL_OK : json_unexpected(root, field, expected);
}

/* Which layers have experts: mlp_layer_types where it is given, as in transformers, else first_k_dense_replace. */
static hadal_status read_layer_types(model_config *config, json_scope root)
{
    TRY(expect_all(root, "layer_types", "deepseek_sparse_attention", "\"deepseek_sparse_attention\" in each layer"));
    TRY(expect_all(root, "indexer_types", "full", "\"full\" in each layer"));
    uint32_t layers = config->num_hidden_layers;
    const json_t *types = json_field(root, "mlp_layer_types");
    if (!types) {
        TRY(json_count(&config->first_k_dense_replace, root, "first_k_dense_replace", 0, 1 << 10));
        if (config->first_k_dense_replace > layers)
            config->first_k_dense_replace = layers;
        return HADAL_OK;
    }
    static const char *const expected = "\"dense\" or \"sparse\" for each of num_hidden_layers, the dense ones first";
    if (json_array_size(types) != layers)
        return json_unexpected(root, "mlp_layer_types", expected);
    config->first_k_dense_replace = layers;
    for (uint32_t layer = 0; layer < layers; layer++) {
        const char *type = json_string_value(json_array_get(types, layer));
        bool sparse = type && strcmp(type, "sparse") == 0, dense = type && strcmp(type, "dense") == 0;
        if (!(sparse || (dense && config->first_k_dense_replace == layers)))
            return json_unexpected(root, "mlp_layer_types", expected);
        if (sparse && config->first_k_dense_replace == layers)
            config->first_k_dense_replace = layer;
    }
    return HADAL_OK;
}

static hadal_status read_yarn(model_config *config, json_scope scope)
{
    yarn_config *yarn = &config->yarn;
    *yarn = (yarn_config){.present = true, .beta_fast = 32, .beta_slow = 1};
    TRY(json_number(&yarn->factor, scope, "factor", 1, 1e6));
    TRY(json_number(&yarn->original_max_position_embeddings, scope, "original_max_position_embeddings", 1, 1 << 28));
    TRY(json_optional_number(&yarn->beta_fast, scope, "beta_fast", 1e-6, 1e6));
    TRY(json_optional_number(&yarn->beta_slow, scope, "beta_slow", 1e-6, 1e6));
    TRY(json_optional_number(&yarn->mscale, scope, "mscale", 0, 1e3));
    TRY(json_optional_number(&yarn->mscale_all_dim, scope, "mscale_all_dim", 0, 1e3));
    TRY(json_optional_number(&yarn->attention_factor, scope, "attention_factor", 1e-6, 1e6));
    if (json_object_get(scope.object, "truncate") && !json_is_true(json_object_get(scope.object, "truncate")))
        return json_unexpected(scope, "truncate", "true, or no such field");
    if (yarn->beta_slow > yarn->beta_fast)
        return json_unexpected(scope, "beta_slow", "at most beta_fast");
    double low, high;
    if (!rope_ramp_range(config, &low, &high))
        return json_unexpected(scope, "original_max_position_embeddings",
                               "a length that fits beta_fast, beta_slow and rope_theta: YaRN's range is empty");
    return HADAL_OK;
}

/* "rope_type", or "type" as it was called first. */
static hadal_status read_rope_type(const char **type, json_scope scope)
{
    const json_t *old = json_field(scope, "type"), *new = json_field(scope, "rope_type");
    if (old && new && !json_equal(old, new))
        return json_unexpected(scope, "rope_type", "the same as type");
    return json_text(type, scope, new || !old ? "rope_type" : "type");
}

/* Either rope_theta and, for YaRN, rope_scaling; or rope_parameters that hold both. */
static hadal_status read_rope(model_config *config, json_scope root)
{
    static const double least_theta = 1.001, most_theta = 1e15;
    const json_t *scaling = json_field(root, "rope_scaling"), *parameters = json_field(root, "rope_parameters");
    if (scaling && parameters)
        return json_unexpected(root, "rope_scaling", "none beside rope_parameters");
    json_scope scope = {scaling ? scaling : parameters, root.file, scaling ? "rope_scaling." : "rope_parameters."};
    if (scope.object && !json_is_object(scope.object))
        return json_unexpected(root, scaling ? "rope_scaling" : "rope_parameters", "an object");

    const json_t *inner = json_field(scope, "rope_theta"), *outer = json_field(root, "rope_theta");
    TRY(json_number(&config->rope_theta, inner ? scope : root, "rope_theta", least_theta, most_theta));
    if (inner && outer && json_number_value(inner) != json_number_value(outer))
        return json_unexpected(root, "rope_theta", "the same as rope_parameters.rope_theta");
    double turned = 1;
    TRY(json_optional_number(&turned, root, "partial_rotary_factor", 1, 1));
    TRY(json_optional_number(&turned, scope, "partial_rotary_factor", 1, 1));

    if (!scope.object)
        return HADAL_OK;
    const char *type;
    TRY(read_rope_type(&type, scope));
    if (strcmp(type, "yarn") == 0)
        return read_yarn(config, scope);
    if (strcmp(type, "default") == 0)
        return HADAL_OK;
    return json_unexpected(scope, json_field(scope, "rope_type") ? "rope_type" : "type", "\"yarn\" or \"default\"");
}

/* Lists of modules that are or are not quantised change nothing: each tensor's own dtype says it. */
static hadal_status read_quantization(model_config *config, json_scope root)
{
    const json_t *object = json_field(root, "quantization_config");
    if (!object)
        return HADAL_OK;
    if (!json_is_object(object))
        return json_unexpected(root, "quantization_config", "an object");
    json_scope scope = {object, root.file, "quantization_config."};
    const char *text;
    TRY(json_text(&text, scope, "quant_method"));
    TRY(expect(scope, "quant_method", "\"fp8\""));
    TRY(expect(scope, "fmt", "\"e4m3\""));
    TRY(expect(scope, "activation_scheme", "\"dynamic\""));
    if (json_field(scope, "scale_fmt")) {
        TRY(json_text(&text, scope, "scale_fmt"));
        config->scale_ue8m0 = strcmp(text, "ue8m0") == 0;
        if (!config->scale_ue8m0 && strcmp(text, "float") != 0)
            return json_unexpected(scope, "scale_fmt", "\"ue8m0\" or \"float\"");
    }
    const json_t *block = json_field(scope, "weight_block_size");
    json_int_t rows = json_integer_value(json_array_get(block, 0));
    json_int_t columns = json_integer_value(json_array_get(block, 1));
    if (json_array_size(block) != 2 || rows < 1 || columns < 1 || rows > 65536 || columns > 65536)
        return json_unexpected(scope, "weight_block_size", "two whole numbers from 1 to 65536");
    config->quantized = true;
    config->block_rows = (uint32_t)rows;
    config->block_columns = (uint32_t)columns;
    return HADAL_OK;
}

/* *id = a token, -1 if the field is absent, null or an empty list; of a list, the first. */
static hadal_status read_token(int32_t *id, const model_config *config, json_scope root, const char *field)
{
    *id = -1;
    const json_t *value = json_field(root, field);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    if (!value)
        return HADAL_OK;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number >= (json_int_t)config->vocab_size)
        return json_unexpected(root, field, "a token below vocab_size");
    *id = (int32_t)number;
    return HADAL_OK;
}

static hadal_status read_config(model_config *config, json_scope root)
{
    const char *type;
    TRY(json_text(&type, root, "model_type"));
    TRY(expect(root, "model_type", "\"deepseek_v32\""));
    memcpy(config->model_type, type, strlen(type) + 1);
    TRY(check_implemented(root));
    TRY(read_dimensions(config, root));
    TRY(check_routing(config, root));
    TRY(read_layer_types(config, root));
    TRY(read_rope(config, root));
    TRY(read_quantization(config, root));
    TRY(read_token(&config->bos_token_id, config, root, "bos_token_id"));
    return read_token(&config->eos_token_id, config, root, "eos_token_id");
}

hadal_status config_load(model_config *config, const char *path)
{
    *config = (model_config){0};
    json_t *root;
    TRY(json_read(&root, path, CONFIG_BYTES_LIMIT));
    hadal_status status = read_config(config, (json_scope){root, path, ""});
    json_decref(root);
    return status;
}
