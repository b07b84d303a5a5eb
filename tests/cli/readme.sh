# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Every command that README.md shows runs, and prints what is shown.

. "$top_srcdir/tests/cli/common.sh"

need_device

# A folder that looks like the source tree, with the files that commands name. What is found by `tune` is not kept.
mkdir -p "$work/tree/tests/model" "$work/bin"
ln -s "$top_srcdir/weights" "$work/tree/weights"
ln -s "$top_srcdir/tests/model/data" "$work/tree/tests/model/data"
head -c 400 "$reference/prompt.txt" >"$work/tree/article.txt"
gzip -c "$reference/prompt.txt" >"$work/tree/book.txt.gz"
printf '%s\n' Once 'A list' >"$work/tree/prompts.txt"
cat >"$work/bin/git" <<'EOT'
#!/bin/sh
printf '%s\n' '-a deep sea' '+the deep sea'
EOT
cat >"$work/bin/hadal" <<EOT
#!/bin/sh
exec "$hadal" "\$@"
EOT
chmod +x "$work/bin/git" "$work/bin/hadal"

# Commands stand in lines that are indented: behind "$ " with what they show below, or alone with a note behind two
# spaces. ./start and ./check have tests of their own. A file of a command, and one of its output, each.
split_commands() {
    awk -v prefix="$work/command-" '
        /^```/ { fenced = !fenced }
        !/^    / { if (NF || fenced) shows = 0; next }
        fenced { next }
        { line = substr($0, 5) }
        line ~ /^\$ / { shows = 1; print substr(line, 3) > (prefix sprintf("%02d", ++count) ".sh"); next }
        shows { print line > (prefix sprintf("%02d", count) ".out"); next }
        line ~ /^\.\/(start|check) / { next }
        { sub(/   *[^ ].*$/, "", line); print line > (prefix sprintf("%02d", ++count) ".sh") }' "$1"
}

run_command() {
    cd "$work/tree" && PATH="$work/bin:$PATH" sh -e "$1"
}

# same_lines FILE SHOWN: FILE has the lines of SHOWN, where "..." stands for any number of lines.
same_lines() {
    awk 'NR == FNR { line[++lines] = $0; next }
        $0 == "..." { any = 1; next }
        {
            at++
            while (any && at < lines && line[at] != $0)
                at++
            if (line[at] != $0) {
                print "not there: " $0
                exit failed = 1
            }
            any = 0
        }
        END { exit failed || !(any || at == lines) }' "$1" "$2"
}

split_commands "$top_srcdir/README.md"
check 'README.md shows commands' [ "$(ls "$work"/command-*.sh | wc -l)" -ge 15 ]
for file in "$work"/command-*.sh; do
    command=$(cat "$file")
    case $command in
        *'| jq '*)
            if ! command -v jq >/dev/null; then
                skip "README.md: $command" 'jq is not here'
                continue
            fi
            ;;
    esac
    run run_command "$file"
    check "README.md: $command" [ "$status" -eq 0 ]
    shown=${file%.sh}.out
    if [ -e "$shown" ]; then
        check "README.md shows the output of: $command" same_lines "$work/stdout" "$shown"
    fi
done

printf 'a\nb\nc\n' >"$work/lines"
printf 'a\n...\nd\n' >"$work/shown"
check 'a line that is shown and not printed is seen' not same_lines "$work/lines" "$work/shown"
printf 'a\nb\n' >"$work/shown"
check 'a line that is printed and not shown is seen' not same_lines "$work/lines" "$work/shown"

finish
