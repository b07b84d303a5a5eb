/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Devices are found and chosen, buffers keep to their sizes, kernels are built once, cached on disk, fail loudly. */

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ops/norm.h"
#include "tests/ops/device.h"

/* A fresh directory; removed by remove_directory. */
static char *make_directory(void)
{
    static char path[256];
    const char *parent = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/hadal-test-XXXXXX", parent ? parent : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

/* Calls visit for each file of a directory. */
static size_t each_file(const char *directory, void (*visit)(const char *path))
{
    size_t count = 0;
    char path[1024];
    DIR *opened = opendir(directory);
    if (!opened)
        return 0;
    for (struct dirent *entry; (entry = readdir(opened));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        visit(path);
        count++;
    }
    closedir(opened);
    return count;
}

static void remove_file(const char *path)
{
    assert_int_equal(remove(path), 0);
}

static void keep_file(const char *path)
{
    (void)path;
}

static void remove_directory(const char *path)
{
    each_file(path, remove_file);
    assert_int_equal(rmdir(path), 0);
}

static void flip_a_byte(const char *path)
{
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, 200, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 200, SEEK_SET);
    fputc(byte ^ 0x55, file);
    fclose(file);
}

static void cut_short(const char *path)
{
    assert_int_equal(truncate(path, 100), 0);
}

/* A device with its own cache runs RMSNorm on a row of ones. */
static void run_with_cache(const char *cache)
{
    hadal_device *device;
    norm_op op;
    buffer *ones;
    float row[16], got[16];
    for (int i = 0; i < 16; i++)
        row[i] = 1;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .cache_directory = cache};
    CHECK_OK(hadal_device_open(&device, &options));
    CHECK_OK(norm_create(&op, device));
    CHECK_OK(buffer_create(&ones, device, MEMORY_OTHER, sizeof row));
    CHECK_OK(buffer_write(ones, 0, row, sizeof row));
    CHECK_OK(norm_rms(&op, ones, ones, ones, 1, 16, 0));
    CHECK_OK(buffer_read(ones, 0, got, sizeof got));
    for (int i = 0; i < 16; i++)
        assert_true(fabsf(got[i] - 1) < 1e-6f);
    buffer_free(ones);
    hadal_device_close(device);
}

static void programs_are_cached_and_damaged_entries_rebuilt(void **state)
{
    (void)state;
    char *directory = make_directory(), cache[512];
    snprintf(cache, sizeof cache, "%s/below", directory);
    run_with_cache(cache);
    assert_int_equal(each_file(cache, keep_file), 1);
    run_with_cache(cache);
    assert_int_equal(each_file(cache, keep_file), 1);
    each_file(cache, flip_a_byte);
    run_with_cache(cache);
    each_file(cache, cut_short);
    run_with_cache(cache);
    assert_int_equal(each_file(cache, keep_file), 1);
    each_file(cache, remove_file);
    assert_int_equal(rmdir(cache), 0);
    remove_directory(directory);
}

static void no_cache_and_an_impossible_cache_do_no_harm(void **state)
{
    (void)state;
    run_with_cache("");
    run_with_cache("/dev/null/nowhere");
}

static void devices_are_listed_and_chosen(void **state)
{
    (void)state;
    hadal_device_info *list;
    hadal_device *device;
    size_t count;
    char selector[32];
    CHECK_OK(hadal_device_list(&list, &count));
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].index, i);
        assert_true(list[i].name[0] && list[i].memory_bytes && list[i].largest_allocation_bytes &&
                    list[i].compute_units);
        if (!list[i].usable)
            continue;
        snprintf(selector, sizeof selector, "%zu", i);
        const hadal_device_options options = {.selector = selector};
        CHECK_OK(hadal_device_open(&device, &options));
        assert_int_equal(hadal_device_describe(device)->index, i);
        hadal_device_close(device);
    }
    const hadal_device_options by_name = {.selector = list[0].platform}, unknown = {.selector = "no such device"},
                               beyond = {.selector = "4711"};
    if (list[0].usable) {
        CHECK_OK(hadal_device_open(&device, &by_name));
        hadal_device_close(device);
    }
    CHECK_FAILS(HADAL_ERROR_NO_DEVICE, "no OpenCL device matches 'no such device'",
                hadal_device_open(&device, &unknown));
    assert_null(device);
    CHECK_FAILS(HADAL_ERROR_NO_DEVICE, "4711", hadal_device_open(&device, &beyond));
    hadal_device_list_free(list);
    hadal_device_list_free(NULL);
    hadal_device_close(NULL);
}

