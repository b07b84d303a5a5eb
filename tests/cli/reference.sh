# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The small model does what its reference files say: logits, greedy tokens, needles found.

. "$top_srcdir/tests/cli/common.sh"
need_device

succeeds 'logits of the reference prompt' "$hadal" score --tokens "$reference/tokens.txt" --logits "$work/logits.npy" \
    --attention sparse --kv-cache f32 --index-cache f32
check 'are those of the reference' "$tools/test_npy" "$work/logits.npy" "$reference/logits.npy" 1e-3
cat "$work/check"

wanted=$(tr -d ' \n' <"$reference/greedy.json" | sed 's/.*"new_tokens":\(\[[0-9,]*\]\).*/\1/')
succeeds 'greedy tokens after it' "$hadal" generate --tokens "$reference/tokens.txt" -n 64 --json \
    --attention sparse --kv-cache f32 --index-cache f32
check_equal 'are those of the reference' "$(json 'done' tokens)" "$wanted"

# needle LENGTH ATTENTION: the document is answered.
needle() {
    answer=$(tr -d '\n' <"$reference/needles.json" | sed "s/.*needle-$1.txt.gz[^}]*\"answer\": \"\([^\"]*\)\".*/\1/")
    run "$hadal" generate -f "$reference/needle-$1.txt.gz" -n 10 --stop . --attention "$2"
    check_equal "the code in $1 of text, $2 attention" "$status:$(cat "$work/stdout")." "0:$answer"
}

needle 4k sparse
needle 4k dense

# These take minutes on a CPU.
run "$hadal" devices --json
if [ "$(json device kind | head -n 1)" != CPU ] || [ -n "${HADAL_TEST_SLOW:-}" ]; then
    for length in 16k 32k; do
        needle $length sparse
        needle $length dense
    done
else
    skip 'the code in 16k and 32k of text' 'slow on a CPU; set HADAL_TEST_SLOW=1 to try'
fi

finish
