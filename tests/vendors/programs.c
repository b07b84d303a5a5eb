/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Prints the programs that a GPU would be asked to build, one "FAMILY<TAB>OPTIONS" a line, for compilers of devices
 * that are not here: compile.sh. The operations themselves are asked, on this machine's device in a GPU's shape, so
 * that no list has to be kept: those of a forward pass at the dimensions of each config.json that is named, with every
 * kind of cache, and those of the self-test, which builds kernels that otherwise wait for their first use. */

#include <stdio.h>
#include <stdlib.h>

#include "device/device.h"
#include "model/forward.h"
#include "model/model.h"

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

static hadal_status build_for_config(hadal_device *device, const char *path)
{
    model_config config;
    TRY(config_load(&config, path));
    TRY(build_forward(device, &config, HADAL_KV_BF16, HADAL_INDEX_INT8));
    TRY(build_forward(device, &config, HADAL_KV_BF16, HADAL_INDEX_FP8));
    return build_forward(device, &config, HADAL_KV_F32, HADAL_INDEX_F32);
}

static hadal_status build_and_print(hadal_device *device, char **configs)
{
    size_t failed;
    for (char **path = configs; *path; path++)
        TRY(build_for_config(device, *path));
    TRY(hadal_device_self_test(device, &failed, NULL, NULL));
    device_list_programs(device, print_program, NULL);
    return HADAL_OK;
}

int main(int count, char **arguments)
{
    static const device_shape gpu = {.vector = 4, .lanes = 32, .group = 256};
    hadal_device *device;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .cache_directory = ""};
    (void)count;
    hadal_status status = device_open_shaped(&device, &options, &gpu);
    if (status == HADAL_OK)
        status = build_and_print(device, arguments + 1);
    if (status != HADAL_OK)
        fprintf(stderr, "%s\n", hadal_error_message());
    hadal_device_close(device);
    return status == HADAL_OK ? 0 : status == HADAL_ERROR_NO_DEVICE ? 77 : 1;
}
