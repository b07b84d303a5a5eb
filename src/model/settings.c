/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "model/settings.h"

#include <string.h>

#include "base/memory.h"
#include "ops/attend.h"
#include "ops/fill.h"
#include "ops/index_rotate.h"
#include "ops/latent.h"
#include "ops/linear.h"
#include "ops/top_k.h"

/* Tokens of a prefill step where none are asked for; larger steps read weights less often but need more memory: of a
 * device's, they get one part in STEP_SHARE. With a matrix unit a step of 512 tokens of the released model would wait
 * for the experts' weights. */
enum { CPU_CHUNK = 256, GPU_CHUNK = 512, MATRIX_CHUNK = 2048, STEP_SHARE = 16 };

/* Bytes of index scores, and of logits, that exist at once. */
enum { SCORE_BYTES = 64 << 20, LOGIT_BYTES = 32 << 20 };

static size_t pad(size_t elements)
{
    return round_up(elements, ROW_UNIT);
}

/* Rows of `columns` floats that fit into `bytes`, from 1 to most. */
static size_t rows_within(size_t bytes, size_t columns, size_t most)
{
    return max_size(min_size(bytes / (pad(columns) * sizeof(float)), most), 1);
}

static hadal_status resolve_sizes(settings *s, const model_config *config, const hadal_session_options *options)
{
    s->context = options->context ? options->context : config->max_position_embeddings;
    if (s->context > config->max_position_embeddings)
        return failure(HADAL_ERROR_ARGUMENT, "a context of %zu tokens was asked for, but the model reaches %u "
                       "(max_position_embeddings); use a shorter one", s->context, config->max_position_embeddings);
    if (s->sequences > INT32_MAX / s->context)
        return failure(HADAL_ERROR_ARGUMENT, "%zu timelines of %zu tokens were asked for; expected at most %d tokens "
                       "together", s->sequences, s->context, INT32_MAX);
    s->index_topk = min_size(options->index_topk ? options->index_topk : config->index_topk, s->context);
    return HADAL_OK;
}

/* Whether no buffer of a step is larger than the device allows in one, nor all together more than their share. */
static bool step_fits(const settings *s, const model_config *config, const hadal_device_info *device)
{
    buffer_need needs[ACTIVATION_NEEDS];
    size_t count = settings_activation_needs(needs, s, config);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (needs[i].bytes > device->largest_allocation_bytes)
            return false;
        sum += needs[i].bytes;
    }
    return sum <= device->memory_bytes / STEP_SHARE;
}

static void set_chunk(settings *s, const model_config *config, size_t chunk)
{
    s->chunk = min_size(chunk, s->sequences * s->context);
    s->score_rows = rows_within(SCORE_BYTES, s->context, s->chunk);
    s->logit_rows = rows_within(LOGIT_BYTES, config->vocab_size, s->chunk);
}

/* Products on CPUs, where no work-items share a row, do not split columns. */
static size_t count_split_units(const hadal_device_info *device)
{
    return device && device->lane_path && strcmp(device->lane_path, "single") != 0 ? device->compute_units : 0;
}

hadal_status settings_resolve(settings *s, const model_config *config, const hadal_session_options *options,
                              const hadal_device_info *device)
{
    static const hadal_session_options defaults = {0};
    if (!options)
        options = &defaults;
    *s = (settings){
        .attention = options->attention,
        .sequences = max_size(options->sequences, 1),
        .kv_cache = options->kv_cache,
        .index_cache = options->index_cache,
        .matrix_unit = device && device->precision == HADAL_PRECISION_FAST,
        .split_units = count_split_units(device),
    };
    TRY(resolve_sizes(s, config, options));
    if (options->chunk) {
        set_chunk(s, config, options->chunk);
        return HADAL_OK;
    }
    bool cpu = device && device->kind == HADAL_DEVICE_CPU;
    set_chunk(s, config, cpu ? CPU_CHUNK : s->matrix_unit ? MATRIX_CHUNK : GPU_CHUNK);
    while (device && s->chunk > 1 && !step_fits(s, config, device))
        set_chunk(s, config, s->chunk / 2);
    return HADAL_OK;
}

