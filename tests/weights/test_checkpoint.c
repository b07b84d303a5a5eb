/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Directories of weight files, with and without an index. */

#include "weights/checkpoint.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/weights/writer.h"

#define INDEX "model.safetensors.index.json"

static const written_tensor first_shard[] = {{"b", "F32", 1, {2}, NULL, false}, {"d", "BF16", 2, {2, 3}, NULL, false}};
static const written_tensor second_shard[] = {{"a", "F16", 1, {1}, NULL, false}, {"c", "F8_E4M3", 1, {5}, NULL, false}};

static void write_shards(const char *directory)
{
    write_tensors(directory, "s1.safetensors", first_shard, 2);
    write_tensors(directory, "s2.safetensors", second_shard, 2);
}

/* An index of that weight map ("a":"s1.safetensors",...). */
static void write_index(const char *directory, const char *weight_map)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":1},\"weight_map\":{%s}}", weight_map);
    write_text(directory, INDEX, text);
}

#define RIGHT_MAP "\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s2.safetensors\",\"d\":\"s1.safetensors\""

static void check_refused(const char *directory, hadal_status status, const char *words)
{
    checkpoint *opened = NULL;
    CHECK_FAILS(status, words, checkpoint_open(&opened, directory));
    assert_null(opened);
    assert_non_null(strstr(hadal_error_message(), directory)); /* names the file */
    assert_null(strchr(hadal_error_message(), '\n'));
}

static void check_four_tensors(const checkpoint *opened)
{
    assert_int_equal(checkpoint_count(opened), 4);
    for (size_t i = 0; i < 4; i++) {
        const char name[] = {(char)('a' + i), '\0'};
        assert_string_equal(checkpoint_at(opened, i)->name, name);
        assert_ptr_equal(checkpoint_find(opened, name), checkpoint_at(opened, i));
    }
    assert_null(checkpoint_find(opened, "e"));
    assert_null(checkpoint_find(opened, ""));
}

static void one_file_opens_in_name_order(void **state)
{
    written_tensor all[4];
    memcpy(all, first_shard, sizeof first_shard);
    memcpy(all + 2, second_shard, sizeof second_shard);
    write_tensors(*state, "model.safetensors", all, 4);
    checkpoint *opened;
    CHECK_OK(checkpoint_open(&opened, *state));
    check_four_tensors(opened);
    struct stat about;
    assert_int_equal(stat(path_in(*state, "model.safetensors"), &about), 0);
    assert_int_equal(checkpoint_file_bytes(opened), about.st_size);
    assert_string_equal(checkpoint_path(opened), path_in(*state, "model.safetensors"));
    assert_string_equal(checkpoint_find(opened, "d")->file, path_in(*state, "model.safetensors"));
    checkpoint_close(opened);
}

static void shards_open_as_one(void **state)
{
    write_shards(*state);
    write_index(*state, RIGHT_MAP);
    checkpoint *opened;
    CHECK_OK(checkpoint_open(&opened, *state));
    check_four_tensors(opened);
    assert_string_equal(checkpoint_path(opened), path_in(*state, INDEX));
    const tensor_view *view = checkpoint_find(opened, "d");
    assert_string_equal(view->file, path_in(*state, "s1.safetensors"));
    assert_int_equal(view->type, DTYPE_BF16);
    assert_int_equal(view->bytes, 12);
    for (int i = 0; i < 12; i++)
        assert_int_equal(((const unsigned char *)view->data)[i], 1 + i);
    struct stat first, second;
    assert_int_equal(stat(path_in(*state, "s1.safetensors"), &first), 0);
    assert_int_equal(stat(path_in(*state, "s2.safetensors"), &second), 0);
    assert_int_equal(checkpoint_file_bytes(opened), first.st_size + second.st_size);
    checkpoint_close(opened);
}

static void links_to_shards_are_followed(void **state)
{
    write_tensors(*state, "blob1", first_shard, 2);
    write_tensors(*state, "blob2", second_shard, 2);
    assert_int_equal(symlink("blob1", path_in(*state, "s1.safetensors")), 0);
    assert_int_equal(symlink("blob2", path_in(*state, "s2.safetensors")), 0);
    write_index(*state, RIGHT_MAP);
    checkpoint *opened;
    CHECK_OK(checkpoint_open(&opened, *state));
    check_four_tensors(opened);
    checkpoint_close(opened);
}

static void a_slash_behind_the_directory_changes_nothing(void **state)
{
    write_tensors(*state, "model.safetensors", first_shard, 2);
    checkpoint *opened;
    CHECK_OK(checkpoint_open(&opened, path_in(*state, "")));
    assert_string_equal(checkpoint_path(opened), path_in(*state, "model.safetensors"));
    checkpoint_close(opened);
}

static void one_file_is_preferred_to_an_index(void **state)
{
    write_tensors(*state, "model.safetensors", first_shard, 2);
    write_index(*state, "\"a\":\"gone.safetensors\"");
    checkpoint *opened;
    CHECK_OK(checkpoint_open(&opened, *state));
    assert_int_equal(checkpoint_count(opened), 2);
    checkpoint_close(opened);
}

