/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Standard output: text and JSON objects. A failing write ends the command with EX_IOERR. */

#ifndef HADAL_CLI_OUTPUT_H
#define HADAL_CLI_OUTPUT_H

#include <jansson.h>
#include <stdint.h>

#include "hadal.h"

/* Opens /dev/null for standard streams that the parent closed, so that no file of ours gets their numbers. Writing to
 * a closed standard output then still fails. */
void output_guard(void);

/* Writes text[length]. */
int output_text(const char *text, size_t length);

/* Writes in printf's form. */
int output_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes the object as one line and releases it; NULL is out of memory. */
int output_json(json_t *object);

/* Passes on what was written; after each token that somebody may be waiting for. */
int output_flush(void);

/* Closes standard output; a failure counts only when code, the result so far, is 0. Returns the result. */
int output_close(int code);

/* A JSON number, or null when value is not finite. */
json_t *output_number(double value);

/* A JSON array of token ids. */
json_t *output_ids(const int32_t *ids, size_t count);

/* "1.5 GiB", into buffer. */
const char *output_bytes(char buffer[32], double bytes);

#endif
