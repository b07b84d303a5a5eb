/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What the device makes of every stored code, and which code it rounds a value to: cl/dtype.clh through codes.cl. */

#include <unistd.h>

#include "ops/matrix.h"
#include "tests/ops/device.h"
#include "weights/dtype.h"

enum { PATH_BYTES = 4096 };

/* The device of this round, while test_device() is one whose kernels are those of `directory`. */
static hadal_device *round_device;
static char directory[PATH_BYTES / 2];

static const char *const sources[] = {"vector.clh", "dtype.clh", "codes.cl"};
enum { SOURCES = sizeof sources / sizeof *sources };

static int open_device_with_codes(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR"), *kernels = getenv("HADAL_CL_DIR"), *top = getenv("top_srcdir");
    assert_true(kernels && top);
    snprintf(directory, sizeof directory, "%s/hadal-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(directory));
    for (size_t i = 0; i < SOURCES; i++) {
        char from[PATH_BYTES], to[PATH_BYTES];
        bool tested = strstr(sources[i], ".clh");
        snprintf(from, sizeof from, "%s/%s", tested ? kernels : top, tested ? sources[i] : "tests/ops/codes.cl");
        snprintf(to, sizeof to, "%s/%s", directory, sources[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .kernel_directory = directory};
    round_device = test_device_now;
    CHECK_OK(device_open_shaped(&test_device_now, &options, device_shape_of(round_device)));
    return 0;
}

static int close_device_with_codes(void **state)
{
    (void)state;
    hadal_device_close(test_device_now);
    test_device_now = round_device;
    for (size_t i = 0; i < SOURCES; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", directory, sources[i]);
        assert_int_equal(unlink(path), 0);
    }
    return rmdir(directory);
}

/* Equal as bits, so that -0 is not 0; any NaN equals any other. */
static void check_values(const char *how, dtype type, const float *got, const float *expected, size_t count)
{
    for (size_t code = 0; code < count; code++)
        if (isnan(expected[code]) ? !isnan(got[code]) : memcmp(got + code, expected + code, sizeof *got) != 0)
            fail_msg("%s code 0x%zx %s: %a, expected %a", dtype_name(type), code, how, (double)got[code],
                     (double)expected[code]);
}

/* All `count` codes of the dtype on the device, against the host, which test_dtype checks by definition. */
static void check_decoding(dtype type, size_t count)
{
    const size_t bytes = dtype_bytes(type);
    unsigned char *codes = malloc(count * bytes);
    float *expected = malloc(count * sizeof *expected);
    assert_true(codes && expected);
    for (size_t code = 0; code < count; code++)
        for (size_t i = 0; i < bytes; i++)
            codes[code * bytes + i] = (unsigned char)(code >> (8 * i));
    dtype_decode(expected, codes, count, type);
    kernel *decode;
    CHECK_OK(kernel_get(&decode, test_device(), "codes", "decode", matrix_option(type)));
    buffer *stored = test_buffer(codes, count * bytes);
    buffer *vectors = test_poisoned_buffer(count * sizeof(float));
    buffer *singles = test_poisoned_buffer(count * sizeof(float));
    const launch_shape shape = {.groups = {count / device_shape_of(test_device())->vector}};
    CHECK_OK(LAUNCH(decode, shape, arg_buffer(vectors), arg_buffer(singles), arg_buffer(stored)));
    float *from_vectors = test_read(vectors), *from_singles = test_read(singles);
    check_values("in a vector", type, from_vectors, expected, count);
    check_values("alone", type, from_singles, expected, count);
    buffer_free(stored), buffer_free(vectors), buffer_free(singles);
    free(codes), free(expected), free(from_vectors), free(from_singles);
}

static void minus_zero_nan_and_subnormals_of_e4m3_decode_as_on_the_host(void **state)
{
    (void)state;
    check_decoding(DTYPE_F8_E4M3, 256);
}

static void all_values_of_f16_and_bf16_decode_as_on_the_host(void **state)
{
    (void)state;
    check_decoding(DTYPE_F16, 65536);
    check_decoding(DTYPE_BF16, 65536);
}

/* What the device rounds values[count] to; freed with free(). */
static void *encode_values(dtype type, const float *values, size_t count)
{
    kernel *encode;
    CHECK_OK(kernel_get(&encode, test_device(), "codes", "encode", matrix_option(type)));
    buffer *in = test_buffer(values, count * sizeof *values), *out = test_poisoned_buffer(count * dtype_bytes(type));
    const launch_shape shape = {.groups = {count}};
    CHECK_OK(LAUNCH(encode, shape, arg_buffer(out), arg_buffer(in)));
    void *got = test_read(out);
    buffer_free(in), buffer_free(out);
    return got;
}

/* Each value, what lies half-way to the next one and just beside that: ties go to the even code. */
static void e4m3_rounds_to_the_nearest_ties_to_even_and_saturates(void **state)
{
    (void)state;
    enum { LARGEST = 0x7e, COUNT = 2 * (LARGEST * 4 + 4) };
    uint8_t codes[LARGEST + 1], expected[COUNT];
    float decoded[LARGEST + 1], values[COUNT];
    size_t count = 0;
    for (size_t code = 0; code <= LARGEST; code++)
        codes[code] = (uint8_t)code;
    dtype_decode(decoded, codes, LARGEST + 1, DTYPE_F8_E4M3);
    for (int sign = 0; sign < 2; sign++) {
        const size_t first = count;
        for (uint8_t code = 0; code < LARGEST; code++) {
            const float middle = (decoded[code] + decoded[code + 1]) / 2;
            const float near[] = {decoded[code], nextafterf(middle, 0), middle, nextafterf(middle, INFINITY)};
            for (size_t i = 0; i < 4; i++, count++) {
                values[count] = near[i];
                expected[count] = (uint8_t)(code + (i == 3 || (i == 2 && code % 2)));
            }
        }
        const float large[] = {448, 1e30f, INFINITY, NAN};
        for (size_t i = 0; i < 4; i++, count++) {
            values[count] = large[i];
            expected[count] = i < 3 ? LARGEST : 0x7f;
        }
        for (size_t i = first; i < count && sign; i++) {
            values[i] = -values[i];
            expected[i] |= 0x80;
        }
    }
    assert_int_equal(count, COUNT);
    uint8_t *got = encode_values(DTYPE_F8_E4M3, values, count);
    for (size_t i = 0; i < count; i++)
        if (got[i] != expected[i])
            fail_msg("%a becomes 0x%x, expected 0x%x", (double)values[i], got[i], expected[i]);
    free(got);
}

/* A float is a bf16 code and 16 bits below it. A NaN whose mark lies in those stays NaN. */
static void bf16_rounds_to_the_nearest_ties_to_even_and_keeps_nan(void **state)
{
    (void)state;
    static const uint16_t below[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    enum { BELOW = sizeof below / sizeof *below, COUNT = 65536 * BELOW };
    float *values = malloc(COUNT * sizeof *values);
    assert_non_null(values);
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t bits = i / BELOW << 16 | below[i % BELOW];
        memcpy(values + i, &bits, sizeof bits);
    }
    uint16_t *got = encode_values(DTYPE_BF16, values, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint32_t code = i / BELOW, rest = below[i % BELOW];
        const uint32_t expected = code + (rest > 0x8000 || (rest == 0x8000 && code % 2));
        if (isnan(values[i]) ? (got[i] & 0x7fff) <= 0x7f80 : got[i] != expected)
            fail_msg("%a becomes 0x%x, expected 0x%x", (double)values[i], got[i], expected);
    }
    free(values), free(got);
}

#define WITH_CODES(test) cmocka_unit_test_setup_teardown(test, open_device_with_codes, close_device_with_codes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CODES(minus_zero_nan_and_subnormals_of_e4m3_decode_as_on_the_host),
        WITH_CODES(all_values_of_f16_and_bf16_decode_as_on_the_host),
        WITH_CODES(e4m3_rounds_to_the_nearest_ties_to_even_and_saturates),
        WITH_CODES(bf16_rounds_to_the_nearest_ties_to_even_and_keeps_nan),
    };
    TEST_ON_SHAPES(tests);
}