static void write_source(const char *directory, const char *name, const char *text)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void broken_kernels_are_reported_with_file_and_line(void **state)
{
    (void)state;
    char *directory = make_directory();
    hadal_device *device;
    kernel *found;
    write_source(directory, "vector.clh", "int twice(int x) { return 2 * x; }\n");
    write_source(directory, "good.cl", "#include \"vector.clh\"\n#include \"vector.clh\"\n"
                                       "__kernel void good(__global int *x) { *x = twice(*x); }\n");
    write_source(directory, "bad.cl", "#include \"vector.clh\"\n\n__kernel void bad(void) { nonsense; }\n");
    write_source(directory, "lost.cl", "#include \"missing.clh\"\n");
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .kernel_directory = directory};
    CHECK_OK(hadal_device_open(&device, &options));
    CHECK_OK(kernel_get(&found, device, "good", "good", ""));
    assert_true(kernel_max_group(found) >= 1);
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "nonsense", kernel_get(&found, device, "bad", "bad", ""));
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "bad.cl", kernel_get(&found, device, "bad", "bad", ""));
    CHECK_FAILS(HADAL_ERROR_INPUT, "missing.clh", kernel_get(&found, device, "lost", "lost", ""));
    CHECK_FAILS(HADAL_ERROR_INPUT, "absent.cl", kernel_get(&found, device, "absent", "absent", ""));
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "CL_INVALID_KERNEL_NAME", kernel_get(&found, device, "good", "better", ""));
    hadal_device_close(device);
    remove_directory(directory);
}

static void a_directory_without_kernels_is_refused(void **state)
{
    (void)state;
    char *directory = make_directory();
    hadal_device *device;
    const hadal_device_options options = {.kernel_directory = directory};
    CHECK_FAILS(HADAL_ERROR_INPUT, "vector.clh", hadal_device_open(&device, &options));
    remove_directory(directory);
}

static void buffers_keep_to_their_sizes(void **state)
{
    (void)state;
    hadal_device *device;
    buffer *made;
    unsigned char bytes[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, got[10];
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .largest_allocation_bytes = 4096};
    CHECK_OK(hadal_device_open(&device, &options));
    CHECK_OK(buffer_create(&made, device, MEMORY_LATENT_CACHE, 10));
    CHECK_OK(buffer_read(made, 0, got, 10));
    for (int i = 0; i < 10; i++)
        assert_int_equal(got[i], 0); /* buffers start zeroed */
    CHECK_OK(buffer_write(made, 3, bytes, 7));
    CHECK_OK(buffer_read(made, 0, got, 10));
    assert_memory_equal(got, "\0\0\0\1\2\3\4\5\6\7", 10);
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "were asked for", buffer_write(made, 4, bytes, 7));
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "were asked for", buffer_read(made, SIZE_MAX, got, 2));
    assert_int_equal(device_allocated(device, MEMORY_LATENT_CACHE), 10);
    assert_int_equal(hadal_device_allocated(device), 10);
    buffer_free(made);
    assert_int_equal(hadal_device_allocated(device), 0);
    CHECK_FAILS(HADAL_ERROR_DEVICE_MEMORY, "5000", buffer_create(&made, device, MEMORY_OTHER, 5000));
    assert_null(made);
    hadal_device_close(device);
}

/* More than 2^31 words, which NVIDIA's driver does not fill at once; where a device has memory of its own for it. */
static void large_buffers_start_zeroed(void **state)
{
    (void)state;
    const size_t bytes = (size_t)9 << 30;
    hadal_device *device;
    buffer *made;
    unsigned char last[4] = {1, 1, 1, 1};
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE")};
    CHECK_OK(hadal_device_open(&device, &options));
    const hadal_device_info *info = hadal_device_describe(device);
    if (info->kind != HADAL_DEVICE_GPU || info->memory_bytes < 2 * bytes || info->largest_allocation_bytes < bytes) {
        hadal_device_close(device);
        skip();
    }
    CHECK_OK(buffer_create(&made, device, MEMORY_OTHER, bytes));
    CHECK_OK(buffer_read(made, bytes - sizeof last, last, sizeof last));
    assert_memory_equal(last, "\0\0\0\0", sizeof last);
    buffer_free(made);
    hadal_device_close(device);
}

static void wrong_arguments_of_a_launch_are_reported(void **state)
{
    (void)state;
    hadal_device *device;
    norm_op op;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE")};
    const launch_shape shape = {.groups = {1}};
    CHECK_OK(hadal_device_open(&device, &options));
    CHECK_OK(norm_create(&op, device));
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "argument 0 of kernel rms_norm", LAUNCH(op.rms, shape, arg_int(1)));
    CHECK_FAILS(HADAL_ERROR_INTERNAL, "argument 0 of kernel rms_norm", LAUNCH(op.rms, shape, arg_int(1)));
    hadal_device_close(device);
}

