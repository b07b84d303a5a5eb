# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/base/clock.h \
	src/base/file.c src/base/file.h \
	src/base/json.c src/base/json.h \
	src/base/memory.c src/base/memory.h \
	src/base/paths.c src/base/paths.h \
	src/base/random.h \
	src/base/status.c src/base/status.h \
	src/base/version.c
