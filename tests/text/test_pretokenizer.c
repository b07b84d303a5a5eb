/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/pretokenizer.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tests/text/cases.h"
#include "text/pattern.h"
#include "text/utf8.h"

/* ---- Against the pieces of the `tokenizers` library ------------------------------------------------------ */

static void load_demo(pretokenizer **loaded, json_t **file)
{
    *file = cases_load("weights/tokenizer.json");
    CHECK_OK(pretokenizer_load(loaded, (json_scope){*file, "tokenizer.json", ""}));
}

typedef struct lengths {
    size_t of[4096];
    size_t count;
} lengths;

static hadal_status note_length(void *user, const char *piece, size_t length)
{
    (void)piece;
    lengths *noted = user;
    assert_true(noted->count < 4096);
    noted->of[noted->count++] = length;
    return HADAL_OK;
}

static bool are(const lengths *found, const json_t *expected)
{
    if (found->count != json_array_size(expected))
        return false;
    for (size_t i = 0; i < found->count; i++)
        if ((json_int_t)found->of[i] != json_integer_value(json_array_get(expected, i)))
            return false;
    return true;
}

static void check_texts(const pretokenizer *loaded)
{
    json_t *cases = cases_load("tests/text/data/cases.json.gz"), *one;
    size_t index;
    json_array_foreach(cases, index, one) {
        const json_t *text = json_object_get(one, "text");
        lengths found = {.count = 0};
        CHECK_OK(pretokenizer_split(loaded, json_string_value(text), json_string_length(text), note_length, &found));
        if (!are(&found, json_object_get(one, "pieces")))
            fail_msg("text %zu splits otherwise: %s", index, json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII));
    }
    assert_true(json_array_size(cases) > 2000);
    json_decref(cases);
}

static void texts_split_as_in_the_library(void **state)
{
    (void)state;
    pretokenizer *demo;
    json_t *file;
    load_demo(&demo, &file);
    check_texts(demo);
    json_decref(file);
    pretokenizer_free(demo);
}

/* The patterns as DeepSeek-V3's tokenizer.json spells them: carriage return and line feed stand in them as they are,
 * where the demo model's file has \\r and \\n. */
static void the_released_patterns_split_alike(void **state)
{
    (void)state;
    static const char *const released[] = {
        "\\p{N}{1,3}",
        "[一-龥぀-ゟ゠-ヿ]+",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|"
        "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|"
        "\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
    };
    pretokenizer *loaded;
    json_t *file = cases_load("weights/tokenizer.json");
    json_t *steps = json_object_get(json_object_get(file, "pre_tokenizer"), "pretokenizers");
    for (size_t i = 0; i < 3; i++)
        json_object_set_new(json_object_get(json_array_get(steps, i), "pattern"), "Regex", json_string(released[i]));
    CHECK_OK(pretokenizer_load(&loaded, (json_scope){file, "tokenizer.json", ""}));
    check_texts(loaded);
    json_decref(file);
    pretokenizer_free(loaded);
}

typedef struct probe {
    char text[256];
    size_t length, character_bytes;
} probe;

/* The template with U+FFFD replaced by the character. */
static probe make_probe(const char *template, uint32_t code_point)
{
    probe made = {.length = 0};
    char character[UTF8_MAX_BYTES];
    made.character_bytes = utf8_encode(character, code_point);
    while (*template) {
        bool here = strncmp(template, "\xef\xbf\xbd", 3) == 0;
        memcpy(made.text + made.length, here ? character : template, here ? made.character_bytes : 1);
        made.length += here ? made.character_bytes : 1;
        template += here ? 3 : 1;
    }
    return made;
}

/* Counts characters instead of bytes: pieces of probes with different characters then are comparable. */
static hadal_status note_characters(void *user, const char *piece, size_t length)
{
    size_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)piece[i] & 0xc0) != 0x80;
    return note_length(user, piece, count);
}

