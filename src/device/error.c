/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* OpenCL errors in words. */

#include "device/opencl.h"

#include <string.h>

typedef struct error_row {
    cl_int code;
    const char *name;
} error_row;

#define ROW(code) {code, #code}
static const error_row errors[] = {
    ROW(CL_DEVICE_NOT_FOUND), ROW(CL_DEVICE_NOT_AVAILABLE), ROW(CL_COMPILER_NOT_AVAILABLE),
    ROW(CL_MEM_OBJECT_ALLOCATION_FAILURE), ROW(CL_OUT_OF_RESOURCES), ROW(CL_OUT_OF_HOST_MEMORY),
    ROW(CL_PROFILING_INFO_NOT_AVAILABLE), ROW(CL_MEM_COPY_OVERLAP), ROW(CL_BUILD_PROGRAM_FAILURE), ROW(CL_MAP_FAILURE),
    ROW(CL_MISALIGNED_SUB_BUFFER_OFFSET), ROW(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST),
    ROW(CL_COMPILE_PROGRAM_FAILURE), ROW(CL_LINKER_NOT_AVAILABLE), ROW(CL_LINK_PROGRAM_FAILURE),
    ROW(CL_KERNEL_ARG_INFO_NOT_AVAILABLE), ROW(CL_INVALID_VALUE), ROW(CL_INVALID_DEVICE_TYPE), ROW(CL_INVALID_PLATFORM),
    ROW(CL_INVALID_DEVICE), ROW(CL_INVALID_CONTEXT), ROW(CL_INVALID_QUEUE_PROPERTIES), ROW(CL_INVALID_COMMAND_QUEUE),
    ROW(CL_INVALID_MEM_OBJECT), ROW(CL_INVALID_BINARY), ROW(CL_INVALID_BUILD_OPTIONS), ROW(CL_INVALID_PROGRAM),
    ROW(CL_INVALID_PROGRAM_EXECUTABLE), ROW(CL_INVALID_KERNEL_NAME), ROW(CL_INVALID_KERNEL_DEFINITION),
    ROW(CL_INVALID_KERNEL), ROW(CL_INVALID_ARG_INDEX), ROW(CL_INVALID_ARG_VALUE), ROW(CL_INVALID_ARG_SIZE),
    ROW(CL_INVALID_KERNEL_ARGS), ROW(CL_INVALID_WORK_DIMENSION), ROW(CL_INVALID_WORK_GROUP_SIZE),
    ROW(CL_INVALID_WORK_ITEM_SIZE), ROW(CL_INVALID_GLOBAL_OFFSET), ROW(CL_INVALID_EVENT_WAIT_LIST),
    ROW(CL_INVALID_EVENT),
    ROW(CL_INVALID_OPERATION), ROW(CL_INVALID_BUFFER_SIZE), ROW(CL_INVALID_GLOBAL_WORK_SIZE), ROW(CL_INVALID_PROPERTY),
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR"}, {-9999, "an illegal memory access in a kernel"},
};
#undef ROW

static const char *error_name(cl_int code)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code)
            return errors[i].name;
    return "an unknown OpenCL error";
}

static hadal_status error_status(cl_int code)
{
    switch (code) {
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_OUT_OF_RESOURCES:
    case CL_DEVICE_NOT_AVAILABLE:
    case CL_INVALID_BUFFER_SIZE:
        return HADAL_ERROR_DEVICE_MEMORY;
    case CL_OUT_OF_HOST_MEMORY:
        return HADAL_ERROR_HOST_MEMORY;
    case CL_DEVICE_NOT_FOUND:
        return HADAL_ERROR_NO_DEVICE;
    default:
        return HADAL_ERROR_INTERNAL;
    }
}

static const char *error_advice(hadal_status status)
{
    switch (status) {
    case HADAL_ERROR_DEVICE_MEMORY:
        return "use a shorter context, a smaller chunk or another device, and close programs that use this one";
    case HADAL_ERROR_HOST_MEMORY:
        return "close other programs or use a shorter context";
    default:
        return "update the driver, or try another device with --device";
    }
}

hadal_status opencl_failure(const hadal_device *device, const char *call, cl_int error)
{
    hadal_status status = error_status(error);
    int length = (int)strcspn(call, "("); /* the call's name without its arguments */
    return failure(status, "%.*s failed on %s: %s (%d); %s", length, call, device ? device->info.name : "this machine",
                   error_name(error), (int)error, error_advice(status));
}
