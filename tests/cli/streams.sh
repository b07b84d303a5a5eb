# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# How the command behaves among others: signals, closed and full outputs, terminals.

. "$top_srcdir/tests/cli/common.sh"

# bash ends a script whose child died of SIGINT, unless the script catches it.
trap : INT

# Standard output that cannot be written.
if [ -w /dev/full ]; then
    for command in --version --help 'help generate' 'generate --help' 'tokenize'; do
        status=0
        "$hadal" $command </dev/null >/dev/full 2>"$work/stderr" || status=$?
        check_equal "a full disk: $command" "$status: $(cat "$work/stderr")" \
            '74: hadal: standard output: No space left on device'
    done
else
    skip 'a full disk' '/dev/full is not here'
fi
status=0
"$hadal" tokenize </dev/null >&- 2>"$work/stderr" || status=$?
check_equal 'a closed standard output' "$status: $(cat "$work/stderr")" \
    '74: hadal: standard output: Bad file descriptor'
status=0
"$hadal" tokenize <&- >"$work/stdout" 2>"$work/stderr" || status=$?
check_equal 'a closed standard input' "$status: $(cat "$work/stderr")" '74: hadal: standard input: Bad file descriptor'
status=0
"$hadal" tokenize "$work/nowhere" 2>&- >"$work/stdout" || status=$?
check_equal 'a closed standard error' "$status" 66

need_device

many='generate --ignore-eos -c 4000 -n 3900 x'
status=0
"$hadal" generate -n 4 x </dev/null >/dev/full 2>"$work/stderr" || status=$?
check_equal 'an answer to a full disk' "$status: $(cat "$work/stderr")" \
    '74: hadal: standard output: No space left on device'
status=0
"$hadal" generate -n 4 x </dev/null >&- 2>"$work/stderr" || status=$?
check_equal 'an answer to a closed standard output' "$status: $(cat "$work/stderr")" \
    '74: hadal: standard output: Bad file descriptor'

# The reader goes away: the writer ends, by the signal, without a word.
{
    status=0
    "$hadal" $many </dev/null 2>"$work/stderr" || status=$?
    echo "$status" >"$work/status"
} | head -c 1 >/dev/null
check_equal 'a closed pipe' "$(cat "$work/status"): $(cat "$work/stderr")" '141: '

# interrupt SIGNAL COMMAND...: sends the signal once there is output, or after $patience tenths of a second. The shell
# itself tells of killed commands on standard error: hence the command's is redirected in here. Who sends the signal is
# the command's child, and sends nothing when it has lost its parent: the number may be another process's by then.
patience=600
interrupt() {
    signal=$1
    shift
    command_line=$*
    status=0
    : >"$work/stdout"
    sh -c '
        signal=$1 work=$2 patience=$3
        shift 3
        is_there() {
            read -r _ _ _ parent _ </proc/self/stat && [ "$parent" = $$ ]
        }
        ( while is_there && [ ! -s "$work/stdout" ] && [ "$patience" -gt 0 ]; do
              sleep 0.1
              patience=$((patience - 1))
          done
          if is_there; then kill -s "$signal" $$; fi ) &
        exec "$@" </dev/null >"$work/stdout" 2>"$work/stderr"' sh "$signal" "$work" "$patience" "$@" || status=$?
}

check_interrupted() {
    interrupt "$1" "$hadal" $many --json
    check_equal "SIG$1 ends it as a signal does" "$status: $(cat "$work/stderr")" "$2: "
    check_equal "SIG$1: the last object is there" "$(json 'done' finish)" interrupted
    check_equal "SIG$1: it has the tokens so far" "$(json 'done' tokens)" \
        "[$(json token id | tr '\n' ',' | sed 's/,$//')]"
}

# A shell may have been started with signals ignored (nohup), and hands that on.
for signal in 'TERM 143' 'HUP 129' 'INT 130'; do
    if [ "$(sh -c "kill -s ${signal% *} \$\$; echo ignored" 2>/dev/null)" = ignored ]; then
        skip "SIG${signal% *}" "this shell was started with SIG${signal% *} ignored"
    else
        check_interrupted "${signal% *}" "${signal#* }"
    fi
done

# SIGTERM while a long prompt is read.
gzip -dc "$reference/needle-32k.txt.gz" >"$work/long"
interrupt TERM "$hadal" score "$work/long"
check_equal 'a signal during prefill' "$status: $(cat "$work/stderr")" '143: '
mkfifo "$work/fifo"
patience=10
interrupt TERM sh -c 'exec "$1" tokenize <>"$2"' sh "$hadal" "$work/fifo"
check_equal 'a signal while input is awaited' "$status: $(cat "$work/stderr")" '143: '

# The substitution ends when nobody holds its pipe any more.
patience=600
before=$(date +%s)
check_equal 'a command that ends by itself' "$(interrupt TERM true; echo "$status")" 0
check 'leaves nobody who sends a signal later' [ $(($(date +%s) - before)) -lt 30 ]

# Terminals. script(1) gives the command one.
if can_have_terminal; then
    on_terminal() {
        run script -qec "$1" /dev/null
        tr -d '\r' <"$work/stdout" >"$work/shown"
    }
    "$hadal" generate -n 4 x </dev/null >"$work/answer"
    on_terminal "TERM=xterm '$hadal' generate -q -n 4 x </dev/null"
    echo >>"$work/answer"
    check 'on a terminal the last line is ended' cmp "$work/shown" "$work/answer"
    on_terminal "TERM=xterm '$hadal' generate --progress=always -n 4 x </dev/null"
    check 'bars are drawn' grep -q 'loading *\[=*.*iB/s' "$work/shown"
    check 'and erased' [ -n "$(awk -v esc="$(printf '\033')" 'index($0, esc "[K") { print }' "$work/shown")" ]
    on_terminal "TERM=dumb '$hadal' generate -n 4 x </dev/null"
    check 'a dumb terminal gets no bars' not grep -q 'loading' "$work/shown"
    on_terminal "TERM=xterm '$hadal' generate -q --progress=always -n 4 x </dev/null"
    check '-q means no bars' not grep -q 'loading' "$work/shown"
    on_terminal "stty cols 30; TERM=xterm '$hadal' generate --progress=always -n 4 x </dev/null"
    check 'bars fit a narrow terminal' [ -z "$(tr '\033' '\n' <"$work/shown" | awk 'length > 32')" ]
else
    skip 'terminals' 'script(1) makes no terminal here'
fi
run "$hadal" generate -n 4 x
check_equal 'without a terminal there are none' "$(cat "$work/stderr")" ''
run "$hadal" generate --progress always -n 4 x
check '--progress always draws them nevertheless' says 'loading'

finish
