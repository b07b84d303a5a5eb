/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* config.json in the official form and as transformers 5.17.0 writes it, and every field that is not as it should
 * be. The fixtures transformers-*.config.json were written by DeepseekV32Config.save_pretrained. */

#include "model/config.h"
#include "model/expect.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/weights/writer.h"

static const char *fixture_path(const char *name)
{
    static char path[4096];
    const char *top = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/tests/model/data/%s", top ? top : ".", name);
    return path;
}

static model_config load_fixture(const char *name)
{
    model_config config;
    CHECK_OK(config_load(&config, fixture_path(name)));
    return config;
}

static model_config load_released(void)
{
    return load_fixture("deepseek-v3.2-exp.config.json");
}

/* Puts the fields of `patch` into `object`, objects field by field; the text "<absent>" removes a field. */
static void merge(json_t *object, const json_t *patch)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)patch, name, value) {
        json_t *old = json_object_get(object, name);
        if (json_is_string(value) && strcmp(json_string_value(value), "<absent>") == 0)
            json_object_del(object, name);
        else if (json_is_object(value) && json_is_object(old))
            merge(old, value);
        else
            assert_int_equal(json_object_set(object, name, value), 0);
    }
}

/* Loads a fixture with some fields changed, by way of `directory`/config.json. */
static hadal_status load_changed(model_config *config, const char *directory, const char *fixture, const char *changes)
{
    json_t *root = json_load_file(fixture_path(fixture), 0, NULL), *patch = json_loads(changes, 0, NULL);
    assert_non_null(root);
    assert_non_null(patch);
    merge(root, patch);
    const char *path = path_in(directory, "config.json");
    assert_int_equal(json_dump_file(root, path, JSON_INDENT(1)), 0);
    json_decref(root);
    json_decref(patch);
    return config_load(config, path);
}

static hadal_status load_released_with(model_config *config, const char *directory, const char *changes)
{
    return load_changed(config, directory, "deepseek-v3.2-exp.config.json", changes);
}

static void check_close(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-13 * fabs(expected)))
        fail_msg("%.17g, expected %.17g", actual, expected);
}

/* ---- Forms ---- */

static void the_released_config_is_read(void **state)
{
    (void)state;
    model_config c = load_released();
    assert_string_equal(c.model_type, "deepseek_v32");
    assert_int_equal(c.vocab_size, 129280);
    assert_int_equal(c.hidden_size, 7168);
    assert_int_equal(c.num_hidden_layers, 61);
    assert_int_equal(c.first_k_dense_replace, 3);
    assert_int_equal(c.intermediate_size, 18432);
    assert_int_equal(c.moe_intermediate_size, 2048);
    assert_int_equal(c.num_attention_heads, 128);
    assert_int_equal(c.q_lora_rank, 1536);
    assert_int_equal(c.kv_lora_rank, 512);
    assert_int_equal(c.qk_nope_head_dim, 128);
    assert_int_equal(c.qk_rope_head_dim, 64);
    assert_int_equal(c.v_head_dim, 128);
    assert_int_equal(c.index_n_heads, 64);
    assert_int_equal(c.index_head_dim, 128);
    assert_int_equal(c.index_topk, 2048);
    assert_int_equal(c.n_routed_experts, 256);
    assert_int_equal(c.n_shared_experts, 1);
    assert_int_equal(c.num_experts_per_tok, 8);
    assert_int_equal(c.n_group, 8);
    assert_int_equal(c.topk_group, 4);
    assert_int_equal(c.max_position_embeddings, 163840);
    assert_int_equal(c.num_nextn_predict_layers, 1);
    assert_true(c.routed_scaling_factor == 2.5 && c.rms_norm_eps == 1e-6 && c.rope_theta == 10000);
    assert_true(c.norm_topk_prob && !c.tie_word_embeddings);
    assert_true(c.yarn.present && c.yarn.factor == 40 && c.yarn.original_max_position_embeddings == 4096);
    assert_true(c.yarn.beta_fast == 32 && c.yarn.beta_slow == 1 && c.yarn.mscale == 1 && c.yarn.mscale_all_dim == 1);
    assert_true(c.yarn.attention_factor == 0);
    assert_int_equal(c.bos_token_id, 0);
    assert_int_equal(c.eos_token_id, 1);
    assert_true(c.quantized && c.scale_ue8m0);
    assert_int_equal(c.block_rows, 128);
    assert_int_equal(c.block_columns, 128);
}

