/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Matrix units by name and by what a device reports. */

#ifndef HADAL_DEVICE_MATRIX_H
#define HADAL_DEVICE_MATRIX_H

#include "device/device.h"

/* As hadal_device_info's matrix_unit has it. */
const char *matrix_unit_name(device_matrix unit);
device_matrix matrix_unit_named(const char *name);

/* The -D options that choose the unit's back end of cl/tile.clh, or that back end with its instruction emulated. */
const char *matrix_unit_options(device_matrix unit, bool emulated);

/* Stands for the name of the unit where only the device's compiler knows it: see device_compiled_matrix. */
#define MATRIX_UNIT_OF_COMPILER "amd"

/* What NVIDIA's devices of that compute capability (10 * major + minor) have. */
device_matrix matrix_unit_of_capability(uint32_t capability);

/* What Intel's devices with cl_intel_subgroup_matrix_multiply_accumulate have, of which the smallest subgroup has so
 * many lanes: the extension's functions are for that size alone. */
device_matrix matrix_unit_of_subgroups(size_t smallest);

#endif
