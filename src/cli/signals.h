/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * Signals ask long work to end: the first SIGINT, SIGTERM, SIGHUP or SIGPIPE is only noted, the work stops at its
 * next token or chunk and cleans up, and main() then raises the signal again so that the shell sees it. A second
 * signal kills at once.
 */

#ifndef HADAL_CLI_SIGNALS_H
#define HADAL_CLI_SIGNALS_H

#include <stdbool.h>

/* Starts noting signals, except those that the parent process had set to be ignored. */
void signals_install(void);

/* Whether one of them came. */
bool signals_caught(void);

/* Ends the process by the signal that came; returns when none did. */
void signals_raise_again(void);

#endif
