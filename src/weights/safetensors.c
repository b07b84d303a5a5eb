/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "weights/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

enum { LENGTH_BYTES = 8 };

/* The reference implementation's limit; the released shards have headers of about 1 MB. */
static const uint64_t header_bytes_limit = 100000000;

/* The data part of a file that is being parsed. */
typedef struct data_region {
    const char *path;
    const unsigned char *start;
    uint64_t bytes;
} data_region;

/* Bits of an element in every dtype that the format names; 0: not named there. Only DTYPE_COUNT of them can be
 * computed with, but a lying size is refused for all. */
static unsigned element_bits(const char *dtype_text)
{
    static const struct {
        const char *name;
        unsigned bits;
    } known[] = {
        {"F32", 32}, {"BF16", 16}, {"F16", 16}, {"F8_E4M3", 8}, {"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"U16", 16},
        {"I16", 16}, {"U32", 32}, {"I32", 32}, {"U64", 64}, {"I64", 64}, {"F64", 64}, {"C64", 64}, {"F8_E5M2", 8},
        {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, dtype_text) == 0)
            return known[i].bits;
    return 0;
}

static hadal_status parse_dtype(tensor_view *view, const json_t *entry)
{
    const json_t *found = json_object_get(entry, "dtype");
    const char *text = json_string_value(found);
    size_t length = text ? strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") : 0;
    if (!length || text[length] || length >= sizeof view->dtype_text) {
        char excerpt[JSON_EXCERPT_BYTES];
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: dtype is %s, expected a name such as \"BF16\"", view->file,
                       view->name, json_excerpt(excerpt, found));
    }
    memcpy(view->dtype_text, text, length + 1);
    view->supported = dtype_from_name(&view->type, text);
    return HADAL_OK;
}

/* Reads rank and shape; *elements = their product. */
static hadal_status parse_shape(uint64_t *elements, tensor_view *view, const json_t *entry)
{
    const json_t *shape = json_object_get(entry, "shape");
    char excerpt[JSON_EXCERPT_BYTES];
    if (!json_is_array(shape))
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: shape is %s, expected an array of sizes", view->file,
                       view->name, json_excerpt(excerpt, shape));
    size_t rank = json_array_size(shape);
    view->rank = rank > UINT32_MAX ? UINT32_MAX : (unsigned)rank;
    view->supported = view->supported && rank <= TENSOR_MAX_RANK;
    *elements = 1;
    for (size_t i = 0; i < rank; i++) {
        const json_t *found = json_array_get(shape, i);
        json_int_t extent = json_integer_value(found);
        if (!json_is_integer(found) || extent < 0)
            return failure(HADAL_ERROR_DATA, "%s: tensor %s: shape is %s, expected whole numbers from 0", view->file,
                           view->name, json_excerpt(excerpt, shape));
        if (*elements && (uint64_t)extent > UINT64_MAX / *elements)
            return failure(HADAL_ERROR_DATA, "%s: tensor %s: shape %s has more elements than any file", view->file,
                           view->name, json_excerpt(excerpt, shape));
        *elements *= (uint64_t)extent;
        if (i < TENSOR_MAX_RANK)
            view->shape[i] = (uint64_t)extent;
    }
    return HADAL_OK;
}

static hadal_status parse_offsets(tensor_view *view, const json_t *entry, const data_region *data)
{
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(offsets, 0), *second = json_array_get(offsets, 1);
    json_int_t begin = json_integer_value(first), end = json_integer_value(second);
    char excerpt[JSON_EXCERPT_BYTES];
    if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(second) || begin < 0 ||
        end < begin)
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: data_offsets is %s, expected [begin, end] with begin <= end",
                       view->file, view->name, json_excerpt(excerpt, offsets));
    if ((uint64_t)end > data->bytes)
        return failure(HADAL_ERROR_DATA,
                       "%s: tensor %s: ends at byte %" PRIu64 " of the data, but the file holds only %" PRIu64
                       "; it is truncated or its header is wrong",
                       view->file, view->name, (uint64_t)end, data->bytes);
    view->data = data->start + begin;
    view->bytes = (uint64_t)(end - begin);
    return HADAL_OK;
}

static hadal_status check_bytes(const tensor_view *view, uint64_t elements)
{
    unsigned bits = element_bits(view->dtype_text);
    if (!bits)
        return HADAL_OK; /* a newer dtype: its place in the file is checked, its size cannot be */
    /* elements * bits / 8, without overflow: a partial byte cannot be stored */
    if (elements > UINT64_MAX / bits || elements * bits % 8 || elements * bits / 8 != view->bytes)
        return failure(HADAL_ERROR_DATA,
                       "%s: tensor %s: %" PRIu64 " elements of %s do not fill the %" PRIu64
                       " bytes of its data_offsets",
                       view->file, view->name, elements, view->dtype_text, view->bytes);
    return HADAL_OK;
}