static void an_empty_checkpoint_opens(void **state)
{
    write_index(*state, "");
    checkpoint *opened;
    CHECK_OK(checkpoint_open(&opened, *state));
    assert_int_equal(checkpoint_count(opened), 0);
    assert_null(checkpoint_find(opened, "a"));
    checkpoint_close(opened);
    checkpoint_close(NULL);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    check_refused(path_in(*state, "nothing"), HADAL_ERROR_INPUT,
                  "nothing: cannot be opened: No such file or directory");
}

static void a_directory_without_weights_is_named(void **state)
{
    check_refused(*state, HADAL_ERROR_INPUT, "holds neither model.safetensors nor model.safetensors.index.json");
}

static void a_file_in_place_of_the_directory_is_named(void **state)
{
    write_tensors(*state, "model.safetensors", first_shard, 2);
    check_refused(path_in(*state, "model.safetensors"), HADAL_ERROR_INPUT, "is not a directory");
}

static void a_directory_in_place_of_the_file_is_named(void **state)
{
    assert_int_equal(mkdir(path_in(*state, "model.safetensors"), 0777), 0);
    check_refused(*state, HADAL_ERROR_INPUT, "model.safetensors: is a directory, expected a file");
}

static void a_directory_in_place_of_the_index_is_named(void **state)
{
    assert_int_equal(mkdir(path_in(*state, INDEX), 0777), 0);
    check_refused(*state, HADAL_ERROR_INPUT, INDEX ": is a directory, expected a file");
}

static void a_pipe_in_place_of_the_file_is_named_and_not_waited_for(void **state)
{
    assert_int_equal(mkfifo(path_in(*state, "model.safetensors"), 0666), 0);
    check_refused(*state, HADAL_ERROR_INPUT, "model.safetensors: is a pipe or device, expected a file");
}

static void a_link_to_nothing_is_named(void **state)
{
    assert_int_equal(symlink("nowhere", path_in(*state, "model.safetensors")), 0);
    check_refused(*state, HADAL_ERROR_INPUT, "model.safetensors: cannot be opened");
}

static void a_link_to_itself_is_named(void **state)
{
    assert_int_equal(symlink("model.safetensors", path_in(*state, "model.safetensors")), 0);
    check_refused(*state, HADAL_ERROR_INPUT, "model.safetensors: cannot be opened");
}

static void an_unreadable_file_is_named(void **state)
{
    if (geteuid() == 0)
        skip(); /* root reads everything */
    write_tensors(*state, "model.safetensors", first_shard, 2);
    assert_int_equal(chmod(path_in(*state, "model.safetensors"), 0), 0);
    check_refused(*state, HADAL_ERROR_INPUT, "model.safetensors: cannot be opened");
}

static void an_empty_file_is_named(void **state)
{
    write_text(*state, "model.safetensors", "");
    check_refused(*state, HADAL_ERROR_DATA, "model.safetensors: holds 0 bytes, expected a safetensors file");
}

static void a_truncated_file_is_named(void **state)
{
    write_tensors(*state, "model.safetensors", first_shard, 2);
    struct stat about;
    assert_int_equal(stat(path_in(*state, "model.safetensors"), &about), 0);
    assert_int_equal(truncate(path_in(*state, "model.safetensors"), about.st_size - 1), 0);
    check_refused(*state, HADAL_ERROR_DATA,
                  "model.safetensors: tensor d: ends at byte 20 of the data, but the file holds only 19");
}

static void a_bad_index_is_named(void **state)
{
    write_text(*state, INDEX, "{\"weight_map\":{");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": bad JSON at byte 15");
    write_text(*state, INDEX, "");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": bad JSON at byte 0");
    write_text(*state, INDEX, "[]");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": holds a JSON array, expected an object");
    write_text(*state, INDEX, "{\"metadata\":{}}");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": weight_map is missing, expected an object");
    write_text(*state, INDEX, "{\"weight_map\":[\"a\"]}");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": weight_map is [\"a\"], expected an object");
    write_index(*state, "\"a\":\"s1.safetensors\",\"a\":\"s2.safetensors\"");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": bad JSON at byte");
}

static void an_index_never_leaves_its_directory(void **state)
{
    static const char *const names[] = {"\"../s1.safetensors\"",
                                        "\"/etc/passwd\"",
                                        "\"sub/s1.safetensors\"",
                                        "\"..\"",
                                        "\".\"",
                                        "\"\"",
                                        "\"s1\\u001B[2J\"",
                                        "7",
                                        "null",
                                        "[]"};
    write_shards(*state);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char map[64], words[256];
        snprintf(map, sizeof map, "\"a\":%s", names[i]);
        snprintf(words, sizeof words, INDEX ": weight_map names the file %.50s, expected one in the same directory",
                 names[i]);
        write_index(*state, map);
        check_refused(*state, HADAL_ERROR_DATA, words);
    }
}

