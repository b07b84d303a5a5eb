# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

ops_tests = \
	tests/ops/test_attend \
	tests/ops/test_attend_heads \
	tests/ops/test_attend_tiles \
	tests/ops/test_attend_values \
	tests/ops/test_bench \
	tests/ops/test_codes \
	tests/ops/test_dispatch \
	tests/ops/test_embed \
	tests/ops/test_fill \
	tests/ops/test_index_recall \
	tests/ops/test_index_rotate \
	tests/ops/test_index_scores \
	tests/ops/test_latent \
	tests/ops/test_linear \
	tests/ops/test_matmul \
	tests/ops/test_matvec \
	tests/ops/test_moe_combine \
	tests/ops/test_norm \
	tests/ops/test_rope \
	tests/ops/test_rotations \
	tests/ops/test_route \
	tests/ops/test_self_test \
	tests/ops/test_swiglu \
	tests/ops/test_top_k \
	tests/ops/test_tuned
check_PROGRAMS += $(ops_tests)
TESTS += $(ops_tests)
EXTRA_DIST += tests/ops/codes.cl tests/ops/device.h tests/ops/host_matrix.h tests/ops/warpgroups.h
