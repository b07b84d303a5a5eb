# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

model_tests = \
	tests/model/test_bind \
	tests/model/test_config \
	tests/model/test_demo \
	tests/model/test_parity
check_PROGRAMS += $(model_tests)
TESTS += $(model_tests)
tests_model_test_bind_SOURCES = tests/model/test_bind.c $(tests_weights_writer)
tests_model_test_config_SOURCES = tests/model/test_config.c $(tests_weights_writer)

# Reference checkpoints, see its README.md: all of the directory.
EXTRA_DIST += tests/model/data
