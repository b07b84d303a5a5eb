# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

check_PROGRAMS += tests/base/test_memory
tests_base_test_memory_SOURCES = tests/base/test_memory.c tests/check.h
tests_base_test_memory_LDADD = $(test_ldadd)
TESTS += tests/base/test_memory
