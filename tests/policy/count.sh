# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The counts at the end of ./check are those of the logs.

. "$top_srcdir/tests/shell.sh"

# test_result NAME RESULT: what automake leaves of a test whose log is stdin.
test_result() {
    cat >"$work/$1.log"
    printf ':test-result: %s\n:global-test-result: %s\n' "$2" "$2" >"$work/$1.trs"
}

counts() {
    awk -f "$top_srcdir/build-aux/count-tests.awk" "$@"
}

test_result cmocka FAIL <<'LOG'
[==========] Running 4 test(s).
[ RUN      ] a
[       OK ] a
[  FAILED  ] b
[  SKIPPED ] c
[       OK ] d
[  PASSED  ] 2 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] c
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] b
LOG
test_result shell FAIL <<'LOG'
ok - one
not ok - two
ok - three # SKIP no compiler
LOG
test_result crash FAIL <<'LOG'
[       OK ] a
[ RUN      ] b
LOG
test_result device SKIP <<'LOG'
skipped: no OpenCL device
LOG
test_result plain PASS </dev/null
test_result broken ERROR </dev/null

check_equal 'cases of cmocka' "$(counts "$work/cmocka.trs")" '2 passed, 1 failed, 1 skipped'
check_equal 'cases of a shell test' "$(counts "$work/shell.trs")" '1 passed, 1 failed, 1 skipped'
check_equal 'a crash is a failed case' "$(counts "$work/crash.trs")" '1 passed, 1 failed'
check_equal 'a skipped test is a skipped case' "$(counts "$work/device.trs")" '0 passed, 0 failed, 1 skipped'
check_equal 'a test without cases is one' "$(counts "$work/plain.trs")" '1 passed, 0 failed'
check_equal 'a test that could not run failed' "$(counts "$work/broken.trs")" '0 passed, 1 failed'
check_equal 'sums' "$(counts "$work"/*.trs)" '5 passed, 4 failed, 3 skipped'

finish