/* A list of needs that grows. */
typedef struct need_list {
    buffer_need *needs;
    size_t count;
} need_list;

static void add(need_list *list, memory_class use, size_t member, uint64_t count, size_t element_bytes)
{
    list->needs[list->count++] = (buffer_need){use, member, count * element_bytes};
}

/* Adds member [rows, pad(columns)] of float32. */
#define ADD_ROWS(list, use, member, rows, columns) \
    add((list), (use), offsetof(activations, member), (uint64_t)(rows) * pad(columns), sizeof(float))

static void add_attention(need_list *list, const settings *s, const model_config *c)
{
    size_t t = s->chunk, heads = c->num_attention_heads, latent = pad(c->kv_lora_rank);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, q_latent, t, c->q_lora_rank);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, q, 1, t * pad(heads * (c->qk_nope_head_dim + c->qk_rope_head_dim)) + ROW_UNIT);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, kv, t, c->kv_lora_rank + c->qk_rope_head_dim);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, query, t * heads, latent + pad(c->qk_rope_head_dim));
    ADD_ROWS(list, MEMORY_ACTIVATIONS, attended, t * heads, latent);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, values, t, heads * c->v_head_dim);
    const attend_dims dims = {.heads = c->num_attention_heads, .latent = c->kv_lora_rank, .rope = c->qk_rope_head_dim,
                              .cache = s->kv_cache};
    add(list, MEMORY_ATTENTION_PARTIALS, offsetof(activations, partials),
        attend_scratch_bytes(&dims, t, s->context), 1);
}

attend_heads_dims settings_heads_dims(const model_config *c)
{
    return (attend_heads_dims){c->num_attention_heads, c->qk_nope_head_dim, c->qk_rope_head_dim, c->v_head_dim,
                               c->kv_lora_rank};
}

/* Positions of which there are keys and values of every head at once, for steps that attend to all positions: up to
 * index_topk of them, or as many as there are. Matrix units attend in latent space. */
static size_t head_positions(const settings *s, const model_config *c)
{
    const attend_heads_dims dims = settings_heads_dims(c);
    if (s->matrix_unit || s->chunk == 1 || s->attention == HADAL_ATTENTION_SPARSE)
        return 0;
    return attend_heads_positions(&dims, s->attention == HADAL_ATTENTION_AUTO ? s->index_topk : s->context);
}

static void add_heads(need_list *list, const settings *s, const model_config *c)
{
    size_t positions = head_positions(s, c), heads = c->num_attention_heads;
    if (positions == 0)
        return;
    ADD_ROWS(list, MEMORY_ATTENTION_PARTIALS, head_rows, positions, pad(c->kv_lora_rank) + pad(c->qk_rope_head_dim));
    ADD_ROWS(list, MEMORY_ATTENTION_PARTIALS, head_keys, positions * heads, c->qk_nope_head_dim);
    ADD_ROWS(list, MEMORY_ATTENTION_PARTIALS, head_values, positions * heads, c->v_head_dim);
    ADD_ROWS(list, MEMORY_ATTENTION_PARTIALS, head_totals, 1, s->chunk * heads * 2);
}

attend_heads_memory settings_heads_memory(const settings *s, const model_config *config, const activations *a)
{
    return (attend_heads_memory){head_positions(s, config), a->head_rows, a->head_keys, a->head_values, a->head_totals};
}

