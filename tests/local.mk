# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What a test program is made of where its folder says nothing else: its file of C, and all of the library.
LDADD = libinternal.la $(CMOCKA_LIBS) $(libraries)

include tests/base/local.mk
include tests/device/local.mk
include tests/weights/local.mk
include tests/text/local.mk
include tests/ops/local.mk
include tests/model/local.mk
include tests/session/local.mk
include tests/bench/local.mk
include tests/cli/local.mk
include tests/policy/local.mk
include tests/vendors/local.mk
include tests/fuzz/local.mk

# Every test finds the sources and what was built, and writes nowhere else: a home directory there is none.
AM_TESTS_ENVIRONMENT = \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	HADAL_CL_DIR='$(abs_top_srcdir)/cl'; export HADAL_CL_DIR; \
	HADAL_MODEL='$(abs_top_srcdir)/weights'; export HADAL_MODEL; \
	XDG_CACHE_HOME='$(abs_top_builddir)/tests/cache'; export XDG_CACHE_HOME; \
	POCL_CACHE_DIR='$(abs_top_builddir)/tests/cache/pocl'; export POCL_CACHE_DIR; \
	CUDA_CACHE_PATH='$(abs_top_builddir)/tests/cache/cuda'; export CUDA_CACHE_PATH; \
	HOME='$(abs_top_builddir)/tests/cache/no-home'; export HOME; \
	CC='$(CC) $(SANITIZE_CFLAGS)'; export CC; \
	SANITIZE_CFLAGS='$(SANITIZE_CFLAGS)'; export SANITIZE_CFLAGS; \
	ASAN_OPTIONS='allocator_may_return_null=1'; export ASAN_OPTIONS; \
	LSAN_OPTIONS='print_suppressions=0:suppressions="$(abs_top_srcdir)/tests/lsan.supp"'; export LSAN_OPTIONS; \
	unset NO_COLOR; \
	mkdir -p "$$POCL_CACHE_DIR";

EXTRA_DIST += tests/check.h tests/installed.sh tests/lsan.supp tests/npy.h

clean-local:
	rm -rf tests/cache fuzzing

# Not among `make check`: it needs `make install`, without DESTDIR.
installcheck-local:
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' CC='$(CC) $(SANITIZE_CFLAGS)' \
	bindir='$(bindir)' libdir='$(libdir)' pkgconfigdir='$(pkgconfigdir)' \
	$(SHELL) $(srcdir)/tests/installed.sh
