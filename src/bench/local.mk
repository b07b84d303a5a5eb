# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/bench/attention.c \
	src/bench/ceilings.c src/bench/ceilings.h \
	src/bench/model.c \
	src/bench/ops.c src/bench/ops.h \
	src/bench/ops_matrix.c \
	src/bench/runner.c src/bench/runner.h \
	src/bench/sequences.c src/bench/sequences.h \
	src/bench/tune.c