static void the_form_of_transformers_says_the_same(void **state)
{
    (void)state;
    model_config official = load_released(), transformers = load_fixture("transformers-yarn.config.json");
    double official_frequencies[32], transformers_frequencies[32];
    config_rope_frequencies(&official, official_frequencies);
    config_rope_frequencies(&transformers, transformers_frequencies);
    assert_memory_equal(official_frequencies, transformers_frequencies, sizeof official_frequencies);
    assert_true(config_softmax_scale(&official) == config_softmax_scale(&transformers));
    assert_true(config_rope_amplitude(&official) == config_rope_amplitude(&transformers));
    assert_true(config_parameters(&official) == config_parameters(&transformers));
    assert_int_equal(official.first_k_dense_replace, transformers.first_k_dense_replace);
    assert_int_equal(official.num_nextn_predict_layers, transformers.num_nextn_predict_layers);
    assert_true(transformers.quantized && transformers.scale_ue8m0);
}

static void the_plain_form_of_transformers_is_read(void **state)
{
    (void)state;
    model_config c = load_fixture("transformers-default.config.json");
    assert_false(c.yarn.present);
    assert_true(c.rope_theta == 10000);
    assert_true(c.tie_word_embeddings);
    assert_true(c.quantized && !c.scale_ue8m0);
    assert_int_equal(c.block_rows, 32);
    assert_int_equal(c.block_columns, 64);
    assert_int_equal(c.first_k_dense_replace, 1); /* by mlp_layer_types; first_k_dense_replace is left at 3 there */
    assert_int_equal(c.bos_token_id, 0);
    assert_int_equal(c.eos_token_id, 2); /* the first of a list */
    assert_int_equal(c.num_nextn_predict_layers, 0);
}

static void the_demo_config_is_read(void **state)
{
    (void)state;
    char path[4096];
    const char *top = getenv("top_srcdir");
    snprintf(path, sizeof path, "%s/weights/config.json", top ? top : ".");
    model_config config;
    CHECK_OK(config_load(&config, path));
    assert_true(config_parameters(&config) == 12992080); /* its README */
    assert_true(config_active_parameters(&config) == 6045520);
}

/* Sums over the shapes of section 3 of the reference, listed tensor by tensor in Python. */
static void parameters_of_the_released_model_are_counted(void **state)
{
    (void)state;
    model_config config = load_released();
    assert_true(config_parameters(&config) == 671877944064);
    assert_true(config_active_parameters(&config) == 37477150464);
    config.tie_word_embeddings = true; /* one table of 129280 x 7168 serves both ends, and a token uses all of it */
    assert_true(config_parameters(&config) == 671877944064 - 926679040);
    assert_true(config_active_parameters(&config) == 37477150464 - 7168);
}

/* ---- Values that are accepted ---- */

