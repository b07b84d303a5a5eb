/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "weights/dtype.h"

#include <math.h>
#include <string.h>

#include "tests/check.h"

/* The value of a small float by the definition of its fields, through ldexp; NaN where `special` is met. */
static double value_of(unsigned bits, unsigned exponent_bits, unsigned mantissa_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int mantissa = (int)(bits & ((1U << mantissa_bits) - 1));
    int exponent = (int)(bits >> mantissa_bits & ((1U << exponent_bits) - 1));
    double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1.0 : 1.0;
    if (exponent == 0)
        return copysign(ldexp(mantissa, 1 - bias - (int)mantissa_bits), sign);
    return sign * ldexp(mantissa + (1 << mantissa_bits), exponent - bias - (int)mantissa_bits);
}

/* Equal as bits, so that -0 is not 0; any NaN equals any other. */
static void check_value(unsigned stored, float decoded, double expected)
{
    if (isnan(expected) ? !isnan(decoded) : ((double)decoded != expected || !signbit(decoded) != !signbit(expected)))
        fail_msg("stored 0x%x decodes to %.9g, expected %.9g", stored, (double)decoded, expected);
}

static void all_256_values_of_e4m3_decode_exactly(void **state)
{
    (void)state;
    unsigned char stored[256];
    float values[256];
    for (unsigned i = 0; i < 256; i++)
        stored[i] = (unsigned char)i;
    dtype_decode(values, stored, 256, DTYPE_F8_E4M3);
    for (unsigned i = 0; i < 256; i++)
        check_value(i, values[i], (i & 0x7f) == 0x7f ? (double)NAN : value_of(i, 4, 3));
    /* Known points of the OCP specification: largest 448, smallest normal 2^-6, smallest subnormal 2^-9. */
    check_value(0x7e, values[0x7e], 448);
    check_value(0x08, values[0x08], 0x1p-6);
    check_value(0x01, values[0x01], 0x1p-9);
    check_value(0x87, values[0x87], -7 * 0x1p-9);
    check_value(0x80, values[0x80], -0.0);
    check_value(0x78, values[0x78], 256); /* what IEEE would call infinity */
    assert_true(isnan(values[0x7f]) && isnan(values[0xff]));
}

static void all_65536_values_of_f16_decode_exactly(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint16_t stored = (uint16_t)i;
        float value;
        dtype_decode(&value, &stored, 1, DTYPE_F16);
        double expected = value_of(i, 5, 10);
        if ((i >> 10 & 0x1f) == 0x1f)
            expected = i & 0x3ff ? (double)NAN : i & 0x8000 ? (double)-INFINITY : (double)INFINITY;
        check_value(i, value, expected);
    }
}

static void all_65536_values_of_bf16_decode_exactly(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint16_t stored = (uint16_t)i;
        float value;
        dtype_decode(&value, &stored, 1, DTYPE_BF16);
        double expected = value_of(i, 8, 7);
        if ((i >> 7 & 0xff) == 0xff)
            expected = i & 0x7f ? (double)NAN : i & 0x8000 ? (double)-INFINITY : (double)INFINITY;
        check_value(i, value, expected);
    }
}

static void f32_is_copied_bit_for_bit(void **state)
{
    (void)state;
    const uint32_t stored[] = {0x80000000, 0x00000001, 0x7f7fffff, 0xff800000, 0x7fc12345, 0x3f9d70a4};
    float values[6];
    dtype_decode(values, stored, 6, DTYPE_F32);
    assert_memory_equal(values, stored, sizeof stored);
}

static void elements_may_lie_at_any_address(void **state)
{
    (void)state;
    const float ones[3] = {1, -2, 3};
    const uint16_t bf16[3] = {0x3f80, 0xc000, 0x4040}, f16[3] = {0x3c00, 0xc000, 0x4200};
    const void *const sources[] = {ones, bf16, f16};
    const dtype types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    for (size_t type = 0; type < 3; type++) {
        for (size_t shift = 0; shift < 4; shift++) {
            unsigned char buffer[16];
            float values[3];
            memcpy(buffer + shift, sources[type], 3 * dtype_bytes(types[type]));
            dtype_decode(values, buffer + shift, 3, types[type]);
            assert_memory_equal(values, ones, sizeof ones);
        }
    }
    dtype_decode(NULL, NULL, 0, DTYPE_F32);
}

static void names_and_types_map_both_ways(void **state)
{
    (void)state;
    for (unsigned i = 0; i < DTYPE_COUNT; i++) {
        dtype type;
        assert_true(dtype_from_name(&type, dtype_name((dtype)i)));
        assert_int_equal(type, i);
    }
    dtype type;
    assert_false(dtype_from_name(&type, "F8_E5M2"));
    assert_false(dtype_from_name(&type, "bf16"));
    assert_false(dtype_from_name(&type, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_256_values_of_e4m3_decode_exactly),
        cmocka_unit_test(all_65536_values_of_f16_decode_exactly),
        cmocka_unit_test(all_65536_values_of_bf16_decode_exactly),
        cmocka_unit_test(f32_is_copied_bit_for_bit),
        cmocka_unit_test(elements_may_lie_at_any_address),
        cmocka_unit_test(names_and_types_map_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
