/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Probabilities of tokens, in double. */

#ifndef HADAL_SESSION_PROBABILITY_H
#define HADAL_SESSION_PROBABILITY_H

/* e^x for x <= 0, to 3e-16 relative; 0 below -708. Only operations that IEEE 754 rounds exactly, in one order: unlike
 * exp() of the C library, which differs between versions and processors, it gives the same bits everywhere. */
double probability_exp(double x);

#endif
