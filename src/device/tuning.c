/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The table of sizes, and the file of those that were measured to be better: lines "NAME VALUE" and comments. */

#include "device/tuning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "device/opencl.h"

/* Usual sizes are those that kernels were made with, for PoCL and an H200. What bounds the values that may be tried:
 * scratch memory is planned before there is a device (attend.groups, top_k.groups), 512 work-items are what
 * top_k_group.cl is written for, 16 tokens the fewest of a matrix unit's tile. */
static const tuning_entry entries[TUNED_SIZES] = {
    [TUNED_MATVEC_ROWS] = {"matvec.rows", "rows of a tile", {8, 8, 8, 4, 4}, {4, 8, 16}, {4, 8}},
    [TUNED_MATVEC_BLOCK] = {"matvec.block", "rows that are worth a group", {32, 32, 32}, {8, 16, 32, 64, 128}, {0}},
    [TUNED_MATVEC_GROUPS] = {"matvec.groups", "groups of a core", {4, 4, 4}, {1, 2, 4, 8, 16}, {0}},
    [TUNED_MATVEC_ITEMS] = {"matvec.items", "work-items that fill a compute unit", {0, 0, 0, 896, 896}, {0},
                            {512, 640, 768, 896, 1024}},
    [TUNED_LINEAR_TOKENS] = {"linear.tokens", "tokens of a tile", {4, 4, 4, 4, 4}, {2, 4, 8}, {2, 4, 8}},
    [TUNED_LINEAR_ROWS] = {"linear.rows", "rows of a tile", {4, 4, 4, 4, 4}, {2, 4, 8}, {2, 4, 8}},
    [TUNED_LINEAR_ITEMS] = {"linear.items", "work-items of a group", {0, 0, 0, 256, 256}, {0}, {64, 128, 256}},
    [TUNED_LINEAR_BLOCK_FROM] = {"linear.block_from", "tokens from which blocks are worth it", {0, 0, 0, 64, 64}, {0},
                                 {16, 32, 64, 128}},
    [TUNED_LINEAR_MATRIX_FROM] = {"linear.matrix_from", "tokens from which the matrix unit is worth it",
                                  {0, 0, 0, 0, 16}, {0}, {16, 32, 64}},
    [TUNED_LINEAR_EXPERTS_FROM] = {"linear.experts_from", "tokens from which it is worth it for experts",
                                   {0, 0, 0, 0, 64}, {0}, {16, 32, 64, 128, 256}},
    [TUNED_INDEX_SCORES_KEYS] = {"index_scores.keys", "keys of a tile at most; on CPUs vectors of them",
                                 {2, 2, 4, 256, 256}, {1, 2, 4, 8}, {32, 64, 128, 256}},
    [TUNED_INDEX_SCORES_HEADS] = {"index_scores.heads", "heads of a tile at most", {4, 4, 4, 8, 8}, {2, 4, 8},
                                  {2, 4, 8}},
    [TUNED_INDEX_SCORES_ROWS] = {"index_scores.rows", "queries that share a tile at most", {64, 64, 64, 64, 64},
                                 {16, 32, 64, 128}, {16, 32, 64, 128}},
    [TUNED_INDEX_SCORES_GROUPS] = {"index_scores.groups", "groups that fill the device", {512, 512, 512, 512, 512},
                                   {32, 128, 512}, {256, 512, 1024}},
    [TUNED_INDEX_SCORES_FEW] = {"index_scores.few", "queries up to which the form for few takes them",
                                {0, 0, 0, 0, 7}, {0}, {3, 7, 15, 31}},
    [TUNED_TOP_K_LIST] = {"top_k.list", "keys of the list", {16384, 16384, 16384}, {8192, 16384, 32768}, {0}},
    [TUNED_TOP_K_ITEMS] = {"top_k.items", "work-items of a group at most", {0, 0, 0, 512, 512}, {0}, {128, 256, 512}},
    [TUNED_TOP_K_GROUPS] = {"top_k.groups", "groups that fill the device", {0, 0, 0, 128, 128}, {0}, {32, 64, 128}},
    [TUNED_ATTEND_HEADS] = {"attend.heads", "heads of a group at most", {4, 8, 16, 16, 16}, {4, 8, 16}, {4, 8, 16}},
    [TUNED_ATTEND_KEYS] = {"attend.keys", "cached rows of a tile at most", {8, 8, 16, 16, 16}, {4, 8, 16}, {4, 8, 16}},
    [TUNED_ATTEND_GROUPS] = {"attend.groups", "groups that fill the device", {8, 8, 8, 512, 512}, {2, 4, 8, 16, 32},
                             {128, 256, 512}},
};

