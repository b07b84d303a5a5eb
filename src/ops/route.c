/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/route.h"

#include "base/memory.h"

hadal_status route_create(route_op *op, hadal_device *device, const route_dims *dims)
{
    byte_array options = {0};
    hadal_status status;
    *op = (route_op){.dims = *dims, .group = device_shape_of(device)->group};
    if (dims->experts > ROUTE_MOST_EXPERTS)
        return failure(HADAL_ERROR_ARGUMENT, "the model has %u experts a layer; at most %d are supported",
                       dims->experts, ROUTE_MOST_EXPERTS);
    TRY_OR(done, bytes_format(&options, " -D EXPERTS=%u -D EXPERT_GROUPS=%u -D TOP_GROUPS=%u -D TOP_K=%u%s",
                              dims->experts, dims->groups, dims->top_groups, dims->top_k,
                              dims->normalise ? " -D NORMALISE" : ""));
    TRY_OR(done, kernel_get(&op->choose, device, "route", "route_choose", options.data));
done:
    bytes_free(&options);
    return status;
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
