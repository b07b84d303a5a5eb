/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Programs: built from source for this device, or taken from the cache. */

#include "device/opencl.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "device/ptx.h"

/* Longest part of a build log that a message repeats. */
enum { LOG_BYTES = 6000 };

static hadal_status build_failure(const hadal_device *device, cl_program built, const char *family, const char *options,
                                  cl_int error)
{
    size_t bytes = 0;
    char *log = NULL;
    if (error != CL_BUILD_PROGRAM_FAILURE)
        return opencl_failure(device, "clBuildProgram", error);
    if (clGetProgramBuildInfo(built, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &bytes) == CL_SUCCESS)
        log = calloc(bytes + 1, 1);
    if (log && clGetProgramBuildInfo(built, device->id, CL_PROGRAM_BUILD_LOG, bytes, log, NULL) != CL_SUCCESS)
        log[0] = '\0';
    hadal_status status = failure(HADAL_ERROR_INTERNAL,
                                  "kernels of %s.cl do not compile on %s (driver %s) with %s; please "
                                  "report this with the log that follows:\n%.*s",
                                  family, device->info.name, device->info.driver, options, LOG_BYTES, log ? log : "");
    free(log);
    return status;
}

/* What the driver made of a program, and a NUL; NULL if it does not tell. Freed with free(). */
static unsigned char *program_binary(cl_program built, size_t *bytes)
{
    if (clGetProgramInfo(built, CL_PROGRAM_BINARY_SIZES, sizeof *bytes, bytes, NULL) != CL_SUCCESS || !*bytes)
        return NULL;
    unsigned char *binary = calloc(*bytes + 1, 1);
    if (binary && clGetProgramInfo(built, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        return binary;
    free(binary);
    return NULL;
}

static void store_binary(const hadal_device *device, cl_program built, const char *source, const char *options)
{
    size_t bytes = 0;
    unsigned char *binary = program_binary(built, &bytes);
    if (binary)
        cache_write(device, source, options, binary, bytes);
    free(binary);
}

/* NULL if the driver doesn't take it. */
static cl_program build_binary(const hadal_device *device, const unsigned char *binary, size_t bytes,
                               const char *options)
{
    cl_int error, accepted;
    cl_program loaded = clCreateProgramWithBinary(device->context, 1, &device->id, &bytes, &binary, &accepted, &error);
    if (error != CL_SUCCESS)
        return NULL;
    if (accepted == CL_SUCCESS && clBuildProgram(loaded, 1, &device->id, options, NULL, NULL) == CL_SUCCESS)
        return loaded;
    clReleaseProgram(loaded);
    return NULL;
}

/* NULL if there is no entry, or the driver doesn't take it. */
static cl_program load_binary(const hadal_device *device, const char *source, const char *options)
{
    unsigned char *binary;
    size_t bytes;
    cache_read(&binary, &bytes, device, source, options);
    cl_program loaded = binary ? build_binary(device, binary, bytes, options) : NULL;
    free(binary);
    return loaded;
}

/* Builds the program anew from its corrected PTX text (see ptx.h), unless there is nothing to correct. */
static hadal_status correct_ptx(cl_program *built, const hadal_device *device, const char *family, const char *options)
{
    size_t bytes = 0;
    unsigned char *binary = program_binary(*built, &bytes);
    char *text = NULL;
    cl_program corrected = NULL;
    bool marked = !binary || strstr((const char *)binary, PTX_MARK);
    if (binary && marked)
        ptx_correct(&text, (const char *)binary, bytes);
    if (text)
        corrected = build_binary(device, (const unsigned char *)text, strlen(text) + 1, options);
    free(binary);
    free(text);
    if (!marked)
        return HADAL_OK;
    if (!corrected)
        return failure(HADAL_ERROR_INTERNAL, "kernels of %s.cl for the matrix unit do not assemble on %s (driver %s) "
                       "with %s; please report this, and go on with --precision exact", family, device->info.name,
                       device->info.driver, options);
    clReleaseProgram(*built);
    *built = corrected;
    return HADAL_OK;
}

/* Sums and weights of Intel's matrix unit take more than the 128 registers that a thread has otherwise. */
#define MORE_REGISTERS " -cl-intel-256-GRF-per-thread"

static bool uses_matrix_unit(const hadal_device *device, const char *options)
{
    const char *option = device_matrix_option(device);
    return *option && strstr(options, option);
}

static hadal_status build(cl_program *built, const hadal_device *device, const char *family, const char *source,
                          const char *options)
{
    cl_int error;
    *built = load_binary(device, source, options);
    if (*built)
        return HADAL_OK;
    *built = clCreateProgramWithSource(device->context, 1, &source, NULL, &error);
    if (error != CL_SUCCESS)
        return opencl_failure(device, "clCreateProgramWithSource", error);
    error = clBuildProgram(*built, 1, &device->id, options, NULL, NULL);
    hadal_status status = error == CL_SUCCESS ? HADAL_OK : build_failure(device, *built, family, options, error);
    /* A device without compute capability has no PTX text: there tests only list programs of a matrix unit. */
    if (status == HADAL_OK && device->shape.matrix == DEVICE_MATRIX_WGMMA && !device->shape.emulated &&
        device->info.compute_capability && uses_matrix_unit(device, options))
        status = correct_ptx(built, device, family, options);
    if (status == HADAL_OK) {
        store_binary(device, *built, source, options);
        return HADAL_OK;
    }
    clReleaseProgram(*built);
    *built = NULL;
    return status;
}

static hadal_status build_family(cl_program *built, const hadal_device *device, const char *family, const char *options)
{
    char *source = NULL;
    byte_array name = {0}, all_options = {0};
    hadal_status status;
    *built = NULL;
    TRY_OR(done, bytes_format(&name, "%s.cl", family));
    TRY_OR(done, source_read(&source, device->kernel_directory, name.data));
    TRY_OR(done, bytes_format(&all_options, "%s%s%s", device->common_options, options,
                              device->intel_unit && uses_matrix_unit(device, options) ? MORE_REGISTERS : ""));
    TRY_OR(done, build(built, device, family, source, all_options.data));
done:
    free(source);
    bytes_free(&name);
    bytes_free(&all_options);
    return status;
}

static void program_free(program *freed)
{
    if (freed->built)
        clReleaseProgram(freed->built);
    free(freed->family);
    free(freed->options);
    free(freed);
}

hadal_status program_get(program **found, hadal_device *device, const char *family, const char *options)
{
    for (program *at = device->programs; at; at = at->next)
        if (strcmp(at->family, family) == 0 && strcmp(at->options, options) == 0) {
            *found = at;
            return HADAL_OK;
        }
    program *made;
    hadal_status status;
    TRY(memory_allocate(&made, 1, sizeof *made));
    TRY_OR(failed, memory_copy_text(&made->family, family, strlen(family)));
    TRY_OR(failed, memory_copy_text(&made->options, options, strlen(options)));
    TRY_OR(failed, build_family(&made->built, device, family, options));
    made->next = device->programs;
    device->programs = made;
    *found = made;
    return HADAL_OK;
failed:
    program_free(made);
    return status;
}

void device_list_programs(const hadal_device *device,
                          void (*visit)(void *user, const char *family, const char *options), void *user)
{
    for (const program *at = device->programs; at; at = at->next)
        visit(user, at->family, at->options);
}

void program_free_all(hadal_device *device)
{
    while (device->kernels) {
        kernel *next = device->kernels->next;
        if (device->kernels->handle)
            clReleaseKernel(device->kernels->handle);
        free(device->kernels->name);
        free(device->kernels);
        device->kernels = next;
    }
    while (device->programs) {
        program *next = device->programs->next;
        program_free(device->programs);
        device->programs = next;
    }
}
