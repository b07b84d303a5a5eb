#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Everything that bench/results holds of a device: its record, the self-test, the test programs, hadal bench (products also
# of bfloat16 weights and in float32), how long kernels take to build, and the demo model's needles in fast and exact
# precision. Run in a build directory after `make`.

set -eu
usage='Usage: bench/measure.sh [DEVICE] >bench/results/DATE-NAME.txt   (in a build directory; DEVICE as for hadal -d)'
case ${1:-} in
    -h | --help) echo "$usage" && exit ;;
    -*) echo "measure.sh: unknown option $1" >&2 && echo "$usage" >&2 && exit 64 ;;
esac
[ -x ./hadal ] || { echo 'measure.sh: ./hadal is not here; run it in a build directory after make' >&2 && exit 66; }
source=$(cd -- "$(dirname -- "$0")/.." && pwd)
[ $# -eq 0 ] || export HADAL_DEVICE="$1"

# Prints a command, then what it prints; a failure is noted and the rest goes on.
run() {
    echo "# $*"
    "$@" 2>&1 || echo "# exit status $?"
}

# REUSE-IgnoreStart
echo '# SPDX-License-Identifier: MIT'
echo '# SPDX-FileCopyrightText: The hadal authors'
# REUSE-IgnoreEnd
echo "# measured on $(date -u +%Y-%m-%d) at commit $(git -C "$source" describe --always --dirty 2>/dev/null || echo unknown)"
run ./hadal devices --self-test
make -j"$(nproc)" check TESTS= >measure.log 2>&1 || echo '# not all tests were built, see measure.log'
programs=
for program in tests/device/test_* tests/ops/test_* tests/model/test_* tests/session/test_* tests/bench/test_*; do
    case $program in
        *.o | *.log | *.trs) continue ;;
    esac
    [ ! -x "$program" ] || [ -d "$program" ] || programs="$programs $program"
done
[ -n "$programs" ] || { echo 'measure.sh: there are no test programs to run here; see measure.log' >&2 && exit 70; }
make -k -j4 check TESTS="$programs" >measure.log 2>&1 || echo '# not all tests passed'
for program in $programs; do
    if grep -q '^:test-result: PASS' "$program.trs"; then
        echo "$program: passed, $(grep -c '\[       OK \]' "$program.log") cases"
    else
        echo "$program: FAILED" && grep -E 'ERROR|FAILED|detected|rror:' "$program.log" | head -n 12
    fi
    grep 'KL against' "$program.log" || true
done
for part in device ops attention model; do
    run ./hadal bench "$part" --csv
done

sed '/"quantization_config"/,/}/d' "$source/tests/model/data/deepseek-v3.2-exp.config.json" >bfloat16.json
run ./hadal bench ops --dims bfloat16.json --tokens 2048 -c 4096 --seconds 0.1 --csv
run ./hadal bench ops --precision exact --tokens 2048 -c 4096 --seconds 0.1 --csv

# Seconds of a short answer with no kernel built yet, then with all of them in the caches (the driver's own included).
caches=$(mktemp -d)
for state in cold warm; do
    begin=$(date +%s%N)
    run env XDG_CACHE_HOME="$caches" CUDA_CACHE_PATH="$caches/cuda" POCL_CACHE_DIR="$caches/pocl" ./hadal generate \
        -f "$source/weights/reference/needle-4k.txt.gz" -n 4 --json | tail -n 1
    echo "$state caches: $((($(date +%s%N) - begin) / 1000000)) ms"
done
rm -rf "$caches"

for size in 4k 16k 32k; do
    for attention in sparse dense; do
        for precision in fast exact; do
            run ./hadal generate -f "$source/weights/reference/needle-$size.txt.gz" -n 4 --attention "$attention" \
                --precision "$precision" --json | tail -n 1
        done
    done
done
run ./hadal generate --tokens "$source/weights/reference/tokens.txt" -n 64 --ignore-eos --profile
