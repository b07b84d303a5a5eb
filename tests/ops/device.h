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

/* The device that the tests run on: HADAL_DEVICE, else the default. Ends the program with status 77 (skipped) when
 * there is none. */
static inline hadal_device *test_device(void)
{
    static hadal_device *device;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE")};
    if (device)
        return device;
    hadal_status status = hadal_device_open(&device, &options);
    if (status == HADAL_ERROR_NO_DEVICE) {
        fprintf(stderr, "skipped: %s\n", hadal_error_message());
        exit(77);
    }
    CHECK_OK(status);
    return device;
}

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
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        norm += expected[i] * expected[i];
    }
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

/* Fails unless the error is at most the tolerance (NaN fails). */
#define CHECK_CLOSE(got, expected, count, tolerance)                                                        \
    do {                                                                                                    \
        double error_ = test_relative_error((got), (expected), (count));                                    \
        if (!(error_ <= (tolerance)))                                                                       \
            fail_msg("%s differs from %s: relative error %g > %g", #got, #expected, error_, (double)(tolerance)); \
    } while (0)

#endif
