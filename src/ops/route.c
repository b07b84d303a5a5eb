/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/route.h"

#include "base/memory.h"

static hadal_status add_options(byte_array *options, const route_dims *dims)
{
    return bytes_format(options, " -D EXPERTS=%u -D EXPERT_GROUPS=%u -D TOP_GROUPS=%u -D TOP_K=%u%s", dims->experts,
                        dims->groups, dims->top_groups, dims->top_k, dims->normalise ? " -D NORMALISE" : "");
}

hadal_status route_create(route_op *op, hadal_device *device, const route_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    *op = (route_op){.dims = *dims, .device = device, .group = device_shape_of(device)->group};
    if (dims->experts > ROUTE_MOST_EXPERTS)
        return failure(HADAL_ERROR_ARGUMENT, "the model has %u experts a layer; at most %d are supported",
                       dims->experts, ROUTE_MOST_EXPERTS);
    TRY_OR(done, add_options(&options, dims));
    TRY_OR(done, kernel_get(&op->choose, device, "route", "route_choose", options.data));
done:
    bytes_free(&options);
    return status;
}

static hadal_status get_router(kernel **found, const route_op *op, dtype type)
{
    byte_array options = {0};
    hadal_status status;
    if (*found)
        return HADAL_OK;
    TRY_OR(done, add_options(&options, &op->dims));
    TRY_OR(done, matvec_options(&options, op->device, 1u << type, 1, device_shape_of(op->device)->lanes));
    TRY_OR(done, kernel_get(found, op->device, "router", "router", options.data));
done:
    bytes_free(&options);
    return status;
}

bool route_takes_one(const matvec_op *matvec, const matrix *weight)
{
    return weight->slab_count == 1 && matvec_takes(matvec, weight);
}

hadal_status route_one(route_op *op, buffer *ids, buffer *weights, buffer *logits, buffer *counter, const buffer *bias,
                       const matvec_input *in, const matrix *weight)
{
    kernel **router = &op->router[weight->type];
    TRY(get_router(router, op, weight->type));
    const matvec_work work = {.weight = weight, .copies = 1, .lanes = device_shape_of(op->device)->lanes};
    matvec_plan plan = matvec_plan_of(op->device, *router, &work);
    launch_shape shape = {
        .groups = {plan.groups},
        .size = {plan.items},
        .bytes = matrix_bytes(weight, weight->rows) + (weight->columns + weight->rows) * sizeof(float),
        .operations = 2 * (uint64_t)weight->rows * weight->columns,
    };
    const matvec_argument argument = matvec_argument_of(weight);
    return LAUNCH(*router, shape, arg_buffer(ids), arg_buffer(weights), arg_buffer(logits), arg_buffer(counter),
                  arg_buffer(bias), arg_float(op->dims.scaling), arg_buffer(in->in), arg_buffer(in->norm_weight),
                  arg_int((int64_t)weight->columns), arg_float(in->epsilon), arg_int((int64_t)plan.block),
                  arg_local(plan.scratch), arg_buffer(weight->slabs->values),
                  arg_buffer(matvec_scales(weight->slabs)), arg_struct(&argument, sizeof argument));
}

hadal_status route_choose(const route_op *op, buffer *ids, buffer *weights, const buffer *logits, const buffer *bias,
                          size_t tokens)
{
    const route_dims *dims = &op->dims;
    launch_shape shape = {
        .groups = {tokens},
        .size = {op->group},
        .bytes = (uint64_t)tokens * (dims->experts * sizeof(float) + dims->top_k * (sizeof(int32_t) + sizeof(float))),
        .operations = (uint64_t)tokens * dims->experts * dims->experts,
    };
    return LAUNCH(op->choose, shape, arg_buffer(ids), arg_buffer(weights), arg_buffer(logits), arg_buffer(bias),
                  arg_int((int64_t)round_up(dims->experts, ROW_UNIT)), arg_float(dims->scaling));
}
