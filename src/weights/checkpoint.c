/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "weights/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "weights/safetensors.h"

static const char single_name[] = "model.safetensors", index_name[] = "model.safetensors.index.json";

/* The released index has 9 MB for 91,000 tensors. */
enum { INDEX_BYTES_LIMIT = 100000000 };

typedef struct weight_file {
    char *path;
    mapped_file mapping;
} weight_file;

struct checkpoint {
    char *path; /* model.safetensors or the index */
    weight_file *files;
    size_t file_count, file_capacity;
    tensor_list tensors; /* sorted by name once open */
};

/* Maps a file and appends its tensors. Takes `path` over. */
static hadal_status add_file(checkpoint *opened, char *path)
{
    hadal_status status = memory_grow(&opened->files, &opened->file_capacity, opened->file_count + 1,
                                      sizeof *opened->files);
    if (status != HADAL_OK) {
        free(path);
        return status;
    }
    weight_file *file = &opened->files[opened->file_count++];
    *file = (weight_file){.path = path};
    TRY(file_map(&file->mapping, path));
    return safetensors_parse(&opened->tensors, &file->mapping, path);
}

static int compare_names(const void *a, const void *b)
{
    const tensor_view *left = a, *right = b;
    return strcmp(left->name, right->name);
}

static int compare_texts(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

/* A shard lies beside its index: no path separator, no "..". */
static bool is_plain_file_name(const char *name)
{
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/') && json_is_printable(name);
}

/* *names = the distinct files of the weight map, sorted; the texts are borrowed from it, the array is the caller's. */
static hadal_status list_shards(const char ***names, size_t *count, json_t *weight_map, const char *index_path)
{
    *count = 0;
    TRY(memory_allocate(names, json_object_size(weight_map), sizeof **names));
    const char *tensor;
    json_t *value;
    json_object_foreach(weight_map, tensor, value) {
        const char *name = json_string_value(value);
        if (!name || !is_plain_file_name(name)) {
            char excerpt[JSON_EXCERPT_BYTES];
            return failure(HADAL_ERROR_DATA, "%s: weight_map names the file %s, expected one in the same directory",
                           index_path, json_excerpt(excerpt, value));
        }
        (*names)[(*count)++] = name;
    }
    qsort(*names, *count, sizeof **names, compare_texts);
    size_t distinct = 0;
    for (size_t i = 0; i < *count; i++)
        if (!distinct || strcmp((*names)[i], (*names)[distinct - 1]) != 0)
            (*names)[distinct++] = (*names)[i];
    *count = distinct;
    return HADAL_OK;
}

/* Opens one shard; each of its tensors must be placed there by the weight map, so that none stands twice. */
static hadal_status add_shard(checkpoint *opened, const char *directory, const char *name, const json_t *weight_map)
{
    char *path;
    TRY(file_join(&path, directory, name));
    if (!file_exists(path)) {
        hadal_status status = failure(HADAL_ERROR_INPUT, "%s: is missing; %s names it", path, opened->path);
        free(path);
        return status;
    }
    size_t before = opened->tensors.count;
    TRY(add_file(opened, path));
    for (size_t i = before; i < opened->tensors.count; i++) {
        const tensor_view *view = &opened->tensors.views[i];
        const char *place = json_string_value(json_object_get(weight_map, view->name));
        if (!place)
            return failure(HADAL_ERROR_DATA, "%s: tensor %s: is not listed in %s", path, view->name, opened->path);
        if (strcmp(place, name) != 0)
            return failure(HADAL_ERROR_DATA, "%s: tensor %s: stands here, but %s places it in %s", path, view->name,
                           opened->path, place);
    }
    return HADAL_OK;
}

static hadal_status add_shards(checkpoint *opened, const char *directory, json_t *weight_map)
{
    const char **names;
    size_t count;
    hadal_status status = list_shards(&names, &count, weight_map, opened->path);
    for (size_t i = 0; status == HADAL_OK && i < count; i++)
        status = add_shard(opened, directory, names[i], weight_map);
    free(names);
    return status;
}

static void sort_tensors(checkpoint *opened)
{
    if (opened->tensors.count)
        qsort(opened->tensors.views, opened->tensors.count, sizeof *opened->tensors.views, compare_names);
}

static hadal_status check_weight_map(const checkpoint *opened, json_t *weight_map)
{
    const char *tensor;
    json_t *file;
    json_object_foreach(weight_map, tensor, file) {
        if (!checkpoint_find(opened, tensor)) {
            json_t *name = json_string(tensor); /* the index is unchecked text: show it quoted */
            char excerpt[JSON_EXCERPT_BYTES];
            hadal_status status = failure(HADAL_ERROR_DATA, "%s: places tensor %s in %s, but it is not there",
                                          opened->path, json_excerpt(excerpt, name), json_string_value(file));
            json_decref(name);
            return status;
        }
    }
    return HADAL_OK;
}

/* {"metadata": ..., "weight_map": {TENSOR: FILE, ...}}. metadata.total_size is not read: the files say it. */
static hadal_status open_index(checkpoint *opened, const char *directory)
{
    json_t *root;
    TRY(json_read(&root, opened->path, INDEX_BYTES_LIMIT));
    json_t *weight_map = json_object_get(root, "weight_map");
    hadal_status status;
    if (json_is_object(weight_map)) {
        status = add_shards(opened, directory, weight_map);
        sort_tensors(opened);
        if (status == HADAL_OK)
            status = check_weight_map(opened, weight_map);
    } else {
        status = json_unexpected((json_scope){root, opened->path, ""}, "weight_map", "an object of tensors and files");
    }
    json_decref(root);
    return status;
}

static hadal_status open_files(checkpoint *opened, const char *directory)
{
    TRY(file_check_directory(directory));
    TRY(file_join(&opened->path, directory, "model.safetensors"));
    if (file_exists(opened->path)) {
        char *path;
        TRY(memory_copy_text(&path, opened->path, strlen(opened->path)));
        TRY(add_file(opened, path));
        sort_tensors(opened);
        return HADAL_OK;
    }
    free(opened->path);
    TRY(file_join(&opened->path, directory, "model.safetensors.index.json"));
    if (file_exists(opened->path))
        return open_index(opened, directory);
    return failure(HADAL_ERROR_INPUT, "%s: holds neither model.safetensors nor model.safetensors.index.json",
                   directory);
}

bool checkpoint_is_present(const char *directory)
{
    const char *const names[] = {single_name, index_name};
    bool present = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !present; i++) {
        char *path;
        if (file_join(&path, directory, names[i]) != HADAL_OK)
            return false;
        present = file_exists(path);
        free(path);
    }
    return present;
}

