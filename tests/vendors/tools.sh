# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# The compilers of other vendors' devices, for compile.sh, which finds them, and ./check --vendors, which fetches them
# (fetch.sh). Nothing of it need be installed: Debian's libclc-19 would drive out the libclc-15 of mesa-opencl-icd, and
# intel-opencl-icd would become a platform of this machine. They are unpacked in $vendor_tools instead.

: "${vendor_tools:?the directory of the compilers}"

# What was fetched comes before what is installed, so that figures are those of one version.
use_vendor_tools() {
    vendor_libraries=$vendor_tools/usr/lib/$(uname -m)-linux-gnu:$vendor_tools/usr/lib/llvm-19/lib
    PATH=$vendor_tools/usr/bin:$vendor_tools/usr/lib/llvm-19/bin:/usr/lib/llvm-19/bin:$PATH
    LD_LIBRARY_PATH=$vendor_libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    export PATH LD_LIBRARY_PATH
    clang=clang-19
    ocloc=ocloc
    ptxas=${PTXAS:-$vendor_tools/nvidia/ptxas}
    if [ ! -x "$ptxas" ]; then
        ptxas=ptxas
    fi
    clc=$vendor_tools/usr/lib/clc
    if [ ! -d "$clc" ]; then
        clc=/usr/lib/clc
    fi
}

# have_tool NAME: whether that program starts, or that library of bitcode is there.
have_tool() {
    case $1 in
        clang) "$clang" --version ;;
        lld) ld.lld --version ;;
        libclc-amd) [ -s "$clc/amdgcn--amdhsa.bc" ] ;;
        libclc-nvidia) [ -s "$clc/nvptx64--nvidiacl.bc" ] ;;
        ptxas) "$ptxas" --version ;;
        ocloc) "$ocloc" --help ;;
    esac >/dev/null 2>&1
}

# The tools that machine code of a vendor takes.
tools_of() {
    case $1 in
        amd) echo clang lld libclc-amd ;;
        nvidia) echo clang libclc-nvidia ;;
        intel) echo ocloc ;;
    esac
}

missing_tools() {
    for tool in $(tools_of "$1"); do
        if ! have_tool "$tool"; then
            echo "$tool"
        fi
    done
}

# One line that says which compilers gave figures: they hold for these versions.
versions_of() {
    case $1 in
        amd) echo "clang $("$clang" -dumpversion)" ;;
        nvidia) echo "clang $("$clang" -dumpversion), ptxas $("$ptxas" --version 2>/dev/null | sed -n 's/.*, V//p')" ;;
        intel) (cd "$work" && "$ocloc" query OCL_DRIVER_VERSION && echo "ocloc $(tr -d ' \000' <OCL_DRIVER_VERSION)") ;;
    esac
}
