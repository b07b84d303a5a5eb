/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The file of tuned sizes: found again by the same device, driver and class alone; what is no such file is not used,
 * and said. */

#include "device/tuning.h"

#include <dirent.h>
#include <unistd.h>

#include "device/opencl.h"
#include "tests/ops/device.h"

static char directory[256];

static int make_directory(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/hadal-test-XXXXXX", parent ? parent : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

/* path = that of the only file of the cache that is no program; whether there is one. */
static bool find_file(char path[512])
{
    bool found = false;
    DIR *opened = opendir(directory);
    assert_non_null(opened);
    for (struct dirent *entry; (entry = readdir(opened));) {
        if (!strstr(entry->d_name, ".tuning"))
            continue;
        assert_false(found);
        assert_string_equal(strstr(entry->d_name, ".tuning"), ".tuning"); /* no temporary file is left */
        snprintf(path, 512, "%s/%s", directory, entry->d_name);
        found = true;
    }
    closedir(opened);
    return found;
}

static int remove_directory(void **state)
{
    (void)state;
    char path[512];
    if (find_file(path))
        unlink(path);
    return rmdir(directory);
}

static hadal_device *open_shaped(const device_shape *shape)
{
    hadal_device *device;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .cache_directory = directory,
                                          .precision = HADAL_PRECISION_EXACT};
    CHECK_OK(device_open_shaped(&device, &options, shape));
    return device;
}

/* The file of a device with one size that isn't usual: 4 rows of a tile of attention. */
static void keep_one(char path[512])
{
    hadal_device *device = open_shaped(NULL);
    assert_true(device_set_tuned(device, TUNED_ATTEND_KEYS, 4));
    CHECK_OK(device_keep_tuned(device));
    hadal_device_close(device);
    assert_true(find_file(path));
}

static void write_text(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
}

static void sizes_are_found_again(void **state)
{
    (void)state;
    char path[512];
    keep_one(path);
    hadal_device *device = open_shaped(NULL);
    assert_int_equal(device_tuned(device, TUNED_ATTEND_KEYS), 4);
    assert_int_equal(hadal_device_describe(device)->tuned, 1);
    assert_string_equal(hadal_device_describe(device)->tuning_failure, "");
    assert_true(device_set_tuned(device, TUNED_ATTEND_KEYS, 0));
    CHECK_OK(device_keep_tuned(device)); /* nothing is left to keep */
    assert_false(find_file(path));
    CHECK_OK(device_keep_tuned(device));
    hadal_device_close(device);
    device = open_shaped(NULL);
    assert_int_equal(hadal_device_describe(device)->tuned, 0);
    hadal_device_close(device);
}

static void another_class_driver_or_version_has_its_own(void **state)
{
    (void)state;
    char path[512];
    uint16_t tuned[TUNED_SIZES];
    keep_one(path);
    hadal_device *device = open_shaped(NULL);
    device_shape shape = *device_shape_of(device);
    hadal_device_info info = *hadal_device_describe(device);
    tuning_read(tuned, &info, &shape, directory);
    assert_int_equal(info.tuned, 1);
    char *const texts[] = {info.driver, info.name, info.version, info.platform};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        texts[i][0] ^= 1;
        tuning_read(tuned, &info, &shape, directory);
        assert_int_equal(info.tuned, 0);
        assert_int_equal(tuned[TUNED_ATTEND_KEYS], 0);
        assert_string_equal(info.tuning_failure, "");
        texts[i][0] ^= 1;
    }
    shape.cpu = !shape.cpu;
    tuning_read(tuned, &info, &shape, directory);
    assert_int_equal(info.tuned, 0);
    tuning_read(tuned, &info, &shape, NULL);
    assert_int_equal(info.tuned, 0);
    hadal_device_close(device);
}

