# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal devices: the list, the self-test, and what to do when there is none.

. "$top_srcdir/tests/cli/common.sh"

mkdir "$work/no-drivers"
refused 'no device' 69 'apt install pocl-opencl-icd' \
    env OCL_ICD_VENDORS="$work/no-drivers" OPENCL_VENDOR_PATH="$work/no-drivers" "$hadal" devices
refused 'no device to generate on' 69 'PoCL' \
    env OCL_ICD_VENDORS="$work/no-drivers" OPENCL_VENDOR_PATH="$work/no-drivers" "$hadal" generate x

need_device

succeeds 'the list' "$hadal" devices
check 'begins with the first device' grep -q '^0  ' "$work/stdout"
succeeds '--json' "$hadal" devices --json
check_equal 'counts from 0' "$(json device index | head -n 1)" 0
check 'has memory' [ "$(json device memory_bytes | head -n 1)" -gt 0 ]
first=$(json device name | head -n 1)
refused 'no such device' 69 nothing-like-it "$hadal" devices -d nothing-like-it
refused 'no such index' 69 999 "$hadal" devices -d 999
succeeds 'one device by its name' "$hadal" devices --json -d "$first"
check_equal 'is that one' "$(json device name)" "$first"

succeeds 'the self-test' "$hadal" devices --self-test -d 0
check 'tells each result' grep -q '^   ok ' "$work/stdout"
check 'no colour reaches a pipe' not grep -q "$(printf '\033')" "$work/stdout"
succeeds 'the self-test for programs' "$hadal" devices --self-test --json -d 0
check_equal 'none failed' "$(json 'done' failed)" 0
check_equal 'each passed' "$(json test passed | sort -u)" true
run "$hadal" devices --self-test -d 0 --color always
check 'colours when asked for' grep -q "$(printf '\033')" "$work/stdout"
if can_have_terminal; then
    run script -qec "TERM=xterm '$hadal' devices --self-test -d 0" /dev/null
    check 'colours on a terminal' grep -q "$(printf '\033\\[32m')" "$work/stdout"
    run script -qec "TERM=xterm NO_COLOR=1 '$hadal' devices --self-test -d 0" /dev/null
    check 'not with NO_COLOR' not grep -q "$(printf '\033\\[32m')" "$work/stdout"
else
    skip 'colours on a terminal' 'script(1) makes no terminal here'
fi

finish
