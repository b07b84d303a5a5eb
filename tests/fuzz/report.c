/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "tests/fuzz/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

char reported[REPORT_BYTES];

int report(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    MUST(vsnprintf(reported, sizeof reported, format, arguments) >= 0);
    va_end(arguments);
    return code;
}

void report_note(bool wanted, const char *format, ...)
{
    (void)wanted;
    (void)format;
}

int report_status(hadal_status status)
{
    if (status == HADAL_OK)
        return 0;
    return report(status == HADAL_ERROR_DATA ? EX_DATAERR : EX_SOFTWARE, "%s", hadal_error_message());
}

int report_status_of(hadal_status status, const char *context)
{
    (void)context;
    return report_status(status);
}

int report_memory(void)
{
    return report(EX_OSERR, "out of memory");
}
