/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Random numbers that are the same on every machine. */

#ifndef HADAL_BASE_RANDOM_H
#define HADAL_BASE_RANDOM_H

#include <stdint.h>

/* 64 random bits; state is any seed, and moves on. splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom
 * number generators", figure 17). */
static inline uint64_t random_bits(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [-1, 1), in steps of 2^-23. */
static inline float random_float(uint64_t *state)
{
    return (float)(random_bits(state) >> 40) * 0x1p-23f - 1.0f;
}

#endif
