# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors


check_PROGRAMS += tests/weights/test_checkpoint tests/weights/test_dtype tests/weights/test_safetensors
TESTS += tests/weights/test_checkpoint tests/weights/test_dtype tests/weights/test_safetensors
tests_weights_writer = tests/weights/writer.c tests/weights/writer.h tests/check.h
tests_weights_test_checkpoint_SOURCES = tests/weights/test_checkpoint.c $(tests_weights_writer)
tests_weights_test_checkpoint_LDADD = $(test_ldadd)
tests_weights_test_dtype_SOURCES = tests/weights/test_dtype.c tests/check.h
tests_weights_test_dtype_LDADD = $(test_ldadd)
tests_weights_test_safetensors_SOURCES = tests/weights/test_safetensors.c $(tests_weights_writer)
tests_weights_test_safetensors_LDADD = $(test_ldadd)
