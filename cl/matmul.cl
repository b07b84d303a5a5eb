/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* y = x W^T of many tokens on matrix units, for weights in their stored dtype (-D WEIGHT_...): single matrices, and
 * stacks of experts with the tokens that chose each. A group of TEAMS teams makes TEAMS * TILE_ROWS rows of W by
 * TILE_COLUMNS tokens; W goes from global memory straight into registers, each value to one work-item, and is converted
 * there while the matrix unit works; tokens go through a ring of STAGES in local memory, copied two steps ahead.
 *
 * Tokens are packed first: 16 bits a value, columns in the order of tile_b_source, times a power of two a row that
 * `restore` takes back. */

#include "dtype.clh"
#include "group.clh"
#include "lane.clh"
#include "copy.clh"
#include "tile.clh"

#ifdef TILE_AT_ONCE
#define STAGES (COPY_AHEAD + 1)
#else
#define STAGES 3
#endif
#define STAGE (TILE_COLUMNS * TILE_DEPTH) /* elements of B */

/* ---- Packing ---------------------------------------------------------------------------------------- */

/* A packed row is made in chunks of 16 bytes, of which each work-item keeps the first few in registers. */
#define CHUNK 8
#define KEPT 4

/* Returns the largest magnitude. */
inline float chunk_load(float values[CHUNK], __global const float *in, int chunk, int columns)
{
    float largest = 0.0f;
#pragma unroll
    for (int i = 0; i < CHUNK; i++) {
        int place = chunk * CHUNK + i, column = place / TILE_DEPTH * TILE_DEPTH + tile_b_source(place % TILE_DEPTH);
        values[i] = column < columns ? in[column] : 0.0f;
        largest = fmax(largest, fabs(values[i]));
    }
    return largest;
}

inline void chunk_store(__global uint4 *packed, const float values[CHUNK], float factor)
{
    uint words[CHUNK / 2];
#pragma unroll
    for (int i = 0; i < CHUNK / 2; i++) {
        float2 pair = (float2)(values[2 * i], values[2 * i + 1]) * factor;
#ifdef TILE_F16
        vstore_half2_rte(pair, 0, (half *)&words[i]);
#else
        words[i] = bf16_round(pair.x) | (uint)bf16_round(pair.y) << 16;
#endif
    }
    *packed = (uint4)(words[0], words[1], words[2], words[3]);
}

/* A row is loaded by `items` work-items, of which this is number `me`, and its chunks number me, me + items, ... */
inline float row_load(float kept[KEPT][CHUNK], __global const float *in, int me, int items, int columns, int chunks)
{
    float largest = 0.0f, rest[CHUNK];
#pragma unroll
    for (int i = 0; i < KEPT; i++)
        if (me + i * items < chunks)
            largest = fmax(largest, chunk_load(kept[i], in, me + i * items, columns));
    for (int chunk = me + KEPT * items; chunk < chunks; chunk += items)
        largest = fmax(largest, chunk_load(rest, in, chunk, columns));
    return largest;
}

/* The power of two that brings that magnitude to 2^14 .. 2^15 where halves are used (they end at 65504 and lose bits
 * below 2^-14); 1 where bfloat16s are. */
inline float row_factor(float largest)
{
#ifdef TILE_F16
    int exponent = (int)(as_uint(largest) >> 23 & 255) - 127;
    return largest > 0.0f && isfinite(largest) ? ldexp(1.0f, clamp(14 - exponent, -126, 126)) : 1.0f;
#else
    return 1.0f;
#endif
}

inline void row_store(__global uint4 *packed, float kept[KEPT][CHUNK], float factor, __global const float *in, int me,
                      int items, int columns, int chunks)
{
#pragma unroll
    for (int i = 0; i < KEPT; i++)
        if (me + i * items < chunks)
            chunk_store(packed + me + i * items, kept[i], factor);
    for (int chunk = me + KEPT * items; chunk < chunks; chunk += items) {
        float rest[CHUNK];
        chunk_load(rest, in, chunk, columns);
        chunk_store(packed + chunk, rest, factor);
    }
}

/* packed[row, :] = in[row, :] * factor in 16 bits, restore[row] = 1 / factor. Rows of in are in_stride floats apart;
 * packed rows have packed_stride elements: a multiple of TILE_DEPTH, zeros beyond `columns`. Groups of GROUP: rows. */
