/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "dtype.clh"

/* Random values by position, so that weights and caches of measurements are made where they are used. Built with
 * -D FILL_F32, FILL_BF16, FILL_F16, FILL_F8, FILL_INT8 or FILL_INT32.
 *
 * Values are amplitude * u (rounded), where u is the mean of four uniform bytes: near a normal distribution, within
 * (-1, 1), of standard deviation 0.289. FILL_INT32: uniform whole numbers in [0, amplitude). */

/* 32 well mixed bits of a position (Wellons 2018, "Prospecting for hash functions", lowbias32). */
inline uint fill_hash(ulong position, uint seed)
{
    uint x = (uint)position ^ (uint)(position >> 32) * 0x85ebca6bu ^ seed * 0x9e3779b9u;
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

inline float fill_unit(uint bits)
{
    uint sum = (bits & 255u) + (bits >> 8 & 255u) + (bits >> 16 & 255u) + (bits >> 24);
    return (float)((int)sum - 510) * (1.0f / 512.0f);
}

#if defined(FILL_F32)
typedef float fill_t;
#define fill_store(bits, p, i) ((p)[i] = fill_unit(bits) * amplitude)
#elif defined(FILL_BF16)
typedef ushort fill_t;
#define fill_store(bits, p, i) ((p)[i] = bf16_round(fill_unit(bits) * amplitude))
#elif defined(FILL_F16)
typedef half fill_t;
#define fill_store(bits, p, i) vstore_half(fill_unit(bits) * amplitude, (i), (p))
#elif defined(FILL_F8)
typedef uchar fill_t;
#define fill_store(bits, p, i) ((p)[i] = f8_round(fill_unit(bits) * amplitude))
#elif defined(FILL_INT8)
typedef char fill_t;
#define fill_store(bits, p, i) ((p)[i] = convert_char_sat_rte(fill_unit(bits) * amplitude))
#else
typedef int fill_t;
#define fill_store(bits, p, i) ((p)[i] = (int)mul_hi((bits), (uint)amplitude))
#endif

/* out[row, i] for i < columns, rows `stride` elements apart; what lies between is left alone. A group a block of a
 * row, all in dimension 0: the others are limited to 65535 groups on some devices. */
__kernel void fill_random(__global fill_t *out, ulong columns, ulong stride, uint block, float amplitude, uint seed)
{
    ulong blocks = (columns + block - 1) / block;
    ulong row = get_group_id(0) / blocks, first = get_group_id(0) % blocks * block;
    ulong end = min(first + block, columns);
    out += row * stride;
    for (ulong i = first + get_local_id(0); i < end; i += get_local_size(0)) {
        uint bits = fill_hash(row * stride + i, seed);
        fill_store(bits, out, i);
    }
}

/* out[i] = value for i < count. */
__kernel void fill_constant(__global float *out, ulong count, float value)
{
    if (get_global_id(0) < count)
        out[get_global_id(0)] = value;
}
