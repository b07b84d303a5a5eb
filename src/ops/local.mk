# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/ops/attend.c src/ops/attend.h \
	src/ops/attend_heads.c src/ops/attend_heads.h \
	src/ops/attend_values.c src/ops/attend_values.h \
	src/ops/bench.c src/ops/bench.h \
	src/ops/dispatch.c src/ops/dispatch.h \
	src/ops/embed.c src/ops/embed.h \
	src/ops/fill.c src/ops/fill.h \
	src/ops/index_rotate.c src/ops/index_rotate.h \
	src/ops/index_scores.c src/ops/index_scores.h \
	src/ops/latent.c src/ops/latent.h \
	src/ops/linear.c src/ops/linear.h \
	src/ops/matmul.c src/ops/matmul.h \
	src/ops/matrix.c src/ops/matrix.h \
	src/ops/matvec.c src/ops/matvec.h \
	src/ops/moe_combine.c src/ops/moe_combine.h \
	src/ops/norm.c src/ops/norm.h \
	src/ops/project.c src/ops/project.h \
	src/ops/reference.c src/ops/reference.h \
	src/ops/reference_indexer.c src/ops/reference_indexer.h \
	src/ops/rope.c src/ops/rope.h \
	src/ops/rotations.c src/ops/rotations.h \
	src/ops/route.c src/ops/route.h \
	src/ops/self_test.c src/ops/self_test.h \
	src/ops/self_test_attend.c \
	src/ops/self_test_decode.c \
	src/ops/self_test_indexer.c \
	src/ops/self_test_layers.c \
	src/ops/self_test_linear.c \
	src/ops/self_test_matmul.c \
	src/ops/swiglu.c src/ops/swiglu.h \
	src/ops/top_k.c src/ops/top_k.h
