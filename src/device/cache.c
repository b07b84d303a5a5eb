/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Compiled programs on disk. The name of an entry is a hash of everything that its content depends on; an entry
 * carries a hash of its own content, as some drivers accept corrupted binaries. Entries appear by rename, so that
 * processes at work at once never see half of one. */

#include "device/opencl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xxhash.h>

#include "base/memory.h"

typedef struct entry_head {
    char magic[8];
    uint64_t bytes;
    XXH128_hash_t content;
} entry_head;

static const char magic[8] = "hadalcl1";
static const uint64_t largest_entry = UINT64_C(1) << 28;

hadal_status cache_find_directory(char **directory, const char *chosen)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    byte_array path = {0};
    *directory = NULL;
    if (chosen && !*chosen)
        return HADAL_OK;
    if (chosen)
        TRY(bytes_format(&path, "%s", chosen));
    else if (cache && cache[0] == '/') /* the XDG specification ignores relative paths */
        TRY(bytes_format(&path, "%s/hadal", cache));
    else if (home && home[0] == '/')
        TRY(bytes_format(&path, "%s/.cache/hadal", home));
    *directory = path.data;
    return HADAL_OK;
}

static void hash_text(XXH3_state_t *state, const char *text)
{
    XXH3_128bits_update(state, text, strlen(text) + 1); /* with its NUL, so that parts cannot run together */
}

hadal_status cache_path(byte_array *path, const char *directory, const hadal_device_info *info, const char *first,
                        const char *second, const char *suffix)
{
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        return failure_memory(0);
    XXH3_128bits_reset(state);
    hash_text(state, first);
    hash_text(state, second);
    hash_text(state, info->name);
    hash_text(state, info->version);
    hash_text(state, info->driver);
    hash_text(state, info->platform);
    XXH128_hash_t key = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    return bytes_format(path, "%s/%016llx%016llx%s", directory, (unsigned long long)key.high64,
                        (unsigned long long)key.low64, suffix);
}

static hadal_status entry_path(byte_array *path, const hadal_device *device, const char *source, const char *options)
{
    return cache_path(path, device->cache_directory, &device->info, source, options, ".clbin");
}

static unsigned char *read_entry(FILE *file, size_t *bytes)
{
    entry_head head;
    struct stat about;
    if (fread(&head, sizeof head, 1, file) != 1 || memcmp(head.magic, magic, sizeof magic) != 0 ||
        head.bytes > largest_entry || fstat(fileno(file), &about) != 0 ||
        about.st_size != (off_t)(sizeof head + head.bytes)) /* no memory for what is claimed and not there */
        return NULL;
    unsigned char *content = malloc((size_t)head.bytes + 1);
    if (content && fread(content, 1, (size_t)head.bytes + 1, file) == head.bytes &&
        XXH128_isEqual(XXH3_128bits(content, (size_t)head.bytes), head.content)) {
        *bytes = (size_t)head.bytes;
        return content;
    }
    free(content);
    return NULL;
}

void cache_read(unsigned char **binary, size_t *bytes_read, const hadal_device *device, const char *source,
                const char *options)
{
    byte_array path = {0};
    *binary = NULL;
    if (!device->cache_directory || entry_path(&path, device, source, options) != HADAL_OK)
        return;
    FILE *file = fopen(path.data, "rb");
    if (file) {
        *binary = read_entry(file, bytes_read);
        fclose(file);
    }
    bytes_free(&path);
}

/* Makes a folder and those above it, private to the user. */
static void make_folders(const char *directory)
{
    char *path = strdup(directory);
    for (char *slash = path ? strchr(path + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    free(path);
    mkdir(directory, 0700);
}

static bool write_file(const char *path, const void *head, size_t head_bytes, const void *content, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return false;
    bool written = fwrite(head, 1, head_bytes, file) == head_bytes && fwrite(content, 1, bytes, file) == bytes;
    return (fclose(file) == 0) && written;
}

bool cache_replace(const char *directory, const char *path, const void *head, size_t head_bytes, const void *content,
                   size_t bytes)
{
    byte_array temporary = {0};
    if (bytes_format(&temporary, "%s.%ld", path, (long)getpid()) != HADAL_OK)
        return false;
    make_folders(directory);
    bool replaced = write_file(temporary.data, head, head_bytes, content, bytes) && rename(temporary.data, path) == 0;
    if (!replaced)
        unlink(temporary.data);
    bytes_free(&temporary);
    return replaced;
}

void cache_write(const hadal_device *device, const char *source, const char *options, const unsigned char *binary,
                 size_t length)
{
    entry_head head = {.bytes = length, .content = XXH3_128bits(binary, length)};
    byte_array path = {0};
    memcpy(head.magic, magic, sizeof magic);
    if (device->cache_directory && length <= largest_entry &&
        entry_path(&path, device, source, options) == HADAL_OK)
        cache_replace(device->cache_directory, path.data, &head, sizeof head, binary, length);
    bytes_free(&path);
}

/* The kernels of these families, one after another, as the key of what was found out about them. */
static char *joined_sources(const hadal_device *device, const char *const *families)
{
    byte_array joined = {0};
    hadal_status status = HADAL_OK;
    for (; *families && status == HADAL_OK; families++) {
        byte_array name = {0};
        char *source = NULL;
        status = bytes_format(&name, "%s.cl", *families);
        if (status == HADAL_OK)
            status = source_read(&source, device->kernel_directory, name.data);
        if (status == HADAL_OK)
            status = bytes_append(&joined, source, strlen(source));
        free(source);
        bytes_free(&name);
    }
    if (status == HADAL_OK)
        return joined.data;
    bytes_free(&joined);
    return NULL;
}

bool device_recalls(const hadal_device *device, const char *const *families, const char *finding)
{
    unsigned char *entry = NULL;
    size_t bytes = 0;
    char *key = joined_sources(device, families);
    if (key)
        cache_read(&entry, &bytes, device, key, finding);
    bool recalled = entry != NULL;
    free(key);
    free(entry);
    return recalled;
}

void device_remember(const hadal_device *device, const char *const *families, const char *finding)
{
    char *key = joined_sources(device, families);
    if (key)
        cache_write(device, key, finding, (const unsigned char *)finding, strlen(finding));
    free(key);
}
