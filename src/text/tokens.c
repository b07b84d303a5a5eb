/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

hadal_status hadal_tokens_append(hadal_tokens *tokens, const int32_t *ids, size_t count)
{
    if (count > SIZE_MAX - tokens->count)
        return failure_memory(SIZE_MAX);
    TRY(memory_grow(&tokens->ids, &tokens->capacity, tokens->count + count, sizeof *ids));
    if (count)
        memcpy(tokens->ids + tokens->count, ids, count * sizeof *ids);
    tokens->count += count;
    return HADAL_OK;
}

void hadal_tokens_free(hadal_tokens *tokens)
{
    free(tokens->ids);
    *tokens = (hadal_tokens){0};
}
