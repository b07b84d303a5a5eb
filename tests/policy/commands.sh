# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# ./start and ./check on machines where things are missing, played by a PATH that holds little.

. "$top_srcdir/tests/shell.sh"

# A copy of the source directory's top, in a path with a space.
tree="$work/new clone"
mkdir -p "$tree/build-aux" "$work/bin"
cp "$top_srcdir/start" "$top_srcdir/check" "$top_srcdir/configure.ac" "$tree"
cp "$top_srcdir/build-aux/setup.sh" "$top_srcdir/build-aux/count-tests.awk" "$tree/build-aux"
for tool in awk cat cmp dirname env find grep ls sed; do
    ln -s "$(command -v $tool)" "$work/bin/$tool"
done

# stub NAME: a command of that name, with stdin as its text.
stub() {
    { echo '#!/bin/sh'; cat; } >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

on_machine() {
    run env -i PATH="$work/bin" "$@"
}

last_line() {
    tail -n 1 "$work/stderr"
}

says() {
    grep -qF -e "$1" "$work/stderr"
}

stub id <<'EOT'
echo 0
EOT

on_machine "$tree/start" --help
check 'start --help explains itself on stdout' grep -q '^Usage: ./start' "$work/stdout"
on_machine "$tree/start" --nonsense
check_equal 'an unknown argument is a usage error' "$status: $(last_line)" \
    "64: start: unknown argument '--nonsense'; try ./start --help"

on_machine "$tree/start" --vendors
check_equal 'compilers of other vendors are for tests' "$status" 64

on_machine "$tree/start"
check_equal 'without a package manager nothing is tried' "$status" 1
check 'without a package manager the packages are named' says 'neither apt-get nor dnf is here'

stub dnf <<'EOT'
echo "dnf $*"
EOT
on_machine "$tree/start" --no-install
check_equal 'missing packages stop --no-install' "$status" 1
check 'dnf gets names of Fedora' says "dnf install -y --setopt=install_weak_deps=False gcc glibc-devel make autoconf \
automake libtool pkgconf-pkg-config 'pkgconfig(OpenCL)' 'pkgconfig(clblast)' 'pkgconfig(zlib)' 'pkgconfig(jansson)'"
on_machine "$tree/check" --yes
check 'dnf is called' says 'dnf install -y --setopt=install_weak_deps=False gcc glibc-devel'
check 'the test library is asked for' says 'pkgconfig(cmocka)'
check 'no tool is asked for that only --vendors takes' not says python3-pip
on_machine "$tree/check" --yes --vendors
check 'what fetches the compilers of other vendors is asked for' says ' python3-pip'
on_machine "$tree/check" --yes
check_equal 'an installation that brings nothing is a failure' "$status" 1
check 'and it is said what is missing still' says 'check: still missing after the installation: gcc'

stub apt-get <<'EOT'
echo "apt-get $*"
[ "$1" = update ]
EOT
on_machine "$tree/start"
check_equal 'a failed installation is a failure' "$status: $(last_line)" \
    '1: start: failed while installing packages (exit status 1); the lines above say why'
check 'apt-get was refreshed first' says 'apt-get update'
check 'apt-get gets names of Debian' says \
    'apt-get install -y --no-install-recommends gcc libc6-dev make autoconf automake'
check 'libraries of configure.ac are asked for' says 'libclblast-dev zlib1g-dev libjansson-dev'

stub id <<'EOT'
echo 1000
EOT
on_machine "$tree/start"
check_equal 'a user without sudo is a failure' "$status" 1
check 'a user without sudo learns what root must do' says \
    'sudo is missing too; run this as root, then ./start again: apt-get update && apt-get install -y'
stub sudo <<'EOT'
echo "sudo $*"
EOT
on_machine "$tree/start"
check 'sudo asks for no password without a terminal' says \
    'sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y'

# A machine where nothing is missing; a test is killed, and make ends without its result.
for tool in gcc autoreconf automake libtoolize pkg-config mandoc jq; do
    stub $tool </dev/null
done
mkdir -p "$tree/build/tests"
echo "abs_top_builddir = $tree/build" >"$tree/build/Makefile"
stub make <<'EOT'
case $* in
    *check*)
        echo ':global-test-result: PASS' >build/tests/done.trs
        exit 2
        ;;
esac
EOT
run env -i PATH="$work/bin" OCL_ICD_VENDORS=here "$tree/check"
check_equal 'a test that was killed fails ./check' "$status: $(cat "$work/stdout")" '2: 1 passed, 0 failed'
check 'and it is said that not all were run' says 'not all were run'

# configure alone, on a machine with a compiler and no library; it refuses absolute paths with a space.
named='configure names the packages of Debian and Fedora'
case $top_srcdir in
    *[[:space:]]*) skip "$named" 'the path of the sources has a space' ;;
    *)
        if [ -e "$top_srcdir/config.status" ]; then
            skip "$named" 'the sources are configured in place'
        else
            mkdir "$work/build"
            cd "$work/build"
            run env PKG_CONFIG_LIBDIR=/nonexistent PKG_CONFIG_PATH= CC="${CC:-cc}" "$top_srcdir/configure" -q
            check_equal 'a missing library ends configure' "$status" 1
            check "$named" says \
                'OpenCL is missing; install it with: apt install ocl-icd-opencl-dev (Debian) or dnf install'
        fi
        ;;
esac

finish
