/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include <stddef.h>

#include "device/ptx.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void ptx_correct(char **corrected, const char *ptx, size_t bytes)
{
    static const char target[] = ".target sm_90", mark[] = PTX_MARK;
    *corrected = NULL;
    char *text = malloc(bytes + 2);
    if (!text)
        return;
    memcpy(text, ptx, bytes);
    text[bytes] = '\0';
    char *name_end = strstr(text, target);
    if (!name_end || isalnum((unsigned char)name_end[sizeof target - 1])) {
        free(text);
        return;
    }
    name_end += sizeof target - 1;
    memmove(name_end + 1, name_end, strlen(name_end) + 1);
    *name_end = 'a';
    for (char *at = text; (at = strstr(at, mark)) != NULL;)
        memset(at, ' ', sizeof mark - 1);
    *corrected = text;
}
