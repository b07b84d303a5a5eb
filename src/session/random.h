/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Random numbers that are the same on every machine: xoshiro256** 1.0, seeded by SplitMix64, both by D. Blackman and
 * S. Vigna (https://prng.di.unimi.it). For sampling; not for secrets. */

#ifndef HADAL_SESSION_RANDOM_H
#define HADAL_SESSION_RANDOM_H

#include <stdint.h>

typedef struct random_state {
    uint64_t words[4];
} random_state;

random_state random_seed(uint64_t seed);

/* 64 random bits. */
uint64_t random_next(random_state *state);

/* Uniform in [0, 1), a multiple of 2^-53. */
double random_unit(random_state *state);

#endif