__kernel void matmul_pack(__global tile_b *packed, __global float *restore, __global const float *in, int in_stride,
                          int columns, int packed_stride)
{
    GROUP_SCRATCH;
    size_t row = get_group_id(0);
    int me = (int)get_local_id(0), chunks = packed_stride / CHUNK;
    float kept[KEPT][CHUNK];
    in += row * in_stride;
    float factor = row_factor(group_max(row_load(kept, in, me, GROUP, columns, chunks)));
    row_store((__global uint4 *)(packed + row * packed_stride), kept, factor, in, me, GROUP, columns, chunks);
    if (me == 0)
        restore[row] = 1.0f / factor;
}

/* The same for short rows, one a lane group: row token * heads + head of `rows`, which in has at token * token_stride +
 * head * head_stride. */
__kernel void matmul_pack_heads(__global tile_b *packed, __global float *restore, __global const float *in,
                                int token_stride, int head_stride, int heads, int rows, int columns, int packed_stride)
{
    LANE_SCRATCH(GROUP);
    size_t row = get_global_id(0) / LANES, here = min(row, (size_t)rows - 1);
    int chunks = packed_stride / CHUNK;
    float kept[KEPT][CHUNK];
    in += here / heads * token_stride + here % heads * head_stride;
    float factor = row_factor(lane_max(row_load(kept, in, LANE, LANES, columns, chunks)));
    if (row >= rows)
        return;
    row_store((__global uint4 *)(packed + row * packed_stride), kept, factor, in, LANE, LANES, columns, chunks);
    if (LANE == 0)
        restore[row] = 1.0f / factor;
}

/* ---- Multiplying ------------------------------------------------------------------------------------ */

/* A matrix [rows, stride] with its scales, as in linear.cl. */
typedef struct weights {
    __global const weight_t *values;
    __global const float *scales;
    int rows, stride, block_rows, block_columns, scale_columns;
    float scale_factor; /* power of two that keeps scaled weights within halves */
} weights;

/* Each work-item asks for lines of one row of the group's matrix before they are needed: the rows' next STRETCH columns
 * while those before them are multiplied. */
#define LINE (128 / (int)sizeof(weight_t))
#define ROW_ITEMS (TILE_TEAM / TILE_ROWS)
#define STRETCH (ROW_ITEMS * LINE)

/* The rows of A that this work-item holds, where their scales begin, and the line that it asks for next. */
typedef struct held {
    __global const weight_t *rows[TILE_HELD_ROWS];
    int scales[TILE_HELD_ROWS];
    __global const weight_t *ahead;
} held;

inline int group_first_row(void)
{
    return (int)get_group_id(1) * (ITEMS / TILE_TEAM) * TILE_ROWS;
}

inline int own_first_row(void)
{
    return group_first_row() + TILE_TEAM_INDEX * TILE_ROWS;
}

inline void hold_rows(held *h, const weights *w)
{
    int me = (int)get_local_id(0), row_ahead = min(group_first_row() + me / ROW_ITEMS, w->rows - 1);
    h->ahead = w->values + (size_t)row_ahead * w->stride + STRETCH + me % ROW_ITEMS * LINE;
    MATRIX_UNROLL
    for (int j = 0; j < TILE_HELD_ROWS; j++) {
        int row = min(own_first_row() + tile_held_row(j), w->rows - 1);
        h->rows[j] = w->values + (size_t)row * w->stride;
#ifdef WEIGHT_F8
        h->scales[j] = row / w->block_rows * w->scale_columns;
#endif
    }
}

inline void look_ahead(const held *h, const weights *w, int column)
{
    if (column % STRETCH == 0 && column + 2 * STRETCH <= w->stride)
        prefetch_line(h->ahead + column);
}

/* Weights of a step as they are stored, with their rows' scales. */
typedef struct coming {
    uint raw[TILE_RAW];
    float scales[TILE_HELD_ROWS];
} coming;

/* Which scales the step has that is loaded next: number `block`, as have `left` more steps. */
typedef struct scale_place {
    int block, left;
} scale_place;

inline scale_place first_scale(const weights *w)
{
    scale_place first = {0, w->block_columns / TILE_DEPTH};
    return first;
}

