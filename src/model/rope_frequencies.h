/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Shared by the reading and the use of rope parameters only. */

#ifndef HADAL_MODEL_ROPE_FREQUENCIES_H
#define HADAL_MODEL_ROPE_FREQUENCIES_H

#include "model/config.h"

/* YaRN's ramp, in pairs of dimensions: those below *low keep their frequency, those from *high on are interpolated.
 * false: the range is empty (low > high), where the reference implementations contradict each other. */
bool rope_ramp_range(const model_config *config, double *low, double *high);

#endif