/* A change that is accepted, and one field that shows it. */
static void accepted_variants_are_read(void **state)
{
    model_config c;
    CHECK_OK(load_released_with(&c, *state, "{\"rope_scaling\": null}"));
    assert_true(!c.yarn.present && c.rope_theta == 10000);
    CHECK_OK(load_released_with(&c, *state, "{\"rope_scaling\": \"<absent>\"}"));
    assert_false(c.yarn.present);
    CHECK_OK(load_released_with(&c, *state, "{\"quantization_config\": null}"));
    assert_true(!c.quantized && c.block_rows == 0 && c.block_columns == 0);
    CHECK_OK(load_released_with(&c, *state,
                                "{\"quantization_config\": {\"scale_fmt\": \"<absent>\", \"fmt\": \"<absent>\"}}"));
    assert_true(c.quantized && !c.scale_ue8m0);
    CHECK_OK(load_released_with(&c, *state, "{\"eos_token_id\": \"<absent>\", \"bos_token_id\": null}"));
    assert_true(c.eos_token_id == -1 && c.bos_token_id == -1);
    CHECK_OK(load_released_with(&c, *state, "{\"eos_token_id\": []}"));
    assert_int_equal(c.eos_token_id, -1);
    CHECK_OK(load_released_with(&c, *state, "{\"eos_token_id\": [7, 1]}"));
    assert_int_equal(c.eos_token_id, 7);
    CHECK_OK(load_released_with(&c, *state, "{\"n_group\": 1, \"topk_group\": 1}"));
    assert_int_equal(c.n_group, 1);
    CHECK_OK(load_released_with(&c, *state, "{\"first_k_dense_replace\": 0}"));
    assert_int_equal(c.first_k_dense_replace, 0);
    CHECK_OK(load_released_with(&c, *state, "{\"first_k_dense_replace\": 100}")); /* as transformers does */
    assert_int_equal(c.first_k_dense_replace, 61);
    CHECK_OK(load_released_with(&c, *state, "{\"rope_scaling\": {\"type\": \"<absent>\", \"rope_type\": \"yarn\"}}"));
    assert_true(c.yarn.present);
    CHECK_OK(load_released_with(&c, *state, "{\"index_head_dim\": 64}"));
    CHECK_OK(load_released_with(&c, *state, "{\"num_experts_per_tok\": 128}"));
    CHECK_OK(load_released_with(&c, *state,
                                "{\"hidden_act\": \"<absent>\", \"scoring_func\": \"<absent>\", \"topk_method\": "
                                "\"<absent>\", \"attention_bias\": \"<absent>\", \"moe_layer_freq\": "
                                "\"<absent>\", \"tie_word_embeddings\": \"<absent>\", "
                                "\"num_key_value_heads\": \"<absent>\", \"num_nextn_predict_layers\": "
                                "\"<absent>\"}"));
    assert_true(!c.tie_word_embeddings && c.num_nextn_predict_layers == 0);
    CHECK_OK(load_released_with(&c, *state, "{\"rope_interleave\": true, \"indexer_rope_interleave\": false, "
                                            "\"rope_scaling\": {\"truncate\": true}, \"partial_rotary_factor\": 1}"));
}

/* ---- Values that are refused ---- */

typedef struct refusal {
    const char *name;
    const char *changes;
    const char *words;
} refusal;

