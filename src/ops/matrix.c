/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ops/fill.h"

/* The largest value of OCP e4m3. */
static const float most_code = 448;

/* Host memory through which padded or converted rows pass on their way up. */
enum { STAGING_BYTES = 8 << 20 };

matrix_source matrix_rows(const matrix_source *whole, size_t first, size_t count)
{
    matrix_source part = *whole;
    part.rows = count;
    if (whole->values) /* a plan has dimensions alone */
        part.values = (const char *)whole->values + first * whole->columns * dtype_bytes(whole->type);
    if (whole->type != DTYPE_F8_E4M3)
        return part;
    size_t scale_row_bytes = divide_up(whole->columns, whole->block_columns) * sizeof(float);
    if (whole->scales)
        part.scales = (const char *)whole->scales + first / whole->block_rows * scale_row_bytes;
    part.row_offset = (uint32_t)(first % whole->block_rows);
    return part;
}

/* The kernels take one scale for each VECTOR load, and count the blocks of each matrix of a stack from its first
 * row. */
static bool keeps_to_blocks(const matrix_source *sources, size_t experts)
{
    if (sources->block_columns % ROW_UNIT != 0)
        return false;
    for (size_t e = 0; e < experts; e++)
        if (sources[e].row_offset)
            return false;
    return true;
}

/* Whether any code is NaN, 0x7f or 0xff: eight at a time, which then carry into their highest bits. */
static bool has_nan_codes(const matrix_source *source)
{
    const uint64_t low_bits = UINT64_C(0x7f7f7f7f7f7f7f7f), ones = UINT64_C(0x0101010101010101);
    const char *codes = source->values;
    size_t count = source->rows * source->columns, whole = count / sizeof(uint64_t) * sizeof(uint64_t);
    uint64_t eight, carries = 0;
    for (size_t i = 0; i < whole; i += sizeof eight) {
        memcpy(&eight, codes + i, sizeof eight);
        carries |= (eight & low_bits) + ones;
    }
    eight = 0;
    memcpy(&eight, codes + whole, count - whole);
    carries |= (eight & low_bits) + ones;
    return (carries & ~low_bits) != 0;
}

/* Whether the kernels would have to look for codes that are NaN, which those of CPUs do not. */
static bool needs_resolving(const matrix_source *sources, size_t experts, const hadal_device *device)
{
    if (sources->type != DTYPE_F8_E4M3 || !sources->values || !device_shape_of(device)->cpu)
        return false;
    for (size_t e = 0; e < experts; e++)
        if (has_nan_codes(&sources[e]))
            return true;
    return false;
}

/* The dimensions of what will be stored. */
static matrix lay_out(const matrix_source *sources, size_t experts, bool resolve)
{
    matrix made = {
        .type = sources->type,
        .experts = experts,
        .rows = sources->rows,
        .columns = sources->columns,
        .stride = round_up(sources->columns, ROW_UNIT),
        .block_rows = 1,
        .block_columns = ROW_UNIT,
        .half_factor = 1.0f,
    };
    if (made.type == DTYPE_F8_E4M3 && keeps_to_blocks(sources, experts) && !resolve) {
        made.block_rows = sources->block_rows;
        made.block_columns = sources->block_columns;
        made.scale_rows = divide_up(sources->rows, sources->block_rows);
        made.scale_columns = divide_up(sources->columns, sources->block_columns);
    } else if (made.type == DTYPE_F8_E4M3) {
        made.type = DTYPE_F32;
    }
    return made;
}

size_t matrix_bytes(const matrix *measured, size_t rows)
{
    return rows * measured->stride * dtype_bytes(measured->type) +
           divide_up(rows, measured->block_rows) * measured->scale_columns * sizeof(float);
}

size_t matrix_source_bytes(const matrix_source *sources, size_t experts)
{
    matrix made = lay_out(sources, experts, false);
    return matrix_bytes(&made, made.rows) * experts;
}

