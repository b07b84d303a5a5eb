/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The file of 'hadal bench tune'; the first byte chooses the kind of device. Every size is one that may be, or the
 * usual one, and all are the usual ones when a line is wrong. */

#include "tests/fuzz/fuzz.h"

#include <dirent.h>

#include "device/opencl.h"
#include "device/tuning.h"

static const device_shape shapes[TUNING_CLASSES] = {
    [TUNING_CPU_4] = {.cpu = true, .vector = 4},   [TUNING_CPU_8] = {.cpu = true, .vector = 8},
    [TUNING_CPU_16] = {.cpu = true, .vector = 16}, [TUNING_GPU] = {.vector = 4},
    [TUNING_GPU_MATRIX] = {.vector = 4, .matrix = DEVICE_MATRIX_WGMMA},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static hadal_device device;
    if (!size)
        return 0;
    uint16_t tuned[TUNED_SIZES];
    device.shape = shapes[data[0] % TUNING_CLASSES];
    tuning_read(tuned, &device.info, &device.shape, fuzz_folder()); /* tells the file's name */
    fuzz_write(device.info.tuning_file, data + 1, size - 1);
    tuning_read(tuned, &device.info, &device.shape, fuzz_folder());
    uint32_t count = 0;
    for (tuned_size i = 0; i < TUNED_SIZES; i++) {
        const uint16_t *values;
        size_t left = tuning_values(&values, &device, i);
        while (tuned[i] && left && values[left - 1] != tuned[i])
            left--;
        MUST(!tuned[i] || left);
        count += tuned[i] != 0;
    }
    MUST(count == device.info.tuned);
    MUST(!*device.info.tuning_failure || (!count && fuzz_is_line(device.info.tuning_failure)));
    return 0;
}