inline void load_step(coming *c, scale_place *place, const held *h, const weights *w, int column)
{
    tile_load_rows(c->raw, h->rows, column, w->stride);
#ifdef WEIGHT_F8
    MATRIX_UNROLL
    for (int j = 0; j < TILE_HELD_ROWS; j++)
        c->scales[j] = w->scales[h->scales[j] + min(place->block, w->scale_columns - 1)];
    if (--place->left == 0) {
        place->left = w->block_columns / TILE_DEPTH;
        place->block++;
    }
#endif
}

#if defined(WEIGHT_F8) || defined(TILE_AT_ONCE)

/* a = what has come as operands. */
inline void convert_step(uint a[TILE_A], const coming *c, const weights *w)
{
    float scales[TILE_HELD_ROWS] = {0};
#ifdef WEIGHT_F8
    MATRIX_UNROLL
    for (int j = 0; j < TILE_HELD_ROWS; j++)
        scales[j] = c->scales[j] * w->scale_factor;
#endif
    tile_convert(a, c->raw, scales);
}

#endif

/* The tile's tokens: a work-item copies chunks of 16 bytes of every ITEMS / TILE_CHUNKS-th row. */
#define COPIES (TILE_COLUMNS * TILE_CHUNKS / ITEMS)

typedef struct tokens_in {
    __global const tile_b *packed;
    uint chunks[COPIES]; /* where the work-item's own begin in packed, in chunks */
    int count;           /* of the tile's columns that are tokens; the others stay what they are */
} tokens_in;

inline int copied_row(int i)
{
    return (int)get_local_id(0) / TILE_CHUNKS + i * (ITEMS / TILE_CHUNKS);
}

inline uint copied_chunk(size_t row, int packed_stride)
{
    return (uint)(row * (packed_stride / TILE_CHUNK_ELEMENTS)) + get_local_id(0) % TILE_CHUNKS;
}

inline __global const tile_b *copied_from(const tokens_in *in, int i, int column)
{
    return in->packed + (size_t)in->chunks[i] * TILE_CHUNK_ELEMENTS + column;
}

/* Rows are a multiple of 8 apart, so that a chunk has the same place in each. */
inline __local tile_b *copied_place(__local tile_b *stage, int i)
{
    int first = TILE_CHUNK(copied_row(0), (int)get_local_id(0) % TILE_CHUNKS);
    return stage + first + i * (ITEMS / TILE_CHUNKS) * TILE_DEPTH;
}

inline void copy_step(__local tile_b *stage, const tokens_in *in, int column)
{
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        if (copied_row(i) < in->count)
            copy_16(copied_place(stage, i), copied_from(in, i, column));
}

/* The two halves of that. */
inline void begin_step(uint4 copied[COPIES], __local tile_b *stage, const tokens_in *in, int column)
{
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        if (copied_row(i) < in->count)
            copy_begin(copied[i], copied_place(stage, i), copied_from(in, i, column));
}

inline void end_step(const uint4 copied[COPIES], __local tile_b *stage, const tokens_in *in)
{
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        if (copied_row(i) < in->count)
            copy_end(copied[i], copied_place(stage, i));
}

#ifdef TILE_AT_ONCE

/* sums = rows of W times the tile's packed tokens over all columns of W; of the tile's columns only the first `width`
 * need be right. Loads are under way while the step before is multiplied. */
