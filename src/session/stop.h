/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Ends a stream of text before any of some stop texts: text that may yet become one is held back. */

#ifndef HADAL_SESSION_STOP_H
#define HADAL_SESSION_STOP_H

#include "base/memory.h"

typedef struct stop_filter stop_filter;

/* texts[count], NUL-terminated, are borrowed. Empty ones and such that are not UTF-8 are HADAL_ERROR_ARGUMENT. */
HADAL_CHECKED hadal_status stop_create(stop_filter **created, const char *const *texts, size_t count);
void stop_free(stop_filter *filter);

/* Takes text[length] and appends to *released what is certain to be wanted. *stopped: a stop text is complete; what
 * stands before it has been released, nothing comes after. The stop text that is complete first counts (of several,
 * the longest), so that the result does not depend on how the text is cut into calls. */
HADAL_CHECKED hadal_status stop_push(stop_filter *filter, const char *text, size_t length, byte_array *released,
                                     bool *stopped);

/* At the end of the stream: releases what was held back. */
HADAL_CHECKED hadal_status stop_finish(stop_filter *filter, byte_array *released);

#endif
