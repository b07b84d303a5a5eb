/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/linear.h"

#include "base/clock.h"
#include "base/memory.h"
#include "device/tuning.h"

/* How many outputs a lane group makes at once, and how many lane groups a work-group has. */
typedef struct linear_tile {
    uint32_t tokens, rows, items;
} linear_tile;

/* Work-items of a work-group of cl/linear_block.cl, of which a multiprocessor takes two; and of others on GPUs at
 * most. */
enum { GPU_ITEMS = 256 };

hadal_status linear_create(linear_op *op, hadal_device *device, hadal_linear choice)
{
    *op = (linear_op){.device = device, .choice = choice};
    matmul_create(&op->matmul, device);
    matvec_create(&op->matvec, device);
    return HADAL_OK;
}

void linear_free(linear_op *op)
{
    matmul_free(&op->matmul);
    if (!op->lent_dequantised)
        buffer_free(op->dequantised);
    if (!op->lent_parts)
        buffer_free(op->parts);
    *op = (linear_op){0};
}

void linear_lend(linear_op *op, buffer *dequantised, buffer *parts)
{
    op->dequantised = dequantised;
    op->lent_dequantised = dequantised != NULL;
    op->parts = parts;
    op->lent_parts = parts != NULL;
}

/* Tokens and rows of a block in cl/linear_block.cl; columns that are worth a group, and what a run of them is a
 * multiple of. */
enum { BLOCK_SIDE = 128, FEWEST_SPLIT_COLUMNS = 256, SPLIT_UNIT = 16 };

/* Tokens of a work-item by transposed matrices: as many sums as hide how long a multiply-add takes. */
enum { TRANSPOSED_TOKENS = 8 };

static size_t count_blocks(size_t tokens, size_t rows)
{
    return divide_up(tokens, BLOCK_SIDE) * divide_up(rows, BLOCK_SIDE);
}

/* Among how many groups the columns of a block are split: where there are fewer blocks than compute units, each of
 * these gets two groups. */
static size_t choose_splits(const linear_op *op, size_t tokens, size_t rows, size_t columns)
{
    size_t blocks = count_blocks(tokens, rows), units = hadal_device_describe(op->device)->compute_units;
    return blocks < units ? max_size(min_size(2 * units / blocks, columns / FEWEST_SPLIT_COLUMNS), 1) : 1;
}

/* There are at most 2 units / blocks splits, of as many blocks. */
size_t linear_parts_bytes(size_t units, size_t tokens)
{
    return 2 * units * min_size(tokens, BLOCK_SIDE) * BLOCK_SIDE * sizeof(float);
}

/* Blocks only where tokens fill one well enough, and where there are `groups`, of blocks or runs of their columns, to
 * give each compute unit one. */
static linear_form choose_form(const linear_op *op, size_t tokens, size_t groups)
{
    if (tokens == 1)
        return LINEAR_ONE;
    return device_shape_of(op->device)->group >= GPU_ITEMS &&
                   tokens >= device_tuned(op->device, TUNED_LINEAR_BLOCK_FROM) &&
                   groups >= hadal_device_describe(op->device)->compute_units
               ? LINEAR_BLOCK
               : LINEAR_SEVERAL;
}

static linear_tile choose_tile(const hadal_device *device, linear_form form)
{
    const device_shape *shape = device_shape_of(device);
    uint32_t most = device_tuned(device, TUNED_LINEAR_ITEMS);
    uint32_t items = shape->cpu ? 1 : shape->group < most ? shape->group : most;
    if (form == LINEAR_BLOCK)
        return (linear_tile){BLOCK_SIDE, BLOCK_SIDE, GPU_ITEMS};
    if (form == LINEAR_TRANSPOSED)
        return (linear_tile){TRANSPOSED_TOKENS, 1, items};
    if (form == LINEAR_SEVERAL)
        return (linear_tile){device_tuned(device, TUNED_LINEAR_TOKENS), device_tuned(device, TUNED_LINEAR_ROWS),
                             items};
    return (linear_tile){1, shape->cpu ? 4 : 1, items};
}

