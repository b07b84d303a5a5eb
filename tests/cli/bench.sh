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
succeeds 'steps of a model' "$hadal" bench model -m "$top_srcdir/weights" -c 64 --phase decode $small
check 'have all its layers' grep -q '^decode .* 6 layers (1 dense)' "$work/stdout"

run bench attention -c 4 --tokens 8 --phase prefill
check_equal 'a step longer than the context is refused' "$status" 64
check 'and said' says 'a step of 8 tokens'
run bench model -c 200000 --layers 1
check_equal 'a context beyond the model is refused' "$status" 64
check 'with the limit' says max_position_embeddings

finish
