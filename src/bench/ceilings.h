/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the device can do at most. */

#ifndef HADAL_BENCH_CEILINGS_H
#define HADAL_BENCH_CEILINGS_H

#include "bench/runner.h"

/* Measures and reports every ceiling, and keeps those of which others are a share in b->rate. */
HADAL_CHECKED hadal_status ceilings_measure(bench *b);

#endif
