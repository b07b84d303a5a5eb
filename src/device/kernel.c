/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Kernels: found by name, launched with typed arguments, counted. */

#include "device/opencl.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char *const phase_names[PHASES] = {"load", "prefill", "decode"};

void device_set_phase(hadal_device *device, const char *phase)
{
    for (int i = 0; i < PHASES; i++)
        if (strcmp(phase_names[i], phase) == 0)
            device->phase = i;
}

static size_t ask_max_group(const kernel *asked)
{
    size_t most = 0;
    if (clGetKernelWorkGroupInfo(asked->handle, asked->device->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most,
                                 NULL) != CL_SUCCESS)
        return 1;
    return most;
}

hadal_status kernel_get(kernel **found, hadal_device *device, const char *family, const char *name, const char *options)
{
    program *source;
    TRY(program_get(&source, device, family, options));
    for (kernel *at = device->kernels; at; at = at->next)
        if (at->source == source && strcmp(at->name, name) == 0) {
            *found = at;
            return HADAL_OK;
        }
    kernel *made;
    hadal_status status;
    cl_int error = CL_SUCCESS;
    TRY(memory_allocate(&made, 1, sizeof *made));
    made->device = device;
    made->source = source;
    TRY_OR(failed, memory_copy_text(&made->name, name, strlen(name)));
    made->handle = clCreateKernel(source->built, name, &error);
    if (error != CL_SUCCESS) {
        status = opencl_failure(device, "clCreateKernel", error);
        goto failed;
    }
    made->max_group = ask_max_group(made);
    made->next = device->kernels;
    device->kernels = made;
    *found = made;
    return HADAL_OK;
failed:
    free(made->name);
    free(made);
    return status;
}

size_t kernel_max_group(const kernel *measured)
{
    return measured->max_group;
}

/* Notes what the argument is to be set to; false: it is set to that already. Decoding launches the same kernels over
 * and over, and each call of the driver takes longer than this. */
static bool differs_from_last(kernel *launched, size_t index, const kernel_argument *argument)
{
    static const uint64_t no_buffer = 0;
    const void *bytes = &argument->value;
    kept_argument next = {.size = argument->size};
    if (argument->kind == ARGUMENT_BUFFER)
        bytes = argument->memory ? &argument->memory->number : &no_buffer;
    else if (argument->kind == ARGUMENT_STRUCT)
        bytes = argument->bytes;
    if (index >= KEPT_ARGUMENTS || (argument->kind != ARGUMENT_LOCAL && argument->size > sizeof next.bytes))
        return true;
    if (argument->kind != ARGUMENT_LOCAL)
        memcpy(next.bytes, bytes, argument->size);
    kept_argument *kept = &launched->kept[index];
    if (memcmp(kept, &next, sizeof next) == 0)
        return false;
    *kept = next;
    return true;
}

static hadal_status set_argument(kernel *launched, cl_uint index, const kernel_argument *argument)
{
    const void *value = &argument->value;
    cl_mem none = NULL;
    if (!differs_from_last(launched, index, argument))
        return HADAL_OK;
    if (argument->kind == ARGUMENT_BUFFER)
        value = argument->memory ? &argument->memory->handle : &none;
    else if (argument->kind == ARGUMENT_LOCAL)
        value = NULL;
    else if (argument->kind == ARGUMENT_STRUCT)
        value = argument->bytes;
    cl_int error = clSetKernelArg(launched->handle, index, argument->size, value);
    if (error == CL_SUCCESS)
        return HADAL_OK;
    if (index < KEPT_ARGUMENTS)
        launched->kept[index].size = 0;
    opencl_failure(launched->device, "clSetKernelArg", error);
    return failure_within(HADAL_ERROR_INTERNAL, "argument %u of kernel %s", index, launched->name);
}

static hadal_status remember_event(kernel *launched, cl_event event, const launch_shape *shape, size_t groups,
                                   size_t items)
{
    hadal_device *device = launched->device;
    hadal_status status = memory_grow(&device->pending, &device->pending_capacity, device->pending_count + 1,
                                      sizeof *device->pending);
    if (status != HADAL_OK) {
        clReleaseEvent(event);
        return status;
    }
    device->pending[device->pending_count++] =
        (pending_event){event, launched, device->phase, groups, items, shape->bytes, shape->operations};
    return HADAL_OK;
}

