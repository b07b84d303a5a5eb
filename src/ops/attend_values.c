/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/attend_values.h"

void attend_values_create(attend_values_op *op, hadal_device *device, const attend_dims *dims)
{
    *op = (attend_values_op){.dims = *dims, .device = device};
}

bool attend_values_takes(const attend_values_op *op, const matvec_op *matvec, const matrix *weight)
{
    return matvec_takes_heads(matvec, weight, round_up(weight->columns, ROW_UNIT)) &&
           matvec_takes_whole(matvec, weight, attend_combine_local_bytes(op->device, &op->dims));
}

static hadal_status get_kernel(kernel **found, const attend_values_op *op, const matrix *weight)
{
    byte_array options = {0};
    hadal_status status;
    if (*found)
        return HADAL_OK;
    TRY_OR(done, attend_combine_options(&options, op->device, &op->dims));
    TRY_OR(done, matvec_options(&options, op->device, 1u << weight->type, 1, matvec_lanes(op->device, weight)));
    TRY_OR(done, kernel_get(found, op->device, "attend_values", "attend_values", options.data));
done:
    bytes_free(&options);
    return status;
}

hadal_status attend_values(attend_values_op *op, buffer *values, size_t value_step, buffer *attended,
                           const buffer *scratch, size_t splits, const matrix *weight)
{
    kernel **used = &op->by_type[weight->type];
    TRY(get_kernel(used, op, weight));
    const matvec_work work = {
        .weight = weight, .copies = op->dims.heads, .lanes = matvec_lanes(op->device, weight), .whole = true};
    matvec_plan plan = matvec_plan_of(op->device, *used, &work);
    size_t heads = op->dims.heads, latent = op->dims.latent;
    launch_shape shape = {
        .groups = {heads},
        .size = {plan.items},
        .bytes = heads * (matrix_bytes(weight, weight->rows) + ((splits + 1) * latent + weight->rows) * sizeof(float)),
        .operations = 2 * heads * latent * (splits + weight->rows),
    };
    const matvec_argument argument = matvec_argument_of(weight);
    return LAUNCH(*used, shape, arg_buffer(values), arg_int((int64_t)value_step), arg_buffer(attended),
                  arg_buffer(scratch), arg_int((int64_t)splits), arg_buffer(weight->slabs->values),
                  arg_buffer(matvec_scales(weight->slabs)), arg_struct(&argument, sizeof argument),
                  arg_local(plan.scratch));
}
