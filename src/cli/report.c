/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/report.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 1, 0))) static void print_line(const char *format, va_list arguments)
{
    flockfile(stderr);
    fputs("hadal: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
}

int report(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    return code;
}

void report_note(bool wanted, const char *format, ...)
{
    if (!wanted)
        return;
    va_list arguments;
    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
}

/* The exit codes that hadal(1) documents. */
static int exit_code(hadal_status status)
{
    switch (status) {
    case HADAL_OK: return EX_OK;
    case HADAL_ERROR_ARGUMENT: return EX_USAGE;
    case HADAL_ERROR_DATA: return EX_DATAERR;
    case HADAL_ERROR_INPUT: return EX_NOINPUT;
    case HADAL_ERROR_NO_DEVICE: return EX_UNAVAILABLE;
    case HADAL_ERROR_INTERNAL: return EX_SOFTWARE;
    case HADAL_ERROR_HOST_MEMORY: return EX_OSERR;
    case HADAL_ERROR_IO: return EX_IOERR;
    case HADAL_ERROR_DEVICE_MEMORY: return EX_TEMPFAIL;
    case HADAL_STOPPED: return EX_STOPPED;
    }
    return EX_SOFTWARE;
}

int report_status(hadal_status status)
{
    if (status != HADAL_OK && status != HADAL_STOPPED)
        report(0, "%s", hadal_error_message());
    return exit_code(status);
}

int report_status_of(hadal_status status, const char *context)
{
    if (status != HADAL_OK && status != HADAL_STOPPED)
        report(0, "%s: %s", context, hadal_error_message());
    return exit_code(status);
}

int report_memory(void)
{
    return report(EX_OSERR, "out of memory; close other programs or use a smaller input");
}
