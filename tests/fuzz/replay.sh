# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Every seed of the fuzz targets, and every input that once broke a promise (their names begin with "found-"), keeps all
# promises: no crash, no report of a sanitizer, and what the targets' MUST says.

. "$top_srcdir/tests/shell.sh"

# In a build with AddressSanitizer, memory beyond what such small files can ask for ends the replay.
TMPDIR=$work
ASAN_OPTIONS=max_allocation_size_mb=64
export TMPDIR ASAN_OPTIONS

replay() {
    run "$top_builddir/tests/fuzz/replay_$1" "$top_srcdir/tests/fuzz/corpus/$1"/*
    check "every input of corpus/$1 does" [ "$status" -eq 0 ]
}

for folder in "$top_srcdir"/tests/fuzz/corpus/*; do
    replay "${folder##*/}"
done

# Too large for a seed: what is in this file would be accepted.
printf '{%2097152s}\n' '' >"$work/large"
run "$top_builddir/tests/fuzz/replay_generation" "$work/large"
check 'a generation_config.json of 2 MiB is refused' [ "$status" -eq 0 ]

# A target that could not fail would be no test: an input that is not there breaks the replay's own promise.
run "$top_builddir/tests/fuzz/replay_tuning" "$work/none"
check 'a broken promise is seen' [ "$status" -ne 0 ]
check 'and said' grep -q 'does not hold: file' "$work/stderr"

finish