static refusal refusals[] = {
    {"another model_type is refused", "{\"model_type\":\"deepseek_v3\"}",
     "config.json: model_type is \"deepseek_v3\", expected \"deepseek_v32\""},
    {"no model_type is refused", "{\"model_type\":\"<absent>\"}", "model_type is missing"},
    {"a model_type that is a number is refused", "{\"model_type\":32}", "model_type is 32, expected a text"},
    {"another activation is refused", "{\"hidden_act\":\"gelu\"}", "hidden_act is \"gelu\", expected \"silu\""},
    {"softmax routing is refused", "{\"scoring_func\":\"softmax\"}",
     "scoring_func is \"softmax\", expected \"sigmoid\""},
    {"greedy routing is refused", "{\"topk_method\":\"greedy\"}", "topk_method is \"greedy\", expected \"noaux_tc\""},
    {"attention biases are refused", "{\"attention_bias\":true}", "attention_bias is true, expected false"},
    {"mlp biases are refused", "{\"mlp_bias\":true}", "mlp_bias is true, expected false"},
    {"experts in every second layer are refused", "{\"moe_layer_freq\":2}", "moe_layer_freq is 2, expected 1"},
    {"half-split rope in attention is refused", "{\"rope_interleave\":false}",
     "rope_interleave is false, expected true"},
    {"interleaved rope in the indexer is refused", "{\"indexer_rope_interleave\":true}",
     "indexer_rope_interleave is true, expected false"},
    {"layers of dense attention are refused", "{\"layer_types\":[\"full_attention\"]}",
     "layer_types is [\"full_attention\"]"},
    {"layer_types that are no list are refused", "{\"layer_types\":\"deepseek_sparse_attention\"}", "layer_types is"},
    {"shared selections are refused", "{\"indexer_types\":[\"full\",\"shared\"]}",
     "indexer_types is [\"full\",\"shared\"]"},
    {"mlp_layer_types of another length are refused", "{\"mlp_layer_types\":[\"dense\"]}",
     "mlp_layer_types is [\"dense\"]"},
    {"dense layers behind sparse ones are refused",
     "{\"num_hidden_layers\":3,\"mlp_layer_types\":[\"dense\",\"sparse\",\"dense\"]}", "the dense ones first"},
    {"unknown mlp_layer_types are refused", "{\"num_hidden_layers\":2,\"mlp_layer_types\":[\"dense\",7]}",
     "mlp_layer_types is [\"dense\",7]"},

    {"a missing dimension is named", "{\"kv_lora_rank\":\"<absent>\"}",
     "kv_lora_rank is missing, expected a whole number from 1 to 65536"},
    {"queries without latent are refused", "{\"q_lora_rank\":null}", "q_lora_rank is null, expected a whole number"},
    {"a dimension of 0 is refused", "{\"hidden_size\":0}",
     "hidden_size is 0, expected a whole number from 1 to 131072"},
    {"a negative dimension is refused", "{\"hidden_size\":-7168}", "hidden_size is -7168"},
    {"a dimension with a fraction is refused", "{\"hidden_size\":7168.5}", "hidden_size is 7168.5"},
    {"a dimension that is a text is refused", "{\"hidden_size\":\"7168\"}", "hidden_size is \"7168\""},
    {"a dimension that is true is refused", "{\"hidden_size\":true}", "hidden_size is true"},
    {"a huge dimension is refused", "{\"vocab_size\":4294967297}",
     "vocab_size is 4294967297, expected a whole number from 1 to 16777216"},
    {"a missing first_k_dense_replace is named", "{\"first_k_dense_replace\":\"<absent>\"}",
     "first_k_dense_replace is missing"},
    {"a missing rms_norm_eps is named", "{\"rms_norm_eps\":\"<absent>\"}", "rms_norm_eps is missing"},
    {"a negative rms_norm_eps is refused", "{\"rms_norm_eps\":-1e-6}", "rms_norm_eps is -"},
    {"a missing routed_scaling_factor is named", "{\"routed_scaling_factor\":\"<absent>\"}",
     "routed_scaling_factor is missing"},
    {"a missing norm_topk_prob is named", "{\"norm_topk_prob\":\"<absent>\"}",
     "norm_topk_prob is missing, expected true or false"},
    {"a norm_topk_prob of 1 is refused", "{\"norm_topk_prob\":1}", "norm_topk_prob is 1, expected true or false"},
    {"tie_word_embeddings of yes is refused", "{\"tie_word_embeddings\":\"yes\"}", "tie_word_embeddings is \"yes\""},
    {"odd rope dimensions are refused", "{\"qk_rope_head_dim\":63}", "qk_rope_head_dim is 63, expected an even number"},
    {"index heads smaller than rope are refused", "{\"index_head_dim\":62}",
     "index_head_dim is 62, expected at least qk_rope_head_dim"},
    {"grouped key heads are refused", "{\"num_key_value_heads\":8}",
     "num_key_value_heads is 8, expected the same as num_attention_heads"},

    {"groups that do not divide the experts are refused", "{\"n_group\":7}",
     "n_group is 7, expected a divisor of n_routed_experts"},
    {"groups of one expert are refused", "{\"n_group\":256}",
     "n_group is 256, expected at most half of n_routed_experts"},
    {"more kept groups than groups are refused", "{\"topk_group\":9}", "topk_group is 9, expected at most n_group"},
    {"more chosen experts than kept are refused", "{\"num_experts_per_tok\":129}",
     "num_experts_per_tok is 129, expected at most the experts of topk_group groups"},

    {"linear rope scaling is refused", "{\"rope_scaling\":{\"type\":\"linear\"}}",
     "rope_scaling.type is \"linear\", expected \"yarn\" or \"default\""},
    {"another rope_type is refused", "{\"rope_scaling\":{\"rope_type\":\"llama3\",\"type\":\"<absent>\"}}",
     "rope_scaling.rope_type is \"llama3\""},
    {"two rope types are refused", "{\"rope_scaling\":{\"rope_type\":\"default\"}}",
     "rope_scaling.rope_type is \"default\", expected the same as type"},
    {"rope_scaling without type is refused", "{\"rope_scaling\":{\"type\":\"<absent>\"}}",
     "rope_scaling.rope_type is missing"},
    {"rope_scaling that is a text is refused", "{\"rope_scaling\":\"yarn\"}",
     "rope_scaling is \"yarn\", expected an object"},
    {"rope_scaling beside rope_parameters is refused", "{\"rope_parameters\":{\"rope_type\":\"default\"}}",
     "expected none beside rope_parameters"},
    {"no rope_theta is refused", "{\"rope_theta\":\"<absent>\"}", "config.json: rope_theta is missing"},
    {"a rope_theta of 1 is refused", "{\"rope_theta\":1}", "rope_theta is 1, expected a number from 1.001"},
    {"two rope_thetas are refused", "{\"rope_scaling\":{\"rope_theta\":50000}}",
     "rope_theta is 10000, expected the same as rope_parameters.rope_theta"},
    {"partial rotation is refused", "{\"partial_rotary_factor\":0.5}", "partial_rotary_factor is 0.5"},
    {"partial rotation inside rope_scaling is refused", "{\"rope_scaling\":{\"partial_rotary_factor\":0.5}}",
     "rope_scaling.partial_rotary_factor is 0.5"},
    {"yarn without factor is refused", "{\"rope_scaling\":{\"factor\":null}}", "rope_scaling.factor is null"},
    {"yarn with a factor below 1 is refused", "{\"rope_scaling\":{\"factor\":0.5}}", "rope_scaling.factor is 0.5"},
    {"yarn without original length is refused",
     "{\"rope_scaling\":{\"original_max_position_embeddings\":\"<absent>\"}}",
     "rope_scaling.original_max_position_embeddings is missing"},
    {"yarn without rounding is refused", "{\"rope_scaling\":{\"truncate\":false}}", "rope_scaling.truncate is false"},
    {"betas in the wrong order are refused", "{\"rope_scaling\":{\"beta_slow\":64}}",
     "rope_scaling.beta_slow is 64, expected at most beta_fast"},
    {"an empty yarn range is refused", "{\"rope_scaling\":{\"original_max_position_embeddings\":4}}",
     "rope_scaling.original_max_position_embeddings is 4, expected a length that fits"},

    {"other quantisations are refused", "{\"quantization_config\":{\"quant_method\":\"awq\"}}",
     "quantization_config.quant_method is \"awq\", expected \"fp8\""},
    {"a quantisation without method is refused", "{\"quantization_config\":{\"quant_method\":\"<absent>\"}}",
     "quantization_config.quant_method is missing"},
    {"a quantisation that is a list is refused", "{\"quantization_config\":[]}",
     "quantization_config is [], expected an object"},
    {"fp8 of five exponent bits is refused", "{\"quantization_config\":{\"fmt\":\"e5m2\"}}",
     "quantization_config.fmt is \"e5m2\", expected \"e4m3\""},
    {"static activation scales are refused", "{\"quantization_config\":{\"activation_scheme\":\"static\"}}",
     "quantization_config.activation_scheme is \"static\", expected \"dynamic\""},
    {"unknown scale formats are refused", "{\"quantization_config\":{\"scale_fmt\":\"e8m0\"}}",
     "quantization_config.scale_fmt is \"e8m0\", expected \"ue8m0\" or \"float\""},
    {"one scale a tensor is refused", "{\"quantization_config\":{\"weight_block_size\":null}}",
     "quantization_config.weight_block_size is null, expected two whole numbers"},
    {"blocks of 0 are refused", "{\"quantization_config\":{\"weight_block_size\":[0,128]}}",
     "quantization_config.weight_block_size is [0,128]"},
    {"blocks of three sides are refused", "{\"quantization_config\":{\"weight_block_size\":[128,128,128]}}",
     "quantization_config.weight_block_size is [128,128,128]"},

    {"an end token beyond the vocabulary is refused", "{\"eos_token_id\":129280}",
     "eos_token_id is 129280, expected a token below vocab_size"},
    {"a negative begin token is refused", "{\"bos_token_id\":-2}", "bos_token_id is -2"},
    {"an end token that is a text is refused", "{\"eos_token_id\":[\"</s>\"]}", "eos_token_id is [\"</s>\"]"},
    {"control characters in a value are not shown", "{\"hidden_act\":\"\\u001b[2J\\n\"}",
     "hidden_act is \"\\u001B[2J\\n\""},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

/* Runs in a directory of its own; *state is the row. */
static void change_is_refused(void **state)
{
    const refusal *tried = *state;
    void *directory;
    assert_int_equal(directory_setup(&directory), 0);
    model_config config;
    CHECK_FAILS(HADAL_ERROR_DATA, tried->words, load_released_with(&config, directory, tried->changes));
    assert_non_null(strstr(hadal_error_message(), path_in(directory, "config.json")));
    for (const char *at = hadal_error_message(); *at; at++)
        assert_true((unsigned char)*at >= 0x20);
    assert_int_equal(directory_teardown(&directory), 0);
}

static void files_that_are_no_config_are_named(void **state)
{
    model_config config;
    CHECK_FAILS(HADAL_ERROR_INPUT, "config.json: cannot be opened",
                config_load(&config, path_in(*state, "config.json")));
    CHECK_FAILS(HADAL_ERROR_INPUT, "is a directory, expected a file", config_load(&config, *state));
    write_text(*state, "config.json", "");
    CHECK_FAILS(HADAL_ERROR_DATA, "config.json: bad JSON at byte 0",
                config_load(&config, path_in(*state, "config.json")));
    write_text(*state, "config.json", "[1]");
    CHECK_FAILS(HADAL_ERROR_DATA, "expected an object", config_load(&config, path_in(*state, "config.json")));
    write_text(*state, "config.json", "{\"model_type\":\"deepseek_v32\",\"model_type\":\"x\"}");
    CHECK_FAILS(HADAL_ERROR_DATA, "duplicate object key", config_load(&config, path_in(*state, "config.json")));
    CHECK_FAILS(HADAL_ERROR_DATA, "holds more than", config_load(&config, "/dev/zero"));
}

/* Every field of a right config in turn replaced by values of every JSON type: a status and a line. */
static void no_value_of_any_field_crashes(void **state)
{
    static const char *const values[] = {"null",
                                         "true",
                                         "[]",
                                         "{}",
                                         "\"\"",
                                         "0",
                                         "-1",
                                         "1e308",
                                         "0.1",
                                         "9223372036854775807",
                                         "[[[]]]",
                                         "{\"type\":{}}",
                                         "[9223372036854775807,1]"};
    json_t *root = json_load_file(fixture_path("deepseek-v3.2-exp.config.json"), 0, NULL);
    const char *field;
    json_t *unused;
    size_t refused = 0;
    json_object_foreach(root, field, unused) {
        for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
            char changes[256];
            model_config config;
            snprintf(changes, sizeof changes, "{\"%s\":%s}", field, values[i]);
            hadal_status status = load_released_with(&config, *state, changes);
            assert_true(status == HADAL_OK || status == HADAL_ERROR_DATA);
            refused += status != HADAL_OK;
        }
    }
    json_decref(root);
    assert_true(refused > 200);
}

