/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which devices are there, what each can do, and which one is meant. */

#include "device/opencl.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* cl_nv_device_attribute_query: https://registry.khronos.org/OpenCL/extensions/nv/cl_nv_device_attribute_query.txt */
#define DEVICE_COMPUTE_CAPABILITY_MAJOR_NV 0x4000
#define DEVICE_COMPUTE_CAPABILITY_MINOR_NV 0x4001

/* cl_intel_required_subgroup_size: https://registry.khronos.org/OpenCL/extensions/intel/ */
#define DEVICE_SUB_GROUP_SIZES_INTEL 0x4108

typedef struct found_device {
    cl_platform_id platform;
    cl_device_id id;
} found_device;

bool discover_has_extension(const char *extensions, const char *wanted)
{
    size_t length = strlen(wanted);
    for (const char *at = extensions; (at = strstr(at, wanted)); at += length)
        if ((at == extensions || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void device_text(char *text, size_t bytes, cl_device_id id, cl_device_info what)
{
    size_t length = 0;
    char whole[1024];
    text[0] = '\0';
    if (clGetDeviceInfo(id, what, sizeof whole, whole, &length) == CL_SUCCESS && length)
        snprintf(text, bytes, "%.*s", (int)min_size(length, sizeof whole), whole);
}

static uint64_t device_number(cl_device_id id, cl_device_info what, size_t bytes)
{
    uint64_t number = 0; /* little endian: a narrower value fills the low bytes */
    return clGetDeviceInfo(id, what, bytes, &number, NULL) == CL_SUCCESS ? number : 0;
}

static char *device_extensions(cl_device_id id)
{
    size_t bytes = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, 0, NULL, &bytes) != CL_SUCCESS)
        bytes = 0;
    char *text = calloc(bytes + 1, 1);
    if (text && bytes && clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, bytes, text, NULL) != CL_SUCCESS)
        text[0] = '\0';
    return text;
}

static void describe_usability(hadal_device_info *info, cl_device_id id)
{
    unsigned major = 0, minor = 0;
    const char *reason = "";
    if (sscanf(info->version, "OpenCL %u.%u", &major, &minor) != 2 || major * 10 + minor < 12)
        reason = "it does not reach OpenCL 1.2";
    else if (!device_number(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof(cl_bool)))
        reason = "it has no compiler";
    else if (!device_number(id, CL_DEVICE_ENDIAN_LITTLE, sizeof(cl_bool)))
        reason = "it is big endian";
    else if (!device_number(id, CL_DEVICE_AVAILABLE, sizeof(cl_bool)))
        reason = "its driver says that it is not available";
    info->usable = !*reason;
    snprintf(info->unusable_reason, sizeof info->unusable_reason, "%s", reason);
}

const char *device_lane_path(hadal_device_kind kind, uint32_t capability)
{
    /* PTX ISA: dp4a is there from 6.1 on, and lanes that have diverged meet again at shfl.sync from 7.0 on. */
    return kind == HADAL_DEVICE_CPU ? "single" : capability >= 70 ? "ptx" : "local";
}

/* Lanes of the smallest subgroup that kernels can require; 0 if that is unknown. */
static size_t smallest_subgroup(cl_device_id id)
{
    size_t sizes[16], bytes = 0, smallest = 0;
    if (clGetDeviceInfo(id, DEVICE_SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, &bytes) != CL_SUCCESS)
        return 0;
    for (size_t i = 0; i < bytes / sizeof *sizes; i++)
        if (!smallest || sizes[i] < smallest)
            smallest = sizes[i];
    return smallest;
}

static void describe_matrix_unit(hadal_device_info *info, cl_device_id id, const char *extensions)
{
    device_matrix unit = matrix_unit_of_capability(info->compute_capability);
    if (discover_has_extension(extensions, "cl_intel_subgroup_matrix_multiply_accumulate"))
        unit = matrix_unit_of_subgroups(smallest_subgroup(id));
    info->matrix_unit = matrix_unit_name(unit);
    if (info->kind == HADAL_DEVICE_GPU && discover_has_extension(extensions, "cl_amd_device_attribute_query"))
        info->matrix_unit = MATRIX_UNIT_OF_COMPILER;
}

