/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Weight matrices on the device, in their stored dtype. One matrix, or one of equal size for each of many experts.
 * A matrix larger than the device's largest allocation is split into slabs: of rows, or of whole experts. */

#ifndef HADAL_OPS_MATRIX_H
#define HADAL_OPS_MATRIX_H

#include "device/device.h"
#include "weights/dtype.h"

/* Stored values to upload: values[rows, columns] and, for F8_E4M3, scales float32 [ceil(rows/block_rows),
 * ceil(columns/block_columns)], where the value is stored value * scale. */
typedef struct matrix_source {
    dtype type;
    const void *values; /* any alignment */
    const void *scales; /* float32, any alignment; NULL unless F8_E4M3 */
    size_t rows, columns;
    uint32_t block_rows, block_columns; /* read only for F8_E4M3 */
    uint32_t row_offset;                /* of the first row in its block of scales; 0 but for matrix_rows */
    uint32_t random; /* not 0: values and scales are NULL, and random ones are made on the device from this seed, of a
                      * size that makes outputs of variance 1 of inputs of variance 1 */
} matrix_source;

/* Rows first .. first + count - 1 of a source as a source of its own, as one of a stack. Where they do not begin at a
 * whole block of scales, scales keep to the block in which they begin and row_offset says how far into it. */
matrix_source matrix_rows(const matrix_source *whole, size_t first, size_t count);

/* The transpose of a source, values and scales in memory of its own (none if the source has none), freed with
 * matrix_source_free. resolve: values as F32, for rows that begin in the middle of a block of scales. */
HADAL_CHECKED hadal_status matrix_transpose(matrix_source *transposed, const matrix_source *source, bool resolve);
void matrix_source_free(matrix_source *freed);

/* Part of a matrix in buffers of its own: items first .. first + count - 1, where an item is a row of a single matrix,
 * or a whole expert of a stack. */
typedef struct matrix_slab {
    buffer *values;
    buffer *scales; /* float32, the blocks of this slab; NULL unless F8_E4M3 */
    size_t first, count;
} matrix_slab;

typedef struct matrix {
    dtype type;
    bool stacked;                 /* a stack, be it of one */
    size_t experts;
    size_t rows, columns, stride; /* of one expert; elements between rows, zero padded to a multiple of ROW_UNIT */
    uint32_t block_rows, block_columns;
    size_t scale_rows, scale_columns; /* blocks of one expert */
    float half_factor;                /* power of two: codes times scale times this are halves, 1 unless F8_E4M3 */
    size_t slab_count;
    matrix_slab *slabs;
} matrix;

/* Where rows of a token's heads lie: that of (token, head) begins token * token_stride + head * head_stride floats
 * in. */
typedef struct head_layout {
    size_t token_stride, head_stride;
} head_layout;

/* Allocates and uploads one matrix, in slabs of rows. Blocks of scales to which the kernels cannot keep (of a width
 * that is no multiple of ROW_UNIT, or cut by a stack's matrices) are resolved here: the values are then stored as
 * F32. So are, on CPUs, matrices with codes that are NaN (of damaged weights: matrix_source_bytes does not count on
 * them). */
HADAL_CHECKED hadal_status matrix_create(matrix *created, hadal_device *device, memory_class use,
                                         const matrix_source *source);

/* The same for a stack of `experts` matrices of equal shape and dtype (sources[experts]), in slabs of whole ones. */
HADAL_CHECKED hadal_status matrix_create_stack(matrix *created, hadal_device *device, memory_class use,
                                               const matrix_source *sources, size_t experts);
void matrix_free(matrix *freed);

/* Device bytes that matrix_create or matrix_create_stack would allocate for them. Values and scales are not
 * looked at. */
size_t matrix_source_bytes(const matrix_source *sources, size_t experts);

/* Device bytes of `rows` rows of a matrix with the scales of their blocks. */
size_t matrix_bytes(const matrix *measured, size_t rows);

/* The -D option that selects the weights' dtype in kernels: " -D WEIGHT_F32", ... */
const char *matrix_option(dtype type);

#endif
