/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The self-test passes here, and says so when a kernel is wrong: it is run on copies of cl/ with a planted mistake. */

#include "ops/index_scores.h"
#include "ops/self_test.h"
#include "tests/ops/device.h"

#include <dirent.h>
#include <unistd.h>

enum { MOST_RESULTS = 128, PATH_BYTES = 4096 };

typedef struct results {
    struct {
        char name[64], detail[256];
        bool passed;
        double error;
    } rows[MOST_RESULTS];
    size_t count;
} results;

static void note(void *user, const char *name, bool passed, double error, const char *detail)
{
    results *noted = user;
    assert_true(noted->count < MOST_RESULTS);
    snprintf(noted->rows[noted->count].name, sizeof noted->rows->name, "%s", name);
    snprintf(noted->rows[noted->count].detail, sizeof noted->rows->detail, "%s", detail);
    noted->rows[noted->count].error = error;
    noted->rows[noted->count++].passed = passed;
}

/* The content of directory/name; freed with free(). */
static char *read_source(const char *directory, const char *name)
{
    char path[PATH_BYTES], *text = calloc(1, 1 << 20);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* Copies a kernel source; in `family` the first `right` becomes `wrong`. */
static void copy_source(const char *from, const char *to, const char *name, const char *family, const char *right,
                        const char *wrong)
{
    char path[PATH_BYTES], *text = read_source(from, name), *at = text;
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", to, name) < sizeof path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    if (strcmp(name, family) == 0) {
        at = strstr(text, right);
        assert_non_null(at);
        assert_int_equal(fwrite(text, 1, (size_t)(at - text), file), at - text);
        assert_true(fputs(wrong, file) >= 0);
        at += strlen(right);
    }
    assert_true(fputs(at, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(text);
}

/* Calls visit for every file in the directory. */
static void for_files(const char *directory, void (*visit)(void *user, const char *name), void *user)
{
    DIR *opened = opendir(directory);
    assert_non_null(opened);
    for (const struct dirent *entry; (entry = readdir(opened));)
        if (entry->d_name[0] != '.')
            visit(user, entry->d_name);
    closedir(opened);
}

typedef struct mistake {
    const char *from, *to, *family, *right, *wrong;
} mistake;

static void copy_one(void *user, const char *name)
{
    const mistake *planted = user;
    if (strstr(name, ".cl"))
        copy_source(planted->from, planted->to, name, planted->family, planted->right, planted->wrong);
}

static void remove_one(void *user, const char *name)
{
    char path[PATH_BYTES];
    assert_true((size_t)snprintf(path, sizeof path, "%s/%s", (const char *)user, name) < sizeof path);
    assert_int_equal(unlink(path), 0);
}

static const char *kernel_directory(void)
{
    const char *directory = getenv("HADAL_CL_DIR");
    assert_non_null(directory);
    return directory;
}

/* A device of the test device's shape with kernels of which `family` has a mistake, in a directory of their own. */
static hadal_device *open_with_mistake(char directory[PATH_BYTES], const char *family, const char *right,
                                       const char *wrong)
{
    snprintf(directory, PATH_BYTES, "%s/wrong-kernels-XXXXXX", getenv("XDG_CACHE_HOME"));
    assert_non_null(mkdtemp(directory));
    mistake planted = {kernel_directory(), directory, family, right, wrong};
    for_files(planted.from, copy_one, &planted);
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .kernel_directory = directory};
    hadal_device *device;
    CHECK_OK(device_open_shaped(&device, &options, device_shape_of(test_device())));
    return device;
}

static void close_with_mistake(hadal_device *device, char *directory)
{
    hadal_device_close(device);
    for_files(directory, remove_one, directory);
    assert_int_equal(rmdir(directory), 0);
}

/* The self-test's results with that mistake. */
static results run_with_mistake(const char *family, const char *right, const char *wrong)
{
    char directory[PATH_BYTES];
    hadal_device *device = open_with_mistake(directory, family, right, wrong);
    results found = {0};
    size_t failed, counted = 0;
    CHECK_OK(hadal_device_self_test(device, &failed, note, &found));
    for (size_t i = 0; i < found.count; i++)
        counted += !found.rows[i].passed;
    assert_int_equal(failed, counted);
    close_with_mistake(device, directory);
    return found;
}

/* Those and only those trials whose name begins with `name` fail, at least one does. */
static void check_failures(const results *found, const char *name)
{
    size_t failures = 0;
    for (size_t i = 0; i < found->count; i++) {
        bool concerned = strncmp(found->rows[i].name, name, strlen(name)) == 0;
        if (found->rows[i].passed == concerned)
            fail_msg("%s: %s", found->rows[i].name, found->rows[i].detail);
        assert_true(found->rows[i].passed == (found->rows[i].error <= 1));
        failures += concerned;
    }
    assert_true(failures > 0);
}

static void every_trial_passes_on_this_device(void **state)
{
    (void)state;
    results found = {0};
    size_t failed;
    uint64_t before = hadal_device_allocated(test_device());
    CHECK_OK(hadal_device_self_test(test_device(), &failed, note, &found));
    for (size_t i = 0; i < found.count; i++) {
        if (!found.rows[i].passed)
            fail_msg("%s: %s", found.rows[i].name, found.rows[i].detail);
        assert_true(found.rows[i].error >= 0 && found.rows[i].error <= 1 && found.rows[i].detail[0]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(found.rows[i].name, found.rows[j].name);
    }
    assert_int_equal(failed, 0);
    assert_true(found.count > 20);
    assert_int_equal(hadal_device_allocated(test_device()), before);
    CHECK_OK(hadal_device_self_test(test_device(), &failed, NULL, NULL));
    assert_int_equal(failed, 0);
}

typedef struct profile {
    hadal_profile_row *rows;
    size_t count, kernels;
} profile;

static void check_kernels_ran(void *user, const char *name)
{
    static const char start[] = "\n__kernel ", type[] = "void";
    profile *ran = user;
    if (!strstr(name, ".cl") || strstr(name, ".clh"))
        return;
    /* hadal bench's compute no model; the last one's is never launched */
    if (strcmp(name, "bench.cl") == 0 || strcmp(name, "fill.cl") == 0 || strcmp(name, "matrix_unit.cl") == 0)
        return;
    char *text = read_source(kernel_directory(), name);
    for (const char *at = text; (at = strstr(at, start)); ran->kernels++) {
        at = strstr(at, type); /* attributes stand before */
        assert_non_null(at);
        at += sizeof type - 1;
        at += strspn(at, " \n");
        size_t length = strcspn(at, "("), i = 0;
        if (strncmp(at, "attend_tiles", length) == 0) /* needs more than one instruction: see test_attend_tiles */
            continue;
        if (strncmp(at, "linear_sum", length) == 0) /* where groups have 256 work-items: see test_linear */
            continue;
        while (i < ran->count && (strncmp(ran->rows[i].kernel, at, length) != 0 || ran->rows[i].kernel[length]))
            i++;
        if (i == ran->count)
            fail_msg("kernel %.*s of %s has no self-test", (int)length, at, name);
    }
    free(text);
}

/* Adds the kernels that the device has run. */
static void add_profile(profile *ran, hadal_device *device)
{
    hadal_profile_row *rows;
    size_t count;
    CHECK_OK(hadal_device_profile(device, &rows, &count));
    ran->rows = realloc(ran->rows, (ran->count + count) * sizeof *rows);
    assert_non_null(ran->rows);
    memcpy(ran->rows + ran->count, rows, count * sizeof *rows);
    ran->count += count;
    free(rows);
}

static void every_kernel_in_cl_has_a_self_test(void **state)
{
    (void)state;
    profile ran = {0};
    size_t failed;
    hadal_device *own = test_device_now;
    if (!device_shape_of(own)->cpu)
        skip(); /* a CPU shows both: the kernels of its own shape, and those of a GPU's with matrix units */
    CHECK_OK(hadal_device_self_test(own, &failed, NULL, NULL));
    add_profile(&ran, own);
    test_open_matrix_device();
    CHECK_OK(hadal_device_self_test(test_device(), &failed, NULL, NULL));
    assert_int_equal(failed, 0);
    add_profile(&ran, test_device());
    hadal_device *wgmma = test_device(); /* names of kernels are the device's */
    test_open_matrix_unit(DEVICE_MATRIX_MMA);
    self_test_matrix_trials(test_device(), &failed, NULL, NULL);
    assert_int_equal(failed, 0);
    add_profile(&ran, test_device());
    for_files(kernel_directory(), check_kernels_ran, &ran);
    hadal_device_close(wgmma);
    hadal_device_close(test_device());
    test_device_now = own;
    assert_true(ran.kernels > 10);
    free(ran.rows);
}

static void a_slightly_wrong_kernel_is_reported(void **state)
{
    (void)state;
    results found = run_with_mistake("swiglu.cl", "1.0f + exp(-x)", "1.0001f + exp(-x)");
    check_failures(&found, "swiglu");
}

static void a_kernel_that_forgets_to_write_is_reported(void **state)
{
    (void)state;
    results found = run_with_mistake("swiglu.cl", "* block, padded);", "* block, padded) - 16;");
    check_failures(&found, "swiglu");
}

static void a_wrong_choice_among_equals_is_reported(void **state)
{
    (void)state;
    results found = run_with_mistake("route.clh", "i < own", "i > own");
    check_failures(&found, "route_choose");
}

static void a_wrong_dtype_is_reported_for_that_dtype(void **state)
{
    (void)state;
    results found = run_with_mistake("embed.cl", "x *= scales[i / slab.block_columns];", "");
    check_failures(&found, "embed_rows fp8");
}

static void a_kernel_that_does_not_compile_is_reported_and_the_rest_goes_on(void **state)
{
    (void)state;
    results found = run_with_mistake("dispatch.cl", "int offset = 0;", "int offset = oops;");
    check_failures(&found, "dispatch_slots");
    for (size_t i = 0; i < found.count; i++)
        if (!found.rows[i].passed)
            assert_true(strstr(found.rows[i].detail, "dispatch.cl") && !strchr(found.rows[i].detail, '\n'));
}

/* The matrix unit's self-test with that mistake: whether it is then used for products and for index scores. */
static void check_uses(const char *family, const char *right, const char *wrong, bool products, bool index_scores)
{
    char directory[PATH_BYTES], file[64];
    hadal_device *device = open_with_mistake(directory, family, right, wrong);
    const hadal_device_info *info = hadal_device_describe(device);
    const device_matrix unit = device_shape_of(device)->matrix;
    self_test_matrix_unit(device, NULL);
    assert_int_equal(device_matrix_for(device, MATRIX_PRODUCTS), products ? unit : DEVICE_MATRIX_NONE);
    assert_int_equal(device_matrix_for(device, MATRIX_ATTENTION), products ? unit : DEVICE_MATRIX_NONE);
    assert_int_equal(device_matrix_for(device, MATRIX_INDEX_SCORES), index_scores ? unit : DEVICE_MATRIX_NONE);
    assert_int_equal(info->precision, products ? HADAL_PRECISION_FAST : HADAL_PRECISION_EXACT);
    snprintf(file, sizeof file, "%.*s", (int)strcspn(family, "."), family);
    assert_memory_equal(info->matrix_unit_failure, file, strlen(file));
    index_scores_op op;
    CHECK_OK(index_scores_create(&op, device, &(index_dims){61, 128, 0, HADAL_INDEX_INT8, false}));
    assert_true((op.few != NULL) == index_scores && (op.scores != NULL) == !index_scores);
    close_with_mistake(device, directory);
}

static void what_fails_on_the_matrix_unit_goes_on_without_it_alone(void **state)
{
    (void)state;
    check_uses("index_scores_few.cl", "score * scale : -INFINITY", "score : -INFINITY", true, false);
    check_uses("matmul.cl", "sums[i] * (restore[token] * factor)", "sums[i] * restore[token]", false, true);
}

/* Both of the CPU's shapes where there is one. */
static int on_shapes(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trial_passes_on_this_device),
        cmocka_unit_test(every_kernel_in_cl_has_a_self_test),
        cmocka_unit_test(a_slightly_wrong_kernel_is_reported),
        cmocka_unit_test(a_kernel_that_forgets_to_write_is_reported),
        cmocka_unit_test(a_wrong_choice_among_equals_is_reported),
        cmocka_unit_test(a_wrong_dtype_is_reported_for_that_dtype),
        cmocka_unit_test(a_kernel_that_does_not_compile_is_reported_and_the_rest_goes_on),
    };
    TEST_ON_SHAPES(tests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fails_on_the_matrix_unit_goes_on_without_it_alone),
    };
    int failed = on_shapes();
    const char *name = test_open_matrix_device();
    failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
    hadal_device_close(test_device());
    return failed != 0;
}
