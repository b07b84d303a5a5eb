# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What every shell test needs. Source it first, end with `finish`:
#
#     . "$top_srcdir/tests/shell.sh"
#     run "$hadal" generate --nonsense
#     check 'an unknown option is a usage error' [ "$status" -eq 64 ]
#     check 'the message names the option' grep -q nonsense "$work/stderr"
#     check_equal 'stdout stays empty' "$(cat "$work/stdout")" ''
#     finish
#
# Each check prints "ok - NAME" or "not ok - NAME" with what the last `run` printed; ./check counts these lines.

set -eu
: "${top_srcdir:?run this by make check}" "${top_builddir:?run this by make check}"
hadal=$top_builddir/hadal
work=$(mktemp -d "${TMPDIR:-/tmp}/hadal-test.XXXXXX")
command_line=
status=0
failures=0
finished=no

clean_up() {
    result=$?
    trap - EXIT
    rm -rf "$work"
    if [ "$result" -eq 0 ] && [ "$finished" = no ]; then
        echo 'not ok - the test ended before its last line'
        result=1
    fi
    exit "$result"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# run COMMAND...: its exit status goes to $status, its output to $work/stdout and $work/stderr; stdin is empty unless
# redirected: `run_with FILE COMMAND...`.
run() {
    run_with /dev/null "$@"
}

run_with() {
    input=$1
    shift
    command_line=$*
    status=0
    "$@" <"$input" >"$work/stdout" 2>"$work/stderr" || status=$?
}

fail_case() {
    failures=$((failures + 1))
    echo "not ok - $1"
}

# check NAME COMMAND...: the case passes when the command does.
check() {
    name=$1
    shift
    if "$@" >"$work/check" 2>&1; then
        echo "ok - $name"
        return 0
    fi
    fail_case "$name"
    echo "  failed: $*"
    sed 's/^/  | /' "$work/check"
    if [ -n "$command_line" ]; then
        echo "  after: $command_line (exit status $status)"
        sed 's/^/  stdout| /' "$work/stdout" | head -n 40
        sed 's/^/  stderr| /' "$work/stderr" | head -n 40
    fi
}

# check_equal NAME ACTUAL EXPECTED
check_equal() {
    if [ "$2" = "$3" ]; then
        echo "ok - $1"
    else
        fail_case "$1"
        printf '  expected: %s\n  actual:   %s\n' "$3" "$2"
    fi
}

# not COMMAND...: succeeds when the command fails.
not() {
    if "$@"; then
        return 1
    fi
}

# skip NAME WHY: one case that cannot be tried here.
skip() {
    echo "ok - $1 # SKIP $2"
}

# skip_all WHY: nothing of this test can be tried here.
skip_all() {
    finished=yes
    echo "skipped: $1"
    exit 77
}

finish() {
    finished=yes
    [ "$failures" -eq 0 ] || exit 1
    exit 0
}
