/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The inside of a device, for this folder only. */

#ifndef HADAL_DEVICE_OPENCL_H
#define HADAL_DEVICE_OPENCL_H

#include <CL/cl.h>

#include "device/device.h"
#include "device/matrix.h"
#include "device/tuning.h"

typedef struct program {
    char *family;
    char *options;
    cl_program built;
    struct program *next;
} program;

enum { PHASES = 3 };

/* What one kernel did, by phase. */
typedef struct kernel_count {
    uint64_t launches, bytes, operations;
    double seconds;
} kernel_count;

/* What an argument of a kernel is set to: a value's bytes, or which buffer it is. */
typedef struct kept_argument {
    size_t size; /* of the bytes; 0: not known */
    unsigned char bytes[56];
} kept_argument;

enum { KEPT_ARGUMENTS = 32 };

struct kernel {
    hadal_device *device;
    char *name;
    program *source;
    cl_kernel handle;
    size_t max_group;
    kept_argument kept[KEPT_ARGUMENTS]; /* of the last launch */
    kernel_count counts[PHASES];
    struct kernel *next;
};

/* A launch whose time is not read yet. */
typedef struct pending_event {
    cl_event event;
    kernel *launched;
    int phase;
    size_t groups, items;
    uint64_t bytes, operations;
} pending_event;

struct hadal_device {
    hadal_device_info info;
    device_shape shape;
    bool intel_unit;             /* its own matrix unit is Intel's: the compiler takes Intel's options */
    bool given_up[MATRIX_USES];  /* see device_give_up_matrix_unit */
    uint16_t tuned[TUNED_SIZES]; /* 0: the usual size */
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    char *kernel_directory;
    char *cache_directory; /* NULL: no cache */
    char *common_options;
    program *programs;
    kernel *kernels;
    bool profile;
    int phase;
    pending_event *pending;
    size_t pending_count, pending_capacity;
    uint64_t allocated[MEMORY_CLASSES];
    uint64_t buffers_made;
};

struct buffer {
    hadal_device *device;
    cl_mem handle;
    uint64_t number; /* from 1, in the order of creation: a handle may be that of a buffer freed before */
    size_t bytes;
    memory_class use;
};

/* A failed OpenCL call as a status: the call, the error's name, the device, and what to try. */
hadal_status opencl_failure(const hadal_device *device, const char *call, cl_int error);

/* Fails through opencl_failure when the call, given as written, does not return CL_SUCCESS. */
#define CL_TRY(device, call)                                              \
    do {                                                                  \
        cl_int cl_error_ = (call);                                        \
        if (cl_error_ != CL_SUCCESS)                                      \
            return opencl_failure((device), #call, cl_error_);            \
    } while (0)

/* Fills the record of one OpenCL device. */
void discover_describe(hadal_device_info *info, cl_platform_id platform, cl_device_id id);

/* The device that the selector names, or the default one. */
HADAL_CHECKED hadal_status discover_select(hadal_device_info *info, cl_device_id *id, cl_platform_id *platform,
                                           const char *selector);

/* Whether a space-separated list of extensions has that one. */
bool discover_has_extension(const char *extensions, const char *wanted);

/* The text of DIRECTORY/NAME with every #include "..." line replaced by that file, once. Freed with free(). */
HADAL_CHECKED hadal_status source_read(char **text, const char *directory, const char *name);

/* The directory that holds the kernels: $HADAL_CL_DIR, the build tree, or the installed one. Freed with free(). */
HADAL_CHECKED hadal_status source_find_directory(char **directory, const char *chosen);

/* The program of cl/FAMILY.cl with these options, built or from the cache. Owned by the device. */
HADAL_CHECKED hadal_status program_get(program **found, hadal_device *device, const char *family, const char *options);
void program_free_all(hadal_device *device);

/* Binaries of programs on disk. A missing, stale or corrupt entry reads as *binary NULL; writing never fails loudly. */
void cache_read(unsigned char **binary, size_t *bytes, const hadal_device *device, const char *source,
                const char *options);
void cache_write(const hadal_device *device, const char *source, const char *options, const unsigned char *binary,
                 size_t bytes);

/* The path of a file of the cache whose content depends on two texts, the device and its driver. */
HADAL_CHECKED hadal_status cache_path(byte_array *path, const char *directory, const hadal_device_info *info,
                                      const char *first, const char *second, const char *suffix);

/* Makes the file anew, head before content, in one step; whether that went well. Makes the directory if it must. */
bool cache_replace(const char *directory, const char *path, const void *head, size_t head_bytes, const void *content,
                   size_t bytes);

/* Sets tuned[TUNED_SIZES] to what the cache's file says of devices of that shape, and info's tuned and tuning_failure.
 * directory: of the cache, or NULL. */
void tuning_read(uint16_t tuned[TUNED_SIZES], hadal_device_info *info, const device_shape *shape,
                 const char *directory);

/* The shape of kernels that a device's capabilities ask for, but for its matrix unit. */
device_shape device_choose_shape(const hadal_device_info *info);

/* Where binaries are kept: chosen, $XDG_CACHE_HOME/hadal or ~/.cache/hadal; NULL when there is no such place. */
HADAL_CHECKED hadal_status cache_find_directory(char **directory, const char *chosen);

/* Adds the times of finished launches to their kernels' counts. */
HADAL_CHECKED hadal_status profile_collect(hadal_device *device);

#endif
