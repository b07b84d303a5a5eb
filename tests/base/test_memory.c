/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/memory.h"

#include <string.h>

#include "tests/check.h"

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    void *block;
    CHECK_FAILS(HADAL_ERROR_HOST_MEMORY, "out of memory", memory_allocate(&block, SIZE_MAX / 2, 4));
    assert_null(block);
    int *values = NULL;
    size_t capacity = 0;
    CHECK_FAILS(HADAL_ERROR_HOST_MEMORY, "out of memory",
                memory_grow(&values, &capacity, SIZE_MAX / 2, sizeof *values));
    assert_null(values);
}

static void bytes_grow_and_stay_terminated(void **state)
{
    (void)state;
    byte_array text = {0};
    for (int i = 0; i < 1000; i++)
        CHECK_OK(bytes_format(&text, "%d,", i));
    CHECK_OK(bytes_append(&text, "\0x", 2));
    assert_int_equal(text.length, 10 * 2 + 90 * 3 + 900 * 4 + 2);
    assert_int_equal(text.data[text.length], 0);
    assert_memory_equal(text.data + text.length - 6, "999,\0x", 6);
    bytes_free(&text);
}

static void context_stands_before_a_message(void **state)
{
    (void)state;
    assert_int_equal(failure(HADAL_ERROR_DATA, "bad %s", "header"), HADAL_ERROR_DATA);
    assert_int_equal(failure_within(HADAL_ERROR_DATA, "file %d", 3), HADAL_ERROR_DATA);
    assert_string_equal(hadal_error_message(), "file 3: bad header");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(bytes_grow_and_stay_terminated),
        cmocka_unit_test(context_stands_before_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
