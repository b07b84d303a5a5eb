# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

policy_tests = \
	tests/policy/commands.sh \
	tests/policy/count.sh \
	tests/policy/exports.sh \
	tests/policy/form.sh \
	tests/policy/install.sh \
	tests/policy/layers.sh \
	tests/policy/manners.sh \
	tests/policy/packages.sh \
	tests/policy/traps.sh
dist_check_SCRIPTS += $(policy_tests)
EXTRA_DIST += tests/policy/rules.sh tests/TRAPS.md
TESTS += $(policy_tests)
