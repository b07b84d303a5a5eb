/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "config.h"
#include "hadal.h"

const char *hadal_version(void)
{
    return PACKAGE_VERSION;
}
