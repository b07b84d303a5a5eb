/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the operations see of a device: its record, buffers, kernels and launches. No OpenCL type leaves this folder.
 * Commands run in the order in which they are given (one in-order queue); only reads and device_finish wait. */

#ifndef HADAL_DEVICE_DEVICE_H
#define HADAL_DEVICE_DEVICE_H

#include "base/memory.h"
#include "base/status.h"

/* ---- Memory ------------------------------------------------------------------------------------- */

/* What a buffer is for: `hadal inspect` predicts and the device counts bytes by class. */
typedef enum memory_class {
    MEMORY_EMBEDDING,       /* embed_tokens and lm_head */
    MEMORY_ATTENTION,       /* projections of attention */
    MEMORY_INDEXER,         /* projections of the lightning indexer */
    MEMORY_DENSE_MLP,       /* MLPs of the first layers */
    MEMORY_EXPERTS,         /* routed experts */
    MEMORY_SHARED_EXPERTS,
    MEMORY_ROUTER,
    MEMORY_NORMS,           /* all vectors, and the table of rotations */
    MEMORY_LATENT_CACHE,
    MEMORY_INDEX_CACHE,
    MEMORY_ACTIVATIONS,
    MEMORY_INDEX_SCORES,
    MEMORY_ATTENTION_PARTIALS,
    MEMORY_OTHER,           /* tests and self-tests */
    MEMORY_CLASSES
} memory_class;

typedef struct buffer buffer;

/* Device memory of that many bytes, all zero. Fails with HADAL_ERROR_DEVICE_MEMORY; sizes above the device's
 * largest allocation are refused: who needs more splits (see ops/matrix.h). */
HADAL_CHECKED hadal_status buffer_create(buffer **created, hadal_device *device, memory_class use, size_t bytes);
void buffer_free(buffer *freed);
size_t buffer_bytes(const buffer *measured);

/* Copies bytes of host memory to offset. The source may be reused on return. */
HADAL_CHECKED hadal_status buffer_write(buffer *target, size_t offset, const void *source, size_t bytes);

/* Waits for everything before it, then copies to host memory. */
HADAL_CHECKED hadal_status buffer_read(const buffer *source, size_t offset, void *target, size_t bytes);

/* Bytes allocated now, by class. */
uint64_t device_allocated(const hadal_device *device, memory_class use);

/* Has the device begin with what was given to it so far, if it hasn't yet. */
HADAL_CHECKED hadal_status device_flush(hadal_device *device);

/* Waits until everything has run; reports what failed on the way. */
HADAL_CHECKED hadal_status device_finish(hadal_device *device);

/* ---- How kernels are shaped for this device ------------------------------------------------------- */

/* The instructions that multiply matrices, of which each has a back end in cl/tile.clh. */
typedef enum device_matrix {
    DEVICE_MATRIX_NONE,   /* or precision is exact */
    DEVICE_MATRIX_WGMMA,  /* NVIDIA wgmma, compute capability 9.0 alone */
    DEVICE_MATRIX_MMA,    /* NVIDIA mma.sync, compute capability 8.0 and later */
    DEVICE_MATRIX_MFMA,   /* AMD MFMA, gfx90a, gfx942 and gfx950 */
    DEVICE_MATRIX_WMMA11, /* AMD WMMA as gfx11 has it */
    DEVICE_MATRIX_WMMA12, /* as gfx12 has it */
    DEVICE_MATRIX_DPAS8,  /* Intel DPAS by subgroups of 8 lanes */
    DEVICE_MATRIX_DPAS16, /* by subgroups of 16 */
    DEVICE_MATRIX_COUNT
} device_matrix;

/* What is computed on matrix units. Each part has self-tests of its own, and goes on without the unit by itself. */
typedef enum matrix_use {
    MATRIX_PRODUCTS,     /* of 16-bit operands */
    MATRIX_INDEX_SCORES, /* of int8 keys: exact */
    MATRIX_ATTENTION,    /* of 16-bit operands */
    MATRIX_USES
} matrix_use;

