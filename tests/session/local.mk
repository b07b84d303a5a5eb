# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

session_tests = \
	tests/session/test_generate \
	tests/session/test_generate_demo \
	tests/session/test_sampler \
	tests/session/test_stop
check_PROGRAMS += $(session_tests)
TESTS += $(session_tests)
