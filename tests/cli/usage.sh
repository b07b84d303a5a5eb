# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Options of all commands: help, manual pages, and one clear line for every wrong use. No device is needed.

. "$top_srcdir/tests/cli/common.sh"

# The program runs some 400 times: without libtool's script around it this takes half as long.
if [ -x "$top_builddir/.libs/hadal" ]; then
    hadal=$top_builddir/.libs/hadal
    LD_LIBRARY_PATH=$top_builddir/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export LD_LIBRARY_PATH
fi

succeeds '--version' "$hadal" --version
check '--version names the program' grep -qx 'hadal [0-9][0-9.]*' "$work/stdout"
succeeds '--help' "$hadal" --help
cp "$work/stdout" "$work/help"
succeeds 'help' "$hadal" help
check 'help and --help are the same' cmp -s "$work/help" "$work/stdout"
run "$hadal"
check_equal 'no command is wrong usage' "$status" 64
check 'no command shows the commands on standard error' says 'Commands:'
check_equal 'and nothing on standard output' "$(cat "$work/stdout")" ''
refused 'an unknown command that resembles one' 64 "did you mean 'generate'?" "$hadal" genrate
refused 'an unknown command that resembles none' 64 "'hadal help' lists the commands" "$hadal" xyzzyxyzzy
refused 'an unknown option instead of a command' 64 "unknown option '--frobnicate'" "$hadal" --frobnicate
refused 'help of an unknown command' 64 'unknown command' "$hadal" help nonsense
refused 'an unknown option that resembles one' 64 "did you mean '--temperature'?" "$hadal" generate --temprature 1 x
refused 'an unknown long option' 64 "unknown option '--frobnicate'" "$hadal" score --frobnicate
refused 'an unknown short option' 64 "unknown option '-z'" "$hadal" score -z
refused 'a short form of several options' 64 'could be' "$hadal" generate --t 1 x
run "$hadal" tokenize --dec </dev/null
check_equal 'a short form of one option is that option' "$status" 0

# Every line of --help that describes an option: "-n --max-tokens N", "--json", ...
options_of() {
    "$hadal" help "$1" | sed -n -e 's/^  \(-.\), \(--[a-z-]*\) \{0,1\}\([^ ]*\).*/\1 \2 \3/p' \
        -e 's/^      \(--[a-z-]*\) \{0,1\}\([^ ]*\).*/\1 \2/p'
}

# Wrong values for what --help calls VALUE, one a line; nothing for text, which has none.
wrong_values() {
    case $1 in
        *'|'*) printf '%s\n' nonsense '' "$1" ;;
        N) printf '%s\n' x 1x -1 1.5 0x10 ' 1' '' 99999999999999999999999 ;;
        [TPR]) printf '%s\n' x 1x -1 nan inf 0x1p0 ' 1' '' 1e9 ;;
    esac
}

for command in generate score tokenize inspect devices bench; do
    succeeds "$command --help" "$hadal" "$command" --help
    check "$command --help fits 80 columns" [ -z "$(awk 'length > 80' "$work/stdout")" ]
    cp "$work/stdout" "$work/help"
    succeeds "help $command" "$hadal" help "$command"
    check "help $command and $command --help are the same" cmp -s "$work/help" "$work/stdout"
    options_of "$command" >"$work/options"
    check "$command has options" [ "$(wc -l <"$work/options")" -ge 5 ]

    sed 's/^[^-]*//' "$work/options" | grep -o -e '--[a-z-]*' | sort >"$work/in-help"
    sed -n 's/^\.It .*Fl -\([a-z-]*\).*/--\1/p' "$top_srcdir/man/hadal-$command.1" | sort >"$work/in-man"
    check_equal "hadal-$command(1) describes the options of --help" "$(diff "$work/in-help" "$work/in-man")" ''
    sed -n 's/^\(-.\) .*/\1/p' "$work/options" | sort >"$work/in-help"
    sed -n 's/^\.It Fl \([a-zA-Z0-9]\) .*/-\1/p' "$top_srcdir/man/hadal-$command.1" | sort >"$work/in-man"
    check_equal "hadal-$command(1) describes the letters of --help" "$(diff "$work/in-help" "$work/in-man")" ''

    while read -r first second third; do
        case $first in
            --*) long=$first value=$second ;;
            *) long=$second value=$third ;;
        esac
        if [ -z "$value" ]; then
            refused "$command $long takes no value" 64 'takes no value' "$hadal" "$command" "$long=x"
            continue
        fi
        refused "$command $long without its value" 64 "a value $value is missing" "$hadal" "$command" "$long"
        wrong_values "$value" >"$work/values"
        while IFS= read -r wrong; do
            refused "$command $long '$wrong'" 64 "$long: '$wrong' is no" "$hadal" "$command" "$long" "$wrong"
        done <"$work/values"
    done <"$work/options"
done

refused 'no prompt' 64 'no prompt' "$hadal" generate
refused 'a prompt twice' 64 'given twice' "$hadal" generate -p one two
refused 'ids and a prompt' 64 '--tokens' "$hadal" generate --tokens "$reference/tokens.txt" more
refused 'ids in the chat form' 64 '--tokens' "$hadal" generate --tokens "$reference/tokens.txt" --chat
refused 'two texts to tokenize' 64 'one file at a time' "$hadal" tokenize a b
refused 'two texts to score' 64 'one file at a time' "$hadal" score a b
refused 'ids and a text to score' 64 '--tokens' "$hadal" score --tokens "$reference/tokens.txt" a
refused 'two models to inspect' 64 'one model at a time' "$hadal" inspect a b
refused 'no bench' 64 'device, ops, attention, model or tune' "$hadal" bench
refused 'an unknown bench' 64 "did you mean 'model'?" "$hadal" bench modl
refused 'two benches' 64 'one operand' "$hadal" bench device ops
refused 'an empty number of a list' 64 "--context: ',2'" "$hadal" bench ops -c ,2
refused 'a list that ends with a comma' 64 "--batch: '2,'" "$hadal" bench ops --batch 1,2,
refused 'a number of a list that is none' 64 "--tokens: '0'" "$hadal" bench ops --tokens 1,0
refused 'a reset of what cannot be' 64 'bench tune alone' "$hadal" bench ops --reset
refused 'two formats' 64 'exclude each other' "$hadal" bench device --json --csv
refused 'an operand of devices' 64 '-d' "$hadal" devices 0

finish
