/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/matvec.h"

#include "base/memory.h"
#include "device/tuning.h"

/* What a lane reads of a row at a time on GPUs. */
enum { CHUNK_BYTES = 16 };

/* Local memory of a work-group on GPUs: every device has 32 KiB, of which lanes may need some to exchange values. */
enum { GPU_LOCAL_BYTES = 24 << 10 };

/* As matvec_segment of the kernels. */
typedef struct segment_argument {
    matvec_argument matrix;
    int32_t first_group, block, out_row;
} segment_argument;

/* One segment of a launch: a slab, or all matrices of a stack. */
typedef struct segment {
    buffer *out;
    const matrix *weight;
    const matrix_slab *slab;
    size_t rows, out_row;
    size_t pieces, block;
} segment;

/* What launches of a kernel share. */
typedef struct geometry {
    const device_shape *device;
    size_t tile;        /* rows of each matrix in a tile */
    size_t lanes;       /* that share a row */
    size_t lane_groups; /* of a work-group */
    size_t at_once;     /* work-groups that run at a time */
    size_t local_bytes;
    size_t least_block; /* rows that are worth a group */
} geometry;

void matvec_create(matvec_op *op, hadal_device *device)
{
    *op = (matvec_op){.device = device};
}

/* Lines of a tile. */
static size_t tile_rows(const hadal_device *device)
{
    return device_tuned(device, TUNED_MATVEC_ROWS);
}

/* Work-items that fill a compute unit of a GPU with loads. */
static size_t unit_items(const hadal_device *device)
{
    return device_tuned(device, TUNED_MATVEC_ITEMS);
}

/* Work-items of the largest work-groups: more than of those that wait for each other often. */
static size_t most_items(const hadal_device *device)
{
    const device_shape *shape = device_shape_of(device);
    return shape->cpu ? 1 : min_size(4 * (size_t)shape->group, hadal_device_describe(device)->max_group_size);
}

static size_t local_bytes(const hadal_device *device)
{
    size_t bytes = (size_t)hadal_device_describe(device)->local_memory_bytes;
    return device_shape_of(device)->cpu ? bytes : min_size(bytes, GPU_LOCAL_BYTES);
}

bool matvec_takes(const matvec_op *op, const matrix *weight)
{
    const device_shape *shape = device_shape_of(op->device);
    size_t tile = tile_rows(op->device);
    if (shape->cpu && (weight->stride + 4 * tile) * sizeof(float) > local_bytes(op->device))
        return false; /* the input's copy has no room */
    if (!shape->cpu && shape->lanes < tile)
        return false; /* no lane for each of the sums */
    if (weight->stacked && weight->slab_count != 1)
        return false;
    return weight->type != DTYPE_F8_E4M3 || weight->block_rows % tile == 0;
}

bool matvec_takes_heads(const matvec_op *op, const matrix *weight, size_t in_step)
{
    return in_step % 4 == 0 && matvec_takes(op, weight);
}

hadal_status matvec_options(byte_array *options, const hadal_device *device, unsigned types, unsigned matrices,
                            size_t lanes)
{
    TRY(bytes_format(options, " -D ROWS=%zu -D MOST_ITEMS=%zu -D MATRICES=%u -D TYPES=%u",
                     tile_rows(device), most_items(device), matrices, types));
    if (lanes < device_shape_of(device)->lanes)
        TRY(bytes_format(options, " -D ROW_LANES=%zu", lanes));
    return device_limit_registers(options, device, (unsigned)unit_items(device));
}

/* lanes: those that share a row, if not all of a lane group of the device. */
static hadal_status get_kernel(kernel **found, matvec_op *op, const char *family, const char *name, unsigned types,
                               unsigned matrices, size_t lanes)
{
    byte_array options = {0};
    hadal_status status;
    if (*found)
        return HADAL_OK;
    TRY_OR(done, matvec_options(&options, op->device, types, matrices, lanes));
    TRY_OR(done, kernel_get(found, op->device, family, name, options.data));
done:
    bytes_free(&options);
    return status;
}

matvec_argument matvec_argument_of(const matrix *weight)
{
    return (matvec_argument){(int32_t)weight->type,          (int32_t)weight->rows,
                             (int32_t)weight->stride,        (int32_t)weight->block_rows,
                             (int32_t)weight->block_columns, (int32_t)weight->scale_columns,
                             (int32_t)weight->scale_rows};
}

