# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

check_PROGRAMS += tests/session/test_sampler
TESTS += tests/session/test_sampler
tests_session_test_sampler_SOURCES = tests/session/test_sampler.c tests/check.h
tests_session_test_sampler_LDADD = $(test_ldadd)
