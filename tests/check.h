/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What every C test needs: cmocka, and assertions on statuses that show the message of a failure. */

#ifndef HADAL_TESTS_CHECK_H
#define HADAL_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef HADAL_MISSING_CMOCKA
#error cmocka is missing; install it with: apt install libcmocka-dev (Debian) or dnf install libcmocka-devel (Fedora)
#endif
#include <cmocka.h>

#include "hadal.h"

/* The call succeeds; else its message is the test's failure. */
#define CHECK_OK(call)                                            \
    do {                                                          \
        if ((call) != HADAL_OK)                                   \
            fail_msg("%s: %s", #call, hadal_error_message());     \
    } while (0)

/* The call fails with that status and its message contains that text. */
#define CHECK_FAILS(expected, text, call)                                                               \
    do {                                                                                                \
        hadal_status got_ = (call);                                                                     \
        if (got_ != (expected) || !strstr(hadal_error_message(), (text)))                               \
            fail_msg("%s: status %d, message: %s", #call, (int)got_, hadal_error_message());            \
    } while (0)

#endif
