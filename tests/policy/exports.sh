# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The shared library exports the functions that include/hadal.h declares, and nothing else.

. "$top_srcdir/tests/shell.sh"

command -v nm >/dev/null || skip_all 'nm is not here'
library=$top_builddir/.libs/libhadal.so
[ -e "$library" ] || skip_all 'no shared library was built'

# Functions by name, from declarations "HADAL_API ... NAME(".
declared() {
    sed -n 's/^HADAL_API .*[ *]\(hadal_[a-z_]*\)(.*/\1/p' "$1" | sort
}

# The version's own symbol (A) is no function.
exported() {
    nm -D --defined-only "$1" | sed -n 's/^[0-9a-f]* [^A] \([^@]*\).*/\1/p' | sort
}

declared "$top_srcdir/include/hadal.h" >"$work/declared"
exported "$library" >"$work/exported"
check 'the header declares functions' test -s "$work/declared"
check_equal 'nothing is exported that the header does not declare' "$(comm -13 "$work/declared" "$work/exported")" ''
check_equal 'all that the header declares is exported' "$(comm -23 "$work/declared" "$work/exported")" ''

cat >"$work/leak.c" <<'EOT'
int leaked(void);
int leaked(void) { return 2; }
EOT
run ${CC:-cc} -shared -fPIC -o "$work/leak.so" "$work/leak.c"
check 'a leaked function is seen' [ "$(exported "$work/leak.so" | grep -c '^leaked$')" -eq 1 ]

finish