const buffer *matvec_scales(const matrix_slab *slab)
{
    return slab->scales ? slab->scales : slab->values;
}

static size_t chunks_of(const matrix *weight)
{
    return divide_up(weight->stride * dtype_bytes(weight->type), CHUNK_BYTES);
}

/* Lanes that share a row of so many chunks: fewer than the device's where more would have nothing to do, but one for
 * each line of a tile. log2 of that goes to *index. */
static size_t choose_lanes(size_t *index, const hadal_device *device, size_t chunks)
{
    size_t lanes = 1, most = device_shape_of(device)->lanes;
    for (*index = 0; lanes < most && (lanes < chunks || lanes < tile_rows(device)); ++*index)
        lanes *= 2;
    return lanes;
}

size_t matvec_lanes(const hadal_device *device, const matrix *weight)
{
    size_t index;
    return choose_lanes(&index, device, chunks_of(weight));
}

/* Pieces into which lane groups cut a row. */
static size_t pieces_of(const geometry *g, const matrix *weight)
{
    return g->device->cpu ? 1 : divide_up(chunks_of(weight), g->lanes);
}

static geometry choose_geometry(const hadal_device *device, const kernel *used, size_t lanes, size_t matrices)
{
    const device_shape *shape = device_shape_of(device);
    size_t units = hadal_device_describe(device)->compute_units;
    geometry g = {.device = shape, .tile = tile_rows(device) / matrices, .lanes = lanes, .lane_groups = 1,
                  .local_bytes = local_bytes(device)};
    if (shape->cpu) {
        g.at_once = units * device_tuned(device, TUNED_MATVEC_GROUPS);
        g.least_block = device_tuned(device, TUNED_MATVEC_BLOCK);
        return g;
    }
    size_t items = min_size(min_size(kernel_max_group(used), most_items(device)), unit_items(device));
    g.lane_groups = max_size(items / lanes, 1);
    g.at_once = units * max_size(unit_items(device) / (g.lane_groups * lanes), 1);
    return g;
}

/* Floats of local memory, as multiply_block of the kernels says. */
static size_t scratch_bytes(const geometry *g, size_t block, size_t pieces, size_t matrices, size_t stride)
{
    size_t lines = round_up(block, g->tile) * matrices;
    return (lines * (pieces | 1) + g->lane_groups + (g->device->cpu ? stride : 0)) * sizeof(float);
}

/* Rows of a block when `copies` matrices of so many rows share the groups that run at once: what takes least time,
 * counted in tiles of a lane group. Each of so many rounds of groups has START tiles' time of waiting, and groups of
 * several rounds do not end together: one round more. */
static size_t choose_block(const geometry *g, size_t rows, size_t copies, size_t pieces, size_t matrices, size_t stride)
{
    enum { START = 2, MOST_ROUNDS = 64 };
    size_t best = g->tile, least = SIZE_MAX;
    for (size_t round = 1; round <= MOST_ROUNDS; round++) {
        size_t block = round_up(divide_up(rows, max_size(g->at_once * round / copies, 1)), g->tile);
        block = max_size(block, g->least_block);
        size_t rounds = divide_up(divide_up(rows, block) * copies, g->at_once);
        size_t tiles = divide_up(block / g->tile * pieces, g->lane_groups);
        size_t time = rounds * (tiles + START) + (rounds > 1 ? tiles : 0);
        if (time < least && scratch_bytes(g, block, pieces, matrices, stride) <= g->local_bytes) {
            least = time;
            best = block;
        }
        if (block <= max_size(g->tile, g->least_block))
            break; /* no smaller ones */
    }
    return best;
}

/* The block of each segment, so that all of a launch take equally long, and the groups of them together. */
static size_t share_groups(segment *segments, size_t count, const geometry *g, size_t copies)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += matrix_bytes(segments[i].weight, segments[i].rows);
    size_t groups = 0;
    for (size_t i = 0; i < count; i++) {
        segment *s = &segments[i];
        s->pieces = pieces_of(g, s->weight);
        double share = (double)matrix_bytes(s->weight, s->rows) / (double)bytes;
        geometry own = *g;
        own.at_once = max_size((size_t)((double)g->at_once * share), 1);
        s->block = choose_block(&own, s->rows, copies, s->pieces, 1, s->weight->stride);
        groups += divide_up(s->rows, s->block);
    }
    return groups;
}

