/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "device/ptx.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

static char *corrected(const char *ptx)
{
    char *text;
    ptx_correct(&text, ptx, strlen(ptx));
    return text;
}

static void check_corrected(const char *ptx, const char *expected)
{
    char *text = corrected(ptx);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void instructions_behind_marks_are_uncovered(void **state)
{
    (void)state;
    check_corrected(".version 9.0\n.target sm_90, texmode_independent\n\t" PTX_MARK "wgmma.fence.sync.aligned;\n",
                    ".version 9.0\n.target sm_90a, texmode_independent\n\t         wgmma.fence.sync.aligned;\n");
}

static void other_targets_are_left_alone(void **state)
{
    (void)state;
    assert_null(corrected(".target sm_89\n"));
    assert_null(corrected(".target sm_90a\n"));
    assert_null(corrected(""));
}

static void kernels_whose_warpgroups_take_registers_have_a_multiprocessor_each(void **state)
{
    (void)state;
    check_corrected(".target sm_90\n.entry a()\n.reqntid 384, 1, 1\n{\n" PTX_MARK
                    "setmaxnreg.inc.sync.aligned.u32 184;\n}\n"
                    ".entry b()\n\t.reqntid 64, 1, 1\n{\n}\n",
                    ".target sm_90a\n.entry a()\n.reqntid 384, 1, 1\n.minnctapersm 1\n{\n"
                    "         setmaxnreg.inc.sync.aligned.u32 184;\n}\n"
                    ".entry b()\n\t.reqntid 64, 1, 1\n.minnctapersm 1\n{\n}\n");
    check_corrected(".target sm_90\n.reqntid 384, 1, 1\n", ".target sm_90a\n.reqntid 384, 1, 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instructions_behind_marks_are_uncovered),
        cmocka_unit_test(other_targets_are_left_alone),
        cmocka_unit_test(kernels_whose_warpgroups_take_registers_have_a_multiprocessor_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
