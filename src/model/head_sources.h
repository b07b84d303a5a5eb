/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* kv_b_proj [H (nope + v), kv_lora_rank] as what attention in latent space multiplies by: for each head W_UK
 * transposed, which carries a query into latent space, and W_UV, which carries a latent output back
 * (https://arxiv.org/abs/2405.04434 section 2.1). */

#ifndef HADAL_MODEL_HEAD_SOURCES_H
#define HADAL_MODEL_HEAD_SOURCES_H

#include "model/config.h"
#include "ops/matrix.h"

typedef struct head_sources {
    matrix_source *k_up; /* [num_attention_heads]: [kv_lora_rank, nope], memory of their own */
    matrix_source *v_up; /* [num_attention_heads]: [v, kv_lora_rank], views of the whole */
    size_t heads;
} head_sources;

/* From the whole matrix, whose values may be NULL (a plan has dimensions alone). Freed with head_sources_free. */
HADAL_CHECKED hadal_status head_sources_make(head_sources *made, const matrix_source *whole,
                                             const model_config *config);
void head_sources_free(head_sources *freed);

#endif
