/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Dense attention of a step of one sequence in multi-head form: each cached latent c becomes keys W_UK c and values
 * W_UV c of every head, against which a query takes 2 (nope + rope + v) operations a head and position; in latent space
 * (ops/attend.h) it takes 2 (2 kv_lora_rank + rope). Kernel in cl/attend_heads.cl. */

#ifndef HADAL_OPS_ATTEND_HEADS_H
#define HADAL_OPS_ATTEND_HEADS_H

#include "ops/latent.h"
#include "ops/linear.h"

/* What does not change in a session's life. */
typedef struct attend_heads_dims {
    uint32_t heads;  /* num_attention_heads */
    uint32_t nope;   /* qk_nope_head_dim */
    uint32_t rope;   /* qk_rope_head_dim */
    uint32_t value;  /* v_head_dim */
    uint32_t latent; /* kv_lora_rank */
} attend_heads_dims;

typedef struct attend_heads_op {
    attend_heads_dims dims;
    hadal_device *device;
    kernel *attend; /* got when it is first used */
} attend_heads_op;

void attend_heads_create(attend_heads_op *op, hadal_device *device, const attend_heads_dims *dims);

/* Whether that is faster than in latent space for a step of `tokens` tokens, the last of which attends to `keys`
 * positions. Not where there is a matrix unit, on which attention in latent space runs. */
bool attend_heads_pays(const attend_heads_op *op, size_t tokens, size_t keys);

/* How many of a cache's positions have keys and values at once: as many as take ATTEND_HEADS_BYTES together with their
 * latents, a multiple of a tile, not many more than there are. */
enum { ATTEND_HEADS_BYTES = 64 << 20 };
size_t attend_heads_positions(const attend_heads_dims *dims, size_t context);

/* Their memory, and that of what each query remembers between them. */
typedef struct attend_heads_memory {
    size_t positions;
    buffer *rows;   /* float32 [positions, pad(latent) + pad(rope)] */
    buffer *keys;   /* float32 [heads, positions, pad(nope)] */
    buffer *values; /* float32 [heads, positions, pad(value)] */
    buffer *totals; /* float32 [tokens, heads, 2] */
} attend_heads_memory;

/* What a step attends by, and to. */
typedef struct attend_heads_step {
    size_t tokens, keys;        /* tokens: the last of so many positions */
    const buffer *q;            /* float32 [tokens, pad(heads * (nope + rope))], of which q_nope counts */
    const buffer *query;        /* float32 [tokens, heads, pad(latent) + pad(rope)], of which what rope_queries made */
    const buffer *cache;        /* of latents; position 0 is row first_row */
    size_t first_row;
    const matrix *k_up, *v_up;  /* a matrix a head: W_UK transposed [latent, nope], W_UV [value, latent] */
    double scale;               /* which query has already */
} attend_heads_step;

/* out[t, h] float32 [tokens, pad(heads * value)] = the mean of W_UV[h] c[s] weighted by softmax over s of
 *   scale q_nope[t, h] . W_UK[h] c[s] + query_rope[t, h] . k_rope[s]. */
HADAL_CHECKED hadal_status attend_heads(attend_heads_op *op, linear_op *linear, const latent_op *latent, buffer *out,
                                        const attend_heads_step *step, const attend_heads_memory *memory);

#endif
