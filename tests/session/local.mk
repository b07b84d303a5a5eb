# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

session_tests = \
	tests/session/test_generate \
	tests/session/test_generate_demo \
	tests/session/test_sampler \
	tests/session/test_stop
check_PROGRAMS += $(session_tests)
TESTS += $(session_tests)
tests_session_test_generate_SOURCES = tests/session/test_generate.c tests/check.h
tests_session_test_generate_LDADD = $(test_ldadd)
tests_session_test_generate_demo_SOURCES = tests/session/test_generate_demo.c tests/text/cases.h tests/check.h
tests_session_test_generate_demo_LDADD = $(test_ldadd)
tests_session_test_sampler_SOURCES = tests/session/test_sampler.c tests/check.h
tests_session_test_sampler_LDADD = $(test_ldadd)
tests_session_test_stop_SOURCES = tests/session/test_stop.c tests/check.h
tests_session_test_stop_LDADD = $(test_ldadd)
