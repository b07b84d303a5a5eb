/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* One safetensors file, right and wrong. Files are untrusted: each wrong one ends with one line, never a crash. */

#include "weights/safetensors.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/check.h"
#include "tests/weights/writer.h"

#define ENTRY(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/* A header that is refused, or with words == NULL accepted. */
typedef struct header_case {
    const char *name;
    const char *header;
    size_t data_bytes;
    const char *words;
} header_case;

static const header_case header_cases[] = {
    {"a header that is no JSON is refused", "{\"a\":", 0, "bad JSON at byte"},
    {"an empty header is refused", "", 0, "bad JSON at byte"},
    {"a header that is an array is refused", "[]", 0, "expected an object"},
    {"text behind the header's object is refused", "{} {}", 0, "x.safetensors: header: bad JSON at byte 4"},
    {"control characters near an error are not shown", "{\"a\": \x1b[31m}", 0, "bad JSON at byte"},
    {"a header that is not UTF-8 is refused", "{\"\xff\xfe\": 1}", 0, "unable to decode byte 0xff"},
    {"a name with DEL is refused", "{" ENTRY("\x7f", "F32", "[1]", "[0,4]") "}", 4, "tensor name \"?\" holds control"},
    {"a name that stands twice is refused",
     "{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("a", "F32", "[1]", "[4,8]") "}", 8,
     "duplicate object key near '\"a\"'"},
    {"an offset that stands twice is refused",
     "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"data_offsets\":[0,4]}}", 4, "duplicate"},
    {"a name with a line break is refused", "{" ENTRY("a\\nb", "F32", "[1]", "[0,4]") "}", 4,
     "tensor name \"a\\nb\" holds control characters"},
    {"a name with an escape sequence is refused", "{" ENTRY("\\u001b[2J", "F32", "[1]", "[0,4]") "}", 4,
     "holds control characters"},
    {"a name with a C1 control is refused", "{" ENTRY("\\u009b2J", "F32", "[1]", "[0,4]") "}", 4,
     "holds control characters"},
    {"a name with a NUL is refused", "{" ENTRY("a\\u0000b", "F32", "[1]", "[0,4]") "}", 4, "bad JSON"},
    {"a tensor that is a number is refused", "{\"a\":7}", 0, "tensor a: is 7, expected an object"},
    {"a tensor without dtype is refused", "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "tensor a: dtype is missing, expected a name such as \"BF16\""},
    {"a dtype that is a number is refused", "{\"a\":{\"dtype\":32,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "tensor a: dtype is 32"},
    {"a dtype in lower case is refused", "{" ENTRY("a", "f32", "[1]", "[0,4]") "}", 4, "tensor a: dtype is \"f32\""},
    {"an endless dtype is refused", "{" ENTRY("a", "F3222222222222222222222222222222", "[1]", "[0,4]") "}", 4,
     "tensor a: dtype is \"F322"},
    {"a tensor without shape is refused", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
     "tensor a: shape is missing, expected an array of sizes"},
    {"a shape that is a number is refused", "{" ENTRY("a", "F32", "1", "[0,4]") "}", 4, "tensor a: shape is 1"},
    {"a negative size is refused", "{" ENTRY("a", "F32", "[-1]", "[0,4]") "}", 4,
     "tensor a: shape is [-1], expected whole numbers from 0"},
    {"a size with a fraction is refused", "{" ENTRY("a", "F32", "[1.0]", "[0,4]") "}", 4, "tensor a: shape is [1.0]"},
    {"a size beyond 64 bits is refused", "{" ENTRY("a", "F32", "[99999999999999999999]", "[0,4]") "}", 4,
     "too big integer"},
    {"a shape whose product overflows is refused", "{" ENTRY("a", "F32", "[4294967296,4294967296,4]", "[0,4]") "}", 4,
     "has more elements than any file"},
    {"a shape whose bytes overflow to the right ones is refused",
     "{" ENTRY("a", "F32", "[4611686018427387905]", "[0,4]") "}", 4, "do not fill the 4 bytes"},
    {"a shape that overflows before a zero is refused", "{" ENTRY("a", "F32", "[4294967296,4294967296,0]", "[0,0]") "}",
     0, "has more elements than any file"},
    {"a tensor without offsets is refused", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4,
     "tensor a: data_offsets is missing, expected [begin, end]"},
    {"one offset is refused", "{" ENTRY("a", "F32", "[1]", "[4]") "}", 4, "tensor a: data_offsets is [4]"},
    {"three offsets are refused", "{" ENTRY("a", "F32", "[1]", "[0,4,8]") "}", 4, "tensor a: data_offsets is [0,4,8]"},
    {"offsets that are texts are refused", "{" ENTRY("a", "F32", "[1]", "[\"0\",\"4\"]") "}", 4,
     "tensor a: data_offsets is [\"0\",\"4\"]"},
    {"offsets that run backwards are refused", "{" ENTRY("a", "F32", "[1]", "[4,0]") "}", 4,
     "tensor a: data_offsets is [4,0], expected [begin, end] with begin <= end"},
    {"a negative offset is refused", "{" ENTRY("a", "F32", "[1]", "[-4,0]") "}", 4, "tensor a: data_offsets is [-4,0]"},
    {"an offset beyond the file is refused", "{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 7,
     "tensor a: ends at byte 8 of the data, but the file holds only 7; it is truncated or its header is wrong"},
    {"the largest offset is refused", "{" ENTRY("a", "F32", "[1]", "[9223372036854775803,9223372036854775807]") "}", 4,
     "tensor a: ends at byte 9223372036854775807 of the data"},
    {"more bytes than the shape has are refused", "{" ENTRY("a", "BF16", "[3]", "[0,8]") "}", 8,
     "tensor a: 3 elements of BF16 do not fill the 8 bytes of its data_offsets"},
    {"fewer bytes than the shape has are refused", "{" ENTRY("a", "F32", "[2,2]", "[0,8]") "}", 8,
     "tensor a: 4 elements of F32 do not fill the 8 bytes"},
    {"half a byte is refused", "{" ENTRY("a", "F4", "[3]", "[0,2]") "}", 2, "tensor a: 3 elements of F4 do not fill"},
    {"tensors that share bytes are refused",
     "{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[4,12]") "}", 12,
     "tensor b: overlaps tensor a at byte 4 of the data"},
    {"tensors in the same place are refused",
     "{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[1]", "[0,4]") "}", 4, "overlaps tensor"},
    {"an empty tensor inside another is refused",
     "{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[0]", "[4,4]") "}", 8, "tensor b: overlaps tensor a"},
    {"a hole before the first tensor is refused", "{" ENTRY("a", "F32", "[1]", "[4,8]") "}", 8,
     "tensor a: begins at byte 4 of the data, expected 0: the bytes between belong to no tensor"},
    {"a hole between tensors is refused",
     "{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[1]", "[8,12]") "}", 12,
     "tensor b: begins at byte 8 of the data, expected 4"},
    {"bytes behind the last tensor are refused", "{" ENTRY("a", "F32", "[1]", "[0,4]") "}", 5,
     "tensors end at byte 4 of the data, but the file holds 5"},
    {"data without tensors is refused", "{}", 3, "tensors end at byte 0 of the data, but the file holds 3"},

    {"a file without tensors is accepted", "{}", 0, NULL},
    {"spaces behind the header are accepted", "{" ENTRY("a", "F32", "[1]", "[0,4]") "}    ", 4, NULL},
    {"metadata is accepted", "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("a", "F32", "[1]", "[0,4]") "}", 4, NULL},
    {"tensors in any order are accepted",
     "{" ENTRY("a", "F32", "[1]", "[8,12]") "," ENTRY("b", "F32", "[2]", "[0,8]") "}", 12, NULL},
    {"empty tensors anywhere between others are accepted",
     "{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[0,7]", "[4,4]") "," ENTRY("c", "F32", "[0]",
                                                                                             "[0,0]") "}",
     4, NULL},
    {"other dtypes are accepted",
     "{" ENTRY("a", "I64", "[1]", "[0,8]") "," ENTRY("b", "F4", "[4]", "[8,10]") "," ENTRY("c", "NEW", "[5]",
                                                                                           "[10,11]") "}",
     11, NULL},
    {"tensors of rank 5 are accepted", "{" ENTRY("a", "F32", "[1,1,1,1,1]", "[0,4]") "}", 4, NULL},
};
enum { HEADER_CASES = sizeof header_cases / sizeof header_cases[0] };