typedef struct product {
    const matvec_input *in;
    size_t in_step, out_step, copies;
    double factor;
    bool accumulate;
} product;

static hadal_status launch_segments(matvec_op *op, const product *p, segment *segments, size_t count)
{
    const matvec_input *in = p->in;
    unsigned types = 0;
    size_t chunks = 1, lane_index, scratch = 0, first_group = 0, columns = segments[0].weight->columns;
    for (size_t i = 0; i < count; i++) {
        types |= 1u << segments[i].weight->type;
        chunks = max_size(chunks, chunks_of(segments[i].weight));
    }
    size_t lanes = choose_lanes(&lane_index, op->device, chunks);
    kernel **used = &op->segments[types][lane_index];
    TRY(get_kernel(used, op, "matvec", "matvec_segments", types, 1, lanes));
    geometry g = choose_geometry(op->device, *used, lanes, 1);
    launch_shape launch = {
        .groups = {share_groups(segments, count, &g, p->copies), p->copies},
        .size = {g.lane_groups * g.lanes},
        .bytes = p->copies * columns * sizeof(float),
    };
    segment_argument arguments[MATVEC_SEGMENTS];
    const matrix_slab no_slab = {0};
    const segment none = {.weight = segments[0].weight, .slab = &no_slab}; /* has no groups, and costs no buffers */
    const segment *all[MATVEC_SEGMENTS];
    for (size_t i = 0; i < MATVEC_SEGMENTS; i++) {
        const segment *s = i < count ? &segments[i] : &none;
        all[i] = s;
        arguments[i] = (segment_argument){matvec_argument_of(s->weight), i < count ? (int32_t)first_group : INT32_MAX,
                                          (int32_t)s->block, (int32_t)s->out_row};
        arguments[i].matrix.rows = (int32_t)s->rows;
        if (i >= count)
            continue;
        first_group += divide_up(s->rows, s->block);
        scratch = max_size(scratch, scratch_bytes(&g, s->block, s->pieces, 1, s->weight->stride));
        launch.bytes += p->copies * (matrix_bytes(s->weight, s->rows) + s->rows * sizeof(float));
        launch.operations += 2 * (uint64_t)p->copies * s->rows * columns;
    }
#define SEGMENT(i)                                                                                       \
    arg_buffer(all[i]->out), arg_buffer(all[i]->slab->values), arg_buffer(matvec_scales(all[i]->slab)),      \
        arg_struct(&arguments[i], sizeof arguments[i])
    return LAUNCH(*used, launch, arg_buffer(in->in), arg_int((int64_t)(in->row * segments[0].weight->stride)),
                  arg_int((int64_t)p->in_step), arg_buffer(in->norm_weight), arg_int((int64_t)columns),
                  arg_float(in->epsilon), arg_int((int64_t)p->out_step), arg_float(p->factor), arg_int(p->accumulate),
                  arg_local(scratch), SEGMENT(0), SEGMENT(1), SEGMENT(2), SEGMENT(3));
#undef SEGMENT
}

hadal_status matvec_run(matvec_op *op, const matvec_input *in, const matvec_output *outs, size_t count, bool accumulate)
{
    const product p = {.in = in, .copies = 1, .factor = 1, .accumulate = accumulate};
    segment segments[MATVEC_SEGMENTS];
    size_t filled = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < outs[i].weight->slab_count; k++) {
            const matrix_slab *slab = &outs[i].weight->slabs[k];
            segments[filled++] = (segment){.out = outs[i].out,
                                           .weight = outs[i].weight,
                                           .slab = slab,
                                           .rows = slab->count,
                                           .out_row = slab->first};
            if (filled == MATVEC_SEGMENTS) {
                TRY(launch_segments(op, &p, segments, filled));
                filled = 0;
            }
        }
    return filled ? launch_segments(op, &p, segments, filled) : HADAL_OK;
}

