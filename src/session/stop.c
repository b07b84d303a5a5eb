/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "session/stop.h"

#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

/* One stop text, searched for as Knuth, Morris and Pratt do (SIAM J. Comput. 6, 1977): each byte is looked at once. */
typedef struct stop_text {
    const char *text;
    size_t length;
    size_t *fallback; /* [length] [i]: the longest proper beginning of the text that its first i + 1 bytes end with */
    size_t matched;   /* the longest beginning of the text that the stream now ends with */
} stop_text;

struct stop_filter {
    stop_text *stops;
    size_t count;
    byte_array pending; /* held back */
};

/* The matched length after one more byte; matched < length. */
static size_t advance(const stop_text *stop, size_t matched, char byte)
{
    while (matched && stop->text[matched] != byte)
        matched = stop->fallback[matched - 1];
    return matched + (stop->text[matched] == byte);
}

static hadal_status prepare(stop_text *stop, const char *text)
{
    *stop = (stop_text){.text = text, .length = strlen(text)};
    if (!stop->length)
        return failure(HADAL_ERROR_ARGUMENT, "a stop text is empty");
    if (utf8_valid_length(text, stop->length) != stop->length)
        return failure(HADAL_ERROR_ARGUMENT, "a stop text is not UTF-8");
    TRY(memory_allocate(&stop->fallback, stop->length, sizeof *stop->fallback));
    for (size_t i = 1; i < stop->length; i++)
        stop->fallback[i] = advance(stop, stop->fallback[i - 1], text[i]);
    return HADAL_OK;
}

hadal_status stop_create(stop_filter **created, const char *const *texts, size_t count)
{
    TRY(memory_allocate(created, 1, sizeof **created));
    stop_filter *filter = *created;
    hadal_status status;
    TRY_OR(failed, memory_allocate(&filter->stops, count, sizeof *filter->stops));
    for (; filter->count < count; filter->count++)
        TRY_OR(failed, prepare(&filter->stops[filter->count], texts[filter->count]));
    return HADAL_OK;
failed:
    stop_free(filter);
    *created = NULL;
    return status;
}

void stop_free(stop_filter *filter)
{
    if (!filter)
        return;
    for (size_t i = 0; i < filter->count; i++)
        free(filter->stops[i].fallback);
    free(filter->stops);
    bytes_free(&filter->pending);
    free(filter);
}

/* Moves the first `length` bytes of what is held back to *released. */
static hadal_status release(stop_filter *filter, size_t length, byte_array *released)
{
    byte_array *pending = &filter->pending;
    if (!length)
        return HADAL_OK;
    TRY(bytes_append(released, pending->data, length));
    pending->length -= length;
    memmove(pending->data, pending->data + length, pending->length);
    return HADAL_OK;
}

hadal_status stop_push(stop_filter *filter, const char *text, size_t length, byte_array *released, bool *stopped)
{
    size_t held = 0, longest = 0;
    *stopped = false;
    for (size_t i = 0; i < length; i++) {
        TRY(bytes_append(&filter->pending, &text[i], 1));
        held = longest = 0;
        for (size_t s = 0; s < filter->count; s++) {
            stop_text *stop = &filter->stops[s];
            stop->matched = advance(stop, stop->matched, text[i]);
            held = max_size(held, stop->matched);
            if (stop->matched == stop->length)
                longest = max_size(longest, stop->length);
        }
        if (longest) {
            *stopped = true;
            TRY(release(filter, filter->pending.length - longest, released));
            filter->pending.length = 0;
            return HADAL_OK;
        }
    }
    return length ? release(filter, filter->pending.length - held, released) : HADAL_OK;
}

hadal_status stop_finish(stop_filter *filter, byte_array *released)
{
    return release(filter, filter->pending.length, released);
}
