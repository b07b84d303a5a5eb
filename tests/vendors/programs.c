/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Prints the programs that a GPU would be asked to build, one "FAMILY<TAB>OPTIONS" a line, for compilers of devices
 * that are not here: compile.sh. Arguments: a matrix unit, "none" or as device/matrix.h names it but for the vendor
 * ("wgmma"), then files config.json.
 *
 * The operations themselves are asked, on this machine's device in a GPU's shape, so that no list has to be kept: those
 * of a forward pass at the dimensions of each config.json, with every kind of cache, and those of the self-test, which
 * builds kernels that otherwise wait for their first use. Kernels need not compute anything for that, nor does it
 * matter what the self-test finds: compile.sh gives them empty bodies. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/matrix.h"
#include "model/forward.h"
#include "model/model.h"
#include "ops/attend_heads.h"
#include "ops/attend_values.h"
#include "ops/bench.h"
#include "ops/fill.h"
#include "ops/linear.h"
#include "ops/rotations.h"

static void print_program(void *user, const char *family, const char *options)
{
    (void)user;
    printf("%s\t%s\n", family, options);
}

/* Builds what a forward pass over such a model builds when it is created; the weights are not needed for that. */
static hadal_status build_forward(hadal_device *device, const model_config *config, hadal_kv_cache kv_cache,
                                  hadal_index_cache index_cache)
{
    /* Few positions and tokens: the kernels do not depend on them, and memory does. */
    const hadal_session_options options = {.context = 16, .chunk = 1, .kv_cache = kv_cache, .index_cache = index_cache};
    hadal_model model = {.device = device, .config = *config, .linear = HADAL_LINEAR_OWN};
    settings resolved;
    forward *made;
    model.embed_tokens.type = DTYPE_BF16;
    TRY(settings_resolve(&resolved, config, &options, hadal_device_describe(device)));
    TRY(forward_create(&made, &model, &resolved));
    forward_free(made);
    return HADAL_OK;
}

/* A stack of zeros in e4m3, one matrix a head. */
static hadal_status make_heads(matrix *made, hadal_device *device, size_t heads, size_t rows, size_t columns)
{
    enum { BLOCK = 128 };
    matrix_source *sources = NULL;
    void *zeros = NULL;
    hadal_status status;
    TRY_OR(done, memory_allocate(&zeros, rows * columns, sizeof(float)));
    TRY_OR(done, memory_allocate(&sources, heads, sizeof *sources));
    for (size_t i = 0; i < heads; i++)
        sources[i] = (matrix_source){.type = DTYPE_F8_E4M3, .values = zeros, .scales = zeros, .rows = rows,
                                     .columns = columns, .block_rows = BLOCK, .block_columns = BLOCK};
    TRY_OR(done, matrix_create_stack(made, device, MEMORY_OTHER, sources, heads));
done:
    free(sources);
    free(zeros);
    return status;
}

/* Attention by heads, for devices without a matrix unit: built when it is first used. */
static hadal_status build_by_heads(hadal_device *device, const model_config *c, buffer *any, const matrix *k_up,
                                   const matrix *v_up)
{
    const attend_heads_dims dims = settings_heads_dims(c);
    const latent_dims cached = {c->kv_lora_rank, c->qk_rope_head_dim, HADAL_KV_BF16};
    const attend_heads_memory memory = {64, any, any, any, any};
    const attend_heads_step step = {8, 8, any, any, any, 0, k_up, v_up, 1};
    attend_heads_op op;
    linear_op linear;
    latent_op latent;
    attend_heads_create(&op, device, &dims);
    TRY(latent_create(&latent, device, &cached));
    TRY(linear_create(&linear, device, HADAL_LINEAR_OWN));
    hadal_status status = attend_heads(&op, &linear, &latent, any, &step, &memory);
    linear_free(&linear);
    return status;
}

/* What lies before and behind one token's attention: built when it is first used, which any buffer will do for. */
static hadal_status build_one_token(hadal_device *device, const model_config *c, hadal_index_cache index_cache)
{
    const rope_dims rope = {c->num_attention_heads, c->qk_nope_head_dim, c->qk_rope_head_dim, c->kv_lora_rank};
    const latent_dims latent = {c->kv_lora_rank, c->qk_rope_head_dim, HADAL_KV_BF16};
    const index_dims index = {c->index_n_heads, c->index_head_dim, c->qk_rope_head_dim, index_cache, c->scale_ue8m0};
    const attend_dims attend = {c->num_attention_heads, c->kv_lora_rank, c->qk_rope_head_dim, HADAL_KV_BF16};
    rotations_op before;
    attend_values_op behind;
    matrix k_up = {0}, v_up = {0};
    buffer *any = NULL;
    hadal_status status;
    rotations_create(&before, device, &rope, &latent, &index);
    attend_values_create(&behind, device, &attend);
    TRY_OR(done, buffer_create(&any, device, MEMORY_OTHER, 4096));
    TRY_OR(done, make_heads(&k_up, device, attend.heads, c->kv_lora_rank, c->qk_nope_head_dim));
    TRY_OR(done, make_heads(&v_up, device, attend.heads, c->v_head_dim, c->kv_lora_rank));
    const rotations_rows rows = {any, any, any, any, any, any, any, any, any,
                                 any, any, any, any, any, any, any, any, 1};
    TRY_OR(done, rotations(&before, &rows, &k_up, 1e-6));
    TRY_OR(done, attend_values(&behind, any, c->v_head_dim, any, any, 2, &v_up));
    if (device_shape_of(device)->matrix == DEVICE_MATRIX_NONE)
        TRY_OR(done, build_by_heads(device, c, any, &k_up, &v_up));
    TRY_OR(done, device_finish(device));
done:
    matrix_free(&k_up);
    matrix_free(&v_up);
    buffer_free(any);
    return status;
}

