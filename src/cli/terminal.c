/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/signals.h"

static const double delay_seconds = 0.5;    /* work that ends sooner shows no bar */
static const double interval_seconds = 0.1; /* between two drawings */

static bool is_capable(int descriptor)
{
    const char *type = getenv("TERM");
    return isatty(descriptor) && type && strcmp(type, "dumb") != 0;
}

bool terminal_wants_color(terminal_when when, FILE *stream)
{
    const char *refused = getenv("NO_COLOR");
    if (when != TERMINAL_AUTO)
        return when == TERMINAL_ALWAYS;
    return is_capable(fileno(stream)) && !(refused && *refused);
}

bool terminal_wants_progress(terminal_when when)
{
    return when == TERMINAL_AUTO ? is_capable(STDERR_FILENO) : when == TERMINAL_ALWAYS;
}

double terminal_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A background job must not write over what the foreground shows. */
static bool in_foreground(void)
{
    return !isatty(STDERR_FILENO) || tcgetpgrp(STDERR_FILENO) == getpgrp();
}

/* Asked for each drawing: the window may have been resized. */
static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* "12.3 MiB/s" or "321 tokens/s": the library counts "loading" in bytes, all else in tokens. */
static void format_rate(char buffer[40], const char *stage, double rate)
{
    char amount[32];
    if (strcmp(stage, "loading") == 0)
        snprintf(buffer, 40, "%s/s", output_bytes(amount, rate));
    else
        snprintf(buffer, 40, rate < 100 ? "%.1f tokens/s" : "%.0f tokens/s", rate);
}

static void format_remaining(char buffer[24], double seconds)
{
    if (seconds >= 360000)
        snprintf(buffer, 24, "-:--");
    else if (seconds >= 3600)
        snprintf(buffer, 24, "%d:%02d:%02d", (int)seconds / 3600, (int)seconds / 60 % 60, (int)seconds % 60);
    else
        snprintf(buffer, 24, "%d:%02d", (int)seconds / 60, (int)seconds % 60);
}

static void draw(const progress_bar *bar, uint64_t done, uint64_t total)
{
    char rate_text[40], remaining[24], head[32], tail[96], line[512];
    double seconds = terminal_clock() - bar->started;
    double share = total == 0 ? 1 : (double)done / (double)total;
    double rate = seconds > 0 ? (double)(done - bar->first) / seconds : 0;
    format_rate(rate_text, bar->stage, rate);
    format_remaining(remaining, rate > 0 ? (double)(total - done) / rate : 0);
    int head_length = snprintf(head, sizeof head, "%-8s", bar->stage);
    int tail_length = snprintf(tail, sizeof tail, rate > 0 ? "%3d %%  %s  %s left" : "%3d %%", (int)(100 * share),
                               rate_text, remaining);
    int cells = terminal_columns() - 1 - head_length - tail_length - 4;
    if (cells > 40)
        cells = 40;
    if (cells < 5) {
        snprintf(line, sizeof line, "\r%.*s\033[K", terminal_columns() - 1, tail);
    } else {
        char track[41];
        int filled = (int)(share * cells);
        memset(track, ' ', sizeof track);
        memset(track, '=', (size_t)filled);
        if (filled < cells)
            track[filled] = '>';
        snprintf(line, sizeof line, "\r%s [%.*s] %s\033[K", head, cells, track, tail);
    }
    fwrite(line, 1, strlen(line), stderr);
}

void progress_start(progress_bar *bar, terminal_when when, bool quiet)
{
    *bar = (progress_bar){.wanted = !quiet && terminal_wants_progress(when), .at_once = when == TERMINAL_ALWAYS};
}

bool progress_update(void *user, const char *stage, uint64_t done, uint64_t total)
{
    progress_bar *bar = user;
    if (signals_caught())
        return false;
    if (!bar->wanted || done > total)
        return true;
    double now = terminal_clock();
    if (!bar->running || strcmp(bar->stage, stage) != 0) {
        snprintf(bar->stage, sizeof bar->stage, "%s", stage);
        bar->running = true;
        bar->started = now;
        bar->drawn = 0;
        bar->first = done;
    }
    bool due = bar->at_once || (now - bar->started >= delay_seconds && now - bar->drawn >= interval_seconds);
    if (due && in_foreground()) {
        draw(bar, done, total);
        bar->drawn = now;
        bar->shown = true;
    }
    return true;
}

void progress_end(progress_bar *bar)
{
    if (bar->shown)
        fputs("\r\033[K", stderr);
    bar->shown = false;
    bar->running = false;
}
