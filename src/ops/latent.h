/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The latent cache: what multi-head latent attention keeps of a token. Kernels in cl/latent.cl. */

#ifndef HADAL_OPS_LATENT_H
#define HADAL_OPS_LATENT_H

#include "device/device.h"

/* What does not change in a session's life. */
typedef struct latent_dims {
    uint32_t latent; /* kv_lora_rank */
    uint32_t rope;   /* qk_rope_head_dim, even */
    hadal_kv_cache cache;
} latent_dims;

typedef struct latent_op {
    latent_dims dims;
    kernel *store, *load;
    uint32_t lanes;
} latent_op;

/* Gets the kernels; they belong to the device. */
HADAL_CHECKED hadal_status latent_create(latent_op *op, hadal_device *device, const latent_dims *dims);

/* The -D option that kernels of the latent cache are built with. */
const char *latent_option(const latent_dims *dims);

/* Bytes of one position in a layer's latent cache: pad(latent) + pad(rope) elements. */
size_t latent_row_bytes(const latent_dims *dims);

/* Writes row rows[t] of cache [capacity, pad(latent) + pad(rope)] for each of `tokens` tokens, from kv float32
 * [tokens, pad(latent + rope)]: RMSNorm of the latent part by weight (float32 [pad(latent)]) and epsilon, then, at
 * pad(latent), the rope part with interleaved pairs rotated at positions[t]; padding is zero. positions and rows
 * int32 [tokens], rows all different: positions themselves where one sequence is cached; table from
 * rope_table_create. */
HADAL_CHECKED hadal_status latent_store(const latent_op *op, buffer *cache, const buffer *kv, const buffer *weight,
                                        const buffer *table, const buffer *positions, const buffer *rows, size_t tokens,
                                        double epsilon);

/* out float32 [rows, pad(latent) + pad(rope)] = rows first .. first + rows - 1 of the cache. */
HADAL_CHECKED hadal_status latent_load(const latent_op *op, buffer *out, const buffer *cache, size_t first,
                                       size_t rows);

#endif
