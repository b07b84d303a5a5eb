/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "model/head_sources.h"

#include <stdlib.h>

#include "base/memory.h"

/* Whether some head's rows begin in the middle of a block of scales. */
static bool cuts_blocks(const matrix_source *whole, size_t heads, size_t rows)
{
    for (size_t h = 0; h < heads; h++)
        if (matrix_rows(whole, h * rows, rows).row_offset)
            return true;
    return false;
}

hadal_status head_sources_make(head_sources *made, const matrix_source *whole, const model_config *config)
{
    size_t nope = config->qk_nope_head_dim, rows = nope + config->v_head_dim;
    hadal_status status;
    *made = (head_sources){.heads = config->num_attention_heads};
    TRY_OR(failed, memory_allocate(&made->k_up, made->heads, sizeof *made->k_up));
    TRY_OR(failed, memory_allocate(&made->v_up, made->heads, sizeof *made->v_up));
    bool resolve = cuts_blocks(whole, made->heads, rows);
    for (size_t h = 0; h < made->heads; h++) {
        const matrix_source keys = matrix_rows(whole, h * rows, nope);
        TRY_OR(failed, matrix_transpose(&made->k_up[h], &keys, resolve));
        made->v_up[h] = matrix_rows(whole, h * rows + nope, config->v_head_dim);
    }
    return HADAL_OK;
failed:
    head_sources_free(made);
    return status;
}

void head_sources_free(head_sources *freed)
{
    for (size_t h = 0; freed->k_up && h < freed->heads; h++)
        matrix_source_free(&freed->k_up[h]);
    free(freed->k_up);
    free(freed->v_up);
    *freed = (head_sources){0};
}
