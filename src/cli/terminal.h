/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What is shown only to people: colours and progress bars. */

#ifndef HADAL_CLI_TERMINAL_H
#define HADAL_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The order of the words "auto|always|never". */
typedef enum terminal_when { TERMINAL_AUTO, TERMINAL_ALWAYS, TERMINAL_NEVER } terminal_when;

/* Whether to colour what is written to stream. Automatic: on a terminal that is not dumb, unless NO_COLOR is set. */
bool terminal_wants_color(terminal_when when, FILE *stream);

/* Whether to draw progress on standard error. Automatic: on a terminal that is not dumb. */
bool terminal_wants_progress(terminal_when when);

/* Seconds of a clock that never jumps. */
double terminal_clock(void);

/* A bar on the last line of standard error, drawn again as work goes on and erased at its end. */
typedef struct progress_bar {
    bool wanted;
    bool at_once;     /* draw the first bar without waiting whether the work takes long */
    bool shown;
    bool running;
    char stage[16];
    double started;   /* seconds of terminal_clock */
    double drawn;
    uint64_t first;   /* units done when the stage started */
} progress_bar;

void progress_start(progress_bar *bar, terminal_when when, bool quiet);

/* A hadal_progress; bar is a progress_bar. Returns false once a signal came. */
bool progress_update(void *bar, const char *stage, uint64_t done, uint64_t total);

/* Erases the bar. May be called at any time. */
void progress_end(progress_bar *bar);

#endif
