/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "device/opencl.h"

#include <stdlib.h>
#include <string.h>

typedef struct matrix_unit {
    const char *name, *options, *emulated;
} matrix_unit;

#define UNIT(name, tile, options) {name, " -D " tile options, " -D " tile " -D TILE_EMULATED"}

static const matrix_unit units[DEVICE_MATRIX_COUNT] = {
    [DEVICE_MATRIX_NONE] = {"none", "", ""},
    [DEVICE_MATRIX_WGMMA] = UNIT("nvidia wgmma", "TILE_WGMMA", " -D COPY_PTX"),
    [DEVICE_MATRIX_MMA] = UNIT("nvidia mma", "TILE_MMA", " -D COPY_PTX"),
    [DEVICE_MATRIX_MFMA] = UNIT("amd mfma", "TILE_MFMA", ""),
    [DEVICE_MATRIX_WMMA11] = UNIT("amd wmma11", "TILE_WMMA=11", ""),
    [DEVICE_MATRIX_WMMA12] = UNIT("amd wmma12", "TILE_WMMA=12", ""),
    [DEVICE_MATRIX_DPAS8] = UNIT("intel dpas8", "TILE_DPAS=8", ""),
    [DEVICE_MATRIX_DPAS16] = UNIT("intel dpas16", "TILE_DPAS=16", ""),
};

const char *matrix_unit_name(device_matrix unit)
{
    return units[unit].name;
}

device_matrix matrix_unit_named(const char *name)
{
    device_matrix unit = DEVICE_MATRIX_COUNT;
    while (--unit > DEVICE_MATRIX_NONE)
        if (strcmp(units[unit].name, name) == 0)
            break;
    return unit;
}

const char *matrix_unit_options(device_matrix unit, bool emulated)
{
    return emulated ? units[unit].emulated : units[unit].options;
}

device_matrix device_compiled_matrix(hadal_device *device)
{
    device_matrix unit = DEVICE_MATRIX_NONE;
    char names[64] = "";
    program *found;
    if (program_get(&found, device, "matrix_unit", "") != HADAL_OK ||
        clGetProgramInfo(found->built, CL_PROGRAM_KERNEL_NAMES, sizeof names - 1, names, NULL) != CL_SUCCESS)
        return unit;
    for (char *at = names; *at; at++)
        if (*at == '_')
            *at = ' ';
    return matrix_unit_named(names);
}

device_matrix matrix_unit_of_capability(uint32_t capability)
{
    /* PTX ISA: mma.sync of bfloat16 and cp.async are there from 8.0 on, wgmma in 9.0 alone. */
    return capability == 90 ? DEVICE_MATRIX_WGMMA : capability >= 80 ? DEVICE_MATRIX_MMA : DEVICE_MATRIX_NONE;
}

device_matrix matrix_unit_of_subgroups(size_t smallest)
{
    return smallest == 8 ? DEVICE_MATRIX_DPAS8 : smallest == 16 ? DEVICE_MATRIX_DPAS16 : DEVICE_MATRIX_NONE;
}
