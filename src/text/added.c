/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/added.h"

#include <stdlib.h>
#include <string.h>

static int compare_entries(const void *left, const void *right)
{
    const added_entry *a = left, *b = right;
    int order = memcmp(a->text, b->text, min_size(a->length, b->length));
    if (order)
        return order;
    return a->length < b->length ? -1 : a->length > b->length;
}

hadal_status added_load(added_tokens *loaded, const vocabulary *tokens, bool normalized, const char *file)
{
    *loaded = (added_tokens){0};
    TRY(memory_allocate(&loaded->entries, tokens->size, sizeof *loaded->entries));
    for (size_t id = 0; id < tokens->size; id++) {
        if (!(tokens->flags[id] & TOKEN_ADDED) || normalized != ((tokens->flags[id] & TOKEN_NORMALIZED) != 0))
            continue;
        added_entry *entry = &loaded->entries[loaded->count++];
        entry->text = vocabulary_text(tokens, (int32_t)id, &entry->length);
        entry->id = (int32_t)id;
        loaded->begins[(unsigned char)entry->text[0]] = true;
    }
    qsort(loaded->entries, loaded->count, sizeof *loaded->entries, compare_entries);
    for (size_t i = 1; i < loaded->count; i++)
        if (compare_entries(&loaded->entries[i - 1], &loaded->entries[i]) == 0)
            return failure(HADAL_ERROR_DATA, "%s: the added tokens %d and %d have the same text", file,
                           (int)loaded->entries[i - 1].id, (int)loaded->entries[i].id);
    return HADAL_OK;
}

void added_free(added_tokens *loaded)
{
    free(loaded->entries);
    *loaded = (added_tokens){0};
}

/* The first of entries [low, high), which agree in their first `depth` bytes, whose next byte is at least `byte`. */
static size_t lower_bound(const added_entry *entries, size_t low, size_t high, size_t depth, int byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int found = entries[middle].length > depth ? (unsigned char)entries[middle].text[depth] : -1;
        if (found < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest entry that text[length] begins with; NULL if none. */
static const added_entry *match(const added_tokens *loaded, const char *text, size_t length)
{
    const added_entry *longest = NULL;
    size_t low = 0, high = loaded->count;
    for (size_t depth = 0; depth < length && low < high; depth++) {
        int byte = (unsigned char)text[depth];
        low = lower_bound(loaded->entries, low, high, depth, byte);
        high = lower_bound(loaded->entries, low, high, depth, byte + 1);
        if (low < high && loaded->entries[low].length == depth + 1)
            longest = &loaded->entries[low];
    }
    return longest;
}

int32_t added_find(const added_tokens *loaded, const char *text, size_t length, size_t from, size_t *begin,
                   size_t *end)
{
    *begin = *end = length;
    for (size_t at = from; at < length; at++) {
        if (!loaded->begins[(unsigned char)text[at]])
            continue;
        const added_entry *found = match(loaded, text + at, length - at);
        if (!found)
            continue;
        *begin = at;
        *end = at + found->length;
        return found->id;
    }
    return -1;
}