const tuning_entry *tuning_entry_of(tuned_size size)
{
    return &entries[size];
}

tuning_class tuning_class_of(const device_shape *shape)
{
    if (shape->cpu)
        return shape->vector == 16 ? TUNING_CPU_16 : shape->vector == 8 ? TUNING_CPU_8 : TUNING_CPU_4;
    return shape->matrix == DEVICE_MATRIX_NONE ? TUNING_GPU : TUNING_GPU_MATRIX;
}

static size_t values_of(const uint16_t **values, tuning_class class, tuned_size size)
{
    size_t count = 0;
    *values = class < TUNING_GPU ? entries[size].cpu : entries[size].gpu;
    while (entries[size].usual[class] && count < TUNED_MOST_VALUES && (*values)[count])
        count++;
    return count;
}

static bool may_be(tuning_class class, tuned_size size, uint32_t value)
{
    const uint16_t *values;
    size_t count = values_of(&values, class, size);
    while (count > 0 && values[count - 1] != value)
        count--;
    return count > 0;
}

size_t tuning_values(const uint16_t **values, const hadal_device *device, tuned_size size)
{
    return values_of(values, tuning_class_of(&device->shape), size);
}

uint32_t device_tuned(const hadal_device *device, tuned_size size)
{
    return device->tuned[size] ? device->tuned[size] : entries[size].usual[tuning_class_of(&device->shape)];
}

static void count_tuned(hadal_device_info *info, const uint16_t tuned[TUNED_SIZES])
{
    info->tuned = 0;
    for (size_t i = 0; i < TUNED_SIZES; i++)
        info->tuned += tuned[i] != 0;
}

bool device_set_tuned(hadal_device *device, tuned_size size, uint32_t value)
{
    tuning_class class = tuning_class_of(&device->shape);
    if (value && !may_be(class, size, value))
        return false;
    device->tuned[size] = value == entries[size].usual[class] ? 0 : (uint16_t)value;
    count_tuned(&device->info, device->tuned);
    return true;
}

/* ---- The file ------------------------------------------------------------------------------------- */

static const char *const class_names[TUNING_CLASSES] = {"CPU, vectors of 4", "CPU, vectors of 8", "CPU, vectors of 16",
                                                        "GPU", "GPU with matrix unit"};

/* Its name is a hash of all that measurements depend on, so that what was measured elsewhere or before is not found. */
static hadal_status file_path(byte_array *path, const char *directory, const hadal_device_info *info,
                              tuning_class class)
{
    return cache_path(path, directory, info, class_names[class], hadal_version(), ".tuning");
}

/* Takes a line "NAME VALUE"; false if it is none that device_keep_tuned writes. */
static bool take_line(uint16_t tuned[TUNED_SIZES], tuning_class class, const char *line)
{
    for (tuned_size i = 0; i < TUNED_SIZES; i++) {
        size_t length = strlen(entries[i].name);
        if (strncmp(line, entries[i].name, length) != 0 || line[length] != ' ')
            continue;
        const uint16_t *values;
        size_t count = values_of(&values, class, i);
        char expected[8];
        for (size_t v = 0; v < count; v++) {
            snprintf(expected, sizeof expected, "%u", values[v]);
            if (strcmp(line + length + 1, expected) == 0) {
                tuned[i] = values[v] == entries[i].usual[class] ? 0 : values[v];
                return true;
            }
        }
    }
    return false;
}