/* dp4a needs compute capability 6.1, lanes that meet again at shfl.sync 7.0. */
static void lanes_exchange_by_ptx_from_compute_capability_7_on(void **state)
{
    (void)state;
    assert_string_equal(device_lane_path(HADAL_DEVICE_CPU, 0), "single");
    for (uint32_t capability = 0; capability < 120; capability += 5)
        assert_string_equal(device_lane_path(HADAL_DEVICE_GPU, capability), capability >= 70 ? "ptx" : "local");
}

static void launches_are_counted_by_phase(void **state)
{
    (void)state;
    hadal_device *device;
    hadal_profile_row *rows;
    size_t count;
    norm_op op;
    buffer *row;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .profile = true};
    CHECK_OK(hadal_device_open(&device, &options));
    CHECK_OK(norm_create(&op, device));
    CHECK_OK(buffer_create(&row, device, MEMORY_OTHER, 64));
    device_set_phase(device, "prefill");
    CHECK_OK(norm_rms(&op, row, row, row, 1, 16, 1));
    CHECK_OK(norm_rms(&op, row, row, row, 1, 16, 1));
    device_set_phase(device, "decode");
    CHECK_OK(norm_rms(&op, row, row, row, 1, 16, 1));
    CHECK_OK(hadal_device_profile(device, &rows, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        bool prefill = strcmp(rows[i].phase, "prefill") == 0;
        assert_string_equal(rows[i].kernel, "rms_norm");
        assert_int_equal(rows[i].launches, prefill ? 2 : 1);
        assert_int_equal(rows[i].bytes, (prefill ? 2u : 1u) * 2 * 16 * sizeof(float));
        assert_true(rows[i].seconds > 0);
    }
    free(rows);
    hadal_device_profile_reset(device);
    CHECK_OK(hadal_device_profile(device, &rows, &count));
    assert_int_equal(count, 0);
    free(rows);
    buffer_free(row);
    hadal_device_close(device);
}

static void timing_is_switched_and_launches_are_told_one_by_one(void **state)
{
    (void)state;
    hadal_device *device;
    norm_op op;
    buffer *row;
    bool before = true;
    size_t count;
    launch_record *records = calloc(LAUNCH_RECORDS, sizeof *records);
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE")};
    CHECK_OK(hadal_device_open(&device, &options));
    CHECK_OK(norm_create(&op, device));
    CHECK_OK(buffer_create(&row, device, MEMORY_OTHER, 64 * sizeof(float)));
    CHECK_OK(device_set_profile(device, true, &before));
    assert_false(before);
    CHECK_OK(norm_rms(&op, row, row, row, 1, 16, 1));
    CHECK_OK(norm_rms(&op, row, row, row, 1, 32, 1));
    CHECK_OK(device_records(device, records, &count));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(records[i].kernel, "rms_norm");
        assert_int_equal(records[i].bytes, (i + 1) * 2 * 16 * sizeof(float));
        assert_true(records[i].seconds > 0);
    }
    CHECK_OK(device_records(device, records, &count));
    assert_int_equal(count, 0);
    for (size_t i = 0; i < LAUNCH_RECORDS + 3; i++) /* what does not fit goes to the counts alone */
        CHECK_OK(norm_rms(&op, row, row, row, 1, 16, 1));
    CHECK_OK(device_records(device, records, &count));
    assert_in_range(count, 1, LAUNCH_RECORDS);
    CHECK_OK(device_set_profile(device, false, &before));
    assert_true(before);
    CHECK_OK(norm_rms(&op, row, row, row, 1, 16, 1));
    CHECK_OK(device_records(device, records, &count));
    assert_int_equal(count, 0);
    free(records);
    buffer_free(row);
    hadal_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_listed_and_chosen),
        cmocka_unit_test(programs_are_cached_and_damaged_entries_rebuilt),
        cmocka_unit_test(no_cache_and_an_impossible_cache_do_no_harm),
        cmocka_unit_test(broken_kernels_are_reported_with_file_and_line),
        cmocka_unit_test(a_directory_without_kernels_is_refused),
        cmocka_unit_test(buffers_keep_to_their_sizes),
        cmocka_unit_test(large_buffers_start_zeroed),
        cmocka_unit_test(wrong_arguments_of_a_launch_are_reported),
        cmocka_unit_test(lanes_exchange_by_ptx_from_compute_capability_7_on),
        cmocka_unit_test(launches_are_counted_by_phase),
        cmocka_unit_test(timing_is_switched_and_launches_are_told_one_by_one),
    };
    test_open_device(NULL);
    hadal_device_close(test_device());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
