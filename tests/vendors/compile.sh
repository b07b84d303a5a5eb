# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# Every kernel compiles to machine code for the devices of targets.tsv, spills nothing that spills.tsv doesn't excuse,
# and takes no more registers and local memory than resources.tsv says. `make vendor-resources` writes that table anew;
# with FAMILY=NAME it prints what it would write of cl/NAME.cl.

. "$top_srcdir/tests/shell.sh"
here=$top_srcdir/tests/vendors
vendor_tools=${vendor_tools:-$top_builddir/vendor-tools}
table=$here/resources.tsv
kernels=$top_srcdir/cl
. "$here/tools.sh"
use_vendor_tools
have_ptxas=no
if have_tool ptxas; then
    have_ptxas=yes
fi
# Figures of programs that have not changed since are taken from here.
cache=$top_builddir/tests/cache/vendors
figures=$cache/figures
mkdir -p "$figures" "$cache/pocl"
ptx_mark=$(sed -n 's/^#define PTX_MARK "\(.*\)"$/\1/p' "$top_srcdir/src/device/ptx.h")
: "${ptx_mark:?src/device/ptx.h no longer says what PTX_MARK is}"
export work kernels ptx_mark vendor_tools top_srcdir have_ptxas figures
tab=$(printf '\t')

vendors() {
    sed '/^#/d' "$here/targets.tsv" | cut -f 1 | uniq
}

targets_of() {
    sed '/^#/d' "$here/targets.tsv" | awk -F "$tab" -v vendor="$1" '$1 == vendor { print $2 }'
}

# The files that a program is made of.
sources_of() {
    echo "$kernels/$1"
    sed -n 's/^#include "\(.*\)".*/\1/p' "$kernels/$1" | while read -r included; do
        sources_of "$included"
    done
}

# What figures depend on beside target and options: the sources, the compilers, and how they are called.
digest_of() {
    # shellcheck disable=SC2046
    { cat $(sources_of "$2.cl") "$here/compile-one.sh" "$work/versions-$1"; } | cksum | tr ' ' '-'
}

# Copies of the kernels without what they do, in $work/stubs: kernels with empty bodies and no other functions. A body
# stands between a line "{" and a line "}", as tests/policy/form.sh has it.
make_stubs() {
    mkdir -p "$work/stubs"
    for file in "$kernels"/*.cl "$kernels"/*.clh; do
        awk '
            body { body = $0 != "}"; next }
            $0 == "{" {
                if (function_head ~ /__kernel/)
                    printf "%s{}\n", function_head
                function_head = ""
                body = 1
                next
            }
            /^#/ || /^$/ { printf "%s", function_head; function_head = ""; print; next }
            { function_head = function_head $0 "\n" }
            END { printf "%s", function_head }
        ' "$file" >"$work/stubs/${file##*/}"
    done
}

# list_programs UNIT: $work/programs-UNIT, from the operations.
list_programs() {
    run env HADAL_CL_DIR="$work/stubs" POCL_CACHE_DIR="$cache/pocl" POCL_EXTRA_BUILD_FLAGS=-cl-opt-disable \
        "$top_builddir/tests/vendors/programs" "$1" \
        "$top_srcdir/tests/model/data/deepseek-v3.2-exp.config.json" "$top_srcdir/weights/config.json"
    [ "$status" -ne 77 ] || skip_all 'no OpenCL device to ask which programs are built'
    check "programs are listed for matrix unit $1" [ "$status" -eq 0 ]
    grep "^${FAMILY:-.*}$tab" "$work/stdout" >"$work/programs-$1" || true
}

# What is to be compiled, one line for compile-one.sh each, for every target of $active vendors: the programs of
# $work/programs-none and, where the target has a matrix unit, of $work/programs-UNIT.
jobs() {
    sed '/^#/d' "$here/targets.tsv" | while IFS=$tab read -r vendor target lanes unit; do
        case " $active " in *" $vendor "*) ;; *) continue ;; esac
        sort -u "$work/programs-none" "$work/programs-$unit" >"$work/programs"
        cut -f 1 "$work/programs" | uniq | while read -r family; do
            digest=$(digest_of "$vendor" "$family")
            sed -n "s/^$family$tab/$digest$tab$vendor$tab$target$tab$lanes$tab&/p" "$work/programs"
        done
    done
}

