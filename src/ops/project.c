/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/project.h"

static bool takes_all(const linear_op *linear, const matvec_output *outs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!matvec_takes(&linear->matvec, outs[i].weight))
            return false;
    return true;
}

hadal_status project(linear_op *linear, const norm_op *norm, const matvec_output *outs, size_t count,
                     const project_input *in, size_t tokens)
{
    if (tokens == 1 && takes_all(linear, outs, count)) {
        const matvec_input input = {.in = in->in, .norm_weight = in->norm_weight, .epsilon = in->epsilon};
        return matvec_run(&linear->matvec, &input, outs, count, false);
    }
    TRY(norm_rms(norm, in->normed, in->in, in->norm_weight, tokens, outs[0].weight->columns, in->epsilon));
    for (size_t i = 0; i < count; i++)
        TRY(i ? linear_run_again(linear, outs[i].out, in->normed, outs[i].weight, tokens, false)
              : linear_run(linear, outs[i].out, in->normed, outs[i].weight, tokens, false));
    return HADAL_OK;
}
