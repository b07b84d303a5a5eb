/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* model.safetensors.index.json in a folder with two shards, and a third file of weights above it, which no index may
 * reach. */

#include "tests/fuzz/fuzz.h"

#include <sys/stat.h>

#include "weights/checkpoint.h"

static void write_shard(const char *folder, const char *file, const char *tensor)
{
    char bytes[128] = {0};
    int header = snprintf(bytes + 8, sizeof bytes - 8, "{\"%s\":{\"dtype\":\"F8_E4M3\",\"shape\":[2],"
                          "\"data_offsets\":[0,2]}}", tensor);
    bytes[0] = (char)header;
    char *path = fuzz_path(folder, file);
    fuzz_write(path, bytes, 8 + (size_t)header + 2);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *folder, *index;
    if (!folder) {
        folder = fuzz_path(fuzz_folder(), "model");
        MUST(mkdir(folder, 0700) == 0);
        write_shard(fuzz_folder(), "outside.safetensors", "c");
        write_shard(folder, "1.safetensors", "a");
        write_shard(folder, "2.safetensors", "b");
        index = fuzz_path(folder, "model.safetensors.index.json");
    }
    fuzz_write(index, data, size);
    checkpoint *opened;
    hadal_status status = checkpoint_open(&opened, folder);
    MUST(status != HADAL_ERROR_INPUT || fuzz_is_line(hadal_error_message())); /* no such shard */
    if (status != HADAL_ERROR_INPUT && fuzz_accepted(status)) {
        MUST(checkpoint_count(opened) <= 2);
        for (size_t i = 0; i < checkpoint_count(opened); i++) {
            const tensor_view *view = checkpoint_at(opened, i);
            MUST(strncmp(view->file, folder, strlen(folder)) == 0);
            MUST(!strchr(view->file + strlen(folder) + 1, '/'));
            MUST(strcmp(view->name, "c") != 0 && view->bytes == 2);
        }
    }
    checkpoint_close(opened);
    return 0;
}
