/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The frame of the self-test: one small trial a kernel family, on the user's device, against ops/reference.h. A trial
 * is written straight down with TRY; whatever it made here is freed when it ends. */

#ifndef HADAL_OPS_SELF_TEST_H
#define HADAL_OPS_SELF_TEST_H

#include "ops/matrix.h"

enum { SELF_TEST_ITEMS = 64, SELF_TEST_MATRICES = 6 };

typedef struct self_test {
    hadal_device *device;
    uint64_t random;
    uint32_t block;    /* rows and columns of a block of scales in matrices to come */
    double error;      /* the largest so far, relative to its tolerance: passed up to 1 */
    char detail[160];  /* what had it */
    buffer *buffers[SELF_TEST_ITEMS];
    void *memory[SELF_TEST_ITEMS];
    matrix matrices[SELF_TEST_MATRICES];
    size_t buffer_count, memory_count, matrix_count;
} self_test;

/* *memory = count * size zeroed bytes on the host. */
HADAL_CHECKED hadal_status self_test_allocate(self_test *test, void *memory, size_t count, size_t size);

/* The trial owns this buffer from now on. */
HADAL_CHECKED hadal_status self_test_keep(self_test *test, buffer *made);

/* *made holds a copy of those bytes. */
HADAL_CHECKED hadal_status self_test_upload(self_test *test, buffer **made, const void *data, size_t bytes);

/* *made holds bytes of 0xff, float NaN, so that what a kernel forgets to write shows. */
HADAL_CHECKED hadal_status self_test_result(self_test *test, buffer **made, size_t bytes);

/* *values and *made = random rows[rows, pad(columns)] in [-1, 1), padded with zeros. */
HADAL_CHECKED hadal_status self_test_rows(self_test *test, float **values, buffer **made, size_t rows, size_t columns);

/* *made = random matrices[experts, rows, columns], F8_E4M3 with scales a block (test->block square); *values = the
 * same. */
HADAL_CHECKED hadal_status self_test_matrix(self_test *test, const matrix **made, double **values, dtype type,
                                            size_t experts, size_t rows, size_t columns);

/* Compares count floats, by their relative error as a whole. what: for the detail, "3 rows of 50". */
HADAL_CHECKED hadal_status self_test_compare(self_test *test, const buffer *got, const double *expected, size_t count,
                                             double tolerance, const char *what);
void self_test_compare_values(self_test *test, const float *got, const double *expected, size_t count, double tolerance,
                              const char *what);

/* Notes an error, relative to its tolerance, that the trial found by itself. */
void self_test_note(self_test *test, double error, const char *detail);

/* Compares count integers, which must be equal. */
HADAL_CHECKED hadal_status self_test_compare_integers(self_test *test, const buffer *got, const int32_t *expected,
                                                      size_t count, const char *what);

/* The trials. variant: the dtype, hadal_kv_cache or hadal_index_cache that the kernels are built for, or how many
 * queries there are (index_tile); else unused. */
typedef hadal_status self_test_trial(self_test *test, int variant);
self_test_trial self_test_rms_norm, self_test_rope, self_test_latent, self_test_embed, self_test_route,
    self_test_dispatch, self_test_swiglu, self_test_moe_combine;
self_test_trial self_test_matmul, self_test_matmul_experts, self_test_matmul_heads;
self_test_trial self_test_linear, self_test_blocks, self_test_clblast, self_test_heads, self_test_experts;
self_test_trial self_test_one_token, self_test_router, self_test_rotations, self_test_attend_values;
self_test_trial self_test_index_key, self_test_index_query, self_test_index_scores, self_test_index_tile,
    self_test_top_k, self_test_attend, self_test_attend_tiles, self_test_attend_heads;

/* What a model may use the matrix unit for: sums of 1 << dtype of its matrices and of its stacks of them, and beside
 * products MATRIX_INDEX_SCORES and MATRIX_ATTENTION. */
typedef struct matrix_needs {
    unsigned types, stacked_types;
    bool uses[MATRIX_USES];
} matrix_needs;

/* Before the matrix unit is used: runs the trials of the kernels that are needed (NULL: of all), unless they have
 * passed here before. Where one fails the device goes on without, there alone (device_give_up_matrix_unit). */
void self_test_matrix_unit(hadal_device *device, const matrix_needs *needs);

/* Those trials alone, reported like those of hadal_device_self_test. */
void self_test_matrix_trials(hadal_device *device, size_t *failed, hadal_self_test_report report, void *user);

#endif