static hadal_status build_for_config(hadal_device *device, const char *path)
{
    model_config config;
    TRY(config_load(&config, path));
    TRY(build_one_token(device, &config, HADAL_INDEX_INT8));
    TRY(build_one_token(device, &config, HADAL_INDEX_FP8));
    TRY(build_forward(device, &config, HADAL_KV_BF16, HADAL_INDEX_INT8));
    TRY(build_forward(device, &config, HADAL_KV_BF16, HADAL_INDEX_FP8));
    return build_forward(device, &config, HADAL_KV_F32, HADAL_INDEX_F32);
}

/* Products of so many tokens that they go in blocks, which need as many rows of blocks as there are compute units. */
static hadal_status build_blocks(hadal_device *device, dtype type)
{
    enum { BLOCK = 128, COLUMNS = 16, TOKENS = 64 };
    size_t rows = (size_t)BLOCK * hadal_device_describe(device)->compute_units;
    matrix_source source = {
        .type = type, .rows = rows, .columns = COLUMNS, .block_rows = BLOCK, .block_columns = BLOCK};
    linear_op op;
    matrix weight = {0};
    buffer *in = NULL, *out = NULL;
    void *zeros;
    hadal_status status;
    TRY(memory_allocate(&zeros, rows * COLUMNS, sizeof(float)));
    source.values = zeros;
    source.scales = type == DTYPE_F8_E4M3 ? zeros : NULL;
    TRY_OR(failed, linear_create(&op, device, HADAL_LINEAR_OWN));
    TRY_OR(done, matrix_create(&weight, device, MEMORY_OTHER, &source));
    TRY_OR(done, buffer_create(&in, device, MEMORY_OTHER, TOKENS * COLUMNS * sizeof(float)));
    TRY_OR(done, buffer_create(&out, device, MEMORY_OTHER, TOKENS * rows * sizeof(float)));
    TRY_OR(done, linear_run(&op, out, in, &weight, TOKENS, false));
    TRY_OR(done, device_finish(device));
done:
    matrix_free(&weight);
    buffer_free(in);
    buffer_free(out);
    linear_free(&op);
failed:
    free(zeros);
    return status;
}

/* What only `hadal bench` takes. */
static hadal_status build_bench(hadal_device *device)
{
    bench_op op;
    buffer *target;
    hadal_status status = HADAL_OK;
    TRY(bench_create(&op, device));
    TRY(buffer_create(&target, device, MEMORY_OTHER, 4096));
    for (int type = FILL_F32; type <= FILL_INT32 && status == HADAL_OK; type++)
        status = fill_buffer(device, target, (fill_type)type, 1.0, 1);
    if (status == HADAL_OK)
        status = device_finish(device);
    buffer_free(target);
    return status;
}

static hadal_status build_and_print(hadal_device *device, char **configs)
{
    size_t failed;
    for (char **path = configs; *path; path++)
        TRY(build_for_config(device, *path));
    TRY(hadal_device_self_test(device, &failed, NULL, NULL));
    TRY(build_bench(device));
    device_compiled_matrix(device);
    for (int type = 0; type < DTYPE_COUNT; type++)
        TRY(build_blocks(device, (dtype)type));
    device_list_programs(device, print_program, NULL);
    return HADAL_OK;
}

static device_matrix find_unit(const char *name)
{
    device_matrix unit = DEVICE_MATRIX_NONE;
    while (++unit < DEVICE_MATRIX_COUNT)
        if (strcmp(strchr(matrix_unit_name(unit), ' ') + 1, name) == 0)
            break;
    return strcmp(name, "none") == 0 ? DEVICE_MATRIX_NONE : unit;
}

int main(int count, char **arguments)
{
    device_shape gpu = {.vector = 4, .lanes = 32, .group = 256};
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .cache_directory = ""};
    hadal_device *device;
    gpu.matrix = count < 2 ? DEVICE_MATRIX_COUNT : find_unit(arguments[1]);
    if (gpu.matrix == DEVICE_MATRIX_COUNT) {
        fprintf(stderr, "usage: programs UNIT CONFIG...\n");
        return 64;
    }
    hadal_status status = device_open_shaped(&device, &options, &gpu);
    if (status == HADAL_OK)
        status = build_and_print(device, arguments + 2);
    if (status != HADAL_OK)
        fprintf(stderr, "%s\n", hadal_error_message());
    hadal_device_close(device);
    return status == HADAL_OK ? 0 : status == HADAL_ERROR_NO_DEVICE ? 77 : 1;
}
