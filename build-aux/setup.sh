# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What ./start and ./check share: find what is missing, install it with the system's package manager, build in ./build.
# Sourced by them with the source directory as working directory; $program is the name to speak under.

doing=starting
assume_yes=no
may_install=yes
vendors=no
interactive=no
if [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ]; then
    interactive=yes
fi

say() {
    printf '%s: %s\n' "$program" "$*" >&2
}

stop() {
    doing=
    say "$*"
    exit 1
}

# The last line of a failure says where it happened, whatever was printed before.
report_failure() {
    result=$?
    trap - EXIT
    if [ "$result" -ne 0 ] && [ -n "$doing" ]; then
        say "failed while $doing (exit status $result); the lines above say why"
    fi
    exit "$result"
}
trap report_failure EXIT
trap 'doing=; say interrupted; exit 130' INT
trap 'doing=; say terminated; exit 143' TERM

unknown_option() {
    doing=
    say "unknown argument '$1'; try ./$program --help"
    exit 64
}

read_options() {
    for option in "$@"; do
        case $option in
            -y | --yes) assume_yes=yes ;;
            --no-install) may_install=no ;;
            --vendors)
                [ "$program" = check ] || unknown_option "$option"
                vendors=yes
                ;;
            -h | --help) doing=; usage; exit 0 ;;
            *) unknown_option "$option" ;;
        esac
    done
}

# ---- What is missing ----

# need DEBIAN-PACKAGE FEDORA-PACKAGE COMMAND...: notes the packages as missing when the command fails.
need() {
    debian=$1
    fedora=$2
    shift 2
    if ! "$@" >/dev/null 2>&1; then
        missing_debian="$missing_debian $debian"
        missing_fedora="$missing_fedora $fedora"
    fi
}

have() {
    command -v "$1"
}

compiler_works() {
    compiler=${CC:-}
    if [ -z "$compiler" ]; then
        compiler=$(have gcc || have cc || have clang) || return 1
    fi
    printf '#include <stdlib.h>\n' | eval "$compiler -E -"
}

# A driver registers itself with a file here; whether it finds a device is asked after the build.
some_opencl_driver() {
    [ -n "${OCL_ICD_VENDORS:-}" ] || ls /etc/OpenCL/vendors/*.icd
}

# configure.ac lists the libraries once, with their packages: MACRO([VARIABLE], [NAME], [DEBIAN], [FEDORA]).
# Fedora's package manager also knows them by their pkg-config names, which do not change between releases.
need_libraries() {
    libraries=$(sed -n "s/^$1(\[[A-Z0-9_]*], \[\([^]]*\)], \[\([^]]*\)], .*/\2 \1/p" configure.ac)
    while read -r package name; do
        need "$package" "'pkgconfig(${name%% *})'" pkg-config --exists "$name"
    done <<LIBRARIES
$libraries
LIBRARIES
}

need_to_build() {
    need gawk gawk have awk
    need diffutils diffutils have cmp
    need findutils findutils have find
    need 'gcc libc6-dev' 'gcc glibc-devel' compiler_works
    need make make have make
    need autoconf autoconf have autoreconf
    need automake automake have automake
    need libtool libtool have libtoolize
    need pkg-config pkgconf-pkg-config have pkg-config
    need_libraries HADAL_NEED
    need pocl-opencl-icd pocl some_opencl_driver
}

need_to_test() {
    need_libraries HADAL_NEED_TO_TEST
    need mandoc mandoc have mandoc
    need jq jq have jq
}

# What ./check --vendors fetches the compilers of other vendors with.
need_to_fetch() {
    need python3-pip python3-pip python3 -m pip --version
    need ca-certificates ca-certificates [ -e /etc/ssl/certs/ca-certificates.crt ]
}

# find_missing GROUP...: fills $missing_debian and $missing_fedora.
find_missing() {
    missing_debian=
    missing_fedora=
    for group in "$@"; do
        "need_to_$group"
    done
}

# ---- Installing ----

# $packages, and how they are installed here: $refresh (may be empty) and $install, commands that lack only the names.
choose_package_manager() {
    if have apt-get >/dev/null; then
        packages=$missing_debian
        refresh='apt-get update'
        install='apt-get install -y --no-install-recommends'
    elif have dnf >/dev/null; then
        packages=$missing_fedora
        refresh=
        install='dnf install -y --setopt=install_weak_deps=False'
    else
        stop "neither apt-get nor dnf is here; install what your system calls these Debian packages:$missing_debian"
    fi
}

confirm() {
    if [ "$interactive" = no ] || [ "$assume_yes" = yes ]; then
        return 0
    fi
    printf '%s: go on? [Y/n] ' "$program" >&2
    read -r answer || answer=n
    case $answer in
        '' | [Yy]*) ;;
        *) stop 'nothing was installed' ;;
    esac
}

run_as_root() {
    eval "$root env DEBIAN_FRONTEND=noninteractive $1" </dev/null >&2
}

# Installs what find_missing found; where that cannot be, says the command and stops.
install_missing() {
    choose_package_manager
    say "missing here:$packages"
    root=
    if [ "$(id -u)" -ne 0 ]; then
        root=sudo
    fi
    as_root="${refresh:+$refresh && }$install$packages"
    with_sudo="${refresh:+${root:+$root }$refresh && }${root:+$root }$install$packages"
    if [ "$may_install" = no ]; then
        stop "to install it: $with_sudo"
    elif [ -n "$root" ] && ! have sudo >/dev/null; then
        stop "sudo is missing too; run this as root, then ./$program again: $as_root"
    fi
    say "installing it: $with_sudo"
    confirm
    if [ -n "$root" ] && [ "$interactive" = no ]; then
        root='sudo -n'
    fi
    doing='installing packages'
    # One unreachable source need not stand in the way of packages from the others.
    if [ -n "$refresh" ] && ! run_as_root "$refresh"; then
        say 'the lists of packages could not all be refreshed; going on with those that are here'
    fi
    run_as_root "$install$packages"
}

# provide GROUP...: after this, everything of these groups is here.
provide() {
    doing='looking for what is missing'
    find_missing "$@"
    if [ -z "$missing_debian" ]; then
        return 0
    fi
    install_missing
    find_missing "$@"
    if [ -n "$missing_debian" ]; then
        stop "still missing after the installation:$missing_debian"
    fi
}

# ---- Building ----

processors() {
    getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
}

# run_make TARGET...: in ./build, on all processors.
run_make() {
    make -C build --no-print-directory -j "$(processors)" "$@" >&2
}

# Configures ./build once, again when the directory was moved or, for the tests, when configure found no test library or
# tool; then make brings all up to date. Options given to configure before are kept where they can be.
build() {
    if ! grep -Fqsx "abs_top_builddir = $PWD/build" build/Makefile; then
        doing='preparing the build (autoreconf)'
        say 'preparing ./build'
        autoreconf -i >&2
        mkdir -p build
        doing='configuring the build (details: build/config.log)'
        (cd build && ../configure -q) >&2
    elif [ "$program" = check ] && grep -qs -e HADAL_MISSING -e '^MANDOC = *$' build/Makefile; then
        doing='configuring the build again (details: build/config.log)'
        (cd build && ./config.status --recheck >/dev/null) >&2
    fi
    doing=building
    run_make all
}