hadal_status matvec_heads(matvec_op *op, buffer *out, size_t out_step, const buffer *in, size_t in_step,
                          const matrix *weight, double factor)
{
    const matvec_input input = {.in = in};
    const product p = {
        .in = &input, .in_step = in_step, .out_step = out_step, .copies = weight->experts, .factor = factor};
    segment only = {.out = out, .weight = weight, .slab = weight->slabs, .rows = weight->rows};
    return launch_segments(op, &p, &only, 1);
}

matvec_plan matvec_plan_of(const hadal_device *device, const kernel *used, const matvec_work *work)
{
    const matrix *weight = work->weight;
    geometry g = choose_geometry(device, used, work->lanes, 1);
    if (work->items) {
        g.at_once = g.at_once * g.lane_groups * g.lanes / work->items;
        g.lane_groups = max_size(work->items / g.lanes, 1);
    }
    size_t pieces = pieces_of(&g, weight), rows = weight->rows;
    size_t block = work->whole ? rows : choose_block(&g, rows, work->copies, pieces, 1, weight->stride);
    if (!work->items)
        g.lane_groups = min_size(g.lane_groups, divide_up(block, g.tile) * pieces);
    return (matvec_plan){divide_up(rows, block), g.lane_groups * g.lanes, block,
                         scratch_bytes(&g, block, pieces, 1, weight->stride)};
}

bool matvec_takes_whole(const matvec_op *op, const matrix *weight, size_t others)
{
    const device_shape *shape = device_shape_of(op->device);
    size_t items = most_items(op->device), lanes = matvec_lanes(op->device, weight);
    const geometry g = {.device = shape, .tile = tile_rows(op->device), .lanes = lanes, .lane_groups = items / lanes};
    size_t bytes = scratch_bytes(&g, weight->rows, pieces_of(&g, weight), 1, weight->stride);
    bytes += others + (shape->cpu ? 0 : items * sizeof(float)); /* what lanes may exchange values in */
    return bytes <= hadal_device_describe(op->device)->local_memory_bytes;
}

/* ---- Experts ---------------------------------------------------------------------------------------- */

bool matvec_takes_experts(const matvec_op *op, const matvec_experts *experts)
{
    const matvec_experts *e = experts;
    const matrix *const all[] = {e->shared_gate, e->shared_up, e->shared_down, e->gate, e->up, e->down};
    for (size_t i = 0; i < (e->choices ? 6 : 3); i++)
        if (!matvec_takes(op, all[i]) || all[i]->slab_count != 1)
            return false;
    return e->shared_gate->type == e->shared_up->type && (!e->choices || e->gate->type == e->up->type);
}

static uint64_t expert_bytes(const matvec_experts *experts, const matrix *routed, const matrix *shared)
{
    uint64_t bytes = matrix_bytes(shared, shared->rows);
    if (experts->choices)
        bytes += experts->choices * matrix_bytes(routed, routed->rows);
    return experts->tokens * bytes;
}

/* Multiplications of one matrix of each expert. */
static uint64_t expert_products(const matvec_experts *experts, const matrix *routed, const matrix *shared)
{
    uint64_t products = (uint64_t)shared->rows * shared->columns;
    if (experts->choices)
        products += experts->choices * (uint64_t)routed->rows * routed->columns;
    return experts->tokens * products;
}

/* Floats between the activations of two slots, and of two tokens. */
static size_t slot_stride(const matrix *gate)
{
    return round_up(gate->rows, ROW_UNIT);
}