/* Parses an exact copy in its own allocation, so that a sanitizer sees any byte read beyond it. */
static hadal_status parse_copy(tensor_list *list, const void *content, size_t length)
{
    unsigned char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    if (length)
        memcpy(copy, content, length);
    *list = (tensor_list){0};
    hadal_status status = safetensors_parse(list, &(mapped_file){copy, length}, "x.safetensors");
    unsigned sum = 0;
    for (size_t i = 0; status == HADAL_OK && i < list->count; i++) {
        const tensor_view *view = &list->views[i];
        for (uint64_t at = 0; at < view->bytes; at++)
            sum += ((const unsigned char *)view->data)[at];
        if (view->supported)
            assert_true(view->rank <= TENSOR_MAX_RANK && dtype_name(view->type));
    }
    assert_true(sum != UINT32_MAX);
    free(copy);
    return status;
}

static hadal_status parse_header(tensor_list *list, const char *header, size_t data_bytes)
{
    uint64_t length = strlen(header);
    char *content = calloc(1, sizeof length + length + data_bytes);
    assert_non_null(content);
    memcpy(content, &length, sizeof length);
    memcpy(content + sizeof length, header, length);
    hadal_status status = parse_copy(list, content, sizeof length + length + data_bytes);
    free(content);
    return status;
}

