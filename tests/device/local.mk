# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

check_PROGRAMS += tests/device/test_device
tests_device_test_device_SOURCES = tests/device/test_device.c
tests_device_test_device_LDADD = $(test_ldadd)
TESTS += tests/device/test_device