/* One bad line, and all is as usual. */
static void bad_lines_are_named_and_nothing_is_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length, line;
    } bad[] = {
#define TEXT(text) text, sizeof text - 1
        {TEXT("attend.keys 8\ngarbage\n"), 2},
        {TEXT("\n"), 1},
        {TEXT("# comment\nattend.keys 5\n"), 2},
        {TEXT("attend.keys\n"), 1},
        {TEXT("attend.keys \n"), 1},
        {TEXT("attend.keys  8\n"), 1},
        {TEXT("attend.keys 8 \n"), 1},
        {TEXT("attend.keys 8x\n"), 1},
        {TEXT("attend.keys +8\n"), 1},
        {TEXT("attend.keys 08\n"), 1},
        {TEXT("attend.keys -8\n"), 1},
        {TEXT("attend.keys 65544\n"), 1},
        {TEXT("attend.keys 4294967304\n"), 1},
        {TEXT("attend.keyss 8\n"), 1},
        {TEXT("attend.keys 8\0\n"), 1},
        {TEXT("attend.keys 8\nattend.keys 4"), 2},
        {TEXT("attend.groups 0\n"), 1},
        {TEXT("\xff\xfe\n"), 1},
#undef TEXT
    };
    char path[512], expected[64];
    keep_one(path);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(path, bad[i].text, bad[i].length);
        hadal_device *device = open_shaped(NULL);
        const hadal_device_info *info = hadal_device_describe(device);
        snprintf(expected, sizeof expected, "line %zu ", bad[i].line);
        if (info->tuned || !strstr(info->tuning_failure, expected) || !strstr(info->tuning_failure, path))
            fail_msg("file %zu: %u sizes, '%s'", i, info->tuned, info->tuning_failure);
        hadal_device_close(device);
    }
    char *large = calloc(1 << 17, 1);
    memset(large, '#', 1 << 17);
    write_text(path, large, 1 << 17);
    free(large);
    hadal_device *device = open_shaped(NULL);
    assert_int_equal(hadal_device_describe(device)->tuned, 0);
    assert_non_null(strstr(hadal_device_describe(device)->tuning_failure, path));
    hadal_device_close(device);
}

static void usual_values_and_comments_are_no_mistakes(void **state)
{
    (void)state;
    char path[512], text[64];
    keep_one(path);
    hadal_device *device = open_shaped(NULL);
    const uint16_t *values;
    assert_true(tuning_values(&values, device, TUNED_ATTEND_KEYS) > 0);
    uint32_t usual = tuning_entry_of(TUNED_ATTEND_KEYS)->usual[tuning_class_of(device_shape_of(device))];
    hadal_device_close(device);
    snprintf(text, sizeof text, "#\nattend.keys %u\n# end\n", usual);
    write_text(path, text, strlen(text));
    device = open_shaped(NULL);
    assert_int_equal(hadal_device_describe(device)->tuned, 0);
    assert_string_equal(hadal_device_describe(device)->tuning_failure, "");
    hadal_device_close(device);
}

static void without_a_cache_nothing_is_kept_and_said(void **state)
{
    (void)state;
    static const char *const nowhere[] = {"", "/dev/null/nowhere"};
    static const char *const said[] = {"no cache directory", "/dev/null/nowhere"};
    for (size_t i = 0; i < 2; i++) {
        hadal_device *device;
        const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .cache_directory = nowhere[i]};
        CHECK_OK(hadal_device_open(&device, &options));
        assert_true(device_set_tuned(device, TUNED_ATTEND_KEYS, 4));
        CHECK_FAILS(HADAL_ERROR_IO, said[i], device_keep_tuned(device));
        hadal_device_close(device);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
        IN_DIRECTORY(sizes_are_found_again),
        IN_DIRECTORY(another_class_driver_or_version_has_its_own),
        IN_DIRECTORY(bad_lines_are_named_and_nothing_is_taken),
        IN_DIRECTORY(usual_values_and_comments_are_no_mistakes),
        cmocka_unit_test(without_a_cache_nothing_is_kept_and_said),
    };
    test_open_device(NULL); /* or skip */
    hadal_device_close(test_device());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
