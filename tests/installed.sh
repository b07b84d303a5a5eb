# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What `make installcheck` runs after `make install`: the installed command, and examples/continue.c by pkg-config.
# $bindir, $libdir and $pkgconfigdir say where things were installed.

. "$top_srcdir/tests/shell.sh"

hadal=$bindir/hadal
PKG_CONFIG_PATH=$pkgconfigdir
LD_LIBRARY_PATH=$libdir
export PKG_CONFIG_PATH LD_LIBRARY_PATH
unset HADAL_MODEL HADAL_CL_DIR
HOME=/nonexistent XDG_CACHE_HOME=$work/cache POCL_CACHE_DIR=$work/pocl
export HOME XDG_CACHE_HOME POCL_CACHE_DIR
mkdir "$POCL_CACHE_DIR"

run "$hadal" --version
check_equal 'the installed command and library are of one version' "$(cat "$work/stdout")" \
    "hadal $(pkg-config --modversion libhadal)"
run ${CC:-cc} -std=c99 -Wall -Wextra -Wpedantic -Werror -o "$work/continue" "$top_srcdir/examples/continue.c" \
    $(pkg-config --cflags --libs libhadal)
check 'the example compiles' [ "$status" -eq 0 ]

run "$hadal" devices
if [ "$status" -eq 69 ]; then
    skip 'text is generated' 'no OpenCL device'
else
    echo 'A database index is' | tr -d '\n' >"$work/prompt"
    run_with "$work/prompt" "$hadal" generate -q -n 24 --temperature 0
    check 'the installed command generates text' [ "$status" -eq 0 ]
    cp "$work/stdout" "$work/text"
    run "$work/continue" 'A database index is'
    check 'the example generates text' [ "$status" -eq 0 ]
    check_equal 'both write the same' "$(cat "$work/stdout")" "$(cat "$work/text")"
fi

finish