/* Takes all lines of a text, which it cuts up; 0, or the number of the first bad one. */
static size_t take_text(uint16_t tuned[TUNED_SIZES], tuning_class class, char *text, size_t length)
{
    size_t number = 0;
    for (char *line = text; line < text + length;) {
        char *end = memchr(line, '\n', (size_t)(text + length - line));
        number++;
        if (!end) /* cut short */
            return number;
        *end = '\0';
        if (*line != '#' && (strlen(line) != (size_t)(end - line) || !take_line(tuned, class, line)))
            return number;
        line = end + 1;
    }
    return 0;
}

void tuning_read(uint16_t tuned[TUNED_SIZES], hadal_device_info *info, const device_shape *shape, const char *directory)
{
    enum { MOST_BYTES = 1 << 16 };
    tuning_class class = tuning_class_of(shape);
    byte_array path = {0}, text = {0};
    info->tuning_file[0] = info->tuning_failure[0] = '\0';
    memset(tuned, 0, TUNED_SIZES * sizeof *tuned);
    if (!directory || file_path(&path, directory, info, class) != HADAL_OK)
        goto done;
    if (path.length < sizeof info->tuning_file)
        memcpy(info->tuning_file, path.data, path.length + 1);
    if (!file_exists(path.data))
        goto done;
    if (file_read(&text, path.data, MOST_BYTES) != HADAL_OK) {
        snprintf(info->tuning_failure, sizeof info->tuning_failure, "%s", hadal_error_message());
        goto done;
    }
    size_t bad = take_text(tuned, class, text.data, text.length);
    if (bad) {
        memset(tuned, 0, TUNED_SIZES * sizeof *tuned);
        snprintf(info->tuning_failure, sizeof info->tuning_failure,
                 "%s: line %zu is no size that 'hadal bench tune' keeps; run it again, or with --reset", path.data,
                 bad);
    }
done:
    count_tuned(info, tuned);
    bytes_free(&path);
    bytes_free(&text);
}

static hadal_status write_lines(byte_array *text, const hadal_device *device)
{
    const hadal_device_info *info = &device->info;
    TRY(bytes_format(text, "# hadal %s: sizes that 'hadal bench tune' measured to be better than the usual ones on\n"
                     "# %s, driver %s (%s)\n", hadal_version(), info->name, info->driver,
                     class_names[tuning_class_of(&device->shape)]));
    for (size_t i = 0; i < TUNED_SIZES; i++)
        if (device->tuned[i])
            TRY(bytes_format(text, "%s %u\n", entries[i].name, device->tuned[i]));
    return HADAL_OK;
}

hadal_status device_keep_tuned(hadal_device *device)
{
    byte_array path = {0}, text = {0};
    hadal_status status;
    if (!device->cache_directory)
        return failure(HADAL_ERROR_IO, "there is no cache directory to keep sizes in; set HOME or XDG_CACHE_HOME");
    TRY_OR(done, file_path(&path, device->cache_directory, &device->info, tuning_class_of(&device->shape)));
    device->info.tuning_failure[0] = '\0';
    if (!device->info.tuned) {
        if (unlink(path.data) != 0 && file_exists(path.data))
            status = failure(HADAL_ERROR_IO, "%s: cannot be removed", path.data);
        goto done;
    }
    TRY_OR(done, write_lines(&text, device));
    if (!cache_replace(device->cache_directory, path.data, "", 0, text.data, text.length))
        status = failure(HADAL_ERROR_IO, "%s: cannot be written; sizes are not kept", path.data);
done:
    bytes_free(&path);
    bytes_free(&text);
    return status;
}
