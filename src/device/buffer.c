/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Device memory, counted by class. */

#include "device/opencl.h"

#include <stdlib.h>

#include "base/memory.h"

/* The longest pattern that OpenCL has: NVIDIA's driver 580 counts patterns, also those before an offset, in 31 bits and
 * loses the queue when there are more. */
enum { PATTERN = 128 };

static hadal_status buffer_clear(buffer *cleared, size_t bytes)
{
    static const unsigned char zeros[PATTERN] = {0};
    CL_TRY(cleared->device, clEnqueueFillBuffer(cleared->device->queue, cleared->handle, zeros, PATTERN, 0, bytes, 0,
                                                NULL, NULL));
    return HADAL_OK;
}

hadal_status buffer_create(buffer **created, hadal_device *device, memory_class use, size_t bytes)
{
    *created = NULL;
    if (bytes > device->info.largest_allocation_bytes)
        return failure(HADAL_ERROR_DEVICE_MEMORY,
                       "a buffer of %zu bytes is more than the %llu bytes that %s allows in one; "
                       "use a shorter context, a smaller chunk or another device",
                       bytes, (unsigned long long)device->info.largest_allocation_bytes, device->info.name);
    buffer *made;
    hadal_status status;
    cl_int error;
    size_t rounded = round_up(max_size(bytes, 1), PATTERN);
    TRY(memory_allocate(&made, 1, sizeof *made));
    *made = (buffer){.device = device, .number = ++device->buffers_made, .bytes = bytes, .use = use};
    made->handle = clCreateBuffer(device->context, CL_MEM_READ_WRITE, rounded, NULL, &error);
    if (error != CL_SUCCESS) {
        free(made);
        return opencl_failure(device, "clCreateBuffer", error);
    }
    device->allocated[use] += bytes;
    /* Drivers allocate late: filling now makes a lack of memory show here, and padding is zero from the start. */
    TRY_OR(failed, buffer_clear(made, rounded));
    *created = made;
    return HADAL_OK;
failed:
    buffer_free(made);
    return status;
}

void buffer_free(buffer *freed)
{
    if (!freed)
        return;
    freed->device->allocated[freed->use] -= freed->bytes;
    clReleaseMemObject(freed->handle);
    free(freed);
}

size_t buffer_bytes(const buffer *measured)
{
    return measured->bytes;
}

static hadal_status check_range(const buffer *used, size_t offset, size_t bytes)
{
    if (offset <= used->bytes && bytes <= used->bytes - offset)
        return HADAL_OK;
    return failure(HADAL_ERROR_INTERNAL,
                   "bytes %zu to %zu of a buffer of %zu bytes were asked for; this is a bug in hadal", offset,
                   offset + bytes, used->bytes);
}

hadal_status buffer_write(buffer *target, size_t offset, const void *source, size_t bytes)
{
    TRY(check_range(target, offset, bytes));
    if (bytes)
        CL_TRY(target->device, clEnqueueWriteBuffer(target->device->queue, target->handle, CL_TRUE, offset, bytes,
                                                    source, 0, NULL, NULL));
    return HADAL_OK;
}

hadal_status buffer_read(const buffer *source, size_t offset, void *target, size_t bytes)
{
    TRY(check_range(source, offset, bytes));
    if (bytes)
        CL_TRY(source->device, clEnqueueReadBuffer(source->device->queue, source->handle, CL_TRUE, offset, bytes,
                                                   target, 0, NULL, NULL));
    return HADAL_OK;
}

uint64_t device_allocated(const hadal_device *device, memory_class use)
{
    return device->allocated[use];
}

uint64_t hadal_device_allocated(const hadal_device *device)
{
    uint64_t sum = 0;
    for (int use = 0; use < MEMORY_CLASSES; use++)
        sum += device->allocated[use];
    return sum;
}