static hadal_status get_kernel(kernel **found, linear_op *op, const char *family, const char *name, dtype type,
                               linear_form form)
{
    if (*found)
        return HADAL_OK;
    linear_tile tile = choose_tile(op->device, form);
    byte_array options = {0};
    TRY(bytes_format(&options, "%s -D TOKENS=%u -D ROWS=%u -D ITEMS=%u", matrix_option(type), tile.tokens, tile.rows,
                     tile.items));
    hadal_status status = form == LINEAR_BLOCK ? device_limit_registers(&options, op->device, 2 * GPU_ITEMS) : HADAL_OK;
    if (status == HADAL_OK)
        status = kernel_get(found, op->device, family, name, options.data);
    bytes_free(&options);
    return status;
}

/* The launch that covers `rows` outputs of `tokens` tokens `copies` times (heads, experts). */
static launch_shape cover(const linear_op *op, linear_form form, size_t rows, size_t tokens, size_t copies)
{
    const device_shape *shape = device_shape_of(op->device);
    linear_tile tile = choose_tile(op->device, form);
    size_t rows_a_group = form == LINEAR_BLOCK ? tile.rows : (size_t)tile.rows * (tile.items / shape->lanes);
    return (launch_shape){
        .groups = {divide_up(rows, rows_a_group), divide_up(tokens, tile.tokens), copies},
        .size = {tile.items},
    };
}

/* A buffer of at least that many bytes. */
static hadal_status prepare(buffer **held, const linear_op *op, size_t bytes)
{
    if (*held && buffer_bytes(*held) >= bytes)
        return HADAL_OK;
    buffer_free(*held);
    *held = NULL;
    return buffer_create(held, op->device, MEMORY_ACTIVATIONS, bytes);
}

/* A product of all columns, or of each of several runs of them into its own part. */
static hadal_status run_blocks(linear_op *op, buffer *out, const buffer *in, size_t in_row, const matrix *weight,
                               size_t tokens, size_t splits, bool accumulate)
{
    kernel **plain = &op->plain[weight->type][LINEAR_BLOCK], **sum = &op->sum[weight->type];
    TRY(get_kernel(plain, op, "linear_block", "linear", weight->type, LINEAR_BLOCK));
    TRY(get_kernel(sum, op, "linear_block", "linear_sum", weight->type, LINEAR_BLOCK));
    size_t out_stride = round_up(weight->rows, ROW_UNIT), part = tokens * out_stride;
    size_t run = round_up(divide_up(weight->stride, splits), SPLIT_UNIT);
    splits = divide_up(weight->stride, run);
    if (splits > 1)
        TRY(prepare(&op->parts, op, splits * part * sizeof(float)));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        launch_shape shape = cover(op, LINEAR_BLOCK, slab->count, tokens, splits);
        shape.bytes = matrix_bytes(weight, slab->count) + tokens * (weight->columns + slab->count) * sizeof(float);
        shape.operations = (uint64_t)2 * tokens * slab->count * weight->columns;
        TRY(LAUNCH(*plain, shape, arg_buffer(splits > 1 ? op->parts : out), arg_buffer(in), arg_buffer(slab->values),
                   arg_buffer(slab->scales ? slab->scales : slab->values), arg_int((int64_t)tokens),
                   arg_int((int64_t)in_row), arg_int((int64_t)weight->stride), arg_int((int64_t)out_stride),
                   arg_int((int64_t)slab->first), arg_int((int64_t)slab->count), arg_int((int64_t)weight->stride),
                   arg_int(weight->block_rows), arg_int(weight->block_columns),
                   arg_int((int64_t)weight->scale_columns), arg_int(accumulate && splits == 1),
                   arg_int((int64_t)run), arg_int((int64_t)part)));
    }
    if (splits == 1)
        return HADAL_OK;
    launch_shape shape = {
        .groups = {divide_up(weight->rows, GPU_ITEMS), tokens},
        .size = {GPU_ITEMS},
        .bytes = (splits + 1) * tokens * weight->rows * sizeof(float),
        .operations = splits * tokens * weight->rows,
    };
    return LAUNCH(*sum, shape, arg_buffer(out), arg_buffer(op->parts), arg_int((int64_t)splits),
                  arg_int((int64_t)part), arg_int((int64_t)out_stride), arg_int((int64_t)weight->rows),
                  arg_int(accumulate));
}