/* ---- Positions ---- */

/* Independent values: Python's math module on the formulas of "YaRN" (Peng et al. 2023, equations 17 to 25), that is
 * inv = 10000 ** (-2 * i / 64); low, high = 10, 23 = floor(d(32)), ceil(d(1)) with d(r) = 64 * log(4096 / (2 * pi * r))
 * / (2 * log(10000)); g = min(max((i - 10) / 13, 0), 1); inv / 40 * g + inv * (1 - g). */
static void yarn_interpolates_the_slow_frequencies(void **state)
{
    (void)state;
    static const struct {
        unsigned pair;
        double frequency;
    } expected[] = {
        {0, 1.0}, {1, 0.7498942093324559}, {10, 0.056234132519034905}, {11, 0.03900692656714386},
        {16, 0.0055}, {20, 0.0007905694150420945}, {22, 0.0001778279410038922}, {23, 3.33380358040831e-05},
        {24, 2.5e-05}, {31, 3.33380358040831e-06},
    };
    model_config config = load_released();
    double frequencies[32];
    config_rope_frequencies(&config, frequencies);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        check_close(frequencies[expected[i].pair], expected[i].frequency);
    /* Trap: YaRN holds from position 0 on, whatever the context: nothing but the config goes in, and the slowest
     * pair turns by position / (40 * 10000 ** (62 / 64)), 0.546... radians at the last position, not 21.8. */
    check_close(frequencies[31] * 163839, 0.5462070448105171);
}

