# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal tokenize: ids as the model is fed, back to text, bad input. No device is needed.

. "$top_srcdir/tests/cli/common.sh"

ids() {
    tr '\n' ' ' | sed 's/ $//'
}

succeeds 'a file' "$hadal" tokenize "$reference/prompt.txt"
check_equal 'its ids are those of the reference' "$(cat "$work/stdout")" "$(tr -s ' ' '\n' <"$reference/tokens.txt")"
cp "$work/stdout" "$work/ids"
run_with "$reference/prompt.txt" "$hadal" tokenize
check 'standard input gives the same' cmp -s "$work/stdout" "$work/ids"
run_with "$reference/prompt.txt" "$hadal" tokenize -
check 'so does -' cmp -s "$work/stdout" "$work/ids"
gzip -c "$reference/prompt.txt" >"$work/prompt.gz"
run "$hadal" tokenize "$work/prompt.gz"
check 'so does a gzip file' cmp -s "$work/stdout" "$work/ids"
run_with "$work/prompt.gz" "$hadal" tokenize
check 'so does gzip on standard input' cmp -s "$work/stdout" "$work/ids"
run "$hadal" tokenize "$reference/prompt.txt" -m "$top_srcdir/weights"
check 'so does an option behind the operand' cmp -s "$work/stdout" "$work/ids"
run "$hadal" tokenize -- "$reference/prompt.txt"
check 'so does a file behind --' cmp -s "$work/stdout" "$work/ids"
run "$hadal" tokenize --no-bos "$reference/prompt.txt"
check_equal '--no-bos leaves out the first id only' "$(ids <"$work/stdout")" "$(tail -n +2 "$work/ids" | ids)"

succeeds 'decoding' "$hadal" tokenize --decode "$work/ids"
check 'it gives the text, byte for byte' cmp -s "$work/stdout" "$reference/prompt.txt"
succeeds 'decoding all on one line' "$hadal" tokenize --decode "$reference/tokens.txt"
check 'gives the same' cmp -s "$work/stdout" "$reference/prompt.txt"
run_with "$work/ids" "$hadal" tokenize --decode --special
check 'with --special the special token is written' grep -q '^<｜begin▁of▁sentence｜>American' "$work/stdout"

printf '<｜end▁of▁sentence｜>' >"$work/special"
run_with "$work/special" "$hadal" tokenize --special --no-bos
check_equal 'with --special it is recognised' "$(ids <"$work/stdout")" 1
run_with "$work/special" "$hadal" tokenize --no-bos
check 'without, its name is text' [ "$(wc -l <"$work/stdout")" -gt 1 ]
cp "$work/stdout" "$work/special-ids"
run "$hadal" tokenize --decode "$work/special-ids"
check_equal 'which comes back' "$(cat "$work/stdout")" '<｜end▁of▁sentence｜>'

printf 'a\0b\r\n\n 12345  \t\303\251\346\267\261\360\237\220\237' >"$work/odd"
run_with "$work/odd" "$hadal" tokenize
cp "$work/stdout" "$work/odd-ids"
run "$hadal" tokenize --decode "$work/odd-ids"
check 'NUL, CR, digits, spaces and emoji come back' cmp -s "$work/stdout" "$work/odd"
succeeds 'an empty text' "$hadal" tokenize
check_equal 'is the first id alone' "$(ids <"$work/stdout")" 0
succeeds 'no ids' "$hadal" tokenize --decode
check_equal 'are no text' "$(cat "$work/stdout")" ''

succeeds '--json' "$hadal" tokenize --json "$work/odd"
check_equal 'has the ids' "$(json token id | ids)" "$(ids <"$work/odd-ids")"
check_equal 'and how many' "$(json done count)" "$(wc -l <"$work/odd-ids" | tr -d ' ')"
succeeds '--json --decode' "$hadal" tokenize --json --decode "$work/ids"
check_equal 'has the text' "$(json done text)" "$(cat "$reference/prompt.txt")"

refused 'a file that is not there' 66 "$work/nowhere" "$hadal" tokenize "$work/nowhere"
refused 'a directory' 66 'directory' "$hadal" tokenize "$work"
refused 'a model without tokenizer' 66 'tokenizer.json' "$hadal" tokenize -m "$work" "$work/odd"
refused 'a model that is not there' 66 "$work/nowhere" "$hadal" tokenize -m "$work/nowhere" "$work/odd"
head -c 100 "$work/prompt.gz" >"$work/short.gz"
refused 'gzip data that was cut off' 65 'cut off' "$hadal" tokenize "$work/short.gz"
{ head -c 100 "$work/prompt.gz"; printf 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; } >"$work/damaged.gz"
refused 'gzip data that is damaged' 65 'damaged.gz' "$hadal" tokenize "$work/damaged.gz"
printf 'abc\377def' >"$work/binary"
refused 'a text that is not UTF-8' 65 '3' "$hadal" tokenize "$work/binary"
check 'the message names UTF-8' says 'UTF-8'
for text in x 1x -1 1.5 2147483648 99999999999999999999 '1 2 x' '1,2'; do
    printf '%s\n' "$text" >"$work/bad"
    refused "ids '$text'" 65 'token id was expected' "$hadal" tokenize --decode "$work/bad"
done
printf '1\n2\n3 4x\n' >"$work/bad"
refused 'the line of a bad id is named' 65 'line 3' "$hadal" tokenize --decode "$work/bad"
printf '1\0002' >"$work/bad"
refused 'a NUL between ids' 65 'token id was expected' "$hadal" tokenize --decode "$work/bad"
echo 4096 >"$work/bad"
refused 'an id beyond the vocabulary' 65 '4096' "$hadal" tokenize --decode "$work/bad"

finish
