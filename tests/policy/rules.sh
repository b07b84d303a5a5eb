# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The frame of the policy tests. A rule is a function that runs with a source tree as working directory and prints one
# line a breach, nothing when the tree keeps it.

. "$top_srcdir/tests/shell.sh"

# files_named PATTERN FOLDER...: files of the source tree, not what a build inside it made.
files_named() {
    pattern=$1
    shift
    for folder in "$@"; do
        if [ -d "$folder" ]; then
            find "$folder" -type f -name "$pattern" ! -path '*/.deps/*' ! -path '*/.libs/*' ! -path '*/__pycache__/*'
        fi
    done | sort
}

# on_files COMMAND...: runs the command with the file names on stdin as arguments (they hold no spaces), if any.
on_files() {
    xargs -r "$@"
}

c_files() {
    files_named '*.c' src tests tools
    files_named '*.h' src tests tools include
}

kernel_files() {
    files_named '*.cl' cl
    files_named '*.clh' cl
}

# kept NAME RULE: the sources keep the rule.
kept() {
    check_equal "$1" "$(cd "$top_srcdir" && "$2")" ''
}

# seen NAME RULE FILE EXPECTED: a tree that holds only FILE, with stdin as its text, breaks the rule with that line.
seen() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$(dirname "$3")"
    cat >"$work/tree/$3"
    check_equal "$1" "$(cd "$work/tree" && "$2")" "$4"
}
