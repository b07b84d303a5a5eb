/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/embed.h"

#include "tests/ops/device.h"

enum { BLOCK = 32 };

/* Random stored elements that are finite in every dtype: exponents are kept away from the top. */
static unsigned char *random_values(uint64_t *random, size_t count, dtype type)
{
    size_t bytes = dtype_bytes(type);
    unsigned char *values = malloc(count * bytes);
    assert_non_null(values);
    for (size_t i = 0; i < count * bytes; i++)
        values[i] = (unsigned char)(test_random(random) & (i % bytes == bytes - 1 ? 0xbb : 0xff));
    return values;
}

/* The same of one token, and what other kernels read of it. */
static void check_one(hadal_device *device, const embed_op *op, const matrix *embedding, int32_t id,
                      const float *expected, size_t padded)
{
    const embed_token token = {id, 5, 1, 205};
    const int32_t wanted[] = {token.position, token.sequence, token.row};
    buffer *out, *inputs[3];
    CHECK_OK(buffer_create(&out, device, MEMORY_OTHER, padded * sizeof(float)));
    for (int i = 0; i < 3; i++)
        CHECK_OK(buffer_create(&inputs[i], device, MEMORY_OTHER, sizeof(int32_t)));
    CHECK_OK(embed_one(op, out, embedding, &token, inputs[0], inputs[1], inputs[2]));
    float *got = test_read(out);
    assert_memory_equal(got, expected, padded * sizeof *got);
    for (int i = 0; i < 3; i++) {
        int32_t value;
        CHECK_OK(buffer_read(inputs[i], 0, &value, sizeof value));
        assert_int_equal(value, wanted[i]);
        buffer_free(inputs[i]);
    }
    free(got);
    buffer_free(out);
}

static void check_rows(hadal_device *device, dtype type, size_t rows, size_t columns, size_t least_slabs)
{
    uint64_t random = rows + columns;
    size_t padded = round_up(columns, ROW_UNIT), scale_columns = divide_up(columns, BLOCK);
    unsigned char *values = random_values(&random, rows * columns, type);
    size_t scale_count = divide_up(rows, BLOCK) * scale_columns;
    float *scales = calloc(scale_count, sizeof *scales), *expected = calloc(columns, sizeof *expected);
    for (size_t i = 0; i < scale_count; i++)
        scales[i] = 1.0f + test_random_float(&random) / 2;
    const matrix_source source = {type, values, type == DTYPE_F8_E4M3 ? scales : NULL, rows, columns, BLOCK, BLOCK,
                                  0, 0};
    int32_t tokens[5] = {(int32_t)rows - 1, 0, (int32_t)rows / 2, 0, (int32_t)(rows / 3)};
    matrix embedding;
    embed_op op;
    buffer *out, *token_buffer;
    CHECK_OK(matrix_create(&embedding, device, MEMORY_EMBEDDING, &source));
    assert_true(embedding.slab_count >= least_slabs);
    CHECK_OK(embed_create(&op, device, embedding.type));
    CHECK_OK(buffer_create(&token_buffer, device, MEMORY_OTHER, sizeof tokens));
    CHECK_OK(buffer_write(token_buffer, 0, tokens, sizeof tokens));
    CHECK_OK(buffer_create(&out, device, MEMORY_OTHER, 5 * padded * sizeof(float)));
    CHECK_OK(embed_rows(&op, out, &embedding, token_buffer, 5));
    float *got = test_read(out);
    for (size_t t = 0; t < 5; t++) {
        size_t row = (size_t)tokens[t];
        dtype_decode(expected, values + row * columns * dtype_bytes(type), columns, type);
        for (size_t i = 0; i < padded; i++) {
            float scale = type == DTYPE_F8_E4M3 && i < columns ? scales[row / BLOCK * scale_columns + i / BLOCK] : 1.0f;
            assert_true(got[t * padded + i] == (i < columns ? expected[i] * scale : 0.0f));
        }
    }
    for (size_t t = 0; t < 5; t++)
        check_one(device, &op, &embedding, tokens[t], got + t * padded, padded);
    buffer_free(out);
    buffer_free(token_buffer);
    matrix_free(&embedding);
    free(values);
    free(scales);
    free(expected);
    free(got);
}

static void rows_are_exact_in_every_dtype_at_awkward_sizes(void **state)
{
    (void)state;
    for (int type = 0; type < DTYPE_COUNT; type++) {
        check_rows(test_device(), (dtype)type, 1, 1, 1);
        check_rows(test_device(), (dtype)type, 97, 50, 1);
        check_rows(test_device(), (dtype)type, 33, 257, 1);
        check_rows(test_device(), (dtype)type, 40, 7168, 1);
    }
}

static void rows_come_from_every_slab_of_a_split_matrix(void **state)
{
    (void)state;
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE"), .largest_allocation_bytes = 20000};
    hadal_device *device;
    CHECK_OK(device_open_shaped(&device, &options, device_shape_of(test_device())));
    for (int type = 0; type < DTYPE_COUNT; type++)
        check_rows(device, (dtype)type, 301, 100, 2);
    hadal_device_close(device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_exact_in_every_dtype_at_awkward_sizes),
        cmocka_unit_test(rows_come_from_every_slab_of_a_split_matrix),
    };
    TEST_ON_SHAPES(tests);
}
