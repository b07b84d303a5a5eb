# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Compiles one program for one target, to $work/NUMBER.*: line NUMBER of $work/jobs, "DIGEST VENDOR TARGET LANES FAMILY
# OPTIONS" separated by tabs. Leaves in NUMBER.rows a line a kernel: KERNEL, OPTIONS, TARGET, REGISTERS, LOCAL, SCRATCH,
# SPILLS; or in NUMBER.failed what the compiler said. compile.sh runs several of these side by side.

set -eu
number=$1
. "$top_srcdir/tests/vendors/tools.sh"
use_vendor_tools

# The figures of each kernel from what the compiler printed: KERNEL, REGISTERS, LOCAL, SCRATCH, SPILLS.

# Registers are VGPRs and AGPRs of a work-item, scratch is its bytes. SGPRs spill into VGPRs, which are counted.
figures_amd() {
    awk '
        /remark: / { sub(/ *\[-Rpass-analysis.*/, ""); value = $NF }
        /remark: Function Name: / { name = value }
        /remark: *VGPRs: / { registers = value }
        /remark: *AGPRs: / { registers += value }
        /remark: *ScratchSize / { scratch = value }
        /remark: *VGPRs Spill: / { spills = value }
        /remark: *LDS Size / { print name, registers, value, scratch, spills }
    ' "$log"
}

# Registers of a work-item; scratch is its stack frame in bytes, spills are the bytes of its spill stores and loads.
figures_nvidia() {
    awk '
        /Compiling entry function/ { split($0, part, "\047"); name = part[2] }
        /bytes stack frame/ { scratch = $1; spills = $5 + $9 }
        /Used [0-9]+ registers/ {
            match($0, /Used [0-9]+/)
            registers = substr($0, RSTART + 5, RLENGTH - 5)
            bytes = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
            print name, registers, bytes, scratch, spills
        }
    ' "$log"
}

# Registers and scratch bytes of a hardware thread, which runs 8, 16 or 32 work-items; the binary holds them as YAML.
figures_intel() {
    for binary in "$work/$number"_*.bin; do
        tr '\000' '\n' <"$binary"
    done | cat "$log" - | LC_ALL=C awk '
        function print_kernel() { if (name != "") print name, registers, bytes, scratch, spilled[name] + 0 }
        /spilled around/ {
            match($0, /kernel [A-Za-z0-9_]+/)
            spilled[substr($0, RSTART + 7, RLENGTH - 7)] = $NF
        }
        /^kernels:/ { inside = 1; next }
        inside && /^[a-z]/ { print_kernel(); exit }
        inside && /^  - name:/ { print_kernel(); name = $NF; registers = bytes = scratch = 0 }
        inside && / grf_count:/ { registers = $NF }
        inside && / slm_size:/ { bytes = $NF }
        inside && / type: *scratch/ { in_scratch = 1 }
        inside && / size:/ && in_scratch { scratch = $NF; in_scratch = 0 }
    '
}

compile_amd() {
    "$clang" "$@" -nogpulib -target amdgcn-amd-amdhsa -mcpu="$target" -Xclang -mlink-builtin-bitcode \
        -Xclang "$clc/amdgcn--amdhsa.bc" -Wno-linker-warnings -Rpass-analysis=kernel-resource-usage \
        "$source" -o "$work/$number.co"
}

# As the driver does, every function is put in where it is called, and registers are limited to what a work-group leaves
# each work-item; clang alone does neither for NVIDIA. Instructions of sm_90a stand behind a mark in comments, which the
# library uncovers in the PTX text (src/device/ptx.h), and so does this.
compile_nvidia() {
    "$clang" "$@" -D PTX="${target#sm_}" -target nvptx64-nvidia-nvcl -march="$target" \
        -Xclang -target-feature -Xclang +ptx85 -Xclang -mlink-builtin-bitcode -Xclang "$clc/nvptx64--nvidiacl.bc" \
        -Wno-linker-warnings -mllvm -inline-threshold=1000000 -S "$source" -o "$work/$number.ptx" || return 1
    items=$(echo "$options" | sed -n 's/.*-D ITEMS=\([0-9]*\).*/\1/p')
    most=$((65536 / ${items:-256}))
    architecture=$target
    if grep -qF "$ptx_mark" "$work/$number.ptx"; then
        architecture=${target}a
        sed -i -e "s/^\.target $target/&a/" -e "s:$ptx_mark::" "$work/$number.ptx"
    fi
    if [ "$have_ptxas" = yes ]; then
        "$ptxas" -v -arch="$architecture" -maxrregcount=$((most < 255 ? most : 255)) "$work/$number.ptx" \
            -o "$work/$number.cubin"
    fi
}

# Of the extensions that drivers declare ocloc 22.43 must be told of DPAS; what it cannot do with it, it leaves out.
# Registers as the library asks for them.
compile_intel() {
    registers=
    case $* in *TILE_DPAS=*) registers=-cl-intel-256-GRF-per-thread ;; esac
    "$ocloc" compile -file "$source" -device "$target" -out_dir "$work" -output "$number" --format zebin \
        -options "$* -D cl_intel_subgroup_matrix_multiply_accumulate $registers" || return 1
    case $family$* in
        matmul_pack*) ;; # makes operands and multiplies nothing
        *TILE_DPAS=*) grep -aq 'has_dpas: *true' "$work/$number"_*.bin || { echo 'no dpas'; return 1; } ;;
    esac
}

tab=$(printf '\t')
job=$(sed -n "${number}p" "$work/jobs")
IFS=$tab read -r digest vendor target lanes family options <<JOB
$job
JOB
known=$figures/$(echo "$job" | cksum | tr ' ' '-')-$digest
if [ -e "$known" ]; then
    cp "$known" "$work/$number.rows"
    exit 0
fi
log=$work/$number.log
source=$kernels/$family.cl
set -- -cl-std=CL1.2 -I "$kernels" -D VECTOR=4 -D LANES=32 -D GROUP=256 -D "$lanes"
if [ "$vendor" != intel ]; then
    set -- -x cl -O3 "$@"
fi
# The options are words without spaces or wildcards.
# shellcheck disable=SC2086
if "compile_$vendor" "$@" $options >"$log" 2>&1; then
    key=$(echo "$options" | sed -e 's/ *-D */ /g' -e 's/^ //' -e 's/^$/-/')
    "figures_$vendor" | while read -r kernel registers bytes scratch spills; do
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$kernel" "$key" "$target" "$registers" "$bytes" "$scratch" "$spills"
    done >"$work/$number.rows"
    cp "$work/$number.rows" "$known"
else
    { echo "$family.cl does not compile for $target with$options:"; head -n 20 "$log"; } >"$work/$number.failed"
fi
rm -f "$work/$number".co "$work/$number".cubin "$work/$number".ptx "$work/$number"_*
