/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* An entry of the program cache. Where the last byte of its magic is 'x', magic and hash are set right first, and where
 * the length's highest byte is 0xff, the length too. */

#include "tests/fuzz/fuzz.h"

#include <xxhash.h>

#include "device/opencl.h"

enum { HEAD_BYTES = 32, HASH_AT = 16 };

static uint64_t claimed_length(const uint8_t *entry)
{
    uint64_t length;
    memcpy(&length, entry + 8, sizeof length);
    return length;
}

static void correct(uint8_t *entry, size_t size)
{
    uint64_t length = size - HEAD_BYTES;
    if (entry[7] != 'x')
        return;
    memcpy(entry, "hadalcl1", 8);
    if (entry[15] == 0xff)
        memcpy(entry + 8, &length, sizeof length);
    XXH128_hash_t hash = XXH3_128bits(entry + HEAD_BYTES, (size_t)length);
    memcpy(entry + HASH_AT, &hash, sizeof hash);
}

static bool is_right(const uint8_t *entry, size_t size)
{
    if (size < HEAD_BYTES || memcmp(entry, "hadalcl1", 8) != 0 || claimed_length(entry) != size - HEAD_BYTES)
        return false;
    XXH128_hash_t hash = XXH3_128bits(entry + HEAD_BYTES, size - HEAD_BYTES);
    return memcmp(entry + HASH_AT, &hash, sizeof hash) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hadal_device device;
    static byte_array path;
    if (!path.data) {
        device.cache_directory = fuzz_path(fuzz_folder(), "");
        MUST(cache_path(&path, device.cache_directory, &device.info, "source", "options", ".clbin") == HADAL_OK);
    }
    uint8_t *entry = malloc(size ? size : 1);
    MUST(entry);
    if (size)
        memcpy(entry, data, size);
    if (size >= HEAD_BYTES)
        correct(entry, size);
    fuzz_write(path.data, entry, size);
    unsigned char *binary;
    size_t bytes = 0;
    cache_read(&binary, &bytes, &device, "source", "options");
    MUST((binary != NULL) == is_right(entry, size));
    MUST(!binary || (bytes == size - HEAD_BYTES && memcmp(binary, entry + HEAD_BYTES, bytes) == 0));
    free(binary);
    free(entry);
    return 0;
}