/* The system's PCRE2 may know characters that were assigned after the library's Unicode 16. */
static bool pcre2_is_newer(void)
{
    char version[32];
    pcre2_config(PCRE2_CONFIG_UNICODE_VERSION, version);
    return strtod(version, NULL) > 16.0;
}

static void every_code_point_is_of_the_class_that_the_library_gives_it(void **state)
{
    (void)state;
    pretokenizer *demo;
    json_t *file, *data = cases_load("tests/text/data/unicode.json.gz"), *run;
    load_demo(&demo, &file);
    const char *template = json_string_value(json_object_get(data, "probe"));
    size_t index, checked = 0;
    json_array_foreach(json_object_get(data, "runs"), index, run) {
        const json_t *kind = json_array_get(json_object_get(data, "kinds"),
                                            (size_t)json_integer_value(json_array_get(run, 2)));
        if (!json_is_true(json_array_get(run, 3)) && pcre2_is_newer())
            continue;
        uint32_t last = (uint32_t)json_integer_value(json_array_get(run, 1));
        for (uint32_t c = (uint32_t)json_integer_value(json_array_get(run, 0)); c <= last; c++) {
            if (c >= 0xd800 && c <= 0xdfff)
                continue;
            probe made = make_probe(template, c);
            lengths found = {.count = 0};
            CHECK_OK(pretokenizer_split(demo, made.text, made.length, note_characters, &found));
            if (!are(&found, kind))
                fail_msg("U+%04X is of another class", (unsigned)c);
            checked++;
        }
    }
    assert_true(checked > 280000);
    json_decref(data);
    json_decref(file);
    pretokenizer_free(demo);
}

/* ---- Descriptions that are refused ----------------------------------------------------------------------- */

static hadal_status load_text(const char *text)
{
    json_t *root = NULL;
    CHECK_OK(json_parse(&root, text, strlen(text), "t.json"));
    pretokenizer *loaded;
    hadal_status status = pretokenizer_load(&loaded, (json_scope){root, "t.json", ""});
    if (status != HADAL_OK)
        assert_null(loaded);
    pretokenizer_free(loaded);
    json_decref(root);
    return status;
}

#define SPLIT(members) "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\"," members "},"
#define ISOLATED(regex) SPLIT("\"behavior\":\"Isolated\",\"pattern\":{\"Regex\":\"" regex "\"}")
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}"

static void unknown_descriptions_are_refused_by_name(void **state)
{
    (void)state;
    CHECK_OK(load_text("{\"pre_tokenizer\":" BYTE_LEVEL "}"));
    CHECK_OK(load_text(ISOLATED("a") BYTE_LEVEL "]}}"));
    static const char *const cases[][2] = {
        {"{}", "pre_tokenizer.type is missing"},
        {"{\"pre_tokenizer\":null}", "pre_tokenizer.type is missing"},
        {"{\"pre_tokenizer\":[]}", "pre_tokenizer.type is missing"},
        {"{\"pre_tokenizer\":{\"type\":\"Metaspace\"}}", "pre_tokenizer.type is \"Metaspace\""},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\"}}", "pre_tokenizer.pretokenizers is missing"},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[]}}", "pre_tokenizer.pretokenizers is []"},
        {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[7]}}", "pre_tokenizer.pretokenizers[0].type"},
        {SPLIT("\"behavior\":\"Removed\",\"pattern\":{\"Regex\":\"a\"}") BYTE_LEVEL "]}}",
         "behavior is \"Removed\""},
        {SPLIT("\"behavior\":\"Isolated\",\"invert\":true") BYTE_LEVEL "]}}", "invert is true"},
        {SPLIT("\"behavior\":\"Isolated\",\"pattern\":{\"String\":\"a\"}") BYTE_LEVEL "]}}",
         "pattern.Regex is missing"},
        {ISOLATED("a|") BYTE_LEVEL "]}}", "matches the empty text"},
        {ISOLATED("a") "{\"type\":\"Digits\"}]}}", "[1].type is \"Digits\""},
        {ISOLATED("a") BYTE_LEVEL "," BYTE_LEVEL "]}}",
         "[1].type is \"ByteLevel\", expected \"Split\""},
        {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true}}", "add_prefix_space is true"},
        {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}}", "use_regex is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(HADAL_ERROR_DATA, cases[i][1], load_text(cases[i][0]));
}

