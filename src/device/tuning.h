/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Sizes of tiles and work-groups that no capability tells: one table, with the usual size and those that may be tried
 * for each class of devices. `hadal bench tune` measures them and keeps the best in the cache directory, where opening
 * a device finds them. Results depend on them by rounding alone. */

#ifndef HADAL_DEVICE_TUNING_H
#define HADAL_DEVICE_TUNING_H

#include "device/device.h"

/* CPUs by the floats of their vectors; GPUs without and with a matrix unit that is used. */
typedef enum tuning_class {
    TUNING_CPU_4,
    TUNING_CPU_8,
    TUNING_CPU_16,
    TUNING_GPU,
    TUNING_GPU_MATRIX,
    TUNING_CLASSES
} tuning_class;

/* Named by the family of operations that has them. */
typedef enum tuned_size {
    TUNED_MATVEC_ROWS,
    TUNED_MATVEC_BLOCK,
    TUNED_MATVEC_GROUPS,
    TUNED_MATVEC_ITEMS,
    TUNED_LINEAR_TOKENS,
    TUNED_LINEAR_ROWS,
    TUNED_LINEAR_ITEMS,
    TUNED_LINEAR_BLOCK_FROM,
    TUNED_LINEAR_MATRIX_FROM,
    TUNED_LINEAR_EXPERTS_FROM,
    TUNED_INDEX_SCORES_KEYS,
    TUNED_INDEX_SCORES_HEADS,
    TUNED_INDEX_SCORES_ROWS,
    TUNED_INDEX_SCORES_GROUPS,
    TUNED_INDEX_SCORES_FEW,
    TUNED_TOP_K_LIST,
    TUNED_TOP_K_ITEMS,
    TUNED_TOP_K_GROUPS,
    TUNED_ATTEND_HEADS,
    TUNED_ATTEND_KEYS,
    TUNED_ATTEND_GROUPS,
    TUNED_SIZES
} tuned_size;

enum { TUNED_MOST_VALUES = 6 };

typedef struct tuning_entry {
    const char *name; /* "FAMILY.SIZE", as in the file */
    const char *what;
    uint16_t usual[TUNING_CLASSES];                      /* 0: that class has no such size */
    uint16_t cpu[TUNED_MOST_VALUES], gpu[TUNED_MOST_VALUES]; /* what may be tried; 0 behind the last */
} tuning_entry;

const tuning_entry *tuning_entry_of(tuned_size size);
tuning_class tuning_class_of(const device_shape *shape);

/* Values[returned count] that the size may have on this device, the usual one among them; none where its class has no
 * such size. */
size_t tuning_values(const uint16_t **values, const hadal_device *device, tuned_size size);

/* What an operation's size is on this device. Operations read it when they are made and when they run: it must not
 * change between. */
uint32_t device_tuned(const hadal_device *device, tuned_size size);

/* From now on the size is value, or the usual one for 0. False, and nothing changes, if it may not be that. */
bool device_set_tuned(hadal_device *device, tuned_size size, uint32_t value);

/* Sizes that are not the usual ones go to the cache directory's file for this device, driver, class and version of
 * hadal, in place of what it held. None: there is no file any more. HADAL_ERROR_IO: it can't be written. */
HADAL_CHECKED hadal_status device_keep_tuned(hadal_device *device);

#endif