static void plain_rope_keeps_all_frequencies(void **state)
{
    model_config config;
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\": null}"));
    double frequencies[32];
    config_rope_frequencies(&config, frequencies);
    check_close(frequencies[0], 1);
    check_close(frequencies[16], 0.01);
    check_close(frequencies[31], 0.0001333521432163324); /* 10000 ** (-62 / 64) */
    assert_true(config_rope_amplitude(&config) == 1);
    check_close(config_softmax_scale(&config), 0.07216878364870322); /* 192 ** -0.5 */
}

/* rope_head_dim 8, factor 4, original 64: low = 0, high = 2 (Python, as above). */
static void yarn_of_a_small_model_is_clamped_at_the_first_pair(void **state)
{
    model_config config;
    CHECK_OK(load_released_with(&config, *state, "{\"qk_rope_head_dim\":8,\"rope_scaling\":{\"factor\":4,"
                                                 "\"original_max_position_embeddings\":64}}"));
    double frequencies[4];
    config_rope_frequencies(&config, frequencies);
    check_close(frequencies[0], 1);
    check_close(frequencies[1], 0.0625);
    check_close(frequencies[2], 0.0025);
    check_close(frequencies[3], 0.00025);
}

/* 192 ** -0.5 * (0.1 * 1 * log(40) + 1) ** 2: m enters squared, once, and with mscale_all_dim, not mscale. */
static void the_softmax_scale_has_the_square_of_m_once(void **state)
{
    model_config config = load_released();
    check_close(config_softmax_scale(&config), 0.1352337788608801);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"mscale\":0.5}}"));
    check_close(config_softmax_scale(&config), 0.1352337788608801);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"mscale_all_dim\":\"<absent>\"}}"));
    check_close(config_softmax_scale(&config), 0.07216878364870322);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"mscale_all_dim\":0}}"));
    check_close(config_softmax_scale(&config), 0.07216878364870322);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"factor\":1}}"));
    check_close(config_softmax_scale(&config), 0.07216878364870322);
}

