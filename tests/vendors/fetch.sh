# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# ./check --vendors: unpacks into ./build/vendor-tools what tools.sh doesn't find, without installing it. Sourced by
# ./check after build-aux/setup.sh, with the source directory as working directory.

vendor_tools=$PWD/build/vendor-tools
. ./tests/vendors/tools.sh

# ptxas is NVIDIA's, under NVIDIA's licence; of the wheel only it and that licence are kept.
ptxas_wheel='nvidia-cuda-nvcc-cu12==12.8.93'
ptxas_sha256=2d6dc36fb7cb5ac9c0b8825bc13d193c35487a315664007287d0126531238011

any_tool_missing() {
    for vendor in "$@"; do
        [ -z "$( (use_vendor_tools; missing_tools "$vendor") )" ] || return 0
    done
    return 1
}

# The packages that apt-get would have to install for these; without the right to install it can still say so.
missing_packages() {
    apt-get install -s --no-install-recommends "$@" 2>/dev/null | awk '$1 == "Inst" { print $2 }'
}

# unpack_packages PACKAGE...: they and what they depend on, as far as it is not installed.
unpack_packages() {
    for package in $(missing_packages "$@"); do
        (cd "$vendor_tools/packages" && apt-get download -qq -o APT::Sandbox::User=root "$package") >&2
        dpkg -x "$vendor_tools/packages/$package"_*.deb "$vendor_tools"
        rm -f "$vendor_tools/packages/$package"_*.deb
    done
}

fetch_compilers() {
    if ! have apt-get >/dev/null; then
        say 'compilers of other vendors are fetched on Debian only; the test says what it misses'
        return 0
    fi
    if [ -z "$(missing_packages clang-19)" ] && ! have clang-19 >/dev/null; then
        root=
        [ "$(id -u)" -eq 0 ] || root='sudo -n'
        run_as_root 'apt-get update'
    fi
    mkdir -p "$vendor_tools/packages"
    unpack_packages clang-19 lld-19 libclc-19
    unpack_packages intel-opencl-icd
    rm -rf "$vendor_tools/packages"
    # Of libclc, 78 MB for all devices, the two libraries that are used.
    find "$vendor_tools/usr/lib/clc" -type f ! -name amdgcn--amdhsa.bc ! -name nvptx64--nvidiacl.bc \
        -exec rm -f {} + 2>/dev/null || true
}

fetch_ptxas() {
    wheels=$vendor_tools/wheels
    mkdir -p "$wheels"
    echo "$ptxas_wheel --hash=sha256:$ptxas_sha256" >"$wheels/requirements.txt"
    if python3 -m pip download -q --no-deps --only-binary :all: --require-hashes -d "$wheels" \
            -r "$wheels/requirements.txt" >&2 &&
        python3 -m zipfile -e "$wheels"/*.whl "$wheels/unpacked"; then
        mkdir -p "$vendor_tools/nvidia"
        mv "$wheels/unpacked/nvidia/cuda_nvcc/bin/ptxas" "$wheels"/unpacked/*.dist-info/License.txt \
            "$vendor_tools/nvidia"
        chmod +x "$vendor_tools/nvidia/ptxas"
    else
        say "$ptxas_wheel could not be had from PyPI; NVIDIA's kernels are compiled as far as PTX"
    fi
    rm -rf "$wheels"
}

fetch_vendor_tools() {
    doing='fetching the compilers of other vendors'
    if any_tool_missing amd nvidia intel; then
        say 'unpacking compilers of other vendors in ./build/vendor-tools'
        fetch_compilers
    fi
    if ! (use_vendor_tools; have_tool ptxas); then
        fetch_ptxas
    fi
}