static hadal_status run_own(linear_op *op, buffer *out, const buffer *in, size_t in_row, const matrix *weight,
                            size_t tokens, bool accumulate)
{
    if (tokens == 1 && matvec_takes(&op->matvec, weight)) {
        const matvec_input input = {.in = in, .row = in_row};
        return matvec_run(&op->matvec, &input, &(matvec_output){out, weight}, 1, accumulate);
    }
    size_t splits = choose_splits(op, tokens, weight->rows, weight->columns);
    linear_form form = choose_form(op, tokens, count_blocks(tokens, weight->rows) * splits);
    if (form == LINEAR_BLOCK)
        return run_blocks(op, out, in, in_row, weight, tokens, splits, accumulate);
    kernel **plain = &op->plain[weight->type][form];
    TRY(get_kernel(plain, op, "linear", "linear", weight->type, form));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        launch_shape shape = cover(op, form, slab->count, tokens, 1);
        shape.bytes = matrix_bytes(weight, slab->count) + tokens * (weight->columns + slab->count) * sizeof(float);
        shape.operations = (uint64_t)2 * tokens * slab->count * weight->columns;
        TRY(LAUNCH(*plain, shape, arg_buffer(out), arg_buffer(in), arg_buffer(slab->values),
                   arg_buffer(slab->scales ? slab->scales : slab->values), arg_int((int64_t)tokens),
                   arg_int((int64_t)in_row), arg_int((int64_t)weight->stride),
                   arg_int((int64_t)round_up(weight->rows, ROW_UNIT)), arg_int((int64_t)slab->first),
                   arg_int((int64_t)slab->count), arg_int((int64_t)weight->stride), arg_int(weight->block_rows),
                   arg_int(weight->block_columns), arg_int((int64_t)weight->scale_columns), arg_int(accumulate)));
    }
    return HADAL_OK;
}

/* Rows that pass through the dequantised buffer at once: 64 MiB of float32, at least one row. */
static size_t rows_at_once(size_t rows, size_t stride)
{
    size_t most = ((size_t)64 << 20) / (stride * sizeof(float));
    return min_size(max_size(most, 1), rows);
}

size_t linear_dequantised_bytes(size_t rows, size_t columns)
{
    size_t stride = round_up(columns, ROW_UNIT);
    return rows_at_once(rows, stride) * stride * sizeof(float);
}

static hadal_status run_clblast(linear_op *op, buffer *out, const buffer *in, const matrix *weight, size_t tokens,
                                bool accumulate)
{
    kernel **dequantise = &op->dequantise[weight->type];
    TRY(prepare(&op->dequantised, op, linear_dequantised_bytes(weight->rows, weight->columns)));
    TRY(get_kernel(dequantise, op, "dequantise", "dequantise", weight->type, LINEAR_SEVERAL));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        size_t most = rows_at_once(weight->rows, weight->stride);
        for (size_t first = 0; first < slab->count; first += most) {
            size_t rows = min_size(most, slab->count - first);
            launch_shape shape = {
                .groups = {weight->stride / device_shape_of(op->device)->vector, rows},
                .bytes = matrix_bytes(weight, rows) + rows * weight->stride * sizeof(float),
            };
            TRY(LAUNCH(*dequantise, shape, arg_buffer(op->dequantised), arg_buffer(slab->values),
                       arg_buffer(slab->scales ? slab->scales : slab->values), arg_int((int64_t)first),
                       arg_int((int64_t)weight->stride), arg_int(weight->block_rows), arg_int(weight->block_columns),
                       arg_int((int64_t)weight->scale_columns)));
            TRY(device_clblast_linear(op->device, out, slab->first + first, round_up(weight->rows, ROW_UNIT), in,
                                      weight->stride, op->dequantised, weight->stride, tokens, rows, weight->stride,
                                      accumulate));
        }
    }
    return HADAL_OK;
}