hadal_status checkpoint_open(checkpoint **opened, const char *directory)
{
    TRY(memory_allocate(opened, 1, sizeof **opened));
    hadal_status status = open_files(*opened, directory);
    if (status != HADAL_OK) {
        checkpoint_close(*opened);
        *opened = NULL;
    }
    return status;
}

void checkpoint_close(checkpoint *opened)
{
    if (!opened)
        return;
    tensor_list_free(&opened->tensors);
    for (size_t i = 0; i < opened->file_count; i++) {
        file_unmap(&opened->files[i].mapping);
        free(opened->files[i].path);
    }
    free(opened->files);
    free(opened->path);
    free(opened);
}

const char *checkpoint_path(const checkpoint *opened)
{
    return opened->path;
}

size_t checkpoint_count(const checkpoint *opened)
{
    return opened->tensors.count;
}

const tensor_view *checkpoint_at(const checkpoint *opened, size_t index)
{
    return &opened->tensors.views[index];
}

const tensor_view *checkpoint_find(const checkpoint *opened, const char *name)
{
    if (!opened->tensors.count)
        return NULL;
    const tensor_view key = {.name = name};
    return bsearch(&key, opened->tensors.views, opened->tensors.count, sizeof key, compare_names);
}

uint64_t checkpoint_file_bytes(const checkpoint *opened)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < opened->file_count; i++)
        sum += opened->files[i].mapping.size;
    return sum;
}
