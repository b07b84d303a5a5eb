# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/ops/matrix.h \
	src/ops/norm.c src/ops/norm.h
