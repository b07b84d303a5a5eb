# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors


# Reference checkpoints, see its README.md: all of the directory.
EXTRA_DIST += tests/model/data
check_PROGRAMS += tests/model/test_bind tests/model/test_config
TESTS += tests/model/test_bind tests/model/test_config
tests_model_test_bind_SOURCES = tests/model/test_bind.c $(tests_weights_writer)
tests_model_test_bind_LDADD = $(test_ldadd)
tests_model_test_config_SOURCES = tests/model/test_config.c $(tests_weights_writer)
tests_model_test_config_LDADD = $(test_ldadd)
EXTRA_DIST += \
	tests/model/data/deepseek-v3.2-exp.config.json \
	tests/model/data/transformers-default.config.json \
	tests/model/data/transformers-yarn.config.json

check_PROGRAMS += tests/model/test_parity
tests_model_test_parity_SOURCES = tests/model/test_parity.c tests/npy.h
tests_model_test_parity_LDADD = $(test_ldadd)
TESTS += tests/model/test_parity

check_PROGRAMS += tests/model/test_demo
tests_model_test_demo_SOURCES = tests/model/test_demo.c
tests_model_test_demo_LDADD = $(test_ldadd)
TESTS += tests/model/test_demo
