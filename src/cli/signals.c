/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>

static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

/* The first signal that came, or 0. */
static volatile sig_atomic_t caught;

static void note_signal(int number)
{
    if (caught == 0)
        caught = number;
}

void signals_install(void)
{
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) {
        struct sigaction old;
        if (sigaction(handled[i], NULL, &old) != 0 || old.sa_handler == SIG_IGN)
            continue;
        /* No SA_RESTART: reading standard input has to return. SA_RESETHAND: the second signal kills. */
        struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
        sigemptyset(&action.sa_mask);
        sigaction(handled[i], &action, NULL);
    }
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails */
}

bool signals_caught(void)
{
    return caught != 0;
}

void signals_raise_again(void)
{
    if (caught == 0)
        return;
    signal(caught, SIG_DFL);
    raise(caught);
}
