# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal generate: where the prompt comes from, how the answer ends and how it is told.

. "$top_srcdir/tests/cli/common.sh"
need_device

generate() {
    run "$hadal" generate "$@"
}

succeeds 'a prompt as operand' "$hadal" generate -n 8 'A database index is'
cp "$work/stdout" "$work/answer"
check 'the answer is not empty' test -s "$work/answer"

# same NAME: the last run gave the same answer and nothing else.
same() {
    check "$1" cmp "$work/stdout" "$work/answer"
}

generate -n 8 A database index is
same 'operands are joined by spaces'
generate -p 'A database index is' -n 8
same 'a prompt by -p'
printf 'A database index is' >"$work/prompt"
generate -f "$work/prompt" -n 8
same 'a prompt by -f'
gzip -c "$work/prompt" >"$work/prompt.gz"
generate --file="$work/prompt.gz" -n 8
same 'a gzip file by -f'
run_with "$work/prompt" "$hadal" generate -n 8
same 'a prompt on standard input'
run_with "$work/prompt" "$hadal" generate -n 8 -
same 'standard input named -'
run_with "$work/prompt" "$hadal" generate -n 8 -f -
same 'standard input named by -f -'
printf 'A data' >"$work/begin"
run_with "$work/begin" "$hadal" generate -n 8 -p 'base index is'
same 'standard input comes before the prompt'
run_with "$work/begin" "$hadal" generate -n 8 - 'base index is'
same 'also when it is named'
generate -n 8 -f "$work/begin" 'base index is'
same 'a file comes before the prompt'
"$hadal" tokenize "$work/prompt" >"$work/ids"
generate --tokens "$work/ids" -n 8
same 'a prompt as token ids'
run_with "$work/ids" "$hadal" generate --tokens - -n 8
same 'token ids on standard input'
run_with "$work/begin" "$hadal" generate --tokens "$work/ids" -n 8
same 'other standard input is not read then'
generate -n 8 'A database index is' --temperature 0 --seed 7 -c 100 -d 0
same 'greedy answers have no seed, a larger context changes nothing'
run env HADAL_MODEL= "$hadal" generate -n 8 'A database index is'
same 'without a model named, that of the build tree is used'
run env HADAL_MODEL=/nowhere "$hadal" generate -m "$top_srcdir/weights" -n 8 'A database index is'
same '-m goes before HADAL_MODEL'
run env HADAL_DEVICE=0 "$hadal" generate -n 8 'A database index is'
same 'a device by HADAL_DEVICE'

# --json tells the same.
succeeds '--json' "$hadal" generate --json -n 8 --seed 5 'A database index is'
check_equal 'the text at the end' "$(json 'done' text)" "$(cat "$work/answer")"
{ json token text; json text text || true; } | tr -d '\n' >"$work/joined"
check_equal 'the text of all tokens together' "$(cat "$work/joined")" "$(tr -d '\n' <"$work/answer")"
check_equal 'the ids' "$(json token id | tr '\n' ',' | sed 's/,$//')" "$(json 'done' tokens | tr -d '[]')"
check_equal 'log-probabilities are not positive' "$(json token logprob | grep -cv -e '^-' -e '^0')" 0
check_equal 'a log-probability for each token' "$(json token logprob | wc -l | tr -d ' ')" 8
check_equal 'why it ended' "$(json 'done' finish)" length
check_equal 'tokens of the prompt' "$(json 'done' usage.prompt_tokens)" "$(wc -l <"$work/ids" | tr -d ' ')"
check_equal 'tokens of the answer' "$(json 'done' usage.completion_tokens)" 8
check_equal 'the seed' "$(json 'done' seed)" 5
for member in load_seconds prefill_seconds decode_seconds prefill_tokens_per_second decode_tokens_per_second; do
    check "the timing has $member" [ "$(json 'done' timing.$member)" != null ]
done

# How it ends.
generate --json -n 30 --stop index 'A database index is a database'
check_equal 'a stop text ends it' "$(json 'done' finish)" stop
check 'and is not in it' not grep -q index "$work/stdout"
stopped=$(json 'done' text)
generate -n 30 --stop nothing-like-it --stop index 'A database index is a database'
check_equal 'any of several stop texts ends it, nor is it on standard output' "$(cat "$work/stdout")" "$stopped"
generate -n 0 -c 20 'A database index is'
check 'a full context ends it' [ "$status" -eq 0 ]
check 'and that is told' says 'context is full'
generate -q --json -n 0 -c 20 'A database index is'
check_equal 'finish says so too' "$(json 'done' finish)" context
check_equal 'but -q does not' "$(cat "$work/stderr")" ''
generate -n 1 -q 'A database index is'
check 'one token' [ "$status" -eq 0 ]

# Sampling.
generate --temperature 1.5 --seed 42 -n 12 --json 'In the'
first=$(json 'done' tokens)
generate --temperature 1.5 --seed 42 -n 12 --json 'In the'
check_equal 'the same seed, the same answer' "$(json 'done' tokens)" "$first"
generate --temperature 1.5 --seed 43 -n 12 --json 'In the'
check 'another seed, another answer' [ "$(json 'done' tokens)" != "$first" ]
generate --temperature 1.5 --top-k-sampling 1 -n 8 'A database index is'
same 'the one likeliest token is greedy'
generate --temperature 1.5 --min-p 1 -n 8 'A database index is'
same 'so is a min-p of 1'
generate --temperature 1 --json -n 1 'In the'
seed=$(json 'done' seed)
generate --temperature 1 --json -n 1 'In the'
check 'seeds are random unless given' [ "$(json 'done' seed)" != "$seed" ]

