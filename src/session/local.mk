# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors


libinternal_la_SOURCES += \
	src/session/session.c