processors() {
    getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1
}

# Compiles $work/jobs: figures to $work/rows, what failed to $work/failed.
compile_all() {
    rm -f "$work"/*.rows "$work"/*.failed
    seq "$(wc -l <"$work/jobs")" | xargs -r -n 1 -P "$(processors)" "${CONFIG_SHELL:-sh}" "$here/compile-one.sh"
    find "$work" -name '*.rows' -exec cat {} + | LC_ALL=C sort -u >"$work/rows"
    find "$work" -name '*.failed' -exec cat {} + >"$work/failed"
}

# ---- What the figures must keep: one line a breach ----

# Rows ($1) that spill or use scratch memory, and are not excused by a line of $2: KERNEL, TARGET, part of OPTIONS, WHY,
# with * for any target or options; and excuses that nothing needs.
spilling() {
    awk -F "$tab" '
        /^#/ { next }
        FILENAME == ARGV[1] { excuse[++excuses] = $0; next }
        { seen[$3] = 1 }
        $6 > 0 || $7 > 0 {
            for (i = 1; i <= excuses; i++) {
                split(excuse[i], part, "\t")
                if (part[1] == $1 && (part[2] == "*" || part[2] == $3) && (part[3] == "*" || index($2, part[3]))) {
                    used[i] = 1
                    next
                }
            }
            print $1 " (" $2 ") on " $3 ": " $6 " bytes of scratch memory, spills " $7
        }
        END {
            for (i = 1; i <= excuses; i++) {
                split(excuse[i], part, "\t")
                if (!used[i] && (part[2] == "*" || part[2] in seen))
                    print "nothing needs the excuse of " part[1] " on " part[2]
            }
        }' "$2" "$1"
}

# Rows ($1) that differ from the table ($2): unknown, gone, or grown by more than 8 registers and an eighth, a KiB of
# local memory, or any scratch memory. Only targets that were compiled count.
grown() {
    awk -F "$tab" '
        FILENAME == ARGV[1] { known[$1 "\t" $2 "\t" $3] = $0; next }
        {
            key = $1 "\t" $2 "\t" $3
            name = $1 " (" $2 ") on " $3
            compiled[$3] = met[key] = 1
            if (!(key in known)) {
                print name ": not in the table"
                next
            }
            split(known[key], old)
            margin = old[4] / 8 > 8 ? old[4] / 8 : 8
            if ($4 > old[4] + margin)
                print name ": " old[4] " registers grew to " $4
            if ($5 > old[5] + 1024)
                print name ": " old[5] " bytes of local memory grew to " $5
            if ($6 > old[6] || $7 > old[7])
                print name ": scratch memory or spills grew from " old[6] ", " old[7] " to " $6 ", " $7
        }
        END {
            for (key in known) {
                split(key, part, "\t")
                if (!(key in met) && part[3] in compiled)
                    print part[1] " (" part[2] ") on " part[3] ": in the table, but no such program is built"
            }
        }' "$2" "$1" | sort
}

rows_of_vendor() {
    targets=$(targets_of "$1" | tr '\n' ' ')
    awk -F "$tab" -v targets=" $targets" 'index(targets, " " $3 " ")' "$2"
}

# ---- The table: a line a kernel and options, a column a target ----

# A cell is REGISTERS/LOCAL, or REGISTERS/LOCAL/SCRATCH/SPILLS where one of the last is not 0.
rows_of_table() {
    awk -F "$tab" '
        /^# kernel\t/ { for (i = 3; i <= NF; i++) target[i] = $i }
        /^#/ { next }
        {
            for (i = 3; i <= NF; i++)
                if ($i != "-") {
                    split($i "/0/0", cell, "/")
                    print $1 "\t" $2 "\t" target[i] "\t" cell[1] "\t" cell[2] "\t" cell[3] "\t" cell[4]
                }
        }' "$table"
}

# The lines of the table from rows on stdin.
table_of_rows() {
    columns=$(sed '/^#/d' "$here/targets.tsv" | cut -f 2 | tr '\n' "$tab" | sed 's/.$//')
    printf '# kernel\toptions\t%s\n' "$columns"
    awk -F "$tab" -v columns="$columns" '
        {
            line[$1 "\t" $2] = 1
            cell[$1 "\t" $2, $3] = $4 "/" $5 ($6 > 0 || $7 > 0 ? "/" $6 "/" $7 : "")
        }
        END {
            count = split(columns, target, "\t")
            for (name in line) {
                text = name
                for (i = 1; i <= count; i++)
                    text = text "\t" ((name, target[i]) in cell ? cell[name, target[i]] : "-")
                print text
            }
        }' | LC_ALL=C sort
}

# Writes figures of this run and, for vendors whose compilers are not here, those that were there.
update() {
    rows_of_table >"$work/old-rows"
    {
        # REUSE-IgnoreStart
        echo '# SPDX-License-Identifier: MIT'
        echo '# SPDX-FileCopyrightText: The hadal authors'
        # REUSE-IgnoreEnd
        echo '#'
        echo '# Registers/bytes of local memory, and /bytes of scratch memory/spills where there are some: of a'
        echo '# work-item for AMD and NVIDIA, of a thread for Intel. Written by "make vendor-resources", from:'
        for vendor in $(vendors); do
            if [ -n "$(rows_of_vendor "$vendor" "$work/rows")" ]; then
                echo "# $vendor: $(cat "$work/versions-$vendor")"
            else
                grep "^# $vendor:" "$table" || true
                rows_of_vendor "$vendor" "$work/old-rows" >>"$work/rows"
            fi
        done
        echo '#'
        table_of_rows <"$work/rows"
    } >"$work/table"
    cp "$work/table" "$table"
    echo "wrote $table"
}

# ---- The test ----

compare_vendor() {
    vendor=$1
    for target in $(targets_of "$vendor"); do
        check_equal "every kernel compiles for $target" "$(grep -A 20 " for $target with" "$work/failed" || true)" ''
    done
    if [ "$vendor" = nvidia ] && [ "$have_ptxas" = no ]; then
        skip 'registers and spills on nvidia' 'only PTX was made: no ptxas; ./check --vendors fetches one'
        return 0
    fi
    rows_of_vendor "$vendor" "$work/rows" >"$work/vendor-rows"
    check_equal "no kernel spills on $vendor" "$(spilling "$work/vendor-rows" "$here/spills.tsv")" ''
    if ! grep -Fqx "# $vendor: $(cat "$work/versions-$vendor")" "$table"; then
        skip "resources on $vendor" "the table is by other compilers than $(cat "$work/versions-$vendor")"
        return 0
    fi
    rows_of_table >"$work/table-rows"
    check_equal "resources on $vendor are those of the table (else: make vendor-resources)" \
        "$(grown "$work/vendor-rows" "$work/table-rows")" ''
}

# The test sees what it is for: a kernel that does not compile and one that needs scratch memory, for the first target
# of each vendor, and instructions of sm_90a.
plant() {
    kernels=$work/planted
    mkdir -p "$kernels"
    echo '__kernel void unknown(__global float *out) { out[0] = no_such_function(1.0f); }' >"$kernels/unknown.cl"
    cat >"$kernels/indexed.cl" <<'KERNEL'
__kernel void indexed(__global float *out, __global const int *places, int count)
{
    volatile float private_array[1000];
    for (int i = 0; i < count; i++)
        private_array[places[i]] = i;
    out[0] = private_array[count];
}
KERNEL
    for name in wgmma.fence.sync.aligned no.such.instruction; do
        echo "__kernel void $name(__global float *out) { __asm volatile(\"$ptx_mark$name;\"); out[0] = 1; }" |
            sed 's/void [a-z.]*/void hopper/' >"$kernels/$name.cl"
    done
    rm -f "$work"/programs-*
    for unit in $units; do
        : >"$work/programs-$unit"
    done
    printf '%s\t%s\n' unknown '' indexed ' -D TWO=2' >"$work/programs-none"
    printf '%s\t%s\n' wgmma.fence.sync.aligned '' no.such.instruction '' >"$work/programs-wgmma"
    jobs | awk -F "$tab" '!(($2, $5) in done) { done[$2, $5] = 1; print }' >"$work/jobs"
    compile_all
}

