# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

EXTRA_DIST += tests/ops/device.h tests/ops/host_matrix.h

check_PROGRAMS += tests/ops/test_norm
tests_ops_test_norm_SOURCES = tests/ops/test_norm.c
tests_ops_test_norm_LDADD = $(test_ldadd)
TESTS += tests/ops/test_norm

check_PROGRAMS += tests/ops/test_linear
tests_ops_test_linear_SOURCES = tests/ops/test_linear.c
tests_ops_test_linear_LDADD = $(test_ldadd)
TESTS += tests/ops/test_linear

check_PROGRAMS += tests/ops/test_matmul
tests_ops_test_matmul_SOURCES = tests/ops/test_matmul.c
tests_ops_test_matmul_LDADD = $(test_ldadd)
TESTS += tests/ops/test_matmul

check_PROGRAMS += tests/ops/test_index_rotate
tests_ops_test_index_rotate_SOURCES = tests/ops/test_index_rotate.c
tests_ops_test_index_rotate_LDADD = $(test_ldadd)
TESTS += tests/ops/test_index_rotate

check_PROGRAMS += tests/ops/test_index_scores
tests_ops_test_index_scores_SOURCES = tests/ops/test_index_scores.c
tests_ops_test_index_scores_LDADD = $(test_ldadd)
TESTS += tests/ops/test_index_scores

check_PROGRAMS += tests/ops/test_dispatch
tests_ops_test_dispatch_SOURCES = tests/ops/test_dispatch.c
tests_ops_test_dispatch_LDADD = $(test_ldadd)
TESTS += tests/ops/test_dispatch

check_PROGRAMS += tests/ops/test_embed
tests_ops_test_embed_SOURCES = tests/ops/test_embed.c
tests_ops_test_embed_LDADD = $(test_ldadd)
TESTS += tests/ops/test_embed

check_PROGRAMS += tests/ops/test_latent
tests_ops_test_latent_SOURCES = tests/ops/test_latent.c
tests_ops_test_latent_LDADD = $(test_ldadd)
TESTS += tests/ops/test_latent

check_PROGRAMS += tests/ops/test_moe_combine
tests_ops_test_moe_combine_SOURCES = tests/ops/test_moe_combine.c
tests_ops_test_moe_combine_LDADD = $(test_ldadd)
TESTS += tests/ops/test_moe_combine

check_PROGRAMS += tests/ops/test_rope
tests_ops_test_rope_SOURCES = tests/ops/test_rope.c
tests_ops_test_rope_LDADD = $(test_ldadd)
TESTS += tests/ops/test_rope

check_PROGRAMS += tests/ops/test_route
tests_ops_test_route_SOURCES = tests/ops/test_route.c
tests_ops_test_route_LDADD = $(test_ldadd)
TESTS += tests/ops/test_route

check_PROGRAMS += tests/ops/test_swiglu
tests_ops_test_swiglu_SOURCES = tests/ops/test_swiglu.c
tests_ops_test_swiglu_LDADD = $(test_ldadd)
TESTS += tests/ops/test_swiglu
check_PROGRAMS += tests/ops/test_top_k
tests_ops_test_top_k_SOURCES = tests/ops/test_top_k.c
tests_ops_test_top_k_LDADD = $(test_ldadd)
TESTS += tests/ops/test_top_k

check_PROGRAMS += tests/ops/test_attend
tests_ops_test_attend_SOURCES = tests/ops/test_attend.c
tests_ops_test_attend_LDADD = $(test_ldadd)
TESTS += tests/ops/test_attend
check_PROGRAMS += tests/ops/test_self_test
tests_ops_test_self_test_SOURCES = tests/ops/test_self_test.c
tests_ops_test_self_test_LDADD = $(test_ldadd)
TESTS += tests/ops/test_self_test

check_PROGRAMS += tests/ops/test_index_recall
tests_ops_test_index_recall_SOURCES = tests/ops/test_index_recall.c
tests_ops_test_index_recall_LDADD = $(test_ldadd)
TESTS += tests/ops/test_index_recall

check_PROGRAMS += tests/ops/test_codes
tests_ops_test_codes_SOURCES = tests/ops/test_codes.c
tests_ops_test_codes_LDADD = $(test_ldadd)
EXTRA_DIST += tests/ops/codes.cl
TESTS += tests/ops/test_codes
