/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* How failures travel: a function returns a status and leaves one line for the user in its thread's message. */

#ifndef HADAL_BASE_STATUS_H
#define HADAL_BASE_STATUS_H

#include "hadal.h"

/* Forwards a failure to the caller. For functions that own nothing at this point. */
#define TRY(call)                              \
    do {                                       \
        hadal_status try_status_ = (call);     \
        if (try_status_ != HADAL_OK)           \
            return try_status_;                \
    } while (0)

/* Forwards a failure to the label where the function releases what it owns; `status` is its result. */
#define TRY_OR(label, call)                    \
    do {                                       \
        status = (call);                       \
        if (status != HADAL_OK)                \
            goto label;                        \
    } while (0)

/* Sets this thread's message (printf form, one line) and returns status: `return failure(HADAL_ERROR_DATA, ...)`. */
hadal_status failure(hadal_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The failure of an allocation of that many bytes of host memory. */
hadal_status failure_memory(size_t bytes);

/* Puts "context: " before this thread's message; returns status. */
hadal_status failure_within(hadal_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