/* Narrow matrices that their makers kept from float8 (the router, the indexer's weights) decide which experts and
 * positions are chosen, and cost little: they stay float32. */
enum { FEWEST_MATMUL_ROWS = 512 };

static bool takes_matrix_unit(const linear_op *op, const matrix *weight, size_t tokens)
{
    return op->choice != HADAL_LINEAR_CLBLAST &&
           (weight->rows >= FEWEST_MATMUL_ROWS || weight->type == DTYPE_F8_E4M3) &&
           matmul_takes(&op->matmul, weight, tokens);
}

/* Seconds of one product, the second of two: the first may compile. */
static hadal_status measure(double *seconds, linear_op *op, hadal_linear choice, buffer *out, const buffer *in,
                            const matrix *weight, size_t tokens)
{
    for (int run = 0; run < 2; run++) {
        TRY(device_finish(op->device));
        double start = clock_seconds();
        TRY(choice == HADAL_LINEAR_CLBLAST ? run_clblast(op, out, in, weight, tokens, false)
                                           : run_own(op, out, in, 0, weight, tokens, false));
        TRY(device_finish(op->device));
        *seconds = clock_seconds() - start;
    }
    return HADAL_OK;
}

hadal_status linear_choose(linear_op *op, buffer *out, const buffer *in, const matrix *weight, size_t tokens,
                           size_t ahead, uint64_t parameters)
{
    enum { LARGE_STEP = 64 };
    double own, clblast;
    if (op->choice != HADAL_LINEAR_AUTO || tokens < LARGE_STEP || ahead < 2 * tokens)
        return HADAL_OK;
    if (takes_matrix_unit(op, weight, tokens)) /* no float32 product comes near it */
        return HADAL_OK;
    TRY(measure(&own, op, HADAL_LINEAR_OWN, out, in, weight, tokens));
    double products = (double)parameters / (double)(weight->rows * weight->columns) * (double)ahead / (double)tokens;
    if (own * products < (double)LINEAR_WORTHWHILE_SECONDS)
        return HADAL_OK;
    TRY(measure(&clblast, op, HADAL_LINEAR_CLBLAST, out, in, weight, tokens));
    op->choice = clblast < own ? HADAL_LINEAR_CLBLAST : HADAL_LINEAR_OWN;
    return HADAL_OK;
}

/* Packs `rows` rows of in unless that is done. */
static hadal_status pack(linear_op *op, const buffer *in, const matrix *weight, size_t rows)
{
    if (op->packed_input == in && op->packed_type == weight->type)
        return HADAL_OK;
    op->packed_input = in;
    op->packed_type = weight->type;
    return matmul_pack(&op->matmul, in, weight, rows);
}

hadal_status linear_run_again(linear_op *op, buffer *out, const buffer *in, const matrix *weight, size_t tokens,
                              bool accumulate)
{
    if (takes_matrix_unit(op, weight, tokens)) {
        TRY(pack(op, in, weight, tokens));
        return matmul_run(&op->matmul, out, weight, tokens, accumulate);
    }
    return op->choice == HADAL_LINEAR_CLBLAST && tokens > 1 ? run_clblast(op, out, in, weight, tokens, accumulate)
                                                            : run_own(op, out, in, 0, weight, tokens, accumulate);
}

hadal_status linear_run(linear_op *op, buffer *out, const buffer *in, const matrix *weight, size_t tokens,
                        bool accumulate)
{
    op->packed_input = NULL;
    return linear_run_again(op, out, in, weight, tokens, accumulate);
}

hadal_status linear_run_from(linear_op *op, buffer *out, const buffer *in, size_t in_row, const matrix *weight,
                             size_t tokens)
{
    return run_own(op, out, in, in_row, weight, tokens, false);
}