const char *matrix_option(dtype type)
{
    static const char *const options[DTYPE_COUNT] = {
        [DTYPE_F32] = " -D WEIGHT_F32",
        [DTYPE_BF16] = " -D WEIGHT_BF16",
        [DTYPE_F16] = " -D WEIGHT_F16",
        [DTYPE_F8_E4M3] = " -D WEIGHT_F8",
    };
    return options[type];
}

/* Row `row` of a quantised source as floats. */
static void dequantise_row(float *out, const matrix_source *source, size_t row)
{
    const char *values = source->values, *scales = source->scales;
    size_t scale_columns = divide_up(source->columns, source->block_columns);
    dtype_decode(out, values + row * source->columns, source->columns, DTYPE_F8_E4M3);
    for (size_t block = 0; block < scale_columns; block++) {
        float scale;
        memcpy(&scale,
               scales + ((row + source->row_offset) / source->block_rows * scale_columns + block) * sizeof scale,
               sizeof scale);
        size_t end = min_size((block + 1) * source->block_columns, source->columns);
        for (size_t i = block * source->block_columns; i < end; i++)
            out[i] *= scale;
    }
}

/* target[columns, rows] = source[rows, columns]^T, elements of `bytes` bytes. */
static void transpose(char *target, const char *source, size_t rows, size_t columns, size_t bytes)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            memcpy(target + (c * rows + r) * bytes, source + (r * columns + c) * bytes, bytes);
}

/* The values of a quantised source as floats [rows, columns]. */
static hadal_status dequantise(float **values, const matrix_source *source)
{
    TRY(memory_allocate(values, source->rows * source->columns, sizeof **values));
    for (size_t r = 0; r < source->rows; r++)
        dequantise_row(*values + r * source->columns, source, r);
    return HADAL_OK;
}

static hadal_status transpose_values(matrix_source *transposed, const matrix_source *source)
{
    char *values;
    float *resolved = NULL;
    hadal_status status;
    if (transposed->type != source->type)
        TRY(dequantise(&resolved, source));
    status = memory_allocate(&values, source->rows * source->columns, dtype_bytes(transposed->type));
    if (status == HADAL_OK)
        transpose(values, resolved ? (const char *)resolved : source->values, source->rows, source->columns,
                  dtype_bytes(transposed->type));
    transposed->values = values;
    free(resolved);
    return status;
}

static hadal_status transpose_scales(matrix_source *transposed, const matrix_source *source)
{
    char *scales;
    size_t rows = divide_up(source->rows, source->block_rows),
           columns = divide_up(source->columns, source->block_columns);
    TRY(memory_allocate(&scales, rows * columns, sizeof(float)));
    transpose(scales, source->scales, rows, columns, sizeof(float));
    transposed->scales = scales;
    return HADAL_OK;
}

hadal_status matrix_transpose(matrix_source *transposed, const matrix_source *source, bool resolve)
{
    *transposed = (matrix_source){
        .type = resolve ? DTYPE_F32 : source->type,
        .rows = source->columns,
        .columns = source->rows,
        .block_rows = source->block_columns,
        .block_columns = source->block_rows,
        .random = source->random,
    };
    if (!source->values)
        return HADAL_OK;
    hadal_status status = transpose_values(transposed, source);
    if (status == HADAL_OK && transposed->type == DTYPE_F8_E4M3)
        status = transpose_scales(transposed, source);
    if (status != HADAL_OK)
        matrix_source_free(transposed);
    return status;
}

void matrix_source_free(matrix_source *freed)
{
    free((void *)(uintptr_t)freed->values);
    free((void *)(uintptr_t)freed->scales);
    *freed = (matrix_source){0};
}

static void stage_row(char *staged, const matrix *made, const matrix_source *source, size_t row)
{
    size_t row_bytes = source->columns * dtype_bytes(source->type);
    if (made->type == source->type)
        memcpy(staged, (const char *)source->values + row * row_bytes, row_bytes);
    else
        dequantise_row((float *)(void *)staged, source, row);
}

