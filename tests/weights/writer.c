/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "tests/weights/writer.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "tests/check.h"
#include "weights/dtype.h"

int directory_setup(void **state)
{
    const char *build = getenv("top_builddir");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/weights/try-XXXXXX", build ? build : ".");
    if (!mkdtemp(path))
        return -1;
    *state = strdup(path);
    return *state ? 0 : -1;
}

int directory_teardown(void **state)
{
    DIR *directory = opendir(*state);
    if (!directory)
        return -1;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove(path_in(*state, entry->d_name));
    closedir(directory);
    int failed = rmdir(*state);
    free(*state);
    return failed;
}

const char *path_in(const char *directory, const char *name)
{
    static char paths[4][4096];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

void write_file(const char *directory, const char *name, const void *data, size_t length)
{
    FILE *file = fopen(path_in(directory, name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
}

void write_text(const char *directory, const char *name, const char *text)
{
    write_file(directory, name, text, strlen(text));
}

void write_with_header(const char *directory, const char *name, const char *header, size_t data_bytes)
{
    byte_array content = {0};
    uint64_t length = strlen(header);
    CHECK_OK(bytes_append(&content, &length, sizeof length));
    CHECK_OK(bytes_append(&content, header, length));
    for (size_t i = 0; i < data_bytes; i++)
        CHECK_OK(bytes_append(&content, "", 1));
    write_file(directory, name, content.data, content.length);
    bytes_free(&content);
}

static uint64_t tensor_bytes(const written_tensor *tensor)
{
    dtype type;
    uint64_t bytes = 8; /* an element of a dtype that hadal does not know */
    if (dtype_from_name(&type, tensor->dtype))
        bytes = dtype_bytes(type);
    for (unsigned i = 0; i < tensor->rank; i++)
        bytes *= tensor->shape[i];
    return bytes;
}

static void append_entry(byte_array *header, const written_tensor *tensor, uint64_t begin)
{
    CHECK_OK(bytes_format(header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", header->length > 1 ? "," : "", tensor->name,
                          tensor->dtype));
    for (unsigned i = 0; i < tensor->rank; i++)
        CHECK_OK(bytes_format(header, "%s%" PRIu64, i ? "," : "", tensor->shape[i]));
    CHECK_OK(
        bytes_format(header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", begin, begin + tensor_bytes(tensor)));
}

void write_tensors(const char *directory, const char *name, const written_tensor *tensors, size_t count)
{
    byte_array header = {0}, data = {0}, content = {0};
    CHECK_OK(bytes_append(&header, "{", 1));
    CHECK_OK(bytes_append(&data, "", 0));
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].left_out)
            continue;
        append_entry(&header, &tensors[i], data.length);
        uint64_t bytes = tensor_bytes(&tensors[i]);
        if (tensors[i].data)
            CHECK_OK(bytes_append(&data, tensors[i].data, bytes));
        else
            for (uint64_t at = 0; at < bytes; at++)
                CHECK_OK(bytes_append(&data, &(unsigned char){(unsigned char)(i + at)}, 1));
    }
    CHECK_OK(bytes_append(&header, "}", 1));
    uint64_t length = header.length;
    CHECK_OK(bytes_append(&content, &length, sizeof length));
    CHECK_OK(bytes_append(&content, header.data, header.length));
    CHECK_OK(bytes_append(&content, data.data, data.length));
    write_file(directory, name, content.data, content.length);
    bytes_free(&header);
    bytes_free(&data);
    bytes_free(&content);
}
