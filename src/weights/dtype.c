/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "weights/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    size_t bytes;
} dtypes[DTYPE_COUNT] = {
    [DTYPE_F32] = {"F32", 4},
    [DTYPE_BF16] = {"BF16", 2},
    [DTYPE_F16] = {"F16", 2},
    [DTYPE_F8_E4M3] = {"F8_E4M3", 1},
};

size_t dtype_bytes(dtype type)
{
    return dtypes[type].bytes;
}

const char *dtype_name(dtype type)
{
    return dtypes[type].name;
}

bool dtype_from_name(dtype *type, const char *name)
{
    for (unsigned i = 0; i < DTYPE_COUNT; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            *type = (dtype)i;
            return true;
        }
    }
    return false;
}

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE binary16: sign 1, exponent 5 (bias 15), mantissa 10. A float has bias 127 and 23 bits of mantissa. */
static float float_of_f16(uint32_t stored)
{
    uint32_t sign = (stored & 0x8000) << 16, exponent = stored >> 10 & 0x1f, mantissa = stored & 0x3ff;
    if (exponent == 0x1f) /* infinity, or NaN with its payload */
        return float_of_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent)
        return float_of_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
    float magnitude = (float)mantissa * 0x1p-24F; /* subnormals are normal floats */
    return sign ? -magnitude : magnitude;
}

/* OCP e4m3fn (OFP8 specification 1.0, table 1): sign 1, exponent 4 (bias 7), mantissa 3; no infinities. */
static float float_of_e4m3(uint32_t stored)
{
    uint32_t sign = (stored & 0x80) << 24, exponent = stored >> 3 & 0xf, mantissa = stored & 7;
    if ((stored & 0x7f) == 0x7f)
        return float_of_bits(sign | 0x7fc00000);
    if (exponent)
        return float_of_bits(sign | (exponent + 127 - 7) << 23 | mantissa << 20);
    float magnitude = (float)mantissa * 0x1p-9F;
    return sign ? -magnitude : magnitude;
}

static uint32_t read_u16(const unsigned char *at)
{
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

void dtype_decode(float *values, const void *stored, size_t count, dtype type)
{
    const unsigned char *at = stored;
    switch (type) {
    case DTYPE_F32:
        if (count)
            memcpy(values, at, count * sizeof *values);
        break;
    case DTYPE_BF16: /* the upper half of a float */
        for (size_t i = 0; i < count; i++)
            values[i] = float_of_bits(read_u16(at + 2 * i) << 16);
        break;
    case DTYPE_F16:
        for (size_t i = 0; i < count; i++)
            values[i] = float_of_f16(read_u16(at + 2 * i));
        break;
    case DTYPE_F8_E4M3:
        for (size_t i = 0; i < count; i++)
            values[i] = float_of_e4m3(at[i]);
        break;
    }
}
