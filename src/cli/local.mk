# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

hadal_SOURCES += src/cli/main.c
