/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Tests of kernels: the device, random data, buffers from and to host arrays, and comparison. */

#ifndef HADAL_TESTS_OPS_DEVICE_H
#define HADAL_TESTS_OPS_DEVICE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "device/device.h"
#include "ops/reference.h"
#include "tests/check.h"

/* The device that the tests of this round run on. */
static hadal_device *test_device_now;

static inline hadal_device *test_device(void)
{
    return test_device_now;
}

/* Opens the device HADAL_DEVICE, else the default, with that precision; ends the program with status 77 (skipped) when
 * there is none. */
static inline void test_open_device_with(const device_shape *shape, hadal_precision precision)
{
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .precision = precision};
    hadal_status status = device_open_shaped(&test_device_now, &options, shape);
    if (status == HADAL_OK)
        return;
    fprintf(stderr, "%s: %s\n", status == HADAL_ERROR_NO_DEVICE ? "skipped" : "failed", hadal_error_message());
    exit(status == HADAL_ERROR_NO_DEVICE ? 77 : 1);
}

/* The same for what is compared with float32 tolerances. */
static inline void test_open_device(const device_shape *shape)
{
    test_open_device_with(shape, HADAL_PRECISION_EXACT);
}

/* Opens the device for kernels over cl/tile.clh; where it has no matrix unit, with the instruction emulated. Says
 * which. */
static inline const char *test_open_matrix_device(void)
{
    static const device_shape emulated = {.vector = 4, .lanes = 32, .group = 64, .matrix = DEVICE_MATRIX_WGMMA,
                                          .emulated = true};
    test_open_device_with(NULL, HADAL_PRECISION_FAST);
    if (device_shape_of(test_device())->matrix != DEVICE_MATRIX_NONE)
        return "own matrix unit";
    hadal_device_close(test_device());
    test_open_device_with(&emulated, HADAL_PRECISION_FAST);
    return "emulated matrix unit";
}

/* The same with that unit: the device's own, or emulated where it has no such. */
static inline const char *test_open_matrix_unit(device_matrix unit)
{
    static char name[64];
    test_open_matrix_device();
    device_shape shape = *device_shape_of(test_device());
    bool newer = shape.matrix == DEVICE_MATRIX_WGMMA && unit == DEVICE_MATRIX_MMA; /* sm_90 has both */
    shape.emulated = shape.emulated || (shape.matrix != unit && !newer);
    shape.matrix = unit;
    hadal_device_close(test_device());
    test_open_device_with(&shape, HADAL_PRECISION_FAST);
    snprintf(name, sizeof name, "%s %s", shape.emulated ? "emulated" : "own",
             hadal_device_describe(test_device())->matrix_unit);
    return name;
}

/* Runs the tests in the device's own shape and, on a CPU, once more as a GPU would run them: lane groups that
 * exchange values through local memory, and groups of many work-items. */
#define TEST_ON_SHAPES(tests)                                                          \
    do {                                                                               \
        static const device_shape gpu = {.vector = 4, .lanes = 32, .group = 64};       \
        test_open_device(NULL);                                                        \
        bool cpu_ = device_shape_of(test_device())->cpu;                               \
        int failed_ = cmocka_run_group_tests_name("own shape", tests, NULL, NULL);     \
        hadal_device_close(test_device());                                             \
        if (cpu_) {                                                                    \
            test_open_device(&gpu);                                                    \
            failed_ += cmocka_run_group_tests_name("GPU shape", tests, NULL, NULL);    \
            hadal_device_close(test_device());                                         \
        }                                                                              \
        return failed_ != 0;                                                           \
    } while (0)

static inline uint64_t test_random(uint64_t *state)
{
    return random_bits(state);
}

/* Uniform in [-1, 1). */
static inline float test_random_float(uint64_t *state)
{
    return random_float(state);
}

/* values[rows, columns] in rows of round_up(columns, ROW_UNIT) floats: random, with zero padding. Freed with free(). */
static inline float *test_random_rows(uint64_t *state, size_t rows, size_t columns)
{
    size_t stride = round_up(columns, ROW_UNIT);
    float *values = calloc(rows * stride, sizeof *values);
    assert_non_null(values);
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < columns; i++)
            values[row * stride + i] = test_random_float(state);
    return values;
}

/* A buffer that holds a copy of those bytes. */
static inline buffer *test_buffer(const void *data, size_t bytes)
{
    buffer *made;
    CHECK_OK(buffer_create(&made, test_device(), MEMORY_OTHER, bytes));
    if (data)
        CHECK_OK(buffer_write(made, 0, data, bytes));
    return made;
}

/* A buffer of that many bytes of 0xff: float NaN, so that what no kernel wrote shows. */
static inline buffer *test_poisoned_buffer(size_t bytes)
{
    void *poison = malloc(bytes);
    assert_non_null(poison);
    memset(poison, 0xff, bytes);
    buffer *made = test_buffer(poison, bytes);
    free(poison);
    return made;
}

/* The buffer's content; freed with free(). */
static inline void *test_read(const buffer *source)
{
    void *data = malloc(buffer_bytes(source) + 1);
    assert_non_null(data);
    CHECK_OK(buffer_read(source, 0, data, buffer_bytes(source)));
    return data;
}

/* Fails unless the error is at most the tolerance (NaN fails). */
#define CHECK_CLOSE(got, expected, count, tolerance)                                                        \
    do {                                                                                                    \
        double error_ = reference_error((got), (expected), (count));                                    \
        if (!(error_ <= (tolerance)))                                                                       \
            fail_msg("%s differs from %s: relative error %g > %g", #got, #expected, error_, (double)(tolerance)); \
    } while (0)

#endif
