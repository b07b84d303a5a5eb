/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Stands in for src/cli/report.c, which prints: what would be printed last is kept. */

#ifndef HADAL_TESTS_FUZZ_REPORT_H
#define HADAL_TESTS_FUZZ_REPORT_H

#include "cli/report.h"

enum { REPORT_BYTES = 1024 }; /* longer lines are cut */
extern char reported[REPORT_BYTES];

#endif
