/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include <stdio.h>

#include "hadal.h"

int main(void)
{
    return printf("hadal %s\n", hadal_version()) < 0;
}
