/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#ifndef HADAL_BASE_CLOCK_H
#define HADAL_BASE_CLOCK_H

#include <time.h>

/* Seconds of a clock that never goes back; only differences mean something. */
static inline double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
