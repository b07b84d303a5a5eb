# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

cli_tests = \
	tests/cli/bench.sh \
	tests/cli/completions.sh \
	tests/cli/devices.sh \
	tests/cli/each.sh \
	tests/cli/events.sh \
	tests/cli/generate.sh \
	tests/cli/inspect.sh \
	tests/cli/man.sh \
	tests/cli/readme.sh \
	tests/cli/reference.sh \
	tests/cli/score.sh \
	tests/cli/streams.sh \
	tests/cli/tokenize.sh \
	tests/cli/usage.sh
dist_check_SCRIPTS += $(cli_tests)
EXTRA_DIST += tests/cli/common.sh
TESTS += $(cli_tests)

# What the shell tests read results with.
check_PROGRAMS += tests/cli/test_json tests/cli/test_npy
tests_cli_test_json_LDADD = $(JANSSON_LIBS)
tests_cli_test_npy_LDADD = -lm
