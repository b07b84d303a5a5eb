# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

device_tests = \
	tests/device/test_device \
	tests/device/test_matrix \
	tests/device/test_ptx \
	tests/device/test_tuning
check_PROGRAMS += $(device_tests)
TESTS += $(device_tests)