/* ---- Patterns ---------------------------------------------------------------------------------------------- */

static void syntax_that_engines_read_differently_is_refused(void **state)
{
    (void)state;
    static const char *const accepted[] = {
        "a+", "\\p{N}{1,3}", "[^\\r\\n\\p{L}]?[\\p{Lu}\\P{M}]{2,}", "(?:a|b)(?!\\S)", "(?<=x)y", "[\\]\\[&-]", "(a)b??",
        "a*+b", "\\.\\$\\^\\{", "\\d\\D\\s\\S",
    };
    static const char *const refused[] = {
        "^a", "a$", ".", "\\h", "\\w", "\\b", "\\v", "\\x41", "\\1", "\\pL", "\\p{Han}", "\\p{^L}", "[a[b]]", "[a&&b]",
        "[]a]", "[^]a]", "[a", "(?i)a", "(?i:a)", "(?<n>a)", "(*UTF)a", "a{,3}", "a{2}+", "a{2}?", "a{x", "\\", "[\\",
        "\\p{", "(a", "a)", "*a", "a**", "[z-a]", "a*", "", "(?=a)", "\\\xc3\xa9",
    };
    pattern *compiled;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        CHECK_OK(pattern_compile(&compiled, accepted[i]));
        pattern_free(compiled);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK_FAILS(HADAL_ERROR_DATA, "the pattern", pattern_compile(&compiled, refused[i]));
        assert_null(compiled);
    }
}

/* (a|aa)+c over many a takes exponential time; the search must end, and not as "no match". */
static void a_search_without_end_is_an_error(void **state)
{
    (void)state;
    pattern *compiled;
    pattern_search *search;
    CHECK_OK(pattern_compile(&compiled, "(?:a|aa)+(?:c|d)"));
    CHECK_OK(pattern_search_create(&search));
    char text[4000];
    memset(text, 'a', sizeof text);
    size_t begin, end;
    CHECK_FAILS(HADAL_ERROR_DATA, "could not be matched over 4000 bytes",
                pattern_find(compiled, search, text, sizeof text, 0, &begin, &end));
    pattern_search_free(search);
    pattern_free(compiled);
}

/* Groups that repeat need stack for each round: more than JIT's, less than the interpreter's. */
static void a_match_too_deep_for_jit_is_still_found(void **state)
{
    (void)state;
    pattern *compiled;
    pattern_search *search;
    CHECK_OK(pattern_compile(&compiled, "(?:(?:ab|a)(?:c|b))+d"));
    CHECK_OK(pattern_search_create(&search));
    static char text[60001];
    for (size_t i = 0; i < 60000; i++)
        text[i] = "abc"[i % 3];
    text[60000] = 'd';
    size_t begin, end;
    CHECK_OK(pattern_find(compiled, search, text, sizeof text, 0, &begin, &end));
    assert_int_equal(begin, 0);
    assert_int_equal(end, sizeof text);
    pattern_search_free(search);
    pattern_free(compiled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_split_as_in_the_library),
        cmocka_unit_test(the_released_patterns_split_alike),
        cmocka_unit_test(every_code_point_is_of_the_class_that_the_library_gives_it),
        cmocka_unit_test(unknown_descriptions_are_refused_by_name),
        cmocka_unit_test(syntax_that_engines_read_differently_is_refused),
        cmocka_unit_test(a_search_without_end_is_an_error),
        cmocka_unit_test(a_match_too_deep_for_jit_is_still_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