static void a_missing_shard_is_named(void **state)
{
    write_tensors(*state, "s1.safetensors", first_shard, 2);
    write_index(*state, RIGHT_MAP);
    check_refused(*state, HADAL_ERROR_INPUT, "s2.safetensors: is missing; ");
}

static void a_tensor_that_no_shard_holds_is_named(void **state)
{
    write_shards(*state);
    write_index(*state, RIGHT_MAP ",\"e\":\"s1.safetensors\"");
    check_refused(*state, HADAL_ERROR_DATA, INDEX ": places tensor \"e\" in s1.safetensors, but it is not there");
}

static void a_tensor_that_the_index_leaves_out_is_named(void **state)
{
    write_shards(*state);
    write_index(*state, "\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s2.safetensors\"");
    check_refused(*state, HADAL_ERROR_DATA, "s1.safetensors: tensor d: is not listed in ");
}

static void a_tensor_in_another_shard_than_the_index_says_is_named(void **state)
{
    write_shards(*state);
    write_index(*state,
                "\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s1.safetensors\",\"d\":\"s1.safetensors\"");
    check_refused(*state, HADAL_ERROR_DATA, "s2.safetensors: tensor c: stands here, but ");
}

static void a_tensor_in_two_shards_is_named(void **state)
{
    write_tensors(*state, "s1.safetensors", first_shard, 2);
    const written_tensor twice[] = {second_shard[0], second_shard[1], first_shard[0]};
    write_tensors(*state, "s2.safetensors", twice, 3);
    write_index(*state, RIGHT_MAP);
    check_refused(*state, HADAL_ERROR_DATA, "s2.safetensors: tensor b: stands here, but ");
}

static void a_bad_shard_is_named(void **state)
{
    write_shards(*state);
    write_text(*state, "s2.safetensors", "short");
    write_index(*state, RIGHT_MAP);
    check_refused(*state, HADAL_ERROR_DATA, "s2.safetensors: holds 5 bytes, expected a safetensors file");
}

/* Every byte of an index replaced, and the index cut at every length. */
static void no_mutation_of_an_index_crashes(void **state)
{
    static const char right[] = "{\"metadata\":{\"total_size\":1},\"weight_map\":{" RIGHT_MAP "}}";
    char content[sizeof right];
    write_shards(*state);
    memcpy(content, right, sizeof right);
    static const char replacements[] = {'\0', '\xff', '"', '{', '}', ',', '/', '0', 's'};
    for (size_t at = 0; at < sizeof right - 1; at++) {
        checkpoint *opened;
        for (size_t i = 0; i < sizeof replacements; i++) {
            content[at] = replacements[i];
            write_file(*state, INDEX, content, sizeof right - 1);
            if (checkpoint_open(&opened, *state) == HADAL_OK)
                check_four_tensors(opened); /* what was changed is not read */
            else
                assert_null(opened);
            checkpoint_close(opened);
            content[at] = right[at];
        }
        write_file(*state, INDEX, right, at);
        CHECK_FAILS(HADAL_ERROR_DATA, "bad JSON", checkpoint_open(&opened, *state));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(one_file_opens_in_name_order),
        IN_DIRECTORY(shards_open_as_one),
        IN_DIRECTORY(links_to_shards_are_followed),
        IN_DIRECTORY(a_slash_behind_the_directory_changes_nothing),
        IN_DIRECTORY(one_file_is_preferred_to_an_index),
        IN_DIRECTORY(an_empty_checkpoint_opens),
        IN_DIRECTORY(a_directory_that_is_not_there_is_named),
        IN_DIRECTORY(a_directory_without_weights_is_named),
        IN_DIRECTORY(a_file_in_place_of_the_directory_is_named),
        IN_DIRECTORY(a_directory_in_place_of_the_file_is_named),
        IN_DIRECTORY(a_directory_in_place_of_the_index_is_named),
        IN_DIRECTORY(a_pipe_in_place_of_the_file_is_named_and_not_waited_for),
        IN_DIRECTORY(a_link_to_nothing_is_named),
        IN_DIRECTORY(a_link_to_itself_is_named),
        IN_DIRECTORY(an_unreadable_file_is_named),
        IN_DIRECTORY(an_empty_file_is_named),
        IN_DIRECTORY(a_truncated_file_is_named),
        IN_DIRECTORY(a_bad_index_is_named),
        IN_DIRECTORY(an_index_never_leaves_its_directory),
        IN_DIRECTORY(a_missing_shard_is_named),
        IN_DIRECTORY(a_tensor_that_no_shard_holds_is_named),
        IN_DIRECTORY(a_tensor_that_the_index_leaves_out_is_named),
        IN_DIRECTORY(a_tensor_in_another_shard_than_the_index_says_is_named),
        IN_DIRECTORY(a_tensor_in_two_shards_is_named),
        IN_DIRECTORY(a_bad_shard_is_named),
        IN_DIRECTORY(no_mutation_of_an_index_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
