/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

hadal_status memory_allocate(void *pointer, size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size ? size : 1);
    memcpy(pointer, &block, sizeof block);
    return block ? HADAL_OK : failure_memory(count > SIZE_MAX / (size ? size : 1) ? SIZE_MAX : count * size);
}

hadal_status memory_grow(void *pointer, size_t *capacity, size_t needed, size_t size)
{
    if (needed <= *capacity)
        return HADAL_OK;
    size_t grown = *capacity < SIZE_MAX / 2 ? max_size(needed, *capacity * 2) : needed;
    if (grown > SIZE_MAX / size)
        return failure_memory(SIZE_MAX);
    void *old, *block;
    memcpy(&old, pointer, sizeof old);
    block = realloc(old, grown * size);
    if (!block)
        return failure_memory(grown * size);
    memcpy(pointer, &block, sizeof block);
    *capacity = grown;
    return HADAL_OK;
}

hadal_status memory_copy_text(char **copy, const char *text, size_t length)
{
    *copy = NULL;
    if (length == SIZE_MAX)
        return failure_memory(length);
    TRY(memory_allocate(copy, length + 1, 1));
    if (length)
        memcpy(*copy, text, length);
    return HADAL_OK;
}

hadal_status bytes_append(byte_array *target, const void *data, size_t length)
{
    if (length >= SIZE_MAX - target->length)
        return failure_memory(SIZE_MAX);
    TRY(memory_grow(&target->data, &target->capacity, target->length + length + 1, 1));
    if (length)
        memcpy(target->data + target->length, data, length);
    target->length += length;
    target->data[target->length] = '\0';
    return HADAL_OK;
}

hadal_status bytes_format(byte_array *target, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return failure(HADAL_ERROR_INTERNAL, "text could not be formatted");
    TRY(memory_grow(&target->data, &target->capacity, target->length + (size_t)length + 1, 1));
    va_start(arguments, format);
    vsnprintf(target->data + target->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    target->length += (size_t)length;
    return HADAL_OK;
}

void bytes_free(byte_array *target)
{
    free(target->data);
    *target = (byte_array){0};
}
