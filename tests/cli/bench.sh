# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal bench: tables, JSON and CSV of tiny dimensions. What is right about the numbers, tests/bench checks.

. "$top_srcdir/tests/cli/common.sh"

refused 'dimensions that are not there' 66 "$work/none.json" "$hadal" bench ops --dims "$work/none.json"

need_device

config=$top_srcdir/weights/config.json
small='--working-set 1 --seconds 0.005'

# bench WHAT OPTION...
bench() {
    "$hadal" bench "$@" --dims "$config" $small
}

succeeds 'the ceilings' bench device
for name in copy read fp32 launch 'launch pitch' 'launch gap' 'launch event'; do
    check "$name is measured" grep -q "^$name  " "$work/stdout"
done
check 'the device is named' grep -q '^hadal .* on ' "$work/stdout"

succeeds 'operations for programs' bench ops --json -c 512 --tokens 1,3
check_equal 'the device comes first' "$(head -n 1 "$work/stdout" | grep -c '"type": *"device"')" 1
check_equal 'rows tell their bench' "$(json bench bench | sort -u)" ops
check_equal 'every row has time' "$(json bench microseconds | grep -c -v '^[0-9.e+-]*$')" 0
check_equal 'both kinds of steps' "$(json bench phase | sort -u | tr '\n' ' ')" ' decode prefill '
check 'attention is among them' grep -q '"attend sparse"' "$work/stdout"
check 'experts are among them' grep -q '"linear_experts gate_proj"' "$work/stdout"

succeeds 'one phase' bench ops --json -c 512 --phase prefill --tokens 1,3
check_equal 'is that one' "$(json bench phase | sort -u | tr '\n' ' ')" ' prefill '

succeeds 'attention as a file' bench attention --csv -c 300,600 --batch 1,2 --tokens 5
check_equal 'every line has as many values' "$(sed 's/"[^"]*"//g' "$work/stdout" | tr -cd ',\n' | sort -u | wc -l)" 1
check_equal 'a row each of dense attention' "$(grep -c '"dense"' "$work/stdout")" 6
check_equal 'a row each of sparse attention' "$(grep -c '"sparse"' "$work/stdout")" 6

succeeds 'steps of random weights' bench model -c 300 --layers 3 --tokens 8
check_equal 'a row each of decode and prefill' "$(grep -c -e '^decode ' -e '^prefill ' "$work/stdout")" 2
check_equal 'and of a layer of each' "$(grep -c '^layer of experts ' "$work/stdout")" 2
succeeds 'steps of several sequences' bench model --json -c 300 --layers 2 --phase decode --batch 1,3
check_equal 'a row each of one and of several' "$(json bench batch | tr '\n' ' ')" '0 0 0 0 0 0 0 1 3 '
succeeds 'steps of a model' "$hadal" bench model -m "$top_srcdir/weights" -c 64 --phase decode $small
check 'have all its layers' grep -q '^decode .* 6 layers (1 dense)' "$work/stdout"

# Sizes that are kept count for all that runs with this cache, so tuning gets one of its own.
tuned() (
    export XDG_CACHE_HOME="$work/cache"
    "$@"
)

tune() {
    tuned "$hadal" bench tune "$@"
}

succeeds 'tuning' tune --dims "$config" $small -c 2000 --tokens 5 --sizes attend.groups
check 'has a row each value' grep -q '^attend.groups .* 1.000 ' "$work/stdout"
check_equal 'one of which is kept' "$(grep -c ' kept  groups' "$work/stdout")" 1
check 'tells how many sizes differ' grep -q '^[01] size.* from now on$' "$work/stdout"
succeeds 'tuning for programs' tune --json --dims "$config" $small -c 2000 --tokens 5 --sizes attend.groups
check_equal 'has rows of sizes' "$(json bench name | sort -u)" attend.groups
check_equal 'and an end' "$(json 'done' tuned | grep -c '^[01]$')" 1
succeeds 'tuning as a file' tune --csv --dims "$config" $small -c 2000 --tokens 5 --sizes attend.groups
check_equal 'whose lines have as many values' "$(sed 's/"[^"]*"//g' "$work/stdout" | tr -cd ',\n' | sort -u | wc -l)" 1
run tune --dims "$config" --sizes attends
check_equal 'sizes that are not there are refused' "$status" 64
check 'and said' says "begins with 'attends'"
succeeds 'a reset' tune --reset
check_equal 'leaves no sizes' "$(find "$work/cache" -name '*.tuning')" ''

# What is kept is used, and said where it cannot be; attend.keys may be 4 on every device.
run tuned "$hadal" devices --json -d "${HADAL_DEVICE:-0}"
file=$(json device tuning_file)
check_equal 'nothing is tuned yet' "$(json device tuned)" 0
check_equal 'the file is in the cache directory' "${file%/*}" "$work/cache/hadal"
echo 'attend.keys 4' >"$file"
run tuned "$hadal" devices -d "${HADAL_DEVICE:-0}"
check 'devices tells of tuned sizes' grep -qF "   tuned        1 size, $file" "$work/stdout"
run tuned bench attention -c 300 --phase decode --batch 1
check 'so does a bench' grep -q '^hadal .*, 1 tuned size$' "$work/stdout"
echo 'attend.keys 5' >"$file"
run tuned "$hadal" generate -n 1 --progress never x
check_equal 'a size that cannot be stops nothing' "$status" 0
check_equal 'and is warned of once' "$(grep -c "^hadal: tuned sizes are not used: $file: line 1 " "$work/stderr")" 1
run tuned "$hadal" devices -d "${HADAL_DEVICE:-0}"
check 'devices tells of it' grep -qF "   tuned        no: $file: line 1 " "$work/stdout"
succeeds 'a reset' tuned "$hadal" bench tune --reset
check_equal 'removes the file' "$(find "$work/cache" -name '*.tuning')" ''

run bench attention -c 4 --tokens 8 --phase prefill
check_equal 'a step longer than the context is refused' "$status" 64
check 'and said' says 'a step of 8 tokens'
run bench model -c 200000 --layers 1
check_equal 'a context beyond the model is refused' "$status" 64
check 'with the limit' says max_position_embeddings

finish
