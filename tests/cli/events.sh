# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# hadal-events(5) names every member that --json writes, with its type, and no other one.

. "$top_srcdir/tests/cli/common.sh"

command -v jq >/dev/null || skip_all 'jq is not here'
need_device
page=$top_srcdir/man/hadal-events.5
XDG_CACHE_HOME=$work/cache # what is tuned is not for other tests
HADAL_DEVICE=${HADAL_DEVICE:-0}
export XDG_CACHE_HOME HADAL_DEVICE
: >"$work/seen"

# described COMMAND TYPE: "MEMBER TYPE" of each member that the page has below "COMMAND: TYPE".
described() {
    awk -v section="$1: $2" '
        /^\.S[sh] / { inside = substr($0, 5) == section }
        inside && /^\.It Ql / { print $3, $5 }' "$page" | sed 's/ integer$/ number/' | sort
}

# written TYPE: the same of what the command wrote. Names of classes of buffers are names of no members.
written() {
    jq -r --arg type "$1" 'select(.type == $type) | . as $event
        | paths | select(.[-1] | type == "string") | . as $path | ($event | getpath($path)) as $value
        | (map(select(type == "string")) | join(".")) + " "
        + if ($value | type) == "null" then "-" else ($value | type) end' "$work/written" |
        grep -v -e '^type ' -e '^weights\.' -e '^session\.' -e ' -$' | sort -u || true
}

# same_members COMMAND TYPE
same_members() {
    echo "$1: $2" >>"$work/seen"
    check_equal "members of $2 of hadal $1" "$(written "$2")" "$(described "$1" "$2")"
}

# lines_of COMMAND...: what the commands of hadal write.
lines_of() {
    : >"$work/written"
    for arguments in "$@"; do
        run "$hadal" $arguments
        check "hadal $arguments" [ "$status" -eq 0 ]
        cat "$work/stdout" >>"$work/written"
    done
}

head -c 60 "$reference/prompt.txt" >"$work/text"
"$hadal" tokenize "$work/text" >"$work/ids"
answer=$("$hadal" generate -q -n 4 -p once)
run "$hadal" generate --json --profile --seed 1 -n 4 --stop "${answer}+" -p once # held back up to the end
cp "$work/stdout" "$work/written"
printf 'once\n\n' >"$work/prompts"
run "$hadal" generate --each --json -n 4 --stop "${answer}+" -f "$work/prompts"
check 'an empty prompt is skipped' [ "$status" -eq 65 ]
cat "$work/stdout" >>"$work/written"
same_members generate skipped
same_members generate token
same_members generate text
same_members generate 'done'

lines_of "score --json $work/text"
same_members score token
same_members score 'done'
lines_of "tokenize --json $work/text" "tokenize --decode --json $work/ids"
same_members tokenize token
same_members tokenize 'done'
lines_of 'inspect --json -c 1024'
same_members inspect model
lines_of 'devices --json --self-test'
same_members devices device
same_members devices 'test'
same_members devices 'done'
dims="--dims $top_srcdir/weights/config.json --seconds 0.01"
lines_of 'bench device --working-set 4 --seconds 0.01 --json' \
    "bench tune $dims -c 256 --tokens 16 --sizes attend.groups --working-set 4 --json"
same_members bench device
same_members bench bench
same_members bench 'done'

check_equal 'every section of types is compared' "$(sed -n 's/^\.Ss //p' "$page" | sort)" "$(sort "$work/seen")"

sed '/^\.It Ql kept /d' "$page" >"$work/page"
page=$work/page
check 'a member that the page lacks is seen' [ "$(written bench)" != "$(described bench bench)" ]

finish
