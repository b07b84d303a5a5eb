# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

weights_tests = \
	tests/weights/test_checkpoint \
	tests/weights/test_dtype \
	tests/weights/test_safetensors
check_PROGRAMS += $(weights_tests)
TESTS += $(weights_tests)
tests_weights_writer = tests/weights/writer.c tests/weights/writer.h
tests_weights_test_checkpoint_SOURCES = tests/weights/test_checkpoint.c $(tests_weights_writer)
tests_weights_test_safetensors_SOURCES = tests/weights/test_safetensors.c $(tests_weights_writer)
