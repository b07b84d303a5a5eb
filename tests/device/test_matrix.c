/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Which matrix unit a device is taken to have. */

#include "device/matrix.h"

#include <unistd.h>

#include "tests/ops/device.h"

static void write_file(const char *directory, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    assert_int_equal(unlink(path), 0);
}

static void matrix_units_go_by_what_devices_report(void **state)
{
    (void)state;
    static const struct {
        uint32_t capability;
        device_matrix unit;
    } cases[] = {{0, DEVICE_MATRIX_NONE},  {75, DEVICE_MATRIX_NONE},  {80, DEVICE_MATRIX_MMA}, {89, DEVICE_MATRIX_MMA},
                 {90, DEVICE_MATRIX_WGMMA}, {100, DEVICE_MATRIX_MMA}, {120, DEVICE_MATRIX_MMA}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(matrix_unit_of_capability(cases[i].capability), cases[i].unit);
    assert_int_equal(matrix_unit_of_subgroups(0), DEVICE_MATRIX_NONE);
    assert_int_equal(matrix_unit_of_subgroups(8), DEVICE_MATRIX_DPAS8);
    assert_int_equal(matrix_unit_of_subgroups(16), DEVICE_MATRIX_DPAS16);
    for (device_matrix unit = DEVICE_MATRIX_NONE; unit < DEVICE_MATRIX_COUNT; unit++)
        assert_int_equal(matrix_unit_named(matrix_unit_name(unit)), unit);
}

/* A compiler that builds for gfx11 would leave the kernel of that name. */
static void matrix_units_that_no_device_reports_go_by_the_compiler(void **state)
{
    (void)state;
    char directory[] = "/tmp/hadal-test-XXXXXX";
    const hadal_device_options options = {
        .selector = getenv("HADAL_DEVICE"), .kernel_directory = directory, .cache_directory = ""};
    hadal_device *device;
    assert_non_null(mkdtemp(directory));
    write_file(directory, "vector.clh", ""); /* by which a directory of kernels is known */
    CHECK_OK(hadal_device_open(&device, &options));
    assert_int_equal(device_compiled_matrix(device), DEVICE_MATRIX_NONE); /* no such program */
    write_file(directory, "matrix_unit.cl", "__kernel void amd_wmma11(__global int *unused) { unused[0] = 0; }\n");
    assert_int_equal(device_compiled_matrix(device), DEVICE_MATRIX_WMMA11);
    hadal_device_close(device);
    remove_file(directory, "vector.clh");
    remove_file(directory, "matrix_unit.cl");
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_units_go_by_what_devices_report),
        cmocka_unit_test(matrix_units_that_no_device_reports_go_by_the_compiler),
    };
    test_open_device(NULL); /* or skips */
    hadal_device_close(test_device());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
