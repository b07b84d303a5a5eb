# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What tests of the command share; sourced by them.

. "$top_srcdir/tests/shell.sh"
tools=$top_builddir/tests/cli
reference=$top_srcdir/weights/reference

# Without an OpenCL device the test is skipped.
need_device() {
    run "$hadal" devices
    [ "$status" -ne 69 ] || skip_all 'no OpenCL device'
}

# Whether script(1) can give a command a terminal: it may be missing, or there are no pseudo-terminals (a bare chroot).
can_have_terminal() {
    script -qec true /dev/null </dev/null >/dev/null 2>&1
}

# says TEXT: the last run wrote TEXT to standard error.
says() {
    grep -qF -e "$1" "$work/stderr"
}

# refused NAME STATUS TEXT COMMAND...: the command ends with the status and one line "hadal: ...TEXT..."
refused() {
    refused_with /dev/null "$@"
}

# refused_with FILE NAME STATUS TEXT COMMAND...: the same with FILE as standard input.
refused_with() {
    input=$1 name=$2 expected=$3 text=$4
    shift 4
    run_with "$input" "$@"
    check "$name" is_refusal "$expected" "$text"
}

is_refusal() {
    echo "expected: exit status $1, stdout empty, stderr one line with: $2"
    [ "$status" -eq "$1" ] && [ ! -s "$work/stdout" ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] &&
        grep -q '^hadal: ' "$work/stderr" && says "$2"
}

# succeeds NAME COMMAND...: the command ends with 0 and writes nothing to standard error.
succeeds() {
    name=$1
    shift
    run "$@"
    check "$name" is_success
}

is_success() {
    [ "$status" -eq 0 ] && [ ! -s "$work/stderr" ]
}

# json TYPE PATH: a member of what the last run printed.
json() {
    "$tools/test_json" "$1" "$2" <"$work/stdout"
}