hadal_status matvec_gated(matvec_op *op, buffer *act, const matvec_input *in, const matvec_experts *experts)
{
    const matrix *shared_gate = experts->shared_gate, *shared_up = experts->shared_up;
    const device_shape *shape = device_shape_of(op->device);
    size_t choices = experts->choices, tokens = experts->tokens;
    const matrix *routed = choices ? experts->gate : shared_gate, *routed_up = choices ? experts->up : shared_up;
    unsigned types = 1u << routed->type | 1u << shared_gate->type;
    kernel **used = &op->gated[types];
    TRY(get_kernel(used, op, "matvec_gated", "matvec_gated", types, 2, shape->lanes));
    geometry g = choose_geometry(op->device, *used, shape->lanes, 2);
    size_t pieces = max_size(pieces_of(&g, routed), pieces_of(&g, shared_gate));
    size_t rows = max_size(routed->rows, shared_gate->rows);
    size_t block = choose_block(&g, rows, (choices + 1) * tokens, pieces, 2, shared_gate->stride);
    size_t width = choices * slot_stride(routed) + slot_stride(shared_gate);
    launch_shape launch = {
        .groups = {divide_up(rows, block), choices + 1, tokens},
        .size = {g.lane_groups * g.lanes},
        .bytes = 2 * expert_bytes(experts, routed, shared_gate) +
                 tokens * (shared_gate->columns + width) * sizeof(float),
        .operations = 4 * expert_products(experts, routed, shared_gate),
    };
    const matvec_argument routed_matrix = matvec_argument_of(routed), shared_matrix = matvec_argument_of(shared_gate);
    return LAUNCH(*used, launch, arg_buffer(act), arg_buffer(in->in), arg_buffer(in->norm_weight),
                  arg_int((int64_t)shared_gate->columns), arg_float(in->epsilon), arg_int((int64_t)block),
                  arg_local(scratch_bytes(&g, block, pieces, 2, shared_gate->stride)),
                  arg_int((int64_t)shared_gate->stride), arg_int((int64_t)width), arg_int((int64_t)slot_stride(routed)),
                  arg_buffer(choices ? experts->ids : in->in), arg_int((int64_t)choices),
                  arg_buffer(routed->slabs->values), arg_buffer(matvec_scales(routed->slabs)),
                  arg_buffer(routed_up->slabs->values), arg_buffer(matvec_scales(routed_up->slabs)),
                  arg_struct(&routed_matrix, sizeof routed_matrix), arg_buffer(shared_gate->slabs->values),
                  arg_buffer(matvec_scales(shared_gate->slabs)), arg_buffer(shared_up->slabs->values),
                  arg_buffer(matvec_scales(shared_up->slabs)), arg_struct(&shared_matrix, sizeof shared_matrix));
}

hadal_status matvec_down(matvec_op *op, buffer *x, const buffer *act, const matvec_experts *experts)
{
    const matrix *shared_down = experts->shared_down;
    const device_shape *shape = device_shape_of(op->device);
    size_t choices = experts->choices, tokens = experts->tokens, rows = shared_down->rows;
    const matrix *routed = choices ? experts->down : shared_down;
    unsigned types = 1u << routed->type | 1u << shared_down->type;
    kernel **used = &op->down[types];
    TRY(get_kernel(used, op, "matvec_down", "matvec_down", types, 1, shape->lanes));
    geometry g = choose_geometry(op->device, *used, shape->lanes, 1);
    size_t pieces = choices * pieces_of(&g, routed) + pieces_of(&g, shared_down);
    size_t stride = max_size(routed->stride, shared_down->stride);
    size_t block = choose_block(&g, rows, tokens, pieces, 1, stride);
    size_t width = choices * routed->stride + shared_down->stride;
    launch_shape launch = {
        .groups = {divide_up(rows, block), 1, tokens},
        .size = {g.lane_groups * g.lanes},
        .bytes = expert_bytes(experts, routed, shared_down) + tokens * (width + 2 * rows) * sizeof(float),
        .operations = 2 * expert_products(experts, routed, shared_down),
    };
    const matvec_argument routed_matrix = matvec_argument_of(routed), shared_matrix = matvec_argument_of(shared_down);
    return LAUNCH(*used, launch, arg_buffer(x), arg_buffer(act), arg_int((int64_t)block),
                  arg_local(scratch_bytes(&g, block, pieces, 1, stride)),
                  arg_int((int64_t)round_up(rows, ROW_UNIT)), arg_int((int64_t)width), arg_int((int64_t)routed->stride),
                  arg_buffer(choices ? experts->ids : act), arg_buffer(choices ? experts->weights : act),
                  arg_int((int64_t)choices), arg_buffer(routed->slabs->values),
                  arg_buffer(matvec_scales(routed->slabs)), arg_struct(&routed_matrix, sizeof routed_matrix),
                  arg_buffer(shared_down->slabs->values), arg_buffer(matvec_scales(shared_down->slabs)),
                  arg_struct(&shared_matrix, sizeof shared_matrix));
}
