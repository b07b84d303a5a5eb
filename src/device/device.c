/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Opening and closing a device. */

#include "device/opencl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Work-items of a group that reduces as a whole on a GPU; enough to hide latency, few enough for every device. */
enum { GPU_GROUP = 256, GPU_LANES = 32 };

device_shape device_choose_shape(const hadal_device_info *info)
{
    device_shape shape = {.vector = 4, .lanes = 1, .group = 1, .cpu = info->kind == HADAL_DEVICE_CPU};
    if (shape.cpu) {
        shape.vector = info->native_vector_width >= 16 ? 16 : info->native_vector_width >= 8 ? 8 : 4;
        return shape;
    }
    shape.lanes = GPU_LANES;
    while (shape.lanes > info->max_group_size)
        shape.lanes /= 2;
    shape.group = shape.lanes;
    while (shape.group < GPU_GROUP && shape.group * 2 <= info->max_group_size)
        shape.group *= 2;
    return shape;
}

static bool flushes_subnormals(cl_device_id id)
{
    cl_device_fp_config config = 0;
    return clGetDeviceInfo(id, CL_DEVICE_SINGLE_FP_CONFIG, sizeof config, &config, NULL) != CL_SUCCESS ||
           !(config & CL_FP_DENORM);
}

/* The options that every kernel gets. Denormals and NaN keep their meaning: no fast-math. */
static hadal_status write_common_options(hadal_device *device)
{
    byte_array options = {0};
    const char *path = device->info.lane_path;
    const char *lane = device->shape.lanes == 1 ? "LANE_SINGLE" : path[0] == 'p' ? "LANE_PTX" : "LANE_LOCAL";
    TRY(bytes_format(&options, "-cl-std=CL1.2 -D VECTOR=%u -D LANES=%u -D GROUP=%u -D %s", device->shape.vector,
                     device->shape.lanes, device->shape.group, lane));
    if (device->shape.cpu)
        TRY(bytes_format(&options, " -D CPU"));
    if (flushes_subnormals(device->id))
        TRY(bytes_format(&options, " -D FLUSHES_SUBNORMALS"));
    if (strcmp(lane, "LANE_PTX") == 0)
        TRY(bytes_format(&options, " -D PTX=%u", device->info.compute_capability));
    device->common_options = options.data;
    return HADAL_OK;
}

/* *queue = a new queue of the device, timed or not. */
static hadal_status create_queue(cl_command_queue *queue, const hadal_device *device, bool profile)
{
    cl_int error;
    *queue = clCreateCommandQueue(device->context, device->id, profile ? CL_QUEUE_PROFILING_ENABLE : 0, &error);
    return error == CL_SUCCESS ? HADAL_OK : opencl_failure(device, "clCreateCommandQueue", error);
}

hadal_status device_set_profile(hadal_device *device, bool profile, bool *before)
{
    cl_command_queue made;
    if (before)
        *before = device->profile;
    TRY(profile_collect(device));
    if (profile == device->profile)
        return HADAL_OK;
    TRY(create_queue(&made, device, profile));
    clReleaseCommandQueue(device->queue);
    device->queue = made;
    device->profile = profile;
    return HADAL_OK;
}

static hadal_status open_queue(hadal_device *device, cl_platform_id platform)
{
    cl_int error;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform, 0};
    device->context = clCreateContext(properties, 1, &device->id, NULL, NULL, &error);
    if (error != CL_SUCCESS)
        return opencl_failure(device, "clCreateContext", error);
    return create_queue(&device->queue, device, device->profile);
}

/* The unit of that shape, or the device's own (shape NULL); unless all is to be exact. */
static void settle_matrix_unit(hadal_device *device, const device_shape *shape, hadal_precision precision)
{
    device_matrix unit = shape ? shape->matrix : matrix_unit_named(device->info.matrix_unit);
    if (!shape && strcmp(device->info.matrix_unit, MATRIX_UNIT_OF_COMPILER) == 0)
        unit = device_compiled_matrix(device);
    device->intel_unit = !shape && (unit == DEVICE_MATRIX_DPAS8 || unit == DEVICE_MATRIX_DPAS16);
    device->info.matrix_unit = matrix_unit_name(unit);
    device->shape.matrix = precision == HADAL_PRECISION_EXACT ? DEVICE_MATRIX_NONE : unit;
    device->info.precision = device->shape.matrix == DEVICE_MATRIX_NONE ? HADAL_PRECISION_EXACT : HADAL_PRECISION_FAST;
}