static void describe_capabilities(hadal_device_info *info, cl_device_id id, const char *extensions)
{
    bool nvidia = discover_has_extension(extensions, "cl_nv_device_attribute_query");
    if (nvidia)
        info->compute_capability =
            (uint32_t)(10 * device_number(id, DEVICE_COMPUTE_CAPABILITY_MAJOR_NV, sizeof(cl_uint)) +
                       device_number(id, DEVICE_COMPUTE_CAPABILITY_MINOR_NV, sizeof(cl_uint)));
    info->half_arithmetic = discover_has_extension(extensions, "cl_khr_fp16");
    info->double_arithmetic = discover_has_extension(extensions, "cl_khr_fp64");
    info->subgroups = discover_has_extension(extensions, "cl_khr_subgroups") ||
                      discover_has_extension(extensions, "cl_intel_subgroups");
    info->command_buffer = discover_has_extension(extensions, "cl_khr_command_buffer");
    info->integer_dot = discover_has_extension(extensions, "cl_khr_integer_dot_product");
    info->lane_path = device_lane_path(info->kind, info->compute_capability);
    describe_matrix_unit(info, id, extensions);
}

void discover_describe(hadal_device_info *info, cl_platform_id platform, cl_device_id id)
{
    *info = (hadal_device_info){0};
    char *extensions = device_extensions(id);
    device_text(info->name, sizeof info->name, id, CL_DEVICE_NAME);
    device_text(info->vendor, sizeof info->vendor, id, CL_DEVICE_VENDOR);
    device_text(info->version, sizeof info->version, id, CL_DEVICE_VERSION);
    device_text(info->driver, sizeof info->driver, id, CL_DRIVER_VERSION);
    if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof info->platform, info->platform, NULL) != CL_SUCCESS)
        info->platform[0] = '\0';
    info->platform[sizeof info->platform - 1] = '\0';
    uint64_t type = device_number(id, CL_DEVICE_TYPE, sizeof(cl_device_type));
    info->kind = type & CL_DEVICE_TYPE_GPU   ? HADAL_DEVICE_GPU
                 : type & CL_DEVICE_TYPE_CPU ? HADAL_DEVICE_CPU
                                             : HADAL_DEVICE_ACCELERATOR;
    info->memory_bytes = device_number(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(cl_ulong));
    info->largest_allocation_bytes = device_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(cl_ulong));
    info->local_memory_bytes = device_number(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof(cl_ulong));
    info->compute_units = (uint32_t)device_number(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(cl_uint));
    info->max_group_size = (uint32_t)device_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof(size_t));
    info->native_vector_width = (uint32_t)device_number(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof(cl_uint));
    info->unified_memory = device_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof(cl_bool)) != 0;
    describe_capabilities(info, id, extensions ? extensions : "");
    describe_usability(info, id);
    free(extensions);
}

/* All devices of all platforms, in order. A platform that answers with an error has none. */
static hadal_status find_devices(found_device **found, size_t *count)
{
    *found = NULL;
    *count = 0;
    cl_uint platform_count = 0;
    if (clGetPlatformIDs(0, NULL, &platform_count) != CL_SUCCESS || !platform_count)
        return HADAL_OK;
    cl_platform_id *platforms;
    cl_device_id *ids = NULL;
    size_t capacity = 0, id_capacity = 0;
    hadal_status status;
    TRY(memory_allocate(&platforms, platform_count, sizeof *platforms));
    if (clGetPlatformIDs(platform_count, platforms, NULL) != CL_SUCCESS)
        platform_count = 0;
    for (cl_uint p = 0; p < platform_count; p++) {
        cl_uint here = 0;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 0, NULL, &here) != CL_SUCCESS || !here)
            continue;
        TRY_OR(done, memory_grow(&ids, &id_capacity, here, sizeof *ids));
        TRY_OR(done, memory_grow(found, &capacity, *count + here, sizeof **found));
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, here, ids, NULL) != CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < here; d++)
            (*found)[(*count)++] = (found_device){platforms[p], ids[d]};
    }
    status = HADAL_OK;
done:
    free(platforms);
    free(ids);
    if (status != HADAL_OK) {
        free(*found);
        *found = NULL;
        *count = 0;
    }
    return status;
}

