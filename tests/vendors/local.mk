# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

check_PROGRAMS += tests/vendors/programs
tests_vendors_programs_SOURCES = tests/vendors/programs.c
tests_vendors_programs_LDADD = libinternal.la $(libraries)

EXTRA_DIST += \
	tests/vendors/compile-one.sh \
	tests/vendors/fetch.sh \
	tests/vendors/resources.tsv \
	tests/vendors/spills.tsv \
	tests/vendors/targets.tsv \
	tests/vendors/tools.sh
dist_check_SCRIPTS += tests/vendors/compile.sh
TESTS += tests/vendors/compile.sh

# The table of registers, local memory and spills, from what the compilers say now.
vendor-resources: tests/vendors/programs
	$(AM_TESTS_ENVIRONMENT) $(SHELL) $(srcdir)/tests/vendors/compile.sh --update
.PHONY: vendor-resources