/* Set at opening from capabilities; also given to every kernel as -D VECTOR, LANES, GROUP. */
typedef struct device_shape {
    uint32_t vector; /* floats that a work-item handles at once: 4, 8 or 16; padded rows are multiples of 16 */
    uint32_t lanes;  /* work-items that share a row and reduce together: 1 on CPUs, 32 on GPUs */
    uint32_t group;  /* work-items that reduce as a whole: 1 on CPUs, up to 256 on GPUs; a multiple of lanes */
    bool cpu;        /* work-groups of one work-item run best, local memory gains nothing */
    device_matrix matrix;
    bool emulated;   /* the matrix instruction is computed by plain OpenCL C instead: tests run its kernels anywhere */
} device_shape;

/* hadal_device_open with another shape than the device's own (NULL: its own), so that tests run on a CPU what a GPU
 * runs. */
HADAL_CHECKED hadal_status device_open_shaped(hadal_device **opened, const hadal_device_options *options,
                                              const device_shape *shape);

const device_shape *device_shape_of(const hadal_device *device);

/* The matrix unit that the device's compiler builds for, of those that no device reports (cl/matrix_unit.cl). */
device_matrix device_compiled_matrix(hadal_device *device);

/* The unit that such kernels run on: the shape's, or NONE once it was given up for them. */
device_matrix device_matrix_for(const hadal_device *device, matrix_use use);

/* Goes on without the matrix unit there; the device's record keeps the first reason. Without products precision is
 * exact, so that attention goes on without it, too. */
void device_give_up_matrix_unit(hadal_device *device, matrix_use use, const char *reason);

/* What was found out about the kernels of these families on this device (a NULL-terminated list), kept in the cache
 * directory until a kernel, the device or its driver changes: whether `finding` was remembered. */
bool device_recalls(const hadal_device *device, const char *const *families, const char *finding);
void device_remember(const hadal_device *device, const char *const *families, const char *finding);

/* The -D options of kernels over cl/tile.clh that choose this device's back end; "" where matrix is NONE. */
const char *device_matrix_option(const hadal_device *device);

/* Appends the option, if the compiler has one, that keeps a kernel to so few registers that `items` work-items run on a
 * compute unit at once. */
HADAL_CHECKED hadal_status device_limit_registers(byte_array *options, const hadal_device *device, unsigned items);

/* How lanes exchange values on a device of that kind (cl/lane.clh); capability: hadal_device_info's
 * compute_capability. */
const char *device_lane_path(hadal_device_kind kind, uint32_t capability);

/* Rows of activations, caches and weights are padded with zeros to a multiple of this many elements. */
enum { ROW_UNIT = 16 };

/* ---- Kernels ------------------------------------------------------------------------------------- */

typedef struct kernel kernel;

/* The kernel `name` of cl/FAMILY.cl, built with `options` (" -D..." or ""). Built once a device and options, from
 * the disk cache when it can; owned by the device. A build failure is HADAL_ERROR_INTERNAL with the build log. */
HADAL_CHECKED hadal_status kernel_get(kernel **found, hadal_device *device, const char *family, const char *name,
                                      const char *options);

/* Tells visit of every program that kernel_get has built so far: the family, and the options that its operation gave
 * beside those of all kernels. */
void device_list_programs(const hadal_device *device,
                          void (*visit)(void *user, const char *family, const char *options), void *user);

/* The largest work-group that this kernel can run with on this device. */
size_t kernel_max_group(const kernel *measured);

/* How many groups of how many work-items, and what the launch must do at least (for profiles). */
typedef struct launch_shape {
    size_t groups[3]; /* 0 counts as 1 */
    size_t size[3];   /* work-items of a group; 0 counts as 1 */
    uint64_t bytes;
    uint64_t operations;
} launch_shape;

/* One argument of a kernel, made by the functions below. */
typedef struct kernel_argument {
    enum { ARGUMENT_BUFFER, ARGUMENT_VALUE, ARGUMENT_LOCAL, ARGUMENT_STRUCT } kind;
    const buffer *memory;
    const void *bytes;
    union {
        int32_t i32;
        uint32_t u32;
        uint64_t u64;
        float f32;
    } value;
    size_t size;
} kernel_argument;