static void add_indexer(need_list *list, const settings *s, const model_config *c)
{
    size_t t = s->chunk, heads = c->index_n_heads, dim = pad(c->index_head_dim);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, index_query, t, heads * c->index_head_dim);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, index_key, t, c->index_head_dim);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, index_weights, t, heads);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, index_head_weights, t, heads);
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, index_quantised), (uint64_t)t * heads * dim,
        index_element_bytes(s->index_cache));
    ADD_ROWS(list, MEMORY_INDEX_SCORES, scores, s->score_rows, s->context);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, selected, t, s->index_topk);
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, selected_counts), t, sizeof(int32_t));
    add(list, MEMORY_INDEX_SCORES, offsetof(activations, selection_scratch),
        top_k_scratch_bytes(s->score_rows, pad(s->context)), 1);
}

static void add_experts(need_list *list, const settings *s, const model_config *c)
{
    size_t t = s->chunk, slots = t * c->num_experts_per_tok;
    size_t dense = t * pad(c->intermediate_size);
    size_t shared = t * pad((size_t)c->n_shared_experts * c->moe_intermediate_size);
    size_t widest = max_size(dense, shared + slots * pad(c->moe_intermediate_size));
    ADD_ROWS(list, MEMORY_ACTIVATIONS, gate, 1, widest);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, up, 1, widest);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, router_logits, t, c->n_routed_experts);
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, route_counter), 1, sizeof(int32_t));
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, expert_ids), slots, sizeof(int32_t));
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, expert_weights), slots, sizeof(float));
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, expert_offsets), c->n_routed_experts + 1, sizeof(int32_t));
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, expert_slots), slots, sizeof(int32_t));
    ADD_ROWS(list, MEMORY_ACTIVATIONS, expert_out, slots, c->hidden_size);
    ADD_ROWS(list, MEMORY_ACTIVATIONS, shared_out, t, c->hidden_size);
}

/* The largest inputs of products on the matrix unit: rows of a token, of its heads, of its chosen experts. */
static void add_packed(need_list *list, const settings *s, const model_config *c)
{
    size_t t = s->chunk, choices = max_size(c->num_experts_per_tok, 1);
    const struct {
        size_t rows, columns;
    } inputs[] = {
        {t, c->hidden_size},
        {t, c->q_lora_rank},
        {t, (size_t)c->num_attention_heads * c->v_head_dim},
        {t, c->intermediate_size},
        {t, (size_t)c->n_shared_experts * c->moe_intermediate_size},
        {t * choices, c->moe_intermediate_size},
        {t * c->num_attention_heads, max_size(c->kv_lora_rank, c->qk_nope_head_dim)},
    };
    size_t bytes = 0, rows = 0;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        bytes = max_size(bytes, matmul_packed_bytes(inputs[i].rows, inputs[i].columns));
        rows = max_size(rows, inputs[i].rows);
    }
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, packed), bytes, 1);
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, packed_factors), matmul_factor_bytes(rows), 1);
}

/* The largest weight that CLBlast may multiply with in a step. */
static void add_dequantised(need_list *list, const model_config *c)
{
    size_t heads = c->num_attention_heads, shared = (size_t)c->n_shared_experts * c->moe_intermediate_size, bytes = 0;
    const size_t weights[][2] = {
        {c->q_lora_rank, c->hidden_size},
        {heads * (c->qk_nope_head_dim + c->qk_rope_head_dim), c->q_lora_rank},
        {c->kv_lora_rank + c->qk_rope_head_dim, c->hidden_size},
        {c->hidden_size, heads * c->v_head_dim},
        {(size_t)c->index_n_heads * c->index_head_dim, c->q_lora_rank},
        {max_size(c->index_head_dim, c->index_n_heads), c->hidden_size},
        {max_size(max_size(c->intermediate_size, shared), c->n_routed_experts), c->hidden_size},
        {c->hidden_size, max_size(c->intermediate_size, shared)},
    };
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        bytes = max_size(bytes, linear_dequantised_bytes(weights[i][0], weights[i][1]));
    add(list, MEMORY_ACTIVATIONS, offsetof(activations, dequantised), bytes, 1);
}

