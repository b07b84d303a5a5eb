# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/model/bind.c src/model/bind.h \
	src/model/config.c src/model/config.h \
	src/model/describe.c \
	src/model/expect.c src/model/expect.h \
	src/model/forward.c src/model/forward.h \
	src/model/head_sources.c src/model/head_sources.h \
	src/model/load.c \
	src/model/model.h \
	src/model/parameters.c \
	src/model/plan.c \
	src/model/rope_frequencies.c src/model/rope_frequencies.h \
	src/model/settings.c src/model/settings.h
