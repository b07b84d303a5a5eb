# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal generate --each: a prompt a record, alone and among the programs of a pipeline.

. "$top_srcdir/tests/cli/common.sh"
trap : INT

each() {
    run_with "$1" "$hadal" generate --each -n 6 $2
}

printf 'x\n' >"$work/x"
refused 'ids' 64 'leave out --tokens' "$hadal" generate --each --tokens "$work/x"
refused 'two inputs' 64 'one input' "$hadal" generate --each -f "$work/x" -
refused '-0 without records' 64 'give --each too' "$hadal" generate -0 x
refused 'a profile' 64 'leave out --each' "$hadal" generate --each --profile
refused 'no file' 66 "$work/nowhere" "$hadal" generate --each -f "$work/nowhere"
succeeds 'no record, no answer, no weights' "$hadal" generate --each -d nothing-like-it
status=0
"$hadal" generate --each <&- >"$work/stdout" 2>"$work/stderr" || status=$?
check_equal 'a closed standard input' "$status: $(cat "$work/stderr")" '74: hadal: standard input: Bad file descriptor'
gzip -c "$work/x" | "$hadal" generate --each >"$work/stdout" 2>"$work/stderr" || status=$?
check_equal 'gzip data from a pipe' "$status: $(cat "$work/stderr")" \
    '65: hadal: standard input: holds gzip data, which --each reads from files alone; pipe it through gzip -dc'

# Wrong records alone: no device is opened for them. 100 MB without a newline are one, and little of it is in memory.
head -c 100000000 /dev/zero | tr '\0' x >"$work/huge"
printf '\nabc\377def\n' >>"$work/huge"
cat >"$work/bounded" <<'EOT'
#!/bin/sh
ulimit -v 1000000 && exec "$@"
EOT
chmod +x "$work/bounded"
bounded=$work/bounded
"$bounded" "$hadal" --version >"$work/stdout" 2>&1 || bounded=env # AddressSanitizer maps more than that
run_with "$work/huge" "$bounded" "$hadal" generate --each -d nothing-like-it
check_equal 'a record of 100 MB and a binary one are one line each' "$status: $(cat "$work/stderr")" \
    "65: hadal: record 1, from byte 0: is longer than 16 MiB, the most that a record may have
hadal: record 2, from byte 100000001: the text is not UTF-8: the byte 0xff at offset 3 is no part of a character; \
convert it with iconv"
check_equal 'and empty lines of the output' "$(od -An -c "$work/stdout" | tr -d ' ')" '\n\n'
rm "$work/huge"

need_device

# Each answer is that of its prompt alone, whatever stands before it.
printf 'A database index is\n\nOnce upon\nabc\377\nA database index is\nThe last, without an end' >"$work/prompts"
tr '\n' '\0' <"$work/prompts" >"$work/prompts0"
not_utf8='is not UTF-8: the byte 0xff at offset 3 is no part of a character; convert it with iconv'
wrong="hadal: record 2, from byte 20: the prompt is empty
hadal: record 4, from byte 31: the text $not_utf8"
alone() {
    for prompt in 'A database index is' '' 'Once upon' '' 'A database index is' 'The last, without an end'; do
        [ -z "$prompt" ] || "$hadal" generate -n 6 "$@" -p "$prompt" </dev/null
        printf '\0'
    done
}
sampled='--temperature 1.5 --seed 3'
alone $sampled >"$work/alone"
each "$work/prompts0" "-0 $sampled"
check_equal 'wrong records are passed over and reported' "$status: $(cat "$work/stderr")" "65: $wrong"
check 'answers are those of each prompt alone' cmp "$work/stdout" "$work/alone"
gzip -c "$work/prompts" >"$work/prompts.gz"
tr '\0' '\n' <"$work/alone" >"$work/lines"
run_with "$work/prompts.gz" "$hadal" generate --each -n 6 $sampled
check 'without -0 a newline ends each, and gzip files are read' cmp "$work/stdout" "$work/lines"
run env LC_ALL=C "$hadal" generate --each -n 6 $sampled -f "$work/prompts"
check 'in another locale, from a file' cmp "$work/stdout" "$work/lines"

# A longer record than those before gets a larger session; one that -c has no room for is wrong.
gzip -dc "$reference/needle-4k.txt.gz" | head -c 6000 >"$work/long"
{ printf 'x\0'; cat "$work/long"; printf '\0x\0'; } >"$work/growing"
for prompt in x long x; do
    if [ "$prompt" = long ]; then "$hadal" generate -n 6 -f "$work/long"; else "$hadal" generate -n 6 x; fi </dev/null
    printf '\0'
done >"$work/alone"
each "$work/growing" -0
check_equal 'records of all lengths' "$status: $(cat "$work/stderr")" '0: '
check 'get the answers that they get alone' cmp "$work/stdout" "$work/alone"
each "$work/growing" '-0 -c 40'
check_equal 'a record beyond the context' "$status: $(tr -dc '\0' <"$work/stdout" | wc -c | tr -d ' ')" '65: 3'
check 'is named, with what would help' says 'record 2, from byte 2 has'