hadal_status hadal_device_open(hadal_device **opened, const hadal_device_options *options)
{
    return device_open_shaped(opened, options, NULL);
}

hadal_status device_open_shaped(hadal_device **opened, const hadal_device_options *options, const device_shape *shape)
{
    static const hadal_device_options defaults = {0};
    cl_platform_id platform;
    hadal_device *device;
    hadal_status status;
    *opened = NULL;
    if (!options)
        options = &defaults;
    TRY(memory_allocate(&device, 1, sizeof *device));
    TRY_OR(failed, discover_select(&device->info, &device->id, &platform, options->selector));
    if (options->largest_allocation_bytes && options->largest_allocation_bytes < device->info.largest_allocation_bytes)
        device->info.largest_allocation_bytes = options->largest_allocation_bytes;
    device->profile = options->profile;
    device->shape = shape ? *shape : device_choose_shape(&device->info);
    if (shape && !shape->cpu && device->info.kind == HADAL_DEVICE_CPU)
        device->info.lane_path = "local";
    TRY_OR(failed, source_find_directory(&device->kernel_directory, options->kernel_directory));
    TRY_OR(failed, cache_find_directory(&device->cache_directory, options->cache_directory));
    TRY_OR(failed, write_common_options(device));
    TRY_OR(failed, open_queue(device, platform));
    settle_matrix_unit(device, shape, options->precision);
    tuning_read(device->tuned, &device->info, &device->shape, device->cache_directory);
    *opened = device;
    return HADAL_OK;
failed:
    hadal_device_close(device);
    return status;
}

void hadal_device_close(hadal_device *device)
{
    if (!device)
        return;
    if (device->queue)
        clFinish(device->queue);
    for (size_t i = 0; i < device->pending_count; i++)
        clReleaseEvent(device->pending[i].event);
    free(device->pending);
    program_free_all(device);
    if (device->queue)
        clReleaseCommandQueue(device->queue);
    if (device->context)
        clReleaseContext(device->context);
    free(device->kernel_directory);
    free(device->cache_directory);
    free(device->common_options);
    free(device);
}

const hadal_device_info *hadal_device_describe(const hadal_device *device)
{
    return &device->info;
}

device_matrix device_matrix_for(const hadal_device *device, matrix_use use)
{
    return device->given_up[use] ? DEVICE_MATRIX_NONE : device->shape.matrix;
}

void device_give_up_matrix_unit(hadal_device *device, matrix_use use, const char *reason)
{
    char *kept = device->info.matrix_unit_failure;
    device->given_up[use] = true;
    if (use == MATRIX_PRODUCTS) {
        device->given_up[MATRIX_ATTENTION] = true;
        device->info.precision = HADAL_PRECISION_EXACT;
    }
    if (!*kept)
        snprintf(kept, sizeof device->info.matrix_unit_failure, "%s", reason);
}

hadal_status device_limit_registers(byte_array *options, const hadal_device *device, unsigned items)
{
    enum { REGISTERS = 65536, UNIT = 8 }; /* of a multiprocessor of NVIDIA's, and how many at a time are given */
    if (!device->info.compute_capability)
        return HADAL_OK;
    return bytes_format(options, " -cl-nv-maxrregcount=%u", REGISTERS / items / UNIT * UNIT);
}

const char *device_matrix_option(const hadal_device *device)
{
    return matrix_unit_options(device->shape.matrix, device->shape.emulated);
}

const device_shape *device_shape_of(const hadal_device *device)
{
    return &device->shape;
}

hadal_status device_flush(hadal_device *device)
{
    CL_TRY(device, clFlush(device->queue));
    return HADAL_OK;
}

hadal_status device_finish(hadal_device *device)
{
    CL_TRY(device, clFinish(device->queue));
    return HADAL_OK;
}
