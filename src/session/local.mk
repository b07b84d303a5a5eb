# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/session/generate.c \
	src/session/probability.c src/session/probability.h \
	src/session/sampler.c \
	src/session/session.c src/session/session.h \
	src/session/stop.c src/session/stop.h
