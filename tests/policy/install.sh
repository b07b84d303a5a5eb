# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What `make install DESTDIR=...` puts in place serves a C and a C++ program, and `make uninstall` takes it away.

. "$top_srcdir/tests/shell.sh"

root=$work/root
compiler=${CC:-cc}

# Under `make -j check` the makes below are on their own.
unset MAKEFLAGS MFLAGS MAKELEVEL
run make -C "$top_builddir" install DESTDIR="$root"
check 'make install' [ "$status" -eq 0 ]

description=$(find "$root" -name libhadal.pc)
check 'the library is described for pkg-config' test -f "$description"
PKG_CONFIG_PATH=$(dirname "$description")
export PKG_CONFIG_PATH
include=$root$(pkg-config --variable=includedir libhadal)
libraries=$root$(pkg-config --variable=libdir libhadal)

# describe OPTION...: pkg-config as if what stands under DESTDIR were installed.
describe() {
    pkg-config --define-variable=includedir="$include" --define-variable=libdir="$libraries" "$@" libhadal
}

cat >"$work/program.c" <<'PROGRAM'
#include <hadal.h>
#include <stdio.h>

int main(void)
{
    return hadal_error_message()[0] || puts(hadal_version()) < 0;
}
PROGRAM
cp "$work/program.c" "$work/program.cpp"

# try_language NAME COMPILER FILE: a program with the installed header and library says the version.
try_language() {
    run $2 -Wall -Wextra -Wpedantic -Werror $(describe --cflags) -o "$work/program" "$work/$3" $(describe --libs)
    check "a $1 program compiles" [ "$status" -eq 0 ]
    run env LD_LIBRARY_PATH="$libraries" "$work/program"
    check_equal "a $1 program runs" "$(cat "$work/stdout")" "$(pkg-config --modversion libhadal)"
}

try_language C99 "$compiler -std=c99" program.c
try_language C17 "$compiler -std=c17" program.c
if command -v "${CXX:-g++}" >/dev/null; then
    try_language C++ "${CXX:-g++} -std=c++11 ${SANITIZE_CFLAGS:-}" program.cpp
else
    skip 'a C++ program compiles' 'no C++ compiler is here'
fi

# A kernel that cl/local.mk forgets works in the build tree alone.
kernels=$(cd "$top_srcdir/cl" && ls -- *.cl *.clh | sed 's,^,share/hadal/cl/,')
for name in bin/hadal share/hadal/model/model.safetensors $kernels; do
    check "$name is installed" [ -n "$(find "$root" -path "*/$name")" ]
done
program=$(find "$root" -path '*/bin/hadal')
data=$(dirname "$(dirname "$(find "$root" -path '*/cl/linear.cl')")")
check 'the installed program runs' env LD_LIBRARY_PATH="$libraries" "$program" --version

# writes NAME COMMAND...: the command generates what the program in the build tree does.
writes() {
    name=$1
    shift
    run "$@" generate -q -p 'In Python, a list is' -n 8
    check "$name" cmp "$work/stdout" "$work/expected"
}

# Under DESTDIR it must be told where its data stand; at their place, which only a mount of our own can give them, not.
shared=$(dirname "${data#"$root"}")
mounted='mount -t overlay overlay -o "lowerdir=$1$2:$2" "$2" && shift 2 && exec "$@"'
if "$hadal" generate -q -p 'In Python, a list is' -n 8 >"$work/expected"; then
    writes 'the installed program generates text with the installed kernels and model' \
        env LD_LIBRARY_PATH="$libraries" HADAL_CL_DIR="$data/cl" HADAL_MODEL="$data/model" "$program"
    unset HADAL_CL_DIR HADAL_MODEL
    if [ -d "$shared" ] && unshare -rm sh -c "$mounted" - "$root" "$shared" true; then
        writes 'the installed program finds its kernels and its model' \
            unshare -rm sh -c "$mounted" - "$root" "$shared" env LD_LIBRARY_PATH="$libraries" "$program"
    else
        skip 'the installed program finds its kernels and its model' "nothing can be mounted on $shared here"
    fi
else
    skip 'the installed program generates text' 'no OpenCL device'
fi
check 'no test is installed' [ -z "$(find "$root" -name 'test_*')" ]

run make -C "$top_builddir" uninstall DESTDIR="$root"
check 'make uninstall' [ "$status" -eq 0 ]
check_equal 'nothing is left behind' "$(find "$root" ! -type d)" ''

finish