# Each answer is there before the next prompt is written.
mkfifo "$work/questions" "$work/answers"
"$hadal" generate --each -n 2 <"$work/questions" >"$work/answers" &
exec 3>"$work/questions" 4<"$work/answers"
echo 'A database index is' >&3
read -r first <&4
echo 'A database index is' >&3
exec 3>&-
check_equal 'a program may wait for each answer' "$(cat <&4)" " $first"
exec 4<&-
check 'and ends it by closing its input' wait $!

# Objects tell their record.
"$hadal" generate --each --json -n 3 --seed 5 <"$work/prompts" >"$work/objects" 2>/dev/null || true
cp "$work/objects" "$work/stdout"
check_equal 'a last object for each answer' "$(json 'done' record | tr '\n' ' ')" '1 3 5 6 '
check_equal 'each has the seed' "$(json 'done' seed | sort -u)" 5
check_equal 'objects of tokens have the record' "$(json token record | uniq -c | tr -s ' \n' ' ')" ' 3 1 3 3 3 5 3 6 '
check_equal 'an object for each record without answer' "$(json skipped record | tr '\n' ' ')$(json skipped offset |
    tr '\n' ' ')" '2 4 20 31 '
if command -v jq >/dev/null; then
    jq -r 'select(.type == "done").text' <"$work/objects" >"$work/texts"
    jq -sj 'group_by(.record)[] | map(select(.type != "done").text // empty) | select(length > 0) | add, "\n"' \
        <"$work/objects" >"$work/grouped"
    check 'jq groups them' cmp "$work/texts" "$work/grouped"
    jq -nc '{q: "Once"}, {q: "x"}' | jq -r .q | "$hadal" generate --each -n 1 --json | jq -s 'map(.record) | unique |
        length' >"$work/count"
    check_equal 'between two jq' "$(cat "$work/count")" 2
else
    skip 'jq groups them' 'jq is not here'
fi

# Others of a pipeline.
printf 'x\0' | "$hadal" generate --each -0 -n 3 | xargs -0 -n 1 printf '<%s>' >"$work/stdout"
check_equal 'xargs takes an answer as one argument' "$(cat "$work/stdout")" \
    "<$("$hadal" generate -n 3 x </dev/null)>"
"$hadal" generate --each -n 2 <"$work/prompts" 2>/dev/null | tee "$work/copy" >"$work/stdout"
check 'tee gets all' [ "$(cmp "$work/copy" "$work/stdout" && wc -l <"$work/copy")" -ge 6 ]
{
    status=0
    yes x | "$hadal" generate --each -n 1 2>"$work/stderr" || status=$?
    echo "$status" >"$work/status"
} | head -n 2 >"$work/stdout"
check_equal 'head ends it quietly' "$(cat "$work/status"): $(cat "$work/stderr")" '141: '
check_equal 'after whole answers' "$(wc -l <"$work/stdout" | tr -d ' ')" 2
if [ -w /dev/full ]; then
    status=0
    "$hadal" generate --each -n 1 <"$work/x" >/dev/full 2>"$work/stderr" || status=$?
    check_equal 'a full disk' "$status: $(cat "$work/stderr")" '74: hadal: standard output: No space left on device'
fi
status=0
"$hadal" generate --each -n 1 <"$work/x" >&- 2>"$work/stderr" || status=$?
check_equal 'a closed standard output' "$status: $(cat "$work/stderr")" \
    '74: hadal: standard output: Bad file descriptor'

# Interrupted within the second answer: the first is whole, and nothing of the second is there.
status=0
{ echo x; echo y; } >"$work/two"
"$hadal" generate --each -n 2 <"$work/x" >"$work/alone"
exec 3<>"$work/questions"
echo x >&3
"$hadal" generate --each -n 2 <"$work/questions" >"$work/first" 2>"$work/stderr" 3>&- &
reader=$!
while [ ! -s "$work/first" ] && kill -0 "$reader" 2>/dev/null; do sleep 0.1; done
kill "$reader"
wait "$reader" || status=$?
exec 3>&-
check_equal 'SIGTERM while a record is awaited' "$status: $(cat "$work/stderr")" '143: '
check 'leaves the answers so far' cmp "$work/first" "$work/alone"
status=0
timeout -s INT 8 "$hadal" generate --each --ignore-eos -c 100000 -n 99000 <"$work/two" >"$work/stdout" \
    2>"$work/stderr" || status=$?
check_equal 'SIGINT within an answer' "$status: $(cat "$work/stderr")" '124: '
check_equal 'leaves nothing of it' "$(cat "$work/stdout")" ''

# Two write to one pipe: each answer stays whole.
yes x | head -n 12 >"$work/many"
"$hadal" generate --each -n 9 <"$work/x" >"$work/alone"
{
    "$hadal" generate --each -n 9 <"$work/many" &
    "$hadal" generate --each -n 9 <"$work/many"
    wait $!
} | sort | uniq -c | tr -s ' ' >"$work/stdout"
check_equal 'answers of two writers are not mixed' "$(cat "$work/stdout")" \
    "$(yes "$(cat "$work/alone")" | head -n $((24 * $(wc -l <"$work/alone"))) | sort | uniq -c | tr -s ' ')"

finish
