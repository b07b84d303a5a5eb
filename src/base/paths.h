/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Where the files that ship with hadal are. */

#ifndef HADAL_BASE_PATHS_H
#define HADAL_BASE_PATHS_H

#include "base/status.h"

/* The directory NAME of hadal's data ("cl", "model"): `chosen` if not NULL, else the environment variable, else
 * data/NAME beside or above the running program when it stands in a build tree, else PKGDATADIR/NAME. It must hold
 * the file `witness`. *directory is freed with free(); HADAL_ERROR_INPUT names every place that was looked at. */
HADAL_CHECKED hadal_status paths_find_data(char **directory, const char *chosen, const char *environment,
                                           const char *name, const char *witness);

#endif
