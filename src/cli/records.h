/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* An input taken record by record, each as soon as it is there: a program that writes one and waits for its answer
 * gets it. Memory is bounded by the longest record that is allowed. */

#ifndef HADAL_CLI_RECORDS_H
#define HADAL_CLI_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/input.h"

/* More than the tokens of any model's context take. */
#define RECORD_MEBIBYTES 16

typedef struct records records;

/* One record; its text is valid until the next. */
typedef struct record {
    const input_text *text; /* without the byte that ends it */
    uint64_t number;        /* from 1 */
    uint64_t offset;        /* of its first byte in the input, as decompressed */
    bool too_long;          /* its text is cut off */
    char title[64];         /* what messages call it */
} record;

/* Opens the file at path, plain or gzip, or standard input for "-", which may be gzip when it is a file. Each record
 * ends with the byte `end`; the last may lack it. */
int records_open(records **opened, const char *path, char end);

/* Takes the next record; *there is false after the last. */
int records_next(records *from, record *next, bool *there);

void records_close(records *opened);

#endif