static hadal_status parse_tensor(tensor_list *list, const char *name, const json_t *entry, const data_region *data)
{
    char excerpt[JSON_EXCERPT_BYTES];
    if (!json_is_printable(name)) {
        json_t *text = json_string(name);
        hadal_status status = failure(HADAL_ERROR_DATA, "%s: tensor name %s holds control characters", data->path,
                                      json_excerpt(excerpt, text));
        json_decref(text);
        return status;
    }
    TRY(memory_grow(&list->views, &list->capacity, list->count + 1, sizeof *list->views));
    tensor_view *view = &list->views[list->count];
    *view = (tensor_view){.file = data->path};
    char *own_name;
    TRY(memory_copy_text(&own_name, name, strlen(name)));
    view->name = own_name;
    list->count++;
    if (!json_is_object(entry))
        return failure(HADAL_ERROR_DATA, "%s: tensor %s: is %s, expected an object with dtype, shape and data_offsets",
                       view->file, view->name, json_excerpt(excerpt, entry));
    uint64_t elements = 0;
    TRY(parse_dtype(view, entry));
    TRY(parse_shape(&elements, view, entry));
    TRY(parse_offsets(view, entry, data));
    return check_bytes(view, elements);
}

static int compare_places(const void *a, const void *b)
{
    const tensor_view *left = a, *right = b;
    uintptr_t left_at = (uintptr_t)left->data, right_at = (uintptr_t)right->data;
    if (left_at != right_at)
        return left_at < right_at ? -1 : 1;
    return (left->bytes > right->bytes) - (left->bytes < right->bytes); /* empty tensors before the one they precede */
}

/* The tensors, in order of their data, tile it. */
static hadal_status check_tiling(tensor_view *views, size_t count, const data_region *data)
{
    if (count)
        qsort(views, count, sizeof *views, compare_places);
    uint64_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t begin = (uint64_t)((const unsigned char *)views[i].data - data->start);
        if (begin < covered)
            return failure(HADAL_ERROR_DATA, "%s: tensor %s: overlaps tensor %s at byte %" PRIu64 " of the data",
                           data->path, views[i].name, views[i - 1].name, begin);
        if (begin > covered)
            return failure(HADAL_ERROR_DATA,
                           "%s: tensor %s: begins at byte %" PRIu64 " of the data, expected %" PRIu64
                           ": the bytes between belong to no tensor",
                           data->path, views[i].name, begin, covered);
        covered += views[i].bytes;
    }
    if (covered != data->bytes)
        return failure(HADAL_ERROR_DATA,
                       "%s: tensors end at byte %" PRIu64 " of the data, but the file holds %" PRIu64
                       ": the rest belongs to no tensor",
                       data->path, covered, data->bytes);
    return HADAL_OK;
}

static hadal_status parse_header(tensor_list *list, json_t *header, const data_region *data)
{
    size_t before = list->count;
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") != 0) /* free text about the file */
            TRY(parse_tensor(list, name, entry, data));
    }
    /* Without any tensor there may be no array to point into. */
    return check_tiling(list->views ? list->views + before : NULL, list->count - before, data);
}

hadal_status safetensors_parse(tensor_list *list, const mapped_file *file, const char *path)
{
    if (file->size < LENGTH_BYTES)
        return failure(HADAL_ERROR_DATA, "%s: holds %zu bytes, expected a safetensors file (8 bytes at least)", path,
                       file->size);
    uint64_t length;
    memcpy(&length, file->data, sizeof length); /* little endian, as is every host that configure accepts */
    uint64_t rest = file->size - LENGTH_BYTES;
    if (length > rest)
        return failure(HADAL_ERROR_DATA,
                       "%s: header claims %" PRIu64 " bytes, but %" PRIu64
                       " follow; the file is truncated or not a safetensors file",
                       path, length, rest);
    if (length > header_bytes_limit)
        return failure(HADAL_ERROR_DATA, "%s: header claims %" PRIu64 " bytes, expected at most %" PRIu64, path, length,
                       header_bytes_limit);
    json_t *header;
    hadal_status status = json_parse(&header, (const char *)file->data + LENGTH_BYTES, (size_t)length, "header");
    if (status != HADAL_OK)
        return failure_within(status, "%s", path);
    const data_region data = {path, file->data + LENGTH_BYTES + length, rest - length};
    status = parse_header(list, header, &data);
    json_decref(header);
    return status;
}

void tensor_list_free(tensor_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        void *name;
        memcpy(&name, &list->views[i].name, sizeof name); /* const only to those who borrow the view */
        free(name);
    }
    free(list->views);
    *list = (tensor_list){0};
}