static inline kernel_argument arg_buffer(const buffer *memory) /* NULL is passed as a null pointer */
{
    return (kernel_argument){.kind = ARGUMENT_BUFFER, .memory = memory, .size = sizeof(void *)};
}

static inline kernel_argument arg_int(int64_t value) /* int; the caller knows that it fits */
{
    return (kernel_argument){.kind = ARGUMENT_VALUE, .value.i32 = (int32_t)value, .size = sizeof(int32_t)};
}

static inline kernel_argument arg_uint(uint64_t value) /* uint; the caller knows that it fits */
{
    return (kernel_argument){.kind = ARGUMENT_VALUE, .value.u32 = (uint32_t)value, .size = sizeof(uint32_t)};
}

static inline kernel_argument arg_ulong(uint64_t value)
{
    return (kernel_argument){.kind = ARGUMENT_VALUE, .value.u64 = value, .size = sizeof(uint64_t)};
}

static inline kernel_argument arg_float(double value)
{
    return (kernel_argument){.kind = ARGUMENT_VALUE, .value.f32 = (float)value, .size = sizeof(float)};
}

static inline kernel_argument arg_local(size_t bytes) /* __local memory of that size */
{
    return (kernel_argument){.kind = ARGUMENT_LOCAL, .size = bytes};
}

/* A struct of int, by value: the kernel declares the same members. It is read at the launch. */
static inline kernel_argument arg_struct(const void *bytes, size_t size)
{
    return (kernel_argument){.kind = ARGUMENT_STRUCT, .bytes = bytes, .size = size};
}

/* Enqueues one launch; arguments in the order of the kernel's parameters. Launches with no group do nothing. */
HADAL_CHECKED hadal_status kernel_launch(kernel *launched, const launch_shape *shape, const kernel_argument *arguments,
                                         size_t argument_count);

/* kernel_launch with the arguments written out: LAUNCH(k, shape, arg_buffer(x), arg_int(n)). */
#define LAUNCH(launched, shape, ...)                                                  \
    kernel_launch((launched), &(shape), (const kernel_argument[]){__VA_ARGS__},       \
                  sizeof((const kernel_argument[]){__VA_ARGS__}) / sizeof(kernel_argument))

/* Launches from now on count as "prefill", "decode" or "load" in profiles. phase is a static string. */
void device_set_phase(hadal_device *device, const char *phase);

/* ---- Launches one by one -------------------------------------------------------------------------- */

/* Switches the timing of launches on or off, once everything before has run. Whether it was on before goes to *before,
 * which may be NULL. */
HADAL_CHECKED hadal_status device_set_profile(hadal_device *device, bool profile, bool *before);

/* One launch of a device that is timed. */
typedef struct launch_record {
    const char *kernel; /* owned by the device; another pointer for each program that the kernel was built in */
    size_t groups, items; /* of the launch, and of each group */
    uint64_t bytes, operations;
    double seconds;
} launch_record;

enum { LAUNCH_RECORDS = 4096 };

/* Waits, then fills records[LAUNCH_RECORDS] with the launches since profiling was switched on or the last call, in
 * their order; *count is how many. Launches are given up to LAUNCH_RECORDS: beyond, the oldest are lost. */
HADAL_CHECKED hadal_status device_records(hadal_device *device, launch_record *records, size_t *count);

/* ---- CLBlast ------------------------------------------------------------------------------------- */

/* out[m, n] = in[m, k] weight[n, k]^T, float32, row-major with row strides in elements; accumulate adds to out. */
HADAL_CHECKED hadal_status device_clblast_linear(hadal_device *device, buffer *out, size_t out_offset,
                                                 size_t out_stride, const buffer *in, size_t in_stride,
                                                 const buffer *weight, size_t weight_stride, size_t m, size_t n,
                                                 size_t k, bool accumulate);

#endif