static void check_message_is_one_line(void)
{
    const char *message = hadal_error_message();
    assert_non_null(strstr(message, "x.safetensors: "));
    for (const char *at = message; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            fail_msg("control character %d in: %s", *at, message);
}

static void header_is_judged(void **state)
{
    const header_case *tried = *state;
    tensor_list list;
    if (tried->words) {
        CHECK_FAILS(HADAL_ERROR_DATA, tried->words, parse_header(&list, tried->header, tried->data_bytes));
        check_message_is_one_line();
    } else {
        CHECK_OK(parse_header(&list, tried->header, tried->data_bytes));
    }
    tensor_list_free(&list);
}

static void files_too_short_for_a_length_are_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < 8; length++) {
        tensor_list list;
        char words[64];
        snprintf(words, sizeof words, "holds %zu bytes, expected a safetensors file", length);
        CHECK_FAILS(HADAL_ERROR_DATA, words, parse_copy(&list, "\0\0\0\0\0\0\0", length));
        check_message_is_one_line();
    }
}

static void a_header_longer_than_the_file_is_refused(void **state)
{
    (void)state;
    const uint64_t lies[] = {3, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 7, UINT64_MAX};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        char content[10] = "........{}";
        memcpy(content, &lies[i], sizeof lies[i]);
        tensor_list list;
        CHECK_FAILS(HADAL_ERROR_DATA, "but 2 follow; the file is truncated or not a safetensors file",
                    parse_copy(&list, content, sizeof content));
        check_message_is_one_line();
    }
}

static void a_header_above_the_limit_is_refused(void **state)
{
    const char *path = path_in(*state, "x.safetensors");
    const uint64_t length = 100000001;
    write_file(*state, "x.safetensors", &length, sizeof length);
    assert_int_equal(truncate(path, 8 + (off_t)length), 0); /* a hole: it takes no room */
    mapped_file file;
    CHECK_OK(file_map(&file, path));
    tensor_list list = {0};
    CHECK_FAILS(HADAL_ERROR_DATA, "header claims 100000001 bytes, expected at most 100000000",
                safetensors_parse(&list, &file, path));
    file_unmap(&file);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 1000000 };
    char *header = malloc(DEPTH + 16);
    assert_non_null(header);
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', DEPTH);
    header[5 + DEPTH] = '\0';
    tensor_list list;
    CHECK_FAILS(HADAL_ERROR_DATA, "maximum parsing depth reached", parse_header(&list, header, 0));
    check_message_is_one_line();
    free(header);
}

static void views_say_what_the_file_holds(void **state)
{
    static const float ones[3] = {1, -2, 3};
    static const unsigned char codes[6] = {0x00, 0x80, 0x01, 0x7e, 0x7f, 0xff};
    const written_tensor tensors[] = {
        {"codes", "F8_E4M3", 2, {2, 3}, codes, false},
        {"halves", "F16", 1, {1}, "\x00\x3c", false},
        {"odd", "U8", 1, {1}, NULL, false},
        {"ones", "F32", 1, {3}, ones, false}, /* at an odd place */
        {"scalar", "BF16", 0, {0}, "\x80\x3f", false},
    };
    written_tensor copy[5];
    memcpy(copy, tensors, sizeof tensors);
    copy[2].shape[0] = 1;
    memcpy(copy[2].dtype, "X", 2); /* the writer gives 8 bytes to a dtype that it does not know */
    write_tensors(*state, "x.safetensors", copy, 5);
    const char *path = path_in(*state, "x.safetensors");
    mapped_file file;
    CHECK_OK(file_map(&file, path));
    tensor_list list = {0};
    CHECK_OK(safetensors_parse(&list, &file, path));
    assert_int_equal(list.count, 5);
    for (size_t i = 0; i < list.count; i++) {
        const tensor_view *view = &list.views[i];
        assert_string_equal(view->name, copy[i].name);
        assert_string_equal(view->dtype_text, copy[i].dtype);
        assert_ptr_equal(view->file, path);
        assert_int_equal(view->rank, copy[i].rank);
        assert_memory_equal(view->shape, copy[i].shape, copy[i].rank * sizeof(uint64_t));
        assert_int_equal(view->supported, i != 2);
        if (copy[i].data)
            assert_memory_equal(view->data, copy[i].data, view->bytes);
    }
    float values[3];
    dtype_decode(values, list.views[3].data, 3, list.views[3].type);
    assert_memory_equal(values, ones, sizeof ones);
    tensor_list_free(&list);
    file_unmap(&file);
}

