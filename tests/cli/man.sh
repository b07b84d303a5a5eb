# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Manual pages: well-formed, they name pages that exist, and all of their examples run and print what they show.

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

# Names of pages of hadal in a page that are no files.
missing_pages() {
    sed -n 's/^\.Xr \(\(lib\)\{0,1\}hadal[a-z-]*\) \([1-8]\).*/\1.\3/p' "$1" | sort -u | while read -r name; do
        [ -f "$top_srcdir/man/$name" ] || echo "$name"
    done
}

for page in "$top_srcdir"/man/*.[1-8]; do
    title=$(basename "$page")
    check_equal "$title refers to pages that are there" "$(missing_pages "$page")" ''
    check "$title is referred to" grep -q "^\.Xr ${title%.*} ${title##*.}" "$top_srcdir"/man/*.[1-8]
    check "$title is installed" grep -q "man/$title" "$top_srcdir/man/local.mk"
done
printf '.Xr hadal-nonsense 1 ,\n.Xr hadal 1\n' >"$work/page"
check_equal 'a reference to no page is seen' "$(missing_pages "$work/page")" hadal-nonsense.1
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
# A program is built against the library of the build tree, as if that were installed.
cat >"$work/bin/pkg-config" <<EOT
#!/bin/sh
echo "-I$top_srcdir/include -L$top_builddir/.libs -Wl,-rpath,$top_builddir/.libs -lhadal"
EOT
cat >"$work/bin/cc" <<EOT
#!/bin/sh
exec ${CC:-cc} -std=c17 -Wall -Wextra -Wpedantic -Werror "\$@"
EOT
chmod +x "$work/bin/cc" "$work/bin/pkg-config"
cp "$reference/needle-4k.txt.gz" "$top_srcdir/weights/config.json" "$work/examples"
ln -s "$top_srcdir/weights" "$work/examples/model"
head -c 400 "$reference/prompt.txt" >"$work/examples/article.txt"

# Each block of EXAMPLES is a file, named in a comment in its first line, or commands, which begin with "$ ", and what
# they show; all commands of a block go to one file, what they show to another one. Prints what is neither.
split_examples() {
    rm -f "$work"/example-*
    awk -v prefix="$work/example-" -v folder="$work/examples/" '
        { gsub(/\\e/, "\\") }
        /^\.Sh / { inside = $2 == "EXAMPLES" }
        /^\.Ed/ { block = 0 }
        inside && /^\.D[1l]/ { print FNR ": a line that is not run" }
        inside && block == 1 {
            block = 2
            file = ""
            if ($1 == "/*" && $3 == "*/")
                file = folder $2
            else if (/^\$ /)
                count++
            else
                print FNR ": a block that is not run"
        }
        inside && block && file { print > file; next }
        inside && block && /^\$ / { print substr($0, 3) > (prefix count ".sh"); next }
        inside && block { print > (prefix count ".out") }
        /^\.Bd/ { block = 1 }' "$1"
}

run_example() {
    cd "$work/examples" && PATH="$work/bin:$PATH" sh -e "$1"
}

for page in "$top_srcdir"/man/*.[1-8]; do
    title=$(basename "$page")
    check_equal "no example of $title is left out" "$(split_examples "$page")" ''
    check "examples of $title are found" test -e "$work/example-1.sh"
    for example in "$work"/example-*.sh; do
        command=$(tr '\n' ';' <"$example" | sed 's/;$//; s/;/; /g')
        if grep -q '| jq ' "$example" && ! command -v jq >/dev/null; then
            skip "$title: $command" 'jq is not here'
            continue
        fi
        run run_example "$example"
        check "$title: $command" is_success
        shown=${example%.sh}.out
        if [ -e "$shown" ]; then
            check_equal "$title shows the output of: $command" "$(cat "$work/stdout")" "$(cat "$shown")"
        fi
    done
done

cat >"$work/page" <<'EOT'
.Sh EXAMPLES
.Dl hadal devices
.Bd -literal
hadal devices
.Ed
EOT
check_equal 'examples that are left out are seen' "$(split_examples "$work/page")" '2: a line that is not run
4: a block that is not run'

finish
