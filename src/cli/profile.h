/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The table of generate --profile: what every kernel cost. */

#ifndef HADAL_CLI_PROFILE_H
#define HADAL_CLI_PROFILE_H

#include <jansson.h>

#include "hadal.h"

typedef struct profile_counts {
    size_t prompt_tokens; /* fed in prefill */
    size_t decode_tokens; /* fed one by one */
    uint32_t layers;
} profile_counts;

/* The rows of one device, most time first; *rows is released with json_decref. */
int profile_json(json_t **rows, hadal_device *device);

/* Prints the table on standard error: a block a phase with launches, time, bytes and share of each kernel, and for
 * decode the launches a token and a layer. */
int profile_print(hadal_device *device, const profile_counts *counts);

#endif