/* Rows first .. first + count - 1 of one expert's source to offset in a slab, padded on the way when need be. */
static hadal_status upload_rows(const matrix *made, buffer *target, size_t offset, const matrix_source *source,
                                size_t first, size_t count, char *staging)
{
    size_t row_bytes = made->stride * dtype_bytes(made->type);
    if (made->type == source->type && made->stride == made->columns)
        return buffer_write(target, offset, (const char *)source->values + first * row_bytes, count * row_bytes);
    size_t most = max_size(STAGING_BYTES / row_bytes, 1);
    for (size_t done = 0; done < count; done += most) {
        size_t here = min_size(most, count - done);
        for (size_t i = 0; i < here; i++)
            stage_row(staging + i * row_bytes, made, source, first + done + i);
        TRY(buffer_write(target, offset + done * row_bytes, staging, here * row_bytes));
    }
    return HADAL_OK;
}

static hadal_status upload_slab(const matrix *made, matrix_slab *slab, const matrix_source *sources, char *staging)
{
    size_t row_bytes = made->stride * dtype_bytes(made->type);
    size_t scale_row_bytes = made->scale_columns * sizeof(float);
    if (!made->stacked) {
        TRY(upload_rows(made, slab->values, 0, sources, slab->first, slab->count, staging));
        if (slab->scales)
            TRY(buffer_write(slab->scales, 0,
                             (const char *)sources->scales + slab->first / made->block_rows * scale_row_bytes,
                             divide_up(slab->count, made->block_rows) * scale_row_bytes));
        return HADAL_OK;
    }
    for (size_t i = 0; i < slab->count; i++) {
        const matrix_source *source = &sources[slab->first + i];
        TRY(upload_rows(made, slab->values, i * made->rows * row_bytes, source, 0, made->rows, staging));
        if (slab->scales)
            TRY(buffer_write(slab->scales, i * made->scale_rows * scale_row_bytes, source->scales,
                             made->scale_rows * scale_row_bytes));
    }
    return HADAL_OK;
}

/* Of random values: what keeps the variance of what they are multiplied with. */
static double random_amplitude(const matrix *made)
{
    return 1 / (FILL_DEVIATION * sqrt((double)made->columns));
}

/* Rows of random values in place of an upload. F8_E4M3: codes over the whole range, of which scales make the size. */
static hadal_status fill_slab(const matrix *made, matrix_slab *slab, hadal_device *device, uint32_t random)
{
    static const fill_type types[DTYPE_COUNT] = {
        [DTYPE_F32] = FILL_F32, [DTYPE_BF16] = FILL_BF16, [DTYPE_F16] = FILL_F16, [DTYPE_F8_E4M3] = FILL_F8};
    size_t rows = slab->count * (made->stacked ? made->rows : 1);
    uint32_t seed = random + (uint32_t)slab->first;
    TRY(fill_rows(device, slab->values, types[made->type], rows, made->columns, made->stride,
                  slab->scales ? (double)most_code : random_amplitude(made), seed));
    if (!slab->scales)
        return HADAL_OK;
    return fill_constant(device, slab->scales, random_amplitude(made) / (double)most_code);
}

/* Items (rows, or whole experts) that fit into one allocation. Rows are split at whole blocks of scales. */
static hadal_status items_per_slab(size_t *items, const matrix *made, hadal_device *device)
{
    uint64_t most = hadal_device_describe(device)->largest_allocation_bytes;
    size_t row_bytes = made->stride * dtype_bytes(made->type);
    size_t unit = made->stacked ? 1 : made->type == DTYPE_F8_E4M3 ? made->block_rows : 1;
    size_t unit_bytes = row_bytes * (made->stacked ? made->rows : unit);
    if (unit_bytes > most)
        return failure(HADAL_ERROR_DEVICE_MEMORY,
                       "%zu bytes of weights that belong together are more than the %llu bytes that %s "
                       "allows in one buffer; choose another device",
                       unit_bytes, (unsigned long long)most, hadal_device_describe(device)->name);
    *items = (size_t)(most / unit_bytes) * unit;
    return HADAL_OK;
}

