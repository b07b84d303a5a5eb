/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/rotations.h"

void rotations_create(rotations_op *op, hadal_device *device, const rope_dims *rope, const latent_dims *latent,
                      const index_dims *index)
{
    *op = (rotations_op){.rope = *rope, .latent = *latent, .index = *index, .device = device};
}

bool rotations_take(const rotations_op *op, const matvec_op *matvec, const matrix *weight)
{
    return matvec_takes_heads(matvec, weight, op->rope.nope + op->rope.rope);
}

static hadal_status get_kernel(kernel **found, const rotations_op *op, const matrix *weight)
{
    byte_array options = {0};
    hadal_status status;
    if (*found)
        return HADAL_OK;
    TRY_OR(done, index_options(&options, &op->index));
    TRY_OR(done, bytes_format(&options, "%s", latent_option(&op->latent)));
    TRY_OR(done, matvec_options(&options, op->device, 1u << weight->type, 1, matvec_lanes(op->device, weight)));
    TRY_OR(done, kernel_get(found, op->device, "rotations", "rotations", options.data));
done:
    bytes_free(&options);
    return status;
}

/* As rotations_sizes of the kernel. */
typedef struct sizes_argument {
    int32_t latent, padded_latent, heads, nope, rope_rows, index_heads, row_groups, block;
    float scale, epsilon;
} sizes_argument;

/* What reads, writes and multiplies there are at least. */
static launch_shape work_of(const rotations_op *op, size_t index_heads, const matrix *weight)
{
    uint64_t heads = op->rope.heads, index_values = (index_heads + 1) * op->index.dim;
    uint64_t latent = op->latent.latent + op->latent.rope;
    return (launch_shape){
        .bytes = (latent + 2 * heads * op->rope.rope + index_values) * sizeof(float) + latent_row_bytes(&op->latent) +
                 index_values * index_element_bytes(op->index.type) +
                 heads * (matrix_bytes(weight, weight->rows) + (weight->rows + weight->columns) * sizeof(float)),
        .operations = 5 * latent + 7 * heads * op->rope.rope + 10 * index_values +
                      2 * heads * weight->rows * weight->columns,
    };
}

hadal_status rotations(rotations_op *op, const rotations_rows *rows, const matrix *weight, double epsilon)
{
    const rotations_rows *r = rows;
    const device_shape *device = device_shape_of(op->device);
    kernel **used = &op->by_type[weight->type];
    TRY(get_kernel(used, op, weight));
    size_t heads = op->rope.heads, index_heads = r->index_query ? op->index.heads : 0;
    size_t rope_rows = device->cpu ? 1 : heads, rows_at_once = device->group / device->lanes;
    size_t row_groups = divide_up(2 + rope_rows + index_heads, rows_at_once);
    const matvec_work work = {
        .weight = weight, .copies = heads, .lanes = matvec_lanes(op->device, weight), .items = device->group};
    matvec_plan plan = matvec_plan_of(op->device, *used, &work);
    const sizes_argument sizes = {
        .latent = (int32_t)op->latent.latent,
        .padded_latent = (int32_t)round_up(op->latent.latent, ROW_UNIT),
        .heads = (int32_t)heads,
        .nope = (int32_t)op->rope.nope,
        .rope_rows = (int32_t)rope_rows,
        .index_heads = (int32_t)index_heads,
        .row_groups = (int32_t)row_groups,
        .block = (int32_t)plan.block,
        .scale = (float)r->scale,
        .epsilon = (float)epsilon,
    };
    launch_shape shape = work_of(op, index_heads, weight);
    shape.groups[0] = row_groups + heads * plan.groups;
    shape.size[0] = plan.items;
    const matvec_argument argument = matvec_argument_of(weight);
    return LAUNCH(*used, shape, arg_buffer(r->latent_cache), arg_buffer(r->kv), arg_buffer(r->kv_weight),
                  arg_buffer(r->index_cache), arg_buffer(r->index_scales), arg_buffer(r->index_key),
                  arg_buffer(r->key_weight), arg_buffer(r->key_bias), arg_buffer(r->query), arg_buffer(r->q),
                  arg_buffer(r->index_quantised), arg_buffer(r->index_head_weights), arg_buffer(r->index_query),
                  arg_buffer(r->index_weights), arg_buffer(r->table), arg_buffer(r->positions), arg_buffer(r->rows),
                  arg_buffer(weight->slabs->values), arg_buffer(matvec_scales(weight->slabs)),
                  arg_struct(&argument, sizeof argument), arg_struct(&sizes, sizeof sizes), arg_local(plan.scratch));
}
