/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/file.h"

#include <string.h>
#include <sys/stat.h>

#include "tests/check.h"
#include "tests/weights/writer.h"

static void a_whole_file_is_read_and_terminated(void **state)
{
    write_file(*state, "f", "a\0b", 3);
    byte_array content;
    CHECK_OK(file_read(&content, path_in(*state, "f"), 3));
    assert_int_equal(content.length, 3);
    assert_memory_equal(content.data, "a\0b", 4);
    bytes_free(&content);
    write_text(*state, "f", "");
    CHECK_OK(file_read(&content, path_in(*state, "f"), 0));
    assert_int_equal(content.length, 0);
    assert_string_equal(content.data, "");
    bytes_free(&content);
}

static void a_file_above_the_limit_is_refused(void **state)
{
    write_text(*state, "f", "abcd");
    byte_array content;
    CHECK_FAILS(HADAL_ERROR_DATA, "f: holds more than 3 bytes", file_read(&content, path_in(*state, "f"), 3));
    assert_true(!content.data && !content.length);
}

static void a_whole_file_is_mapped(void **state)
{
    write_text(*state, "f", "abc");
    mapped_file file;
    CHECK_OK(file_map(&file, path_in(*state, "f")));
    assert_int_equal(file.size, 3);
    assert_memory_equal(file.data, "abc", 3);
    file_unmap(&file);
    assert_true(!file.data && !file.size);
    write_text(*state, "f", "");
    CHECK_OK(file_map(&file, path_in(*state, "f")));
    assert_true(!file.data && !file.size);
    file_unmap(&file);
}

static void what_is_no_file_is_named(void **state)
{
    byte_array content;
    mapped_file file;
    CHECK_FAILS(HADAL_ERROR_INPUT, "gone: cannot be opened: No such file",
                file_read(&content, path_in(*state, "gone"), 9));
    CHECK_FAILS(HADAL_ERROR_INPUT, "gone: cannot be opened: No such file", file_map(&file, path_in(*state, "gone")));
    CHECK_FAILS(HADAL_ERROR_INPUT, "is a directory, expected a file", file_read(&content, *state, 9));
    CHECK_FAILS(HADAL_ERROR_INPUT, "is a directory, expected a file", file_map(&file, *state));
    assert_int_equal(mkfifo(path_in(*state, "pipe"), 0666), 0);
    CHECK_FAILS(HADAL_ERROR_INPUT, "pipe: is a pipe or device", file_map(&file, path_in(*state, "pipe")));
    CHECK_FAILS(HADAL_ERROR_INPUT, "pipe: is not a directory", file_check_directory(path_in(*state, "pipe")));
    CHECK_OK(file_check_directory(*state));
    assert_true(file_exists(*state) && !file_exists(path_in(*state, "gone")));
}

static void paths_are_joined_by_one_slash(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a", "a/f"}, {"a/", "a/f"}, {"/", "/f"}, {".", "./f"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path;
        CHECK_OK(file_join(&path, cases[i][0], "f"));
        assert_string_equal(path, cases[i][1]);
        free(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_whole_file_is_read_and_terminated),
        IN_DIRECTORY(a_file_above_the_limit_is_refused),
        IN_DIRECTORY(a_whole_file_is_mapped),
        IN_DIRECTORY(what_is_no_file_is_named),
        cmocka_unit_test(paths_are_joined_by_one_slash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
