# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

base_tests = \
	tests/base/test_file \
	tests/base/test_json \
	tests/base/test_memory
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
tests_base_test_file_SOURCES = tests/base/test_file.c $(tests_weights_writer)
