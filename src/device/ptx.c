/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include <stddef.h>

#include "device/ptx.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where warpgroups take each other's registers (setmaxnreg), the assembler must know how many a work-item begins with:
 * behind each size of a work-group (.reqntid) it is told that one group on a multiprocessor is enough. NULL if memory
 * ran out. */
static char *tell_residence(char *text)
{
    static const char size[] = ".reqntid", one_group[] = ".minnctapersm 1\n";
    size_t kernels = 0;
    for (char *at = text; (at = strstr(at, size)) != NULL; at++)
        kernels++;
    char *told = malloc(strlen(text) + kernels * sizeof one_group + 1), *to = told;
    for (char *from = text, *line; told && *from; from = line) {
        line = from + strcspn(from, "\n");
        line += *line == '\n';
        bool sized = strncmp(from + strspn(from, " \t"), size, strlen(size)) == 0;
        memcpy(to, from, (size_t)(line - from));
        to += line - from;
        if (sized && line[-1] == '\n') {
            memcpy(to, one_group, strlen(one_group));
            to += strlen(one_group);
        }
        *to = '\0';
    }
    free(text);
    return told;
}

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
    *corrected = strstr(text, "setmaxnreg") ? tell_residence(text) : text;
}
