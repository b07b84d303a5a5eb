/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What a command reads: files or standard input ("-"), plain or compressed by gzip, of any size. */

#ifndef HADAL_CLI_INPUT_H
#define HADAL_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>

#include <zlib.h>

#include "hadal.h"

/* Bytes that grow; start with {0}, release with input_free. */
typedef struct input_text {
    char *data;
    size_t length;
    size_t capacity;
} input_text;

int input_append(input_text *text, const char *data, size_t length);
void input_free(input_text *text);

/* Appends the content of the file at path, or of standard input when path is "-". */
int input_read(input_text *text, const char *path);

/* The parts of that: opens the file, and says what went wrong when zlib could not read it. */
int input_open(int *descriptor, const char *path);
int input_failed(gzFile file, const char *path);

/* What messages call it: the path, or "standard input" for "-". */
const char *input_title(const char *path);

/* Whether standard input is a pipe, a socket or a file: something that was meant to be read. */
bool input_is_piped(void);

/* The one operand that names an input, or "-" when there is none; more than one is an error. */
int input_operand(const char **path, int count, char **operands);

/* Appends the token ids, numbers between white space, that the file at path holds ("-": standard input). */
int input_read_tokens(hadal_tokens *tokens, const char *path);

#endif
