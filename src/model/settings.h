/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The options of a session with every default resolved, and the device memory that follows from them. */

#ifndef HADAL_MODEL_SETTINGS_H
#define HADAL_MODEL_SETTINGS_H

#include "device/device.h"
#include "model/config.h"
#include "ops/attend_heads.h"

typedef struct settings {
    size_t context;     /* positions of a sequence in the caches */
    size_t sequences;   /* that the caches hold, each with a context of its own */
    size_t chunk;       /* most tokens of a step */
    size_t score_rows;  /* queries whose index scores exist at once */
    size_t logit_rows;  /* tokens whose logits exist at once */
    size_t index_topk;
    hadal_attention attention;
    hadal_kv_cache kv_cache;
    hadal_index_cache index_cache;
    bool matrix_unit;   /* products of a step are taken by ops/matmul.h; else CLBlast may take some */
    size_t split_units; /* compute units among which columns of products are split; 0: they are not */
} settings;

/* Resolves and checks options (NULL: all defaults) for a model. device: its record, for the size of steps. */
HADAL_CHECKED hadal_status settings_resolve(settings *resolved, const model_config *config,
                                            const hadal_session_options *options, const hadal_device_info *device);

/* Device memory of a session: caches of each layer, and buffers that all layers use in turn. T = chunk, d =
 * hidden_size, K = num_experts_per_tok, pad = round_up to ROW_UNIT; float32 where no type is given. */
typedef struct activations {
    buffer *tokens, *positions; /* int32 [T] */
    buffer *sequences;          /* int32 [T]: which sequence a token belongs to; all 0 when there is one */
    buffer *rows;               /* int32 [T]: sequence * context + position, where the caches keep a token */
    buffer *x;                  /* [T, pad(d)] residual stream */
    buffer *h;                  /* [T, pad(d)] normalised input of a block */
    buffer *q_latent;           /* [T, pad(q_lora_rank)] */
    buffer *q;                  /* [T, pad(heads (nope + rope))], and a unit more: see linear_heads */
    buffer *kv;                 /* [T, pad(kv_lora_rank + rope)] */
    buffer *query;              /* [T, heads, pad(kv_lora_rank) + pad(rope)] absorbed and rotated */
    buffer *attended;           /* [T, heads, pad(kv_lora_rank)] */
    buffer *values;             /* [T, pad(heads v)] */
    buffer *index_query;        /* [T, pad(index_n_heads index_head_dim)] */
    buffer *index_key;          /* [T, pad(index_head_dim)] */
    buffer *index_weights;      /* [T, pad(index_n_heads)] */
    buffer *index_quantised;    /* elements of the index cache [T, index_n_heads, pad(index_head_dim)] */
    buffer *index_head_weights; /* [T, pad(index_n_heads)] */
    buffer *scores;             /* [up to score_rows, pad(keys)]; keys up to context */
    buffer *selected;           /* int32 [T, pad(index_topk)] */
    buffer *selected_counts;    /* int32 [T] */
    buffer *selection_scratch;  /* see top_k_scratch_bytes */
    buffer *partials;           /* see attend_scratch_bytes */
    buffer *head_rows, *head_keys, *head_values, *head_totals; /* see attend_heads_memory; none with a matrix unit */
    buffer *router_logits;      /* [T, pad(n_routed_experts)] */
    buffer *route_counter;      /* int32 */
    buffer *expert_ids;         /* int32 [T, K] */
    buffer *expert_weights;     /* [T, K] */
    buffer *expert_offsets;     /* int32 [n_routed_experts + 1] */
    buffer *expert_slots;       /* int32 [T K] */
    buffer *gate, *up;          /* [T, pad(intermediate)] of a dense or shared MLP, or [T K, pad(moe_intermediate)], or
                                   in gate both, see matvec_gated */
    buffer *expert_out;         /* [T K, pad(d)] */
    buffer *shared_out;         /* [T, pad(d)] */
    buffer *packed;             /* 16-bit inputs of a product on the matrix unit, see ops/matmul.h */
    buffer *packed_factors;
    buffer *dequantised, *parts; /* see ops/linear.h */
    buffer *logits;             /* [logit_rows, pad(vocab_size)] */
} activations;

/* What a layer remembers of every position. */
typedef struct layer_cache {
    buffer *latent;       /* BF16 or F32 [sequences * context, pad(kv_lora_rank) + pad(rope)] */
    buffer *index;        /* int8, e4m3 or float32 [sequences * context, pad(index_head_dim)] */
    buffer *index_scales; /* [sequences * context]; NULL for float32 */
} layer_cache;

/* One buffer of a session: where its pointer goes (offset in activations or layer_cache), and its size. */
typedef struct buffer_need {
    memory_class use;
    size_t member;
    uint64_t bytes;
} buffer_need;

enum { ACTIVATION_NEEDS = 41, CACHE_NEEDS = 3 };

/* Fills needs and returns how many there are. */
size_t settings_activation_needs(buffer_need needs[ACTIVATION_NEEDS], const settings *s, const model_config *config);
size_t settings_cache_needs(buffer_need needs[CACHE_NEEDS], const settings *s, const model_config *config);

/* Dimensions and memory of attention by heads: no positions where it is not planned for. */
attend_heads_dims settings_heads_dims(const model_config *config);
attend_heads_memory settings_heads_memory(const settings *s, const model_config *config, const activations *a);

/* Fills a layer's caches with random latents and index keys of usual size. */
HADAL_CHECKED hadal_status settings_fill_cache(const layer_cache *cache, hadal_device *device, const settings *s,
                                               uint32_t seed);

/* Allocates needs into the struct at `base`; on failure frees what was allocated and sets its pointers to NULL. */
HADAL_CHECKED hadal_status settings_allocate(void *base, hadal_device *device, const buffer_need *needs, size_t count);
void settings_release(void *base, const buffer_need *needs, size_t count);

#endif
