# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What a reader may rely on: files and functions of bearable length, lines that fit, a licence in every file.

. "$top_srcdir/tests/policy/rules.sh"

code_files() {
    c_files
    kernel_files
    files_named '*.sh' tests
    files_named setup.sh build-aux
    files_named '*.py' tools tests
}

# A function's body stands between a brace that opens a line and one that ends it; in shell after "NAME() {".
lengths() {
    code_files | LC_ALL=C on_files awk '
        FNR == 1 { start = 0 }
        {
            line = $0
            gsub(/[\200-\277]/, "", line) # all but the first byte of a character of UTF-8
        }
        length(line) > 120 { print FILENAME ":" FNR ": more than 120 columns" }
        FNR == 801 { print FILENAME ": more than 800 lines" }
        /^\{/ || /^[a-z_]+\(\) \{$/ { start = FNR }
        /^\}/ {
            if (start && FNR - start > 80)
                print FILENAME ":" start ": a function of more than 80 lines"
            start = 0
        }'
}

white_space() {
    { c_files; kernel_files; } | on_files awk '
        /\t/ { print FILENAME ":" FNR ": a tab" }
        /[ \r]$/ { print FILENAME ":" FNR ": white space at the end" }'
}

# Data and test vectors carry no tags: weights/README.md names their licence, LICENSE is one.
tagged_files() {
    c_files
    kernel_files
    for pattern in '*.sh' '*.py' '*.mk' '*.md' '*.map' '*.[1357]'; do
        files_named "$pattern" src cl tests tools man docs bench weights
    done
    for file in .ci/run .clang-format .editorconfig .gitignore build-aux/count-tests.awk \
                build-aux/setup.sh check configure.ac libhadal.pc.in Makefile.am start \
                ARCHITECTURE.md CONTRIBUTING.md NEWS README.md; do
        if [ -s "$file" ]; then
            echo "$file"
        fi
    done
}

untagged() {
    tagged_files | while read -r file; do
        for tag in 'SPDX-License-Identifier: MIT' 'SPDX-FileCopyrightText: The hadal authors'; do
            head -n 5 "$file" | grep -q "$tag" || echo "$file: no $tag"
        done
    done
}

# Lists of files, one a line: that two lines of work meet in one spot less often, and that a missing file is seen.
unsorted() {
    files_named local.mk src cl tests tools man weights | LC_ALL=C on_files awk '
        !/^\t[a-z]+\// { last = "" }
        /^\t[a-z]+\// {
            if ($1 <= last)
                print FILENAME ":" FNR ": " $1 " stands behind " last
            last = $1
        }'
}

kept 'files, functions and lines have bearable lengths' lengths
kept 'no tabs, no white space at the end of lines' white_space
kept 'every file says its licence' untagged
kept 'lists of files are sorted' unsorted

{ echo 'int main(void)'; echo '{'; yes '    ;' | head -n 80; echo '}'; } |
    seen 'a long function is seen' lengths src/a.c 'src/a.c:2: a function of more than 80 lines'
{ echo 'int main(void)'; echo '{'; yes '    ;' | head -n 79; echo '}'; } |
    seen 'a function of just that length is none' lengths src/a.c ''
yes '' | head -n 801 | seen 'a long file is seen' lengths cl/a.clh 'cl/a.clh: more than 800 lines'
printf '%121s\n' x | seen 'a long line is seen' lengths tests/a/b.sh 'tests/a/b.sh:1: more than 120 columns'
printf '%120s\n' é | seen 'a character is one column' lengths tests/a/b.sh ''
printf '\tx\n' | seen 'a tab is seen' white_space src/a.h 'src/a.h:1: a tab'
# REUSE-IgnoreStart
printf '/* SPDX-License-Identifier: MIT */\n' | seen 'a missing tag is seen' untagged src/a.h \
    'src/a.h: no SPDX-FileCopyrightText: The hadal authors'
# REUSE-IgnoreEnd
printf 'EXTRA_DIST = \\\n\tcl/b.cl \\\n\tcl/a.cl\nTESTS = \\\n\tcl/a.sh\n' |
    seen 'a list out of order is seen' unsorted cl/local.mk 'cl/local.mk:3: cl/a.cl stands behind cl/b.cl'

finish