inline void multiply_columns(float sums[TILE_SUMS], __local tile_b *ring, const tokens_in *in, int width, const held *h,
                             const weights *w)
{
    uint a[TILE_A];
    coming c;
    scale_place place = first_scale(w);
    uint4 copied[COPIES];
    int columns = (w->stride + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH, stage = 0;
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
    for (int ahead = 0; ahead < COPY_AHEAD; ahead++) {
        if (ahead * TILE_DEPTH < columns)
            copy_step(ring + ahead * STAGE, in, ahead * TILE_DEPTH);
        copy_commit();
    }
    load_step(&c, &place, h, w, 0);
    for (int column = 0; column < columns; column += TILE_DEPTH) {
        int ahead = column + COPY_AHEAD * TILE_DEPTH;
        __local tile_b *here = ring + stage * STAGE, *next = ring + (stage + COPY_AHEAD) % STAGES * STAGE;
        look_ahead(h, w, column);
        copy_wait(COPY_AHEAD - 1);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (ahead < columns)
            begin_step(copied, next, in, ahead);
        copy_commit();
        convert_step(a, &c, w);
        load_step(&c, &place, h, w, column + TILE_DEPTH);
        tile_multiply_some(sums, a, here, ring + STAGES * STAGE, width);
        if (ahead < columns)
            end_step(copied, next, in);
        stage = (stage + 1) % STAGES;
    }
}

#else

#ifdef WEIGHT_F8

/* a = the step that has come as operands; the one from `column` on is loaded. */
inline void next_step(uint a[TILE_A], coming *c, scale_place *place, const held *h, const weights *w, int column)
{
    convert_step(a, c, w);
    load_step(c, place, h, w, column);
}

#else

/* 16-bit weights are operands as they are: a = the step before the one from `column` on. */
inline void next_step(uint a[TILE_A], coming *c, scale_place *place, const held *h, const weights *w, int column)
{
    tile_load_rows(a, h->rows, column - TILE_DEPTH, w->stride);
}

#endif

/* sums = rows of W times the tile's packed tokens over all columns of W; of the tile's columns only the first `width`
 * need be right. */
inline void multiply_columns(float sums[TILE_SUMS], __local tile_b *ring, const tokens_in *in, int width, const held *h,
                             const weights *w)
{
    uint a[2][TILE_A];
    coming c;
    scale_place place = first_scale(w);
    int columns = (w->stride + TILE_DEPTH - 1) / TILE_DEPTH * TILE_DEPTH;
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++)
        sums[i] = 0.0f;
    copy_step(ring, in, 0);
    copy_commit();
    if (TILE_DEPTH < columns)
        copy_step(ring + STAGE, in, TILE_DEPTH);
    copy_commit();
#ifdef WEIGHT_F8
    load_step(&c, &place, h, w, 0);
#endif
    next_step(a[0], &c, &place, h, w, TILE_DEPTH);
    int stage = 0, copied = 2; /* which is multiplied, and which copied to */
    for (int column = 0; column < columns; column += 2 * TILE_DEPTH) {
        look_ahead(h, w, column);
        MATRIX_UNROLL
        for (int half_step = 0; half_step < 2; half_step++) {
            int here = column + half_step * TILE_DEPTH, ahead = here + 2 * TILE_DEPTH;
            if (here < columns) {
                copy_wait(1);
                tile_fence();
                barrier(CLK_LOCAL_MEM_FENCE);
                if (ahead < columns)
                    copy_step(ring + copied * STAGE, in, ahead);
                copy_commit();
                tile_multiply_some(sums, a[half_step], ring + stage * STAGE, ring + STAGES * STAGE, width);
                next_step(a[1 - half_step], &c, &place, h, w, ahead);
                tile_wait(sums, a[half_step]);
                copied = stage;
                stage = stage + 1 < STAGES ? stage + 1 : 0;
            }
        }
    }
}

#endif

/* out[token, out_column + row] (+)= in[token] . weight[row], from packed rows [tokens, packed_stride]. Groups: tiles of
 * tokens, tiles of rows. */
__kernel TILE_KERNEL void
matmul(__global float *restrict out, __global const tile_b *packed, __global const float *restrict restore,
       __global const weight_t *weight, __global const float *scales, int tokens, int packed_stride, int out_stride,
       int out_column, int rows, int stride, int block_rows, int block_columns, int scale_columns, float scale_factor,
       int accumulate)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    weights w = {weight, scales, rows, stride, block_rows, block_columns, scale_columns, scale_factor};
    int first_token = (int)get_group_id(0) * TILE_COLUMNS, first_row = own_first_row();
    tokens_in in = {.packed = packed, .count = min(tokens - first_token, TILE_COLUMNS)};
    held h;
    float sums[TILE_SUMS], factor = 1.0f / scale_factor;
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        in.chunks[i] = copied_chunk(first_token + copied_row(i), packed_stride);
    hold_rows(&h, &w);
    multiply_columns(sums, ring, &in, TILE_COLUMNS, &h, &w);
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++) {
        int token = first_token + min(TILE_COLUMN(i), in.count - 1), row = first_row + TILE_ROW(i);
        float value = sums[i] * (restore[token] * factor);
        if (TILE_COLUMN(i) < in.count && row < rows) {
            __global float *target = out + (size_t)token * out_stride + out_column + row;
            *target = accumulate ? *target + value : value;
        }
    }
}

/* out[token, head, row] = factor * in[token, head] . weight[head][row] from packed rows [tokens, heads,
 * packed_stride]; out of a token begins token_stride floats apart, that of its heads head_stride. weight: one matrix
 * [rows, stride] a head; this slab holds the heads from first_head on. Groups: tiles of tokens, tiles of rows,
 * heads. */
