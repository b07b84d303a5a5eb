# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# run.sh SECONDS [TARGET...]: builds the fuzz targets by clang in $top_builddir/fuzzing, runs each for that long and
# tells what it did. New inputs stay in fuzzing/corpus, what broke a promise in fuzzing/found. Without clang it says so
# and ends well. `make fuzz` calls it; FUZZ_CC chooses the compiler.

set -eu
: "${top_srcdir:?run this by make fuzz}" "${top_builddir:?run this by make fuzz}"
seconds=${1:?run this by make fuzz}
shift
build=$top_builddir/fuzzing
data=$top_srcdir/tests/fuzz

# has_fuzzer COMPILER: it links libFuzzer.
has_fuzzer() {
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n ? 0 : 0; }' >"$build/probe.c"
    "$1" -fsanitize=fuzzer,address -o "$build/probe" "$build/probe.c" >"$build/probe.log" 2>&1
}

find_compiler() {
    for compiler in ${FUZZ_CC:-clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14}; do
        if has_fuzzer "$compiler"; then
            echo "$compiler"
            return
        fi
    done
}

# run_target NAME: prints one line of the table; fails when an input broke a promise.
run_target() {
    mkdir -p "$build/corpus/$1" "$build/found/$1"
    result=0
    "$build/tests/fuzz/fuzz_$1" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb=64 -print_final_stats=1 -use_value_profile=1 -detect_leaks=1 \
        -artifact_prefix="$build/found/$1/" -dict="$data/dictionaries/$1.dict" \
        "$build/corpus/$1" "$data/corpus/$1" >"$build/fuzz_$1.log" 2>&1 || result=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$build/fuzz_$1.log")
    covered=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$build/fuzz_$1.log" | tail -n 1)
    kept=found
    [ "$result" -ne 0 ] || kept=nothing
    printf '%-12s %12s inputs %8s edges  %s\n' "$1" "${runs:-?}" "${covered:-?}" "$kept"
    if [ "$result" -ne 0 ]; then
        grep -m 1 -e 'ERROR:' -e 'does not hold' -e 'runtime error' "$build/fuzz_$1.log" ||
            tail -n 3 "$build/fuzz_$1.log"
    fi
    return "$result"
}

mkdir -p "$build"
compiler=$(find_compiler)
if [ -z "$compiler" ]; then
    echo 'skipped: no clang with libFuzzer is here; install it with: apt install clang (Debian)'
    exit 0
fi
if [ ! -e "$build/config.status" ]; then
    (cd "$build" && "$top_srcdir/configure" -q --enable-fuzzing CC="$compiler" CFLAGS='-O1 -g')
fi
make -C "$build" -s fuzzers

# Most targets write their input to a file, which in memory is many times faster.
parent=${TMPDIR:-/dev/shm}
[ -w "$parent" ] || parent=/tmp
TMPDIR=$(mktemp -d "$parent/hadal-fuzz.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
HADAL_MODEL=$top_srcdir/weights
export HADAL_MODEL
failures=0
if [ $# -eq 0 ]; then
    set -- $(cd "$data/corpus" && ls)
fi
for target in "$@"; do
    run_target "$target" || failures=$((failures + 1))
done
[ "$failures" -eq 0 ]
