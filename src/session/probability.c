/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "session/probability.h"

#include <math.h>
#include <string.h>

#include "hadal.h"

/* A fused multiply-add would round once instead of twice. GCC fuses none under -std=c17. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

/* 2^k, for k within the exponents of normal numbers; ldexp() takes as long as all the rest of an exponential. */
static double power_of_two(int k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* x = k ln 2 + r with |r| <= ln(2) / 2; e^x = 2^k e^r. The Taylor series of e^r is cut after r^13: the rest is below
 * 5e-18. ln 2 is held in two parts, of which the first times k is exact. */
double probability_exp(double x)
{
    static const double reciprocal_factorials[] = {
        1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
        1.0 / 720,        1.0 / 120,       1.0 / 24,       1.0 / 6,       1.0 / 2,      1.0,         1.0,
    };
    static const double ln2_high = 0x1.62e42fefa2p-1, ln2_low = 0x1.9ef35793c7673p-41;
    static const double log2_e = 0x1.71547652b82fep0;
    if (!(x >= -708.0))
        return x < 0 ? 0.0 : x; /* x itself: not a number */
    int k = (int)(x * log2_e - 0.5);
    double r = (x - k * ln2_high) - k * ln2_low;
    double sum = reciprocal_factorials[0];
    for (unsigned i = 1; i < sizeof reciprocal_factorials / sizeof *reciprocal_factorials; i++)
        sum = sum * r + reciprocal_factorials[i];
    return sum * power_of_two(k); /* k >= -1021 and sum > 0.7: a normal number, so exact */
}

double hadal_log_probability(const float *logits, uint32_t vocab_size, int32_t token)
{
    double largest = -INFINITY, sum = 0;
    if (token < 0 || (uint32_t)token >= vocab_size)
        return -INFINITY;
    for (uint32_t i = 0; i < vocab_size; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    for (uint32_t i = 0; i < vocab_size; i++)
        sum += probability_exp(logits[i] - largest);
    return logits[token] - largest - log(sum);
}