__kernel TILE_KERNEL void
matmul_heads(__global float *restrict out, __global const tile_b *packed, __global const float *restrict restore,
             __global const weight_t *weight, __global const float *scales, int tokens, int heads, int first_head,
             int packed_stride, int token_stride, int head_stride, int rows, int stride, int block_rows,
             int block_columns, int scale_columns, int scale_rows, float scale_factor, float factor)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    int here = (int)get_group_id(2), head = first_head + here;
    weights w = {weight + (size_t)here * rows * stride, scales + (size_t)here * scale_rows * scale_columns, rows,
                 stride, block_rows, block_columns, scale_columns, scale_factor};
    int first_token = (int)get_group_id(0) * TILE_COLUMNS, first_row = own_first_row();
    tokens_in in = {.packed = packed, .count = min(tokens - first_token, TILE_COLUMNS)};
    held h;
    float sums[TILE_SUMS];
    MATRIX_UNROLL
    for (int i = 0; i < COPIES; i++)
        in.chunks[i] = copied_chunk((size_t)(first_token + copied_row(i)) * heads + head, packed_stride);
    hold_rows(&h, &w);
    multiply_columns(sums, ring, &in, TILE_COLUMNS, &h, &w);
    factor /= scale_factor;
    MATRIX_UNROLL
    for (int i = 0; i < TILE_SUMS; i++) {
        int token = first_token + min(TILE_COLUMN(i), in.count - 1), row = first_row + TILE_ROW(i);
        float value = sums[i] * (restore[token * heads + head] * factor);
        if (TILE_COLUMN(i) < in.count && row < rows)
            out[(size_t)token * token_stride + head * head_stride + row] = value;
    }
}

/* out[slot] = in[slot / slots_per_input] . weight[expert of slot]^T for the (token, choice) slots of each expert, which
 * ops/dispatch lists: slots[offsets[e] .. offsets[e + 1] - 1]. packed: a row an input. This slab holds the experts from
 * first_expert on. Groups: tiles of an expert's slots, in turns when it has more; tiles of rows; experts. */
__kernel TILE_KERNEL void
matmul_experts(__global float *restrict out, __global const tile_b *packed, __global const float *restrict restore,
               __global const weight_t *weight, __global const float *scales, __global const int *restrict offsets,
               __global const int *restrict slots, int first_expert, int slots_per_input, int packed_stride,
               int out_stride, int rows, int stride, int block_rows, int block_columns, int scale_columns,
               int scale_rows, float scale_factor)
{
    __local __attribute__((aligned(1024))) tile_b ring[STAGES * STAGE + TILE_SCRATCH];
    __local int2 *results = (__local int2 *)ring; /* when the ring is no longer used: each token's slot and factor */
    int here = (int)get_group_id(2), first_row = own_first_row(), me = (int)get_local_id(0);
    int begin = offsets[first_expert + here], end = offsets[first_expert + here + 1];
    weights w = {weight + (size_t)here * rows * stride, scales + (size_t)here * scale_rows * scale_columns, rows,
                 stride, block_rows, block_columns, scale_columns, scale_factor};
    held h;
    hold_rows(&h, &w);
    for (int tile = begin + (int)get_group_id(0) * TILE_COLUMNS; tile < end;
         tile += (int)get_num_groups(0) * TILE_COLUMNS) {
        tokens_in in = {.packed = packed, .count = min(end - tile, TILE_COLUMNS)};
        float sums[TILE_SUMS];
        MATRIX_UNROLL
        for (int i = 0; i < COPIES; i++)
            in.chunks[i] =
                copied_chunk(slots[tile + min(copied_row(i), in.count - 1)] / slots_per_input, packed_stride);
        multiply_columns(sums, ring, &in, in.count, &h, &w);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (me < in.count) {
            int slot = slots[tile + me];
            results[me] = (int2)(slot, as_int(restore[slot / slots_per_input] / scale_factor));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        MATRIX_UNROLL
        for (int i = 0; i < TILE_SUMS; i++) {
            int2 result = results[TILE_COLUMN(i)];
            int row = first_row + TILE_ROW(i);
            if (TILE_COLUMN(i) < in.count && row < rows)
                out[(size_t)result.x * out_stride + row] = sums[i] * as_float(result.y);
        }
        barrier(CLK_LOCAL_MEM_FENCE); /* the ring is free */
    }
}