size_t settings_activation_needs(buffer_need needs[ACTIVATION_NEEDS], const settings *s, const model_config *config)
{
    need_list list = {.needs = needs};
    add(&list, MEMORY_ACTIVATIONS, offsetof(activations, tokens), s->chunk, sizeof(int32_t));
    add(&list, MEMORY_ACTIVATIONS, offsetof(activations, positions), s->chunk, sizeof(int32_t));
    add(&list, MEMORY_ACTIVATIONS, offsetof(activations, sequences), s->chunk, sizeof(int32_t));
    add(&list, MEMORY_ACTIVATIONS, offsetof(activations, rows), s->chunk, sizeof(int32_t));
    ADD_ROWS(&list, MEMORY_ACTIVATIONS, x, s->chunk, config->hidden_size);
    ADD_ROWS(&list, MEMORY_ACTIVATIONS, h, s->chunk, config->hidden_size);
    add_attention(&list, s, config);
    add_heads(&list, s, config);
    add_indexer(&list, s, config);
    add_experts(&list, s, config);
    if (s->matrix_unit)
        add_packed(&list, s, config);
    else if (s->chunk > 1)
        add_dequantised(&list, config);
    if (s->split_units && s->chunk > 1)
        add(&list, MEMORY_ACTIVATIONS, offsetof(activations, parts), linear_parts_bytes(s->split_units, s->chunk), 1);
    ADD_ROWS(&list, MEMORY_ACTIVATIONS, logits, s->logit_rows, config->vocab_size);
    return list.count;
}

size_t settings_cache_needs(buffer_need needs[CACHE_NEEDS], const settings *s, const model_config *config)
{
    need_list list = {.needs = needs};
    size_t rows = s->sequences * s->context;
    const latent_dims dims = {.latent = config->kv_lora_rank, .rope = config->qk_rope_head_dim, .cache = s->kv_cache};
    add(&list, MEMORY_LATENT_CACHE, offsetof(layer_cache, latent), rows, latent_row_bytes(&dims));
    add(&list, MEMORY_INDEX_CACHE, offsetof(layer_cache, index), rows,
        pad(config->index_head_dim) * index_element_bytes(s->index_cache));
    if (s->index_cache != HADAL_INDEX_F32)
        add(&list, MEMORY_INDEX_CACHE, offsetof(layer_cache, index_scales), rows, sizeof(float));
    return list.count;
}

static buffer **member_of(void *base, const buffer_need *need)
{
    return (buffer **)(void *)((char *)base + need->member);
}

hadal_status settings_allocate(void *base, hadal_device *device, const buffer_need *needs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        hadal_status status = buffer_create(member_of(base, &needs[i]), device, needs[i].use, (size_t)needs[i].bytes);
        if (status != HADAL_OK) {
            settings_release(base, needs, i);
            return status;
        }
    }
    return HADAL_OK;
}

void settings_release(void *base, const buffer_need *needs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buffer_free(*member_of(base, &needs[i]));
        *member_of(base, &needs[i]) = NULL;
    }
}

hadal_status settings_fill_cache(const layer_cache *cache, hadal_device *device, const settings *s, uint32_t seed)
{
    static const fill_type index_types[] = {
        [HADAL_INDEX_INT8] = FILL_INT8, [HADAL_INDEX_FP8] = FILL_F8, [HADAL_INDEX_F32] = FILL_F32};
    static const double most[] = {[HADAL_INDEX_INT8] = 127, [HADAL_INDEX_FP8] = 448, [HADAL_INDEX_F32] = 4};
    TRY(fill_buffer(device, cache->latent, s->kv_cache == HADAL_KV_BF16 ? FILL_BF16 : FILL_F32, 4, seed));
    TRY(fill_buffer(device, cache->index, index_types[s->index_cache], most[s->index_cache], seed + 1));
    if (!cache->index_scales)
        return HADAL_OK;
    return fill_constant(device, cache->index_scales, 4 / most[s->index_cache]);
}
