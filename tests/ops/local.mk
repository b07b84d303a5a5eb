# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

EXTRA_DIST += tests/ops/device.h

check_PROGRAMS += tests/ops/test_norm
tests_ops_test_norm_SOURCES = tests/ops/test_norm.c
tests_ops_test_norm_LDADD = $(test_ldadd)
TESTS += tests/ops/test_norm

check_PROGRAMS += tests/ops/test_linear
tests_ops_test_linear_SOURCES = tests/ops/test_linear.c
tests_ops_test_linear_LDADD = $(test_ldadd)
TESTS += tests/ops/test_linear
EXTRA_DIST += tests/ops/indexer.h

check_PROGRAMS += tests/ops/test_index_rotate
tests_ops_test_index_rotate_SOURCES = tests/ops/test_index_rotate.c
tests_ops_test_index_rotate_LDADD = $(test_ldadd)
TESTS += tests/ops/test_index_rotate

check_PROGRAMS += tests/ops/test_index_scores
tests_ops_test_index_scores_SOURCES = tests/ops/test_index_scores.c
tests_ops_test_index_scores_LDADD = $(test_ldadd)
TESTS += tests/ops/test_index_scores
