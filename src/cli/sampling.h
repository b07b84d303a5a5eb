/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* How the next token is picked: options, and what a model's generation_config.json says. */

#ifndef HADAL_CLI_SAMPLING_H
#define HADAL_CLI_SAMPLING_H

#include "cli/options.h"
#include "hadal.h"

#define SAMPLING_OPTIONS(X)                                                                        \
    X(NUMBER, temperature, 0, "temperature", "T", NUMBERS(0, 100),                                 \
      "0: always the most likely token (default: generation_config.json, else 0)")                 \
    X(NUMBER, top_p, 0, "top-p", "P", NUMBERS(0, 1),                                               \
      "only the likeliest tokens that together reach P (default: generation_config.json, else 1)") \
    X(COUNT, top_k, 0, "top-k-sampling", "N", COUNTS(0, INT32_MAX),                                \
      "only the N likeliest tokens; 0: all (default: generation_config.json, else 0)")             \
    X(NUMBER, min_p, 0, "min-p", "P", NUMBERS(0, 1),                                               \
      "only tokens at least P times as likely as the likeliest (default: 0)")                      \
    X(NUMBER, repeat_penalty, 0, "repeat-penalty", "R", NUMBERS(0.01, 100),                        \
      "above 1: the last 64 tokens become less likely (default: 1)")                               \
    X(COUNT, seed, 0, "seed", "N", COUNTS(0, INT64_MAX),                                           \
      "of the random numbers (default: random, told by -v and --json)")

OPTION_GROUP(sampling_settings, SAMPLING_OPTIONS)

/* Settings that were not given on the command line keep the values set here: a random seed, and marks that
 * sampling_resolve replaces. */
sampling_settings sampling_defaults(void);

/* The sampler's options: as given, else from DIRECTORY/generation_config.json when it is there, else greedy. */
int sampling_resolve(hadal_sampler_options *options, const sampling_settings *settings, const char *directory);

#endif
