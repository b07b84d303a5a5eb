/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* CLBlast's SGEMM as one way to multiply large dense matrices. */

#include "device/opencl.h"

#include <clblast_c.h>

hadal_status device_clblast_linear(hadal_device *device, buffer *out, size_t out_offset, size_t out_stride,
                                   const buffer *in, size_t in_stride, const buffer *weight, size_t weight_stride,
                                   size_t m, size_t n, size_t k, bool accumulate)
{
    CLBlastStatusCode code = CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeYes, m, n, k, 1.0f,
                                          in->handle, 0, in_stride, weight->handle, 0, weight_stride,
                                          accumulate ? 1.0f : 0.0f, out->handle, out_offset, out_stride, &device->queue,
                                          NULL);
    if (code == CLBlastSuccess)
        return HADAL_OK;
    hadal_status status = code == CLBlastTempBufferAllocFailure || code == CLBlastOpenCLOutOfResources
                              ? HADAL_ERROR_DEVICE_MEMORY
                              : HADAL_ERROR_INTERNAL;
    return failure(status, "CLBlastSgemm of %zu x %zu x %zu failed on %s with code %d; use --linear own", m, n, k,
                   device->info.name, (int)code);
}