/* Groups of `rows` outputs of each head, or of all their columns by transposed matrices. */
static launch_shape cover_heads(const linear_op *op, linear_form form, const matrix *weight, size_t tokens,
                                size_t heads)
{
    if (form != LINEAR_TRANSPOSED)
        return cover(op, form, weight->rows, tokens, heads);
    linear_tile tile = choose_tile(op->device, form);
    size_t items = weight->stride / device_shape_of(op->device)->vector * divide_up(tokens, tile.tokens);
    return (launch_shape){.groups = {divide_up(items, tile.items), 1, heads}, .size = {tile.items}};
}

static hadal_status run_heads(linear_op *op, linear_form form, buffer *out, head_layout out_rows, const buffer *in,
                              head_layout in_rows, const matrix *weight, size_t tokens, double factor)
{
    kernel **used = &op->heads[weight->type][form];
    const char *name = form == LINEAR_TRANSPOSED ? "linear_heads_transposed" : "linear_heads";
    TRY(get_kernel(used, op, name, name, weight->type, form));
    for (size_t i = 0; i < weight->slab_count; i++) {
        const matrix_slab *slab = &weight->slabs[i];
        launch_shape shape = cover_heads(op, form, weight, tokens, slab->count);
        shape.bytes = slab->count * (matrix_bytes(weight, weight->rows) +
                                     tokens * (weight->columns + weight->rows) * sizeof(float));
        shape.operations = (uint64_t)2 * tokens * slab->count * weight->rows * weight->columns;
        TRY(LAUNCH(*used, shape, arg_buffer(out), arg_int((int64_t)out_rows.token_stride),
                   arg_int((int64_t)out_rows.head_stride), arg_buffer(in), arg_int((int64_t)in_rows.token_stride),
                   arg_int((int64_t)in_rows.head_stride), arg_buffer(slab->values),
                   arg_buffer(slab->scales ? slab->scales : slab->values), arg_int((int64_t)tokens),
                   arg_int((int64_t)slab->first), arg_int((int64_t)weight->rows), arg_int((int64_t)weight->stride),
                   arg_int(weight->block_rows), arg_int(weight->block_columns), arg_int((int64_t)weight->scale_columns),
                   arg_int((int64_t)weight->scale_rows), arg_float(factor)));
    }
    return HADAL_OK;
}

hadal_status linear_heads(linear_op *op, buffer *out, head_layout out_rows, const buffer *in, head_layout in_rows,
                          const matrix *weight, size_t tokens, double factor)
{
    if (tokens == 1 && matvec_takes_heads(&op->matvec, weight, in_rows.head_stride))
        return matvec_heads(&op->matvec, out, out_rows.head_stride, in, in_rows.head_stride, weight, factor);
    if (op->choice != HADAL_LINEAR_CLBLAST && matmul_takes(&op->matmul, weight, tokens)) {
        op->packed_input = NULL;
        TRY(matmul_pack_heads(&op->matmul, in, in_rows, weight, tokens));
        return matmul_heads(&op->matmul, out, out_rows, weight, tokens, factor);
    }
    return run_heads(op, tokens > 1 ? LINEAR_SEVERAL : LINEAR_ONE, out, out_rows, in, in_rows, weight, tokens, factor);
}

hadal_status linear_heads_transposed(linear_op *op, buffer *out, head_layout out_rows, const buffer *in,
                                     head_layout in_rows, const matrix *weight, size_t tokens, double factor)
{
    return run_heads(op, LINEAR_TRANSPOSED, out, out_rows, in, in_rows, weight, tokens, factor);
}

/* Up to this many tokens every slot reads its expert's weights by itself: experts hardly meet twice. */
enum { MOST_TOKENS_BY_SLOT = 1 };

bool linear_wants_lists(const linear_slots *slots)
{
    return slots->tokens > MOST_TOKENS_BY_SLOT;
}