/* (0.1 * mscale * log(40) + 1) / (0.1 * mscale_all_dim * log(40) + 1); 0.1 * log(40) + 1 where one is missing */
static void the_rope_amplitude_is_the_ratio_of_the_mscales(void **state)
{
    model_config config = load_released();
    assert_true(config_rope_amplitude(&config) == 1);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"mscale\":0.707}}"));
    check_close(config_rope_amplitude(&config), 0.9210423553163399);
    CHECK_OK(load_released_with(&config, *state,
                                "{\"rope_scaling\":{\"mscale\":\"<absent>\",\"mscale_all_dim\":\"<absent>\"}}"));
    check_close(config_rope_amplitude(&config), 1.3688879454113936);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"mscale\":0.707,\"mscale_all_dim\":0}}"));
    check_close(config_rope_amplitude(&config), 1.3688879454113936);
    CHECK_OK(
        load_released_with(&config, *state, "{\"rope_scaling\":{\"mscale\":\"<absent>\",\"mscale_all_dim\":0.707}}"));
    check_close(config_rope_amplitude(&config), 1.3688879454113936);
    CHECK_OK(load_released_with(&config, *state, "{\"rope_scaling\":{\"attention_factor\":1.25}}"));
    check_close(config_rope_amplitude(&config), 1.25);
}

static void the_released_dimensions_are_built_in(void **state)
{
    (void)state;
    const model_config released = load_released();
    model_config named, unnamed;
    CHECK_OK(config_of_dims(&named, "deepseek-v3.2-exp"));
    CHECK_OK(config_of_dims(&unnamed, NULL));
    assert_memory_equal(&named, &unnamed, sizeof named);
    assert_memory_equal(&named, &released, sizeof named);
    CHECK_FAILS(HADAL_ERROR_INPUT, "deepseek-v3", config_of_dims(&named, "deepseek-v3"));
}

int main(void)
{
    enum { OTHERS = 13 };
    struct CMUnitTest tests[OTHERS + REFUSALS] = {
        cmocka_unit_test(the_released_dimensions_are_built_in),
        cmocka_unit_test(the_released_config_is_read),
        cmocka_unit_test(the_form_of_transformers_says_the_same),
        cmocka_unit_test(the_plain_form_of_transformers_is_read),
        cmocka_unit_test(the_demo_config_is_read),
        cmocka_unit_test(parameters_of_the_released_model_are_counted),
        IN_DIRECTORY(accepted_variants_are_read),
        IN_DIRECTORY(files_that_are_no_config_are_named),
        IN_DIRECTORY(no_value_of_any_field_crashes),
        cmocka_unit_test(yarn_interpolates_the_slow_frequencies),
        IN_DIRECTORY(plain_rope_keeps_all_frequencies),
        IN_DIRECTORY(yarn_of_a_small_model_is_clamped_at_the_first_pair),
        IN_DIRECTORY(the_softmax_scale_has_the_square_of_m_once),
        IN_DIRECTORY(the_rope_amplitude_is_the_ratio_of_the_mscales),
    };
    for (size_t i = 0; i < REFUSALS; i++)
        tests[OTHERS + i] = (struct CMUnitTest){refusals[i].name, change_is_refused, NULL, NULL, &refusals[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