check_planted() {
    for vendor in $active; do
        target=$(targets_of "$vendor" | head -n 1)
        check "a kernel that does not compile is seen on $vendor" \
            grep -q "unknown.cl does not compile for $target with" "$work/failed"
        if [ "$vendor" = nvidia ] && [ "$have_ptxas" = no ]; then
            continue
        fi
        rows_of_vendor "$vendor" "$work/rows" >"$work/vendor-rows"
        spilling "$work/vendor-rows" /dev/null >"$work/breaches"
        check "scratch memory is seen on $vendor" grep -q "^indexed (TWO=2) on $target: " "$work/breaches"
        printf 'indexed\t%s\tTWO\twhy\nindexed\t%s\tTHREE\twhy\n' "$target" "$target" >"$work/excuses"
        check_equal "an excuse counts on $vendor, and one that nothing needs is seen" \
            "$(spilling "$work/vendor-rows" "$work/excuses")" "nothing needs the excuse of indexed on $target"
    done
    case "$active $have_ptxas" in *nvidia*yes) ;; *) return 0 ;; esac
    check 'instructions of sm_90a are assembled' grep -q "^hopper$tab-${tab}sm_90$tab" "$work/rows"
    check 'and refused when there are none such' \
        grep -q 'no.such.instruction.cl does not compile for sm_90 with' "$work/failed"
}

