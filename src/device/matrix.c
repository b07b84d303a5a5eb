/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "device/matrix.h"

#include <string.h>

typedef struct matrix_unit {
    const char *name, *options, *emulated;
} matrix_unit;

#define UNIT(name, tile, options) {name, " -D " tile options, " -D " tile " -D TILE_EMULATED"}

static const matrix_unit units[DEVICE_MATRIX_COUNT] = {
    [DEVICE_MATRIX_NONE] = {"none", "", ""},
    [DEVICE_MATRIX_WGMMA] = UNIT("nvidia wgmma", "TILE_WGMMA", " -D COPY_PTX"),
    [DEVICE_MATRIX_MMA] = UNIT("nvidia mma", "TILE_MMA", " -D COPY_PTX"),
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

device_matrix matrix_unit_of_capability(uint32_t capability)
{
    /* PTX ISA: mma.sync of bfloat16 and cp.async are there from 8.0 on, wgmma in 9.0 alone. */
    return capability == 90 ? DEVICE_MATRIX_WGMMA : capability >= 80 ? DEVICE_MATRIX_MMA : DEVICE_MATRIX_NONE;
}
