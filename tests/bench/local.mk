# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

check_PROGRAMS += tests/bench/test_bench
TESTS += tests/bench/test_bench
