# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What the packages say agrees with the sources.

. "$top_srcdir/tests/shell.sh"

cd "$top_srcdir"
version=$(sed -n 's/^AC_INIT(\[hadal\], \[\(.*\)\])$/\1/p' configure.ac)
check 'configure.ac has a version' [ -n "$version" ]
check_equal 'the RPM has it too' "$(sed -n 's/^Version: *//p' rpm/hadal.spec)" "$version"
check 'NEWS begins with it' [ "$(grep -m 1 '^hadal ' NEWS | cut -d ' ' -f 2)" = "$version" ]
check_equal 'LICENSES/MIT.txt is LICENSE' "$(cat LICENSES/MIT.txt)" "$(cat LICENSE)"

# Symbols of a header and of a list of symbols, one a line.
declared() {
    sed -n 's/^HADAL_API .*[ *]\(hadal_[a-z_]*\)(.*/\1/p' "$1" | LC_ALL=C sort
}

listed() {
    sed -n 's/^ \(hadal_[a-z_]*\)@LIBHADAL_0 .*/\1/p' "$1" | LC_ALL=C sort
}

# A tarball is without debian/; the package's own build has it.
if [ -d debian ]; then
    check_equal 'the Debian package has the version too' \
        "$(sed -n '1s/^hadal (\(.*\)-[0-9]*).*/\1/p' debian/changelog)" "$version"
    check_equal 'debian/libhadal0.symbols lists what hadal.h declares' "$(listed debian/libhadal0.symbols)" \
        "$(declared include/hadal.h)"
    sed 's/hadal_version@/hadal_revision@/' debian/libhadal0.symbols >"$work/symbols"
    check 'a symbol that is missing is seen' [ "$(listed "$work/symbols")" != "$(declared include/hadal.h)" ]
else
    skip 'the Debian package agrees' 'debian/ is not here'
fi

# Of a git checkout only: a build within a tarball leaves files of others.
if command -v reuse >/dev/null && [ -e .git ]; then
    run reuse lint
    check 'REUSE finds every file licensed' [ "$status" -eq 0 ]
else
    skip 'REUSE finds every file licensed' 'reuse or git is not here'
fi
if command -v rpmlint >/dev/null; then
    run rpmlint -c rpm/hadal.rpmlintrc.toml rpm/hadal.spec
    check 'rpmlint accepts the RPM' [ "$status" -eq 0 ]
else
    skip 'rpmlint accepts the RPM' 'rpmlint is not here'
fi

finish