static hadal_status experts_by_slot(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                    const matrix_slab *slab, const linear_slots *slots, size_t slots_per_input)
{
    kernel **used = &op->slots[weight->type];
    size_t count = slots->tokens * slots->choices;
    TRY(get_kernel(used, op, "linear_experts", "linear_slots", weight->type, LINEAR_ONE));
    launch_shape shape = cover(op, LINEAR_ONE, weight->rows, count, 1);
    shape.bytes = count * (matrix_bytes(weight, weight->rows) + (weight->columns + weight->rows) * sizeof(float)) /
                  weight->slab_count;
    shape.operations = (uint64_t)2 * count * weight->rows * weight->columns / weight->slab_count;
    return LAUNCH(*used, shape, arg_buffer(out), arg_buffer(in), arg_buffer(slab->values),
                  arg_buffer(slab->scales ? slab->scales : slab->values), arg_buffer(slots->ids),
                  arg_int((int64_t)slab->first), arg_int((int64_t)slab->count), arg_int((int64_t)slots_per_input),
                  arg_int((int64_t)weight->stride), arg_int((int64_t)round_up(weight->rows, ROW_UNIT)),
                  arg_int((int64_t)weight->rows), arg_int((int64_t)weight->stride), arg_int(weight->block_rows),
                  arg_int(weight->block_columns), arg_int((int64_t)weight->scale_columns),
                  arg_int((int64_t)weight->scale_rows));
}

static hadal_status experts_by_list(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                    const matrix_slab *slab, const linear_slots *slots, size_t slots_per_input)
{
    size_t count = slots->tokens * slots->choices, mean = divide_up(count, weight->experts);
    linear_form form = choose_form(op, max_size(mean, 2), count_blocks(mean, weight->rows) * weight->experts);
    kernel **used = &op->experts[weight->type][form];
    const char *family = form == LINEAR_BLOCK ? "linear_block" : "linear_experts";
    TRY(get_kernel(used, op, family, "linear_experts", weight->type, form));
    /* Groups for the mean list; longer ones are taken in turns. */
    launch_shape shape = cover(op, form, weight->rows, mean, slab->count);
    shape.bytes = min_size(slab->count, count) * matrix_bytes(weight, weight->rows) +
                  count * (weight->columns + weight->rows) * sizeof(float);
    shape.operations = (uint64_t)2 * count * weight->rows * weight->columns / weight->slab_count;
    return LAUNCH(*used, shape, arg_buffer(out), arg_buffer(in), arg_buffer(slab->values),
                  arg_buffer(slab->scales ? slab->scales : slab->values), arg_buffer(slots->offsets),
                  arg_buffer(slots->slots), arg_int((int64_t)slab->first), arg_int((int64_t)slots_per_input),
                  arg_int((int64_t)weight->stride), arg_int((int64_t)round_up(weight->rows, ROW_UNIT)),
                  arg_int((int64_t)weight->rows), arg_int((int64_t)weight->stride), arg_int(weight->block_rows),
                  arg_int(weight->block_columns), arg_int((int64_t)weight->scale_columns),
                  arg_int((int64_t)weight->scale_rows));
}

hadal_status linear_experts_again(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                                  const linear_slots *slots, size_t slots_per_input)
{
    size_t count = slots->tokens * slots->choices;
    if (slots->tokens >= device_tuned(op->device, TUNED_LINEAR_EXPERTS_FROM) &&
        takes_matrix_unit(op, weight, slots->tokens)) {
        TRY(pack(op, in, weight, count / slots_per_input));
        return matmul_experts(&op->matmul, out, weight, slots->offsets, slots->slots, count, slots_per_input);
    }
    for (size_t i = 0; i < weight->slab_count; i++)
        TRY((linear_wants_lists(slots) ? experts_by_list : experts_by_slot)(op, out, in, weight, &weight->slabs[i],
                                                                            slots, slots_per_input));
    return HADAL_OK;
}

hadal_status linear_experts(linear_op *op, buffer *out, const buffer *in, const matrix *weight,
                            const linear_slots *slots, size_t slots_per_input)
{
    op->packed_input = NULL;
    return linear_experts_again(op, out, in, weight, slots, slots_per_input);
}
