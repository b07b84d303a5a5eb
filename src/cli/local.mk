# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

hadal_SOURCES += \
	src/cli/bench.c \
	src/cli/commands.h \
	src/cli/completions.c src/cli/completions.h \
	src/cli/devices.c \
	src/cli/engine.c src/cli/engine.h \
	src/cli/generate.c \
	src/cli/input.c src/cli/input.h \
	src/cli/inspect.c \
	src/cli/main.c \
	src/cli/npy.c src/cli/npy.h \
	src/cli/options.c src/cli/options.h \
	src/cli/output.c src/cli/output.h \
	src/cli/profile.c src/cli/profile.h \
	src/cli/prompt.c src/cli/prompt.h \
	src/cli/records.c src/cli/records.h \
	src/cli/report.c src/cli/report.h \
	src/cli/sampling.c src/cli/sampling.h \
	src/cli/score.c \
	src/cli/signals.c src/cli/signals.h \
	src/cli/terminal.c src/cli/terminal.h \
	src/cli/tokenize.c

# exp of a mean log-probability
hadal_LDADD += -lm