static hadal_status create_slab(matrix_slab *slab, const matrix *made, hadal_device *device, memory_class use)
{
    size_t rows = slab->count * (made->stacked ? made->rows : 1);
    TRY(buffer_create(&slab->values, device, use, rows * made->stride * dtype_bytes(made->type)));
    if (made->type != DTYPE_F8_E4M3)
        return HADAL_OK;
    size_t scale_rows = made->stacked ? slab->count * made->scale_rows : divide_up(slab->count, made->block_rows);
    return buffer_create(&slab->scales, device, use, scale_rows * made->scale_columns * sizeof(float));
}

static hadal_status create_slabs(matrix *made, hadal_device *device, memory_class use, const matrix_source *sources)
{
    size_t items = made->stacked ? made->experts : made->rows, most = items;
    char *staging;
    hadal_status status = HADAL_OK;
    TRY(items_per_slab(&most, made, device));
    TRY(memory_allocate(&made->slabs, divide_up(items, most), sizeof *made->slabs));
    TRY(memory_allocate(&staging, max_size(STAGING_BYTES, made->stride * sizeof(float)), 1));
    for (size_t first = 0; first < items && status == HADAL_OK; first += most) {
        matrix_slab *slab = &made->slabs[made->slab_count++];
        *slab = (matrix_slab){.first = first, .count = min_size(most, items - first)};
        TRY_OR(done, create_slab(slab, made, device, use));
        TRY_OR(done, sources->random ? fill_slab(made, slab, device, sources->random)
                                     : upload_slab(made, slab, sources, staging));
    }
done:
    free(staging);
    return status;
}

/* The largest scale that is finite. */
static float largest_scale(const matrix *made, const matrix_source *sources)
{
    float largest = 0.0f;
    if (sources->random)
        return (float)(random_amplitude(made) / (double)most_code);
    for (size_t e = 0; e < made->experts; e++)
        for (size_t i = 0; i < made->scale_rows * made->scale_columns; i++) {
            float scale;
            memcpy(&scale, (const char *)sources[e].scales + i * sizeof scale, sizeof scale);
            if (isfinite(scale))
                largest = fmaxf(largest, fabsf(scale));
        }
    return largest;
}

/* Brings the largest code at the largest scale to 2^13 .. 2^14: far from the end of halves at 65504, while codes keep
 * all their bits down to the 2^28th part of that. */
static float choose_half_factor(const matrix *made, const matrix_source *sources)
{
    int exponent;
    float largest = made->type == DTYPE_F8_E4M3 ? largest_scale(made, sources) : 0.0f;
    if (largest == 0.0f)
        return 1.0f;
    frexpf(most_code * largest, &exponent);
    return ldexpf(1.0f, exponent > 114 ? -100 : exponent < -86 ? 100 : 14 - exponent);
}

static hadal_status create(matrix *created, hadal_device *device, memory_class use, const matrix_source *sources,
                           size_t experts, bool stacked)
{
    *created = lay_out(sources, experts, needs_resolving(sources, experts, device));
    created->stacked = stacked;
    created->half_factor = choose_half_factor(created, sources);
    hadal_status status = create_slabs(created, device, use, sources);
    if (status != HADAL_OK)
        matrix_free(created);
    return status;
}

hadal_status matrix_create(matrix *created, hadal_device *device, memory_class use, const matrix_source *source)
{
    return create(created, device, use, source, 1, false);
}

hadal_status matrix_create_stack(matrix *created, hadal_device *device, memory_class use, const matrix_source *sources,
                                 size_t experts)
{
    return create(created, device, use, sources, experts, true);
}

void matrix_free(matrix *freed)
{
    for (size_t i = 0; i < freed->slab_count; i++) {
        buffer_free(freed->slabs[i].values);
        buffer_free(freed->slabs[i].scales);
    }
    free(freed->slabs);
    *freed = (matrix){0};
}
