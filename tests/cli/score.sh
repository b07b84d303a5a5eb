# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal score: log-probabilities, perplexity, logits in a file that is whole or not there.

. "$top_srcdir/tests/cli/common.sh"
need_device

head -c 200 "$reference/prompt.txt" >"$work/text"
"$hadal" tokenize "$work/text" >"$work/ids"
count=$(wc -l <"$work/ids" | tr -d ' ')

succeeds 'a text' "$hadal" score "$work/text"
cp "$work/stdout" "$work/scores"
check_equal 'a line for each token and a summary' "$(wc -l <"$work/scores" | tr -d ' ')" "$((count + 1))"
check_equal 'positions count up' "$(head -n "$count" "$work/scores" | cut -f 1)" "$(seq 0 $((count - 1)))"
check_equal 'ids are those of tokenize' "$(head -n "$count" "$work/scores" | cut -f 2)" "$(cat "$work/ids")"
check_equal 'the first token has no log-probability' "$(head -n 1 "$work/scores" | cut -f 3)" -
check 'the perplexity is that of the lines' awk -F '\t' '
    NR > 1 && $1 ~ /^[0-9]/ { sum += $3; n++ }
    $1 ~ /^perplexity/ { split($1, word, " "); wanted = exp(-sum / n); found = word[2] }
    END { exit !(n > 10 && found > 1 && found / wanted < 1.0001 && found / wanted > 0.9999) }' "$work/scores"

run_with "$work/text" "$hadal" score
check 'standard input gives the same' cmp "$work/stdout" "$work/scores"
gzip -c "$work/text" >"$work/text.gz"
run "$hadal" score "$work/text.gz"
check 'so does a gzip file' cmp "$work/stdout" "$work/scores"
run "$hadal" score --tokens "$work/ids"
check 'so do ids' cmp "$work/stdout" "$work/scores"
run "$hadal" score --chunk 7 --kv-cache f32 --index-cache f32 "$work/text"
cp "$work/stdout" "$work/chunks"
run "$hadal" score --kv-cache f32 --index-cache f32 "$work/text"
check 'chunks change next to nothing' sh -c "paste '$work/stdout' '$work/chunks' | awk -F '\t' '
    \$3 ~ /^-[0-9]/ { d = \$3 - \$7; if (d > 0.001 || d < -0.001) bad++; n++ } END { exit bad > 0 || n < 10 }'"

succeeds '--json' "$hadal" score --json "$work/text"
check_equal 'has the ids' "$(json token id)" "$(cat "$work/ids")"
check_equal 'has no log-probability for the first token' "$(json token logprob | head -n 1)" null
check_equal 'counts the tokens' "$(json 'done' tokens)" "$count"
check_equal 'counts those with a log-probability' "$(json 'done' scored)" "$((count - 1))"
check_equal 'has the same perplexity' "$(printf '%.3f' "$(json 'done' perplexity)")" \
    "$(sed -n 's/^perplexity \([0-9.]*\).*/\1/p' "$work/scores" | xargs printf '%.3f')"
head -n 1 "$work/ids" >"$work/one"
succeeds 'one token' "$hadal" score --json --tokens "$work/one"
check_equal 'has no perplexity' "$(json 'done' perplexity)" null


# Weights whose last bytes are NaN.
mkdir "$work/broken"
cp "$top_srcdir"/tests/model/data/plain/* "$work/broken"
chmod -R u+w "$work/broken"
bytes=$(wc -c <"$work/broken/model.safetensors")
head -c 2000 /dev/zero | tr '\0' '\377' |
    dd of="$work/broken/model.safetensors" bs=1 seek=$((bytes - 2000)) conv=notrunc 2>/dev/null
printf '1\n2\n3\n' >"$work/three"
succeeds '--json of a model that computes NaN' "$hadal" score -m "$work/broken" --json --tokens "$work/three"
check_equal 'has no sum of log-probabilities' "$(json 'done' logprob)" null

succeeds '--logits' "$hadal" score --logits "$work/out.npy" "$work/text"
check 'leaves the scores as they are' cmp "$work/stdout" "$work/scores"
check 'a matrix is there' "$tools/test_npy" "$work/out.npy" "$work/out.npy" 0
check_equal 'of tokens x vocabulary' "$(wc -c <"$work/out.npy" | tr -d ' ')" "$((128 + count * 4096 * 4))"
check_equal 'and no temporary file' "$(ls "$work"/out.npy*)" "$work/out.npy"
check_equal 'its permissions are those of a new file' "$(ls -l "$work/out.npy" | cut -c 1-10)" \
    "$(ls -l "$work/text" | cut -c 1-10)"
echo precious >"$work/kept.npy"
ln -s kept.npy "$work/link.npy"
echo 4096 >>"$work/one"
refused 'an id beyond the vocabulary' 65 4096 "$hadal" score --logits "$work/link.npy" --tokens "$work/one"
check_equal 'leaves the file that was there' "$(cat "$work/kept.npy")" precious
check_equal 'and no temporary file behind' "$(ls "$work"/*.npy.* 2>/dev/null)" ''
succeeds 'a link' "$hadal" score --logits "$work/link.npy" "$work/text"
check 'stays a link, to the new file' test -h "$work/link.npy"
check 'which is whole' cmp "$work/kept.npy" "$work/out.npy"
succeeds 'a device' "$hadal" score --logits /dev/null "$work/text"
check 'stays a device' test -c /dev/null
refused 'a directory that is not there' 74 "$work/nowhere" \
    "$hadal" score --logits "$work/nowhere/out.npy" "$work/text"
run sh -c 'ulimit -f 16 && exec "$@" >/dev/null' sh "$hadal" score --logits "$work/large.npy" "$work/text"
check_equal 'a file that may not grow' "$status" 74
check_equal 'is not left behind' "$(ls "$work"/large* 2>/dev/null)" ''
check 'and is named' says large.npy

: >"$work/empty"
refused_with "$work/empty" 'an empty text' 65 empty "$hadal" score
refused 'no ids' 65 'no token' "$hadal" score --tokens "$work/empty"
refused 'no file' 66 "$work/nowhere" "$hadal" score "$work/nowhere"
refused 'a text longer than the context' 65 'give -c' "$hadal" score -c 3 "$work/text"
printf 'abc\377def' >"$work/binary"
refused 'a text that is not UTF-8' 65 UTF-8 "$hadal" score "$work/binary"

finish
