# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Manual pages: well-formed, and their examples run and print what they show.

. "$top_srcdir/tests/cli/common.sh"

# Whether other pages are installed depends on the machine.
lint() {
    mandoc -T lint "$1" 2>&1 | grep -v -e 'lacks .* entry' -e 'referenced manual not found' || true
}

for page in "$top_srcdir"/man/*.[1-8]; do
    title=$(basename "$page")
    if command -v mandoc >/dev/null; then
        check_equal "$title is well-formed" "$(lint "$page")" ''
    else
        skip "$title is well-formed" 'mandoc is not here'
    fi
    check "$title has examples" grep -q '^\.Sh EXAMPLES' "$page"
done
for code in 0 64 65 66 69 70 71 74 75; do
    check "hadal(1) explains exit status $code" grep -qx "\.It $code" "$top_srcdir/man/hadal.1"
done

need_device

# The files that examples name.
mkdir "$work/examples" "$work/bin"
cat >"$work/bin/hadal" <<EOT
#!/bin/sh
case \$* in *tune*) XDG_CACHE_HOME=$work/cache ;; esac # sizes that are found are not for other tests
exec "$hadal" "\$@"
EOT
chmod +x "$work/bin/hadal"
cp "$reference/needle-4k.txt.gz" "$top_srcdir/weights/config.json" "$work/examples"
head -c 400 "$reference/prompt.txt" >"$work/examples/article.txt"

# Commands of a page, each on a line, in blocks ".Bd -literal" of EXAMPLES that begin with "$ "; a file each for it and
# for what it shows as its output.
split_examples() {
    rm -f "$work"/example-*
    awk -v prefix="$work/example-" '
        /^\.Sh / { inside = $2 == "EXAMPLES" }
        /^\.Ed/ { block = 0 }
        inside && block && /^\$ / { count++; print substr($0, 3) > (prefix count ".sh"); next }
        inside && block { print > (prefix count ".out") }
        /^\.Bd -literal/ { block = 1 }' "$1"
}

run_example() {
    cd "$work/examples" && PATH="$work/bin:$PATH" sh -e "$1"
}

for page in "$top_srcdir"/man/*.1; do
    title=$(basename "$page")
    split_examples "$page"
    check "examples of $title are found" test -e "$work/example-1.sh"
    for example in "$work"/example-*.sh; do
        command=$(cat "$example")
        case $command in
            *'| jq '*)
                if ! command -v jq >/dev/null; then
                    skip "$title: $command" 'jq is not here'
                    continue
                fi
                ;;
        esac
        run run_example "$example"
        check "$title: $command" is_success
        shown=${example%.sh}.out
        if [ -e "$shown" ]; then
            check_equal "$title shows the output of: $command" "$(cat "$work/stdout")" "$(cat "$shown")"
        fi
    done
done

finish