hadal_status kernel_launch(kernel *launched, const launch_shape *shape, const kernel_argument *arguments,
                           size_t argument_count)
{
    hadal_device *device = launched->device;
    size_t global[3], local[3], groups = 1, items = 1;
    for (int i = 0; i < 3; i++) {
        local[i] = max_size(shape->size[i], 1);
        global[i] = max_size(shape->groups[i], 1) * local[i];
        groups *= max_size(shape->groups[i], 1);
        items *= local[i];
    }
    for (size_t i = 0; i < argument_count; i++)
        TRY(set_argument(launched, (cl_uint)i, &arguments[i]));
    cl_event event;
    cl_int error = clEnqueueNDRangeKernel(device->queue, launched->handle, 3, NULL, global, local, 0, NULL,
                                          device->profile ? &event : NULL);
    if (error != CL_SUCCESS) {
        hadal_status status = opencl_failure(device, "clEnqueueNDRangeKernel", error);
        return failure_within(status, "kernel %s", launched->name);
    }
    kernel_count *count = &launched->counts[device->phase];
    count->launches++;
    count->bytes += shape->bytes;
    count->operations += shape->operations;
    if (!device->profile)
        return HADAL_OK;
    if (device->pending_count == LAUNCH_RECORDS)
        TRY(profile_collect(device));
    return remember_event(launched, event, shape, groups, items);
}

/* Adds the time of a finished launch to its kernel's count, and gives it. */
static double settle(const pending_event *pending)
{
    cl_ulong start = 0, end = 0;
    double seconds = 0;
    if (clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL) == CL_SUCCESS &&
        clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) == CL_SUCCESS)
        seconds = (double)(end - start) * 1e-9;
    clReleaseEvent(pending->event);
    pending->launched->counts[pending->phase].seconds += seconds;
    return seconds;
}

hadal_status device_records(hadal_device *device, launch_record *records, size_t *count)
{
    *count = 0;
    CL_TRY(device, clFinish(device->queue));
    for (size_t i = 0; i < device->pending_count; i++) {
        const pending_event *pending = &device->pending[i];
        records[i] = (launch_record){pending->launched->name, pending->groups,     pending->items,
                                     pending->bytes,          pending->operations, settle(pending)};
    }
    *count = device->pending_count;
    device->pending_count = 0;
    return HADAL_OK;
}

hadal_status profile_collect(hadal_device *device)
{
    CL_TRY(device, clFinish(device->queue));
    for (size_t i = 0; i < device->pending_count; i++)
        settle(&device->pending[i]);
    device->pending_count = 0;
    return HADAL_OK;
}

static int compare_rows(const void *left, const void *right)
{
    const hadal_profile_row *a = left, *b = right;
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? 1 : -1;
    int order = strcmp(a->kernel, b->kernel);
    return order ? order : strcmp(a->phase, b->phase);
}

/* Adds a count to the row of its kernel's name and phase: programs with different options share a row. */
static void add_to_rows(hadal_profile_row *rows, size_t *row_count, const kernel *counted, int phase)
{
    const kernel_count *count = &counted->counts[phase];
    size_t i = 0;
    while (i < *row_count && (strcmp(rows[i].kernel, counted->name) != 0 || rows[i].phase != phase_names[phase]))
        i++;
    if (i == *row_count)
        rows[(*row_count)++] = (hadal_profile_row){.kernel = counted->name, .phase = phase_names[phase]};
    rows[i].launches += count->launches;
    rows[i].seconds += count->seconds;
    rows[i].bytes += count->bytes;
    rows[i].operations += count->operations;
}

hadal_status hadal_device_profile(hadal_device *device, hadal_profile_row **rows, size_t *count)
{
    size_t kernels = 0;
    *rows = NULL;
    *count = 0;
    TRY(profile_collect(device));
    for (const kernel *at = device->kernels; at; at = at->next)
        kernels++;
    TRY(memory_allocate(rows, kernels * PHASES, sizeof **rows));
    for (const kernel *at = device->kernels; at; at = at->next)
        for (int phase = 0; phase < PHASES; phase++)
            if (at->counts[phase].launches)
                add_to_rows(*rows, count, at, phase);
    qsort(*rows, *count, sizeof **rows, compare_rows);
    return HADAL_OK;
}

void hadal_device_profile_reset(hadal_device *device)
{
    if (profile_collect(device) != HADAL_OK)
        return; /* the device is lost; the next call on it says so */
    for (kernel *at = device->kernels; at; at = at->next)
        for (int phase = 0; phase < PHASES; phase++)
            at->counts[phase] = (kernel_count){0};
}
