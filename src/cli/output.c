/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/signals.h"

void output_guard(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        if (fcntl(stream, F_GETFD) != -1 || errno != EBADF)
            continue;
        /* The wrong direction, so that using the stream fails as it would have when closed. */
        int opened = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (opened != stream && opened >= 0)
            close(opened);
    }
}

/* The result of a write that failed. A closed pipe is no failure: its reader has seen enough. */
static int write_failed(void)
{
    if (signals_caught())
        return EX_STOPPED;
    return report(EX_IOERR, "standard output: %s", strerror(errno));
}

int output_text(const char *text, size_t length)
{
    return fwrite(text, 1, length, stdout) == length ? 0 : write_failed();
}

int output_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int written = vprintf(format, arguments);
    va_end(arguments);
    return written >= 0 ? 0 : write_failed();
}

int output_json(json_t *object)
{
    if (!object)
        return report_memory();
    int failed = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    return failed == 0 && putchar('\n') != EOF ? 0 : write_failed();
}

int output_flush(void)
{
    return fflush(stdout) == 0 ? 0 : write_failed();
}

int output_close(int code)
{
    if (fclose(stdout) != 0 && code == 0)
        return write_failed();
    return code;
}

json_t *output_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *output_ids(const int32_t *ids, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        if (json_array_append_new(array, json_integer(ids[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

const char *output_bytes(char buffer[32], double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    snprintf(buffer, 32, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
    return buffer;
}
