/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Long enough for a path, a tensor's name and a sentence; kernel build logs are cut to fit. */
enum { MESSAGE_BYTES = 8192 };

static _Thread_local char message[MESSAGE_BYTES];

const char *hadal_error_message(void)
{
    return message;
}

hadal_status failure(hadal_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return status;
}

hadal_status failure_memory(size_t bytes)
{
    return failure(HADAL_ERROR_HOST_MEMORY,
                   "out of memory: %zu bytes could not be allocated; close other programs or use a smaller context",
                   bytes);
}

hadal_status failure_within(hadal_status status, const char *format, ...)
{
    char inner[MESSAGE_BYTES - 64]; /* shorter than the message, so that its tail never cuts the context */
    memcpy(inner, message, sizeof inner);
    inner[sizeof inner - 1] = '\0';
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (used < 0 || (size_t)used + 3 > sizeof message)
        return status;
    size_t room = sizeof message - (size_t)used - 3;
    size_t length = strnlen(inner, room);
    memcpy(message + used, ": ", 2);
    memcpy(message + used + 2, inner, length);
    message[(size_t)used + 2 + length] = '\0';
    return status;
}
