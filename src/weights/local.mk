# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

libinternal_la_SOURCES += \
	src/weights/checkpoint.c src/weights/checkpoint.h \
	src/weights/dtype.c src/weights/dtype.h \
	src/weights/safetensors.c src/weights/safetensors.h