/* Names the matrix unit of a device that must be opened for that. */
static void ask_compiler(hadal_device_info *info)
{
    char index[24];
    hadal_device *device = NULL;
    snprintf(index, sizeof index, "%zu", info->index);
    const hadal_device_options options = {.selector = index};
    bool opened = info->usable && hadal_device_open(&device, &options) == HADAL_OK;
    info->matrix_unit =
        opened ? hadal_device_describe(device)->matrix_unit : matrix_unit_name(DEVICE_MATRIX_NONE);
    hadal_device_close(device);
}

hadal_status hadal_device_list(hadal_device_info **list, size_t *count)
{
    found_device *found;
    char *cache = NULL;
    uint16_t tuned[TUNED_SIZES];
    hadal_status status;
    *list = NULL;
    TRY(find_devices(&found, count));
    TRY_OR(done, cache_find_directory(&cache, NULL));
    TRY_OR(done, memory_allocate(list, *count, sizeof **list));
    for (size_t i = 0; i < *count; i++) {
        hadal_device_info *info = &(*list)[i];
        discover_describe(info, found[i].platform, found[i].id);
        info->index = i;
        if (strcmp(info->matrix_unit, MATRIX_UNIT_OF_COMPILER) == 0)
            ask_compiler(info);
        device_shape shape = device_choose_shape(info);
        shape.matrix = matrix_unit_named(info->matrix_unit);
        tuning_read(tuned, info, &shape, cache);
    }
done:
    *count = status == HADAL_OK ? *count : 0;
    free(cache);
    free(found);
    return status;
}

void hadal_device_list_free(hadal_device_info *list)
{
    free(list);
}

/* Whether text holds part, ignoring the case of ASCII letters. */
static bool contains_ignoring_case(const char *text, const char *part)
{
    for (; *text; text++) {
        size_t i = 0;
        while (part[i] && tolower((unsigned char)text[i]) == tolower((unsigned char)part[i]))
            i++;
        if (!part[i])
            return true;
    }
    return !*part;
}

static bool selector_matches(const hadal_device_info *info, const char *selector)
{
    char *end;
    unsigned long index = strtoul(selector, &end, 10);
    if (isdigit((unsigned char)selector[0]) && !*end)
        return index == info->index;
    return contains_ignoring_case(info->name, selector) || contains_ignoring_case(info->platform, selector);
}

/* GPUs before everything else, then the most memory. */
static bool preferred(const hadal_device_info *a, const hadal_device_info *b)
{
    bool gpu_a = a->kind == HADAL_DEVICE_GPU, gpu_b = b->kind == HADAL_DEVICE_GPU;
    return gpu_a != gpu_b ? gpu_a : a->memory_bytes > b->memory_bytes;
}

static hadal_status selection_failure(const char *selector, const hadal_device_info *list, size_t count,
                                      size_t unusable)
{
    if (!count)
        return failure(HADAL_ERROR_NO_DEVICE,
                       "no OpenCL device was found; install your GPU's OpenCL driver, or PoCL to run "
                       "on the CPU (Debian: apt install pocl-opencl-icd, Fedora: dnf install pocl)");
    if (unusable < count)
        return failure(HADAL_ERROR_NO_DEVICE, "device '%s' (%s) cannot be used: %s; choose another with --device",
                       selector && *selector ? selector : "0", list[unusable].name, list[unusable].unusable_reason);
    return failure(HADAL_ERROR_NO_DEVICE, "no OpenCL device matches '%s'; expected an index from 0 to %zu or part of a "
                   "name, as `hadal devices` lists them", selector, count - 1);
}

hadal_status discover_select(hadal_device_info *info, cl_device_id *id, cl_platform_id *platform, const char *selector)
{
    found_device *found;
    hadal_device_info *list;
    size_t count;
    TRY(find_devices(&found, &count));
    hadal_status status = memory_allocate(&list, count, sizeof *list);
    size_t best = count, unusable = count;
    for (size_t i = 0; status == HADAL_OK && i < count; i++) {
        discover_describe(&list[i], found[i].platform, found[i].id);
        list[i].index = i;
        if (selector && *selector && !selector_matches(&list[i], selector))
            continue;
        if (!list[i].usable)
            unusable = i;
        else if (best == count || preferred(&list[i], &list[best]))
            best = i;
    }
    if (status == HADAL_OK && best == count) {
        status = selection_failure(selector, list, count, unusable);
    } else if (status == HADAL_OK) {
        *info = list[best];
        *id = found[best].id;
        *platform = found[best].platform;
    }
    free(list);
    free(found);
    return status;
}
