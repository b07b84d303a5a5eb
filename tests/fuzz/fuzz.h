/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the fuzz targets share. A target is a file fuzz_NAME.c with LLVMFuzzerTestOneInput, linked with libFuzzer by
 * clang (run.sh), and with replay.c, which feeds it files, by every compiler. */

#ifndef HADAL_TESTS_FUZZ_FUZZ_H
#define HADAL_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hadal.h"

/* One input. Returns 0; a broken promise ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for every input. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The status of something read from a file: it succeeds, or fails as data with one line that a terminal can show. */
bool fuzz_accepted(hadal_status status);

/* Whether a message is one line without control characters. */
bool fuzz_is_line(const char *message);

/* A folder of this process in $TMPDIR; whoever set $TMPDIR removes it. */
const char *fuzz_folder(void);

/* folder/name, never freed. */
char *fuzz_path(const char *folder, const char *name);

/* Makes the file hold these bytes. */
void fuzz_write(const char *path, const void *data, size_t size);

/* The tokenizer of the demo model, $HADAL_MODEL. */
const hadal_tokenizer *fuzz_demo_tokenizer(void);

/* Whether text[length] is whole UTF-8: RFC 3629, written once more to compare with. */
bool fuzz_is_utf8(const char *text, size_t length);

#endif
