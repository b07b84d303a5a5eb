/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * How the command fails: one line on standard error and an exit code. Functions of src/cli that can fail return that
 * code, 0 for success, and have printed the line already.
 */

#ifndef HADAL_CLI_REPORT_H
#define HADAL_CLI_REPORT_H

#include <stdbool.h>
#include <sysexits.h>

#include "hadal.h"

/* Work ended because a signal asked for it: nothing is printed, main() raises the signal again. */
#define EX_STOPPED 130

/* Forwards an exit code other than 0. For functions that own nothing at this point. */
#define TRY(call)                 \
    do {                          \
        int try_code_ = (call);   \
        if (try_code_ != 0)       \
            return try_code_;     \
    } while (0)

/* Forwards an exit code other than 0 to the label where the function releases what it owns; `code` is its result. */
#define TRY_OR(label, call)       \
    do {                          \
        code = (call);            \
        if (code != 0)            \
            goto label;           \
    } while (0)

/* Prints "hadal: MESSAGE" and returns code: `return report(EX_USAGE, ...)`. */
int report(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the library's message unless status is HADAL_OK or HADAL_STOPPED; returns the exit code of the status. */
int report_status(hadal_status status);

/* Like report_status, with "context: " before the message. */
int report_status_of(hadal_status status, const char *context);

/* The failure of an allocation. */
int report_memory(void);

/* Prints "hadal: MESSAGE" when wanted; for what is worth knowing but no failure. */
void report_note(bool wanted, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