/* A right file of several tensors, as bytes. */
static const char mutated_header[] =
    "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("model.a", "F32", "[2,3]", "[0,24]") "," ENTRY(
        "b", "BF16", "[4]", "[24,32]") "," ENTRY("c", "F8_E4M3", "[8]", "[32,40]") "," ENTRY("d", "I64", "[0]",
                                                                                             "[40,40]") "}";

/* Every byte replaced by several others, and the file cut at every length: a status and a line, whatever it is. */
static void no_mutation_crashes(void **state)
{
    (void)state;
    enum { LENGTH = 8 + sizeof mutated_header - 1 + 40 };
    char content[LENGTH] = {0};
    uint64_t length = sizeof mutated_header - 1;
    memcpy(content, &length, sizeof length);
    memcpy(content + 8, mutated_header, length);
    tensor_list list;
    CHECK_OK(parse_copy(&list, content, LENGTH));
    tensor_list_free(&list);
    size_t refused = 0, tried = 0;
    static const unsigned char replacements[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '"', '{', '}',
                                                 '[',  ']',  ',',  '-',  '0',  '9', 'e', ' '};
    for (size_t at = 0; at < LENGTH; at++) {
        for (size_t i = 0; i < sizeof replacements; i++, tried++) {
            char kept = content[at];
            content[at] = (char)replacements[i];
            if (parse_copy(&list, content, LENGTH) != HADAL_OK) {
                check_message_is_one_line();
                refused++;
            }
            tensor_list_free(&list);
            content[at] = kept;
        }
        if (parse_copy(&list, content, at) != HADAL_ERROR_DATA)
            fail_msg("cut to %zu bytes: accepted", at);
        check_message_is_one_line();
        tensor_list_free(&list);
    }
    assert_true(tried > 4000 && refused > tried / 2);
}

/* Two to eight bytes at random places at once; the sequence is the same in every run. */
static void no_random_damage_crashes(void **state)
{
    (void)state;
    enum { LENGTH = 8 + sizeof mutated_header - 1 + 40 };
    char right[LENGTH] = {0}, content[LENGTH];
    uint64_t length = sizeof mutated_header - 1, random = 1;
    memcpy(right, &length, sizeof length);
    memcpy(right + 8, mutated_header, length);
    for (unsigned round = 0; round < 4000; round++) {
        memcpy(content, right, LENGTH);
        for (unsigned change = 0; change < 2 + round % 7; change++) {
            random = random * 6364136223846793005U + 1442695040888963407U;
            /* digits for digits half of the time: these survive the JSON parser */
            size_t at = (size_t)(random >> 33) % LENGTH;
            bool digit = content[at] >= '0' && content[at] <= '9';
            content[at] = (char)(digit || round % 2 ? '0' + (random >> 20) % 10 : random >> 24);
        }
        tensor_list list;
        if (parse_copy(&list, content, LENGTH) != HADAL_OK)
            check_message_is_one_line();
        tensor_list_free(&list);
    }
}

int main(void)
{
    struct CMUnitTest tests[HEADER_CASES + 7] = {
        cmocka_unit_test(files_too_short_for_a_length_are_refused),
        cmocka_unit_test(a_header_longer_than_the_file_is_refused),
        IN_DIRECTORY(a_header_above_the_limit_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        IN_DIRECTORY(views_say_what_the_file_holds),
        cmocka_unit_test(no_mutation_crashes),
        cmocka_unit_test(no_random_damage_crashes),
    };
    header_case cases[HEADER_CASES]; /* cmocka hands each test a pointer that is not const */
    memcpy(cases, header_cases, sizeof cases);
    for (size_t i = 0; i < HEADER_CASES; i++)
        tests[7 + i] = (struct CMUnitTest){cases[i].name, header_is_judged, NULL, NULL, &cases[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
