/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* config.json: what is accepted has finite rotations and a plan of memory that adds up. */

#include "tests/fuzz/fuzz.h"

#include <math.h>

#include "model/config.h"

static void check_numbers(const model_config *config)
{
    static double frequencies[1 << 11]; /* the bound of qk_rope_head_dim is 4096 */
    MUST(config->qk_rope_head_dim % 2 == 0 && config->qk_rope_head_dim / 2 <= sizeof frequencies / sizeof *frequencies);
    config_rope_frequencies(config, frequencies);
    for (size_t i = 0; i < config->qk_rope_head_dim / 2; i++)
        MUST(isfinite(frequencies[i]));
    MUST(isfinite(config_rope_amplitude(config)) && isfinite(config_softmax_scale(config)));
    MUST(config_active_parameters(config) <= config_parameters(config));
    MUST(config_parameters(config) < UINT64_C(1) << 63);
    MUST(config->bos_token_id < (int64_t)config->vocab_size && config->eos_token_id < (int64_t)config->vocab_size);
}

static void check_plan(const char *path)
{
    hadal_plan plan;
    uint64_t weights = 0, session = 0;
    hadal_status status = hadal_plan_make(&plan, path, NULL, NULL);
    MUST(status == HADAL_OK || fuzz_is_line(hadal_error_message()));
    if (status != HADAL_OK)
        return;
    for (size_t i = 0; i < plan.row_count; i++) {
        uint64_t *sum = i < plan.weight_row_count ? &weights : &session;
        MUST(*sum + plan.rows[i].bytes >= *sum);
        *sum += plan.rows[i].bytes;
    }
    MUST(weights == plan.weight_bytes && session == plan.session_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    if (!path)
        path = fuzz_path(fuzz_folder(), "config.json");
    fuzz_write(path, data, size);
    model_config config;
    if (fuzz_accepted(config_load(&config, path))) {
        check_numbers(&config);
        if (config.num_hidden_layers * config.num_attention_heads <= 1 << 12) /* each counts its heads one by one */
            check_plan(path);
    }
    return 0;
}