# generation_config.json of the model counts unless options say otherwise.
mkdir "$work/model"
for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
    ln -s "$(cd "$top_srcdir" && pwd)/weights/$file" "$work/model"
done
generate -m "$work/model" -n 8 'A database index is'
same 'without generation_config.json it is greedy'
echo '{"do_sample": true, "temperature": 1.5}' >"$work/model/generation_config.json"
generate -m "$work/model" --seed 42 -n 12 --json 'In the'
check_equal 'its temperature is used' "$(json 'done' tokens)" "$first"
generate -m "$work/model" --temperature 0 -n 8 'A database index is'
same 'an option goes before it'
echo '{"do_sample": false, "temperature": 1.5}' >"$work/model/generation_config.json"
generate -m "$work/model" -n 8 'A database index is'
same 'do_sample false is greedy'
echo '{"do_sample": true, "temperature": -3}' >"$work/model/generation_config.json"
refused 'a temperature out of range there' 65 generation_config.json "$hadal" generate -m "$work/model" x
echo '{"do_sample": ' >"$work/model/generation_config.json"
refused 'JSON cut off there' 65 generation_config.json "$hadal" generate -m "$work/model" x
rm "$work/model/generation_config.json" "$work/model/tokenizer.json" "$work/model/tokenizer_config.json"
run "$hadal" generate --json --tokens "$work/ids" -n 8
wanted=$(json token id)
succeeds 'ids without a tokenizer' "$hadal" generate -m "$work/model" --tokens "$work/ids" -n 8
check_equal 'are answered by ids, one a line' "$(cat "$work/stdout")" "$wanted"
refused 'a stop text without a tokenizer' 64 '--stop' "$hadal" generate -m "$work/model" --tokens "$work/ids" --stop x
refused 'a text without a tokenizer' 66 tokenizer.json "$hadal" generate -m "$work/model" x

# Chat.
succeeds 'chat' "$hadal" generate --chat -n 4 --json Hello
chat=$(json 'done' usage.prompt_tokens)
generate --system 'Be brief.' -n 4 --json Hello
check 'system text is fed too, and implies the chat form' [ "$(json 'done' usage.prompt_tokens)" -gt "$chat" ]
generate --think -n 4 --json Hello
check 'thinking implies the chat form' [ "$(json 'done' usage.prompt_tokens)" -gt 2 ]
printf '<｜end▁of▁sentence｜>' >"$work/special"
generate --json -n 1 -f "$work/special"
long=$(json 'done' usage.prompt_tokens)
generate --json -n 1 --special -f "$work/special"
check_equal 'special tokens in the prompt only with --special' "$(json 'done' usage.prompt_tokens)" 2
check 'else their names are text' [ "$long" -gt 2 ]

# How it is computed.
for options in '--attention dense' '--attention sparse' '--chunk 3' '--kv-cache f32' '--index-cache f32' \
               '--index-cache fp8' '--linear own' '--index-topk 256'; do
    generate $options -n 8 'A database index is'
    same "$options gives the same short answer"
done
generate -v -n 4 'A database index is'
for word in model device seed 'prompt of' 'ended by length'; do
    check "-v tells: $word" says "$word"
done
generate --profile --json -n 4 'A database index is'
check '--profile prints a table' says launches
check 'with launches a token and layer' says 'a token and layer'
check '--json has the rows' [ "$(json 'done' profile | grep -c '"phase":"decode"')" -eq 1 ]

# What cannot work.
: >"$work/empty"
refused 'an empty prompt' 65 'empty' "$hadal" generate -p ''
refused 'an empty file' 65 'empty' "$hadal" generate -f "$work/empty"
refused_with "$work/empty" 'empty standard input' 65 'empty' "$hadal" generate
refused 'a file of no ids' 65 'empty' "$hadal" generate --tokens "$work/empty"
refused 'no file' 66 "$work/nowhere" "$hadal" generate -f "$work/nowhere"
refused 'no file of ids' 66 "$work/nowhere" "$hadal" generate --tokens "$work/nowhere"
printf 'abc\377def' >"$work/binary"
refused 'a prompt that is not UTF-8' 65 'UTF-8' "$hadal" generate -f "$work/binary"
check 'the offset of the wrong byte is named' says 3
echo '1 2 4096' >"$work/bad"
refused 'an id beyond the vocabulary' 65 4096 "$hadal" generate --tokens "$work/bad"
refused 'a prompt longer than the context' 65 'give -c' "$hadal" generate -c 3 -n 5 'A database index is'
"$hadal" tokenize "$reference/prompt.txt" >"$work/ids"
i=0
while [ $i -lt 300 ]; do
    cat "$work/ids"
    i=$((i + 1))
done >"$work/many"
refused 'a prompt longer than what the model takes' 65 '163840' "$hadal" generate --tokens "$work/many"
refused 'a context beyond what the model takes' 64 '163840' "$hadal" generate -c 163841 x
refused 'no model' 66 "$work/nowhere" "$hadal" generate -m "$work/nowhere" x
refused 'no such device' 69 nothing-like-it "$hadal" generate -d nothing-like-it x
refused 'no kernels' 66 "$work" env HADAL_CL_DIR="$work" "$hadal" generate x

finish
