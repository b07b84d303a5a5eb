# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/device/buffer.c \
	src/device/cache.c \
	src/device/clblast.c \
	src/device/device.c src/device/device.h \
	src/device/discover.c \
	src/device/error.c \
	src/device/kernel.c \
	src/device/matrix.c src/device/matrix.h \
	src/device/opencl.h \
	src/device/program.c \
	src/device/ptx.c src/device/ptx.h \
	src/device/source.c \
	src/device/tuning.c src/device/tuning.h
