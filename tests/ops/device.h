/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Tests of kernels: the device, random data, buffers from and to host arrays, and comparison. */

#ifndef HADAL_TESTS_OPS_DEVICE_H
#define HADAL_TESTS_OPS_DEVICE_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "device/device.h"
#include "tests/check.h"

/* The device that the tests of this round run on. */
static hadal_device *test_device_now;

static inline hadal_device *test_device(void)
{
    return test_device_now;
}

/* Opens the device HADAL_DEVICE, else the default; ends the program with status 77 (skipped) when there is none. */
static inline void test_open_device(const device_shape *shape)
{
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE")};
    hadal_status status = device_open_shaped(&test_device_now, &options, shape);
    if (status == HADAL_OK)
        return;
    fprintf(stderr, "%s: %s\n", status == HADAL_ERROR_NO_DEVICE ? "skipped" : "failed", hadal_error_message());
    exit(status == HADAL_ERROR_NO_DEVICE ? 77 : 1);
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

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers on every machine. */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [-1, 1). */
static inline float test_random_float(uint64_t *state)
{
    return (float)(test_random(state) >> 40) * 0x1p-23f - 1.0f;
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

/* ||got - expected|| / ||expected|| over count values; NaN when got holds one. */
static inline double test_relative_error(const float *got, const double *expected, size_t count)
{
    double difference = 0, magnitude = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        magnitude += expected[i] * expected[i];
    }
    return magnitude > 0 ? sqrt(difference / magnitude) : sqrt(difference);
}

/* Fails unless the error is at most the tolerance (NaN fails). */
#define CHECK_CLOSE(got, expected, count, tolerance)                                                        \
    do {                                                                                                    \
        double error_ = test_relative_error((got), (expected), (count));                                    \
        if (!(error_ <= (tolerance)))                                                                       \
            fail_msg("%s differs from %s: relative error %g > %g", #got, #expected, error_, (double)(tolerance)); \
    } while (0)

#endif
