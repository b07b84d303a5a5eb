# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Each trap of tests/TRAPS.md has a test, and each test that it names is in the list of its program.

. "$top_srcdir/tests/policy/rules.sh"

# Rows are "| trap | `PROGRAM: TEST`, ... | how |"; becomes "LINE PROGRAM TEST", "LINE - -" where a row has no test.
named_tests() {
    awk '
        /^\| / && !/^\| (trap|---) / {
            split($0, cell, "|")
            count = split(cell[3], part, "`")
            named = 0
            for (i = 2; i <= count; i += 2)
                if (split(part[i], word, ": ") == 2) {
                    print FNR, word[1], word[2]
                    named = 1
                }
            if (!named)
                print FNR, "- -"
        }' tests/TRAPS.md
}

# A list of tests holds a test as an argument: MACRO(TEST) or MACRO(TEST, ...).
traps() {
    named_tests | while read -r line program name; do
        if [ "$program" = - ]; then
            echo "tests/TRAPS.md:$line: a trap without a test"
        elif ! [ -f "$program.c" ]; then
            echo "tests/TRAPS.md:$line: there is no $program.c"
        elif ! grep -q "($name[,)]" "$program.c"; then
            echo "tests/TRAPS.md:$line: $program.c runs no test $name"
        fi
    done
}

kept 'every trap has tests, which are run' traps
check 'the table of traps is read' [ "$(cd "$top_srcdir" && named_tests | wc -l)" -ge 20 ]

seen 'a trap without a test is seen' traps tests/TRAPS.md 'tests/TRAPS.md:2: a trap without a test' <<'EOT'
| --- | --- | --- |
| ties | none yet | |
EOT
seen 'a missing program is seen' traps tests/TRAPS.md 'tests/TRAPS.md:1: there is no tests/ops/test_none.c' <<'EOT'
| ties | `tests/ops/test_none: ties_are_kept` | |
EOT

# A test that is defined but not in the list; beside it one that is.
cat >"$work/test_one.c" <<'EOT'
static void kept(void **state)
static void gone(void **state)
    cmocka_unit_test(kept),
EOT
seen 'a test that is not run is seen' traps tests/TRAPS.md 'tests/TRAPS.md:1: ../test_one.c runs no test gone' <<'EOT'
| ties | `../test_one: kept`, `../test_one: gone` | |
EOT

finish
