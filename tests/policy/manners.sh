# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The hadal authors

# What the code does not do, wherever a program embeds it.

. "$top_srcdir/tests/policy/rules.sh"

library_files() {
    c_files | grep '^src/' | grep -v '^src/cli/' || true
}

# find_words WHY REGULAR-EXPRESSION: breaches in the files named on stdin. Comments do not count.
find_words() {
    on_files awk -v why="$1" -v words="$2" '
        FNR == 1 { inside = 0 }
        {
            line = $0
            gsub(/\/\*.*\*\//, "", line)
            if (inside && sub(/^.*\*\//, "", line))
                inside = 0
            if (!inside && sub(/\/\*.*/, "", line))
                before = 1
            else
                before = 0
            if (!inside && (" " line) ~ words)
                print FILENAME ":" FNR ": " why
            if (before)
                inside = 1
        }'
}

prints_or_exits() {
    library_files | find_words 'the library neither prints nor exits' \
        '[^a-zA-Z0-9_]((_?exit|_Exit|abort|v?printf|puts|putchar|perror|assert) *\(|stdout|stderr)'
}

unsafe_calls() {
    c_files | find_words 'a call without bounds or errors' \
        '[^a-zA-Z0-9_](gets|strcpy|stpcpy|strcat|v?sprintf|strtok|atoi|atol|atof|tmpnam|alloca|system) *\('
}

# A variable outside of functions that is neither const nor of one thread.
mutable_state() {
    library_files | grep '\.c$' | on_files awk '
        /const|_Thread_local/ || /^(typedef|enum|extern)/ || /^(struct|union) [a-z_]+;/ { next }
        /^[a-z][^(]*(;|= *\{?|= [^;]*;)$/ { print FILENAME ":" FNR ": global mutable state" }'
}

kernels_in_strings() {
    c_files | grep '^src/' | find_words 'kernels are files in cl/' '"[^"]*(__kernel|kernel void|__global|get_global_id)'
}

# cl/NAME.cl belongs to one file of src/ops or src/device, mostly NAME.c, which has a header and a test of its name;
# that the self-test lists it too does not count.
mirrors() {
    files_named '*.cl' cl | while read -r kernel; do
        name=$(basename "$kernel" .cl)
        users=$(files_named '*.c' src/ops src/device | grep -v self_test | on_files grep -l "\"$name\"" || true)
        case $users in
            '') echo "$kernel: no file of src/ops or src/device names it" ;;
            *[!a-z0-9_/.]*) echo "$kernel: several files name it" ;;
            *)
                host=${users%.c}
                test=$(echo "$host" | sed 's:^src/\(.*\)/:tests/\1/test_:')
                [ -f "$host.h" ] || echo "$kernel: no $host.h"
                [ -f "$test.c" ] || echo "$kernel: no $test.c"
                ;;
        esac
    done
}

kept 'the library neither prints nor exits' prints_or_exits
kept 'no call is used that cannot be made safe' unsafe_calls
kept 'the library has no global state that changes' mutable_state
kept 'no kernel is written in a string' kernels_in_strings
kept 'every kernel file has its host side and its test' mirrors

seen 'printing is seen' prints_or_exits src/ops/a.c 'src/ops/a.c:5: the library neither prints nor exits' <<'EOT'
/* printf( in a comment
 * stderr
 */
    snprintf(text, size, "exit");
    fprintf(stderr, "exit");
EOT
seen 'exiting is seen' prints_or_exits src/base/a.c 'src/base/a.c:1: the library neither prints nor exits' <<'EOT'
    exit(1);
EOT
seen 'an unsafe call is seen' unsafe_calls src/cli/a.c 'src/cli/a.c:2: a call without bounds or errors' <<'EOT'
    snprintf(a, sizeof a, "strcpy");
    strcpy(a, b);
EOT
seen 'a mutable table is seen' mutable_state src/ops/a.c 'src/ops/a.c:4: global mutable state
src/ops/a.c:5: global mutable state' <<'EOT'
static _Thread_local char message[80];
static const char *const names[] = {
static void function(void);
static struct table table = {
static int count;
struct table;
typedef struct table table;
EOT
seen 'a kernel in a string is seen' kernels_in_strings src/device/a.c \
    'src/device/a.c:1: kernels are files in cl/' <<'EOT'
    const char *source = "__kernel void f(void) {}";
EOT
seen 'a kernel without host side is seen' mirrors cl/a.cl \
    'cl/a.cl: no file of src/ops or src/device names it' </dev/null
mkdir -p "$work/tree/src/ops"
echo '    device_kernel("a");' >"$work/tree/src/ops/b.c"
check_equal 'a kernel without a test is seen' "$(cd "$work/tree" && mirrors)" 'cl/a.cl: no src/ops/b.h
cl/a.cl: no tests/ops/test_b.c'
cp "$work/tree/src/ops/b.c" "$work/tree/src/ops/c.c"
check_equal 'a kernel of two host sides is seen' "$(cd "$work/tree" && mirrors)" \
    'cl/a.cl: several files name it'

finish
