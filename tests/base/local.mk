# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

check_PROGRAMS += tests/base/test_memory
tests_base_test_memory_SOURCES = tests/base/test_memory.c tests/check.h
tests_base_test_memory_LDADD = $(test_ldadd)
TESTS += tests/base/test_memory

check_PROGRAMS += tests/base/test_json
tests_base_test_json_SOURCES = tests/base/test_json.c tests/check.h
tests_base_test_json_LDADD = $(test_ldadd)
TESTS += tests/base/test_json

check_PROGRAMS += tests/base/test_file
tests_base_test_file_SOURCES = tests/base/test_file.c tests/weights/writer.c tests/weights/writer.h tests/check.h
tests_base_test_file_LDADD = $(test_ldadd)
TESTS += tests/base/test_file