# row KERNEL TARGET FIGURE...
row() {
    printf '%s\tA=1\t%s\t%s\t%s\t%s\t%s\n' "$@"
}

compare_planted() {
    { row a x 100 4096 0 0; row b x 20 0 0 0; row c x 20 0 8 0; row gone x 1 0 0 0; row a y 1 0 0 0; } >"$work/known"
    { row a x 112 5120 0 0; row b x 28 0 0 0; row c x 20 0 8 0; row gone x 1 0 0 0; } >"$work/new"
    check_equal 'a table within the margins is kept' "$(grown "$work/new" "$work/known")" ''
    { row a x 113 5121 0 0; row b x 29 0 0 0; row c x 20 0 9 0; row new x 1 0 0 0; } >"$work/new"
    check_equal 'what grew, came or went is seen' "$(grown "$work/new" "$work/known")" \
        'a (A=1) on x: 100 registers grew to 113
a (A=1) on x: 4096 bytes of local memory grew to 5121
b (A=1) on x: 20 registers grew to 29
c (A=1) on x: scratch memory or spills grew from 8, 0 to 9, 0
gone (A=1) on x: in the table, but no such program is built
new (A=1) on x: not in the table'
}

active=
for vendor in $(vendors); do
    missing=$(missing_tools "$vendor" | tr '\n' ' ')
    if [ -z "$missing" ]; then
        active="$active $vendor"
        versions_of "$vendor" >"$work/versions-$vendor"
    else
        skip "every kernel compiles for $vendor" "missing: $missing; ./check --vendors fetches the compilers"
    fi
done
[ -n "$active" ] || skip_all 'no compiler of another vendor is here; ./check --vendors fetches them'

make_stubs
units=$(sed '/^#/d' "$here/targets.tsv" | cut -f 4 | LC_ALL=C sort -u)
for unit in $units; do
    list_programs "$unit"
done
jobs >"$work/jobs"
compile_all
if [ "${1:-}" = --update ]; then
    cat "$work/failed"
    if [ -n "${FAMILY:-}" ]; then
        table_of_rows <"$work/rows"
    else
        update
    fi
    finish
fi
# cl/top_k.cl is for CPUs alone.
check_equal 'each file of kernels is among them' "$(cut -f 1 "$work"/programs-* | LC_ALL=C sort -u)" \
    "$(cd "$kernels" && ls ./*.cl | sed -e 's:^\./::' -e 's/\.cl$//' -e '/^top_k$/d' | LC_ALL=C sort)"
for vendor in $active; do
    compare_vendor "$vendor"
done
plant
check_planted
compare_planted

finish
