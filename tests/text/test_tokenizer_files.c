/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Tokenizer files that are wrong, unusual or hostile. */

#include <string.h>

#include "tests/text/cases.h"
#include "tests/weights/writer.h"
#include "text/tokenizer.h"

/* The place that a dotted path names ("added_tokens.3.id"); *last = its last step. */
static json_t *walk(json_t *root, char *path, const char **last)
{
    json_t *at = root;
    char *step = path;
    for (char *dot; (dot = strchr(step, '.')); step = dot + 1) {
        *dot = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(step, NULL, 10)) : json_object_get(at, step);
    }
    *last = step;
    return at;
}

/* Sets, or with value NULL removes, what the path names. */
static void edit(json_t *root, const char *path, const char *value)
{
    char copy[256];
    const char *last;
    snprintf(copy, sizeof copy, "%s", path);
    json_t *holder = walk(root, copy, &last), *parsed = value ? json_loads(value, JSON_DECODE_ANY, NULL) : NULL;
    assert_true(!value || parsed);
    if (json_is_array(holder) && parsed)
        assert_int_equal(json_array_set_new(holder, strtoul(last, NULL, 10), parsed), 0);
    else if (parsed)
        assert_int_equal(json_object_set_new(holder, last, parsed), 0);
    else
        assert_int_equal(json_object_del(holder, last), 0);
}

typedef struct change {
    const char *path, *value;
    const char *message; /* NULL: is accepted */
} change;

/* Loads the demo's files with one change in the named one. */
static void check_change(const char *directory, const char *file, const change *made)
{
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json"};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "weights/%s", files[i]);
        json_t *root = cases_load(name);
        if (strcmp(files[i], file) == 0)
            edit(root, made->path, made->value);
        assert_int_equal(json_dump_file(root, path_in(directory, files[i]), JSON_ENSURE_ASCII), 0);
        json_decref(root);
    }
    hadal_tokenizer *loaded;
    hadal_status status = hadal_tokenizer_load(&loaded, directory);
    if (made->message) {
        if (status != HADAL_ERROR_DATA || !strstr(hadal_error_message(), made->message) ||
            !strstr(hadal_error_message(), file) || strchr(hadal_error_message(), '\n'))
            fail_msg("%s = %s: status %d, %s", made->path, made->value ? made->value : "(none)", (int)status,
                     hadal_error_message());
        assert_null(loaded);
    } else if (status != HADAL_OK) {
        fail_msg("%s = %s: %s", made->path, made->value ? made->value : "(none)", hadal_error_message());
    }
    hadal_tokenizer_free(loaded);
}

#define TOKEN(id, content, rest) "{\"id\":" id ",\"content\":" content ",\"special\":true" rest "}"

static void what_would_change_the_result_is_refused_by_name(void **state)
{
    static const change changes[] = {
        {"normalizer", "null", NULL},
        {"normalizer", "{\"type\":\"NFC\"}", "normalizer is {\"type\":\"NFC\"}"},
        {"normalizer", "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"}]}", "normalizer is"},
        {"truncation", "{\"max_length\":512}", "truncation is {\"max_length\":512}"},
        {"padding", "{}", "padding is {}"},
        {"model.type", "\"WordPiece\"", "model.type is \"WordPiece\""},
        {"model.type", NULL, "model.type is missing"},
        {"model.dropout", "0.1", "model.dropout is 0.1"},
        {"model.dropout", "0.0", NULL},
        {"model.unk_token", "\"<unk>\"", "model.unk_token is \"<unk>\""},
        {"model.continuing_subword_prefix", "\"##\"", "model.continuing_subword_prefix is \"##\""},
        {"model.continuing_subword_prefix", "\"\"", NULL},
        {"model.end_of_word_suffix", "\"</w>\"", "model.end_of_word_suffix"},
        {"model.byte_fallback", "true", "model.byte_fallback is true"},
        {"model.ignore_merges", "true", "model.ignore_merges is true"},
        {"model.ignore_merges", "7", "model.ignore_merges is 7"},
        {"decoder", "null", "decoder.type is missing"},
        {"decoder.type", "\"Metaspace\"", "decoder.type is \"Metaspace\""},
        {"post_processor", "null", NULL},
        {"post_processor", "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"}]}", NULL},
        {"post_processor.type", "\"BertProcessing\"", "post_processor.type is \"BertProcessing\""},
        {"post_processor", "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"X\"}]}",
         "post_processor.processors[0].type"},
        {"post_processor.single", "[{\"Sequence\":{}},{\"SpecialToken\":{\"id\":\"x\"}}]", "post_processor.single is"},
        {"post_processor.single", "[]", "post_processor.single is []"},
        {"post_processor.single", "[{\"SpecialToken\":{}},{\"Sequence\":{}}]", "post_processor.single is"},
        {"pre_tokenizer.pretokenizers.1.behavior", "\"Removed\"", "pretokenizers[1].behavior is \"Removed\""},
        {"pre_tokenizer.pretokenizers.0.pattern.Regex", "\"\\\\w+\"", "pretokenizers[0].pattern.Regex: the pattern"},
        {"added_tokens.3.lstrip", "true", "added_tokens[3].lstrip is true"},
        {"added_tokens.3.single_word", "true", "added_tokens[3].single_word is true"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        check_change(*state, "tokenizer.json", &changes[i]);
}

static void malformed_vocabularies_are_refused(void **state)
{
    static const change changes[] = {
        {"model", "null", "model.type is missing"},
        {"model.vocab", NULL, "model.vocab is missing"},
        {"model.vocab", "[]", "model.vocab is []"},
        {"model.vocab", "{}", "model.vocab is {}"},
        {"model.vocab", "{\"a\":0}", "has the id 4095, too large for a vocabulary of 8 tokens"},
        {"model.vocab.a", NULL, "no token for the byte 0x61"},
        {"model.vocab.a", "-1", "holds the id -1"},
        {"model.vocab.a", "\"x\"", "holds the id \"x\""},
        {"model.vocab.a", "1.5", "holds the id 1.5"},
        {"model.vocab.a", "3", "gives the id 3 to two tokens"},
        {"model.vocab.a", "2147483646", "has the id 2147483646"},
        {"model.vocab.a", "9223372036854775807", "has the id 9223372036854775807"},
        {"model.merges", NULL, "model.merges is missing"},
        {"model.merges", "{}", "model.merges is {}"},
        {"model.merges", "[]", NULL},
        {"model.merges.7", "\"ab\"", "model.merges[7] is \"ab\""},
        {"model.merges.7", "\"a b c\"", "model.merges[7] is \"a b c\""},
        {"model.merges.7", "17", "model.merges[7] is 17"},
        {"model.merges.7", "[\"a\"]", "model.merges[7] is [\"a\"]"},
        {"model.merges.7", "[\"a\",1]", "model.merges[7] is [\"a\",1]"},
        {"model.merges.7", "\"a \\u00ff\\u0142\\u0142\"", "model.merges[7] needs the token"},
        {"model.merges.7", "\"q \\u00e9\"", "model.merges[7] needs the token \"q\\u00E9\""},
        {"added_tokens", "{}", "added_tokens is {}"},
        {"added_tokens.2", "7", "added_tokens[2].content is missing"},
        {"added_tokens.2.id", NULL, "added_tokens[2].id is missing"},
        {"added_tokens.2.id", "-5", "added_tokens[2].id is -5"},
        {"added_tokens.2.id", "123456789", "has the id 123456789"},
        {"added_tokens.2.id", "67", "added_tokens[2].id is 67"},
        {"added_tokens.2.id", "1", "added_tokens[2].id is 1"},
        {"added_tokens.2.content", "\"\"", "added_tokens[2].content is \"\""},
        {"added_tokens.2.content", "5", "added_tokens[2].content is 5"},
        {"added_tokens.2.special", NULL, "added_tokens[2].special is missing"},
        {"added_tokens.4", TOKEN("4092", "\"again\"", ""), "added_tokens[4].id is 4092"},
        {"added_tokens.4", TOKEN("4092", "\"<think>\"", ""), "added_tokens[4].id is 4092, which an earlier"},
        {"added_tokens.4", TOKEN("4093", "\"<think>\"", ""), "added_tokens[4].id is 4093"},
        {"added_tokens", "[" TOKEN("4100", "\"n\"", "") "," TOKEN("4101", "\"n\"", "") "]", "model.vocab or"},
        {"added_tokens", "[" TOKEN("4100", "\"n n\"", "") "," TOKEN("4101", "\"n n\"", "") "]", "have the same text"},
        {"added_tokens.4", TOKEN("67", "\"a\"", ""), "byte 0x61 is also an added token"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        check_change(*state, "tokenizer.json", &changes[i]);
}

static void the_configuration_is_checked(void **state)
{
    static const change changes[] = {
        {"bos_token", "\"<｜begin▁of▁sentence｜>\"", NULL},
        {"bos_token", "null", NULL},
        {"bos_token", "\"nothing\"", "bos_token is \"nothing\", expected one of the added_tokens"},
        {"bos_token", "{\"content\":7}", "bos_token is {\"content\":7}"},
        {"bos_token", "7", "bos_token is 7"},
        {"eos_token", "\"the\"", "eos_token is \"the\""},
        {"add_bos_token", "\"yes\"", "add_bos_token is \"yes\""},
        {"add_eos_token", "true", "add_eos_token is true"},
        {"chat_template", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        check_change(*state, "tokenizer_config.json", &changes[i]);
}

static void missing_and_broken_files_are_told(void **state)
{
    hadal_tokenizer *loaded;
    CHECK_FAILS(HADAL_ERROR_INPUT, "tokenizer.json: cannot be opened", hadal_tokenizer_load(&loaded, *state));
    write_text(*state, "tokenizer.json", "{}");
    CHECK_FAILS(HADAL_ERROR_INPUT, "tokenizer_config.json: cannot be opened", hadal_tokenizer_load(&loaded, *state));
    write_text(*state, "tokenizer_config.json", "{}");
    static const char *const texts[] = {
        "", "{", "[]", "{\"a\":1,\"a\":2}", "\xff", "{\"model\":{\"type\":\"BPE\"}", "null",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_text(*state, "tokenizer.json", texts[i]);
        CHECK_FAILS(HADAL_ERROR_DATA, "tokenizer.json", hadal_tokenizer_load(&loaded, *state));
        assert_null(loaded);
    }
}

static void load_edited(hadal_tokenizer **loaded, const char *directory, const change *changes, size_t count)
{
    json_t *root = cases_load("weights/tokenizer.json"), *config = cases_load("weights/tokenizer_config.json");
    for (size_t i = 0; i < count; i++) {
        bool in_config = strncmp(changes[i].path, "config.", 7) == 0;
        edit(in_config ? config : root, changes[i].path + (in_config ? 7 : 0), changes[i].value);
    }
    assert_int_equal(json_dump_file(root, path_in(directory, "tokenizer.json"), 0), 0);
    assert_int_equal(json_dump_file(config, path_in(directory, "tokenizer_config.json"), 0), 0);
    json_decref(root);
    json_decref(config);
    CHECK_OK(hadal_tokenizer_load(loaded, directory));
}

/* "the" is a token that merges lead to; once it is declared an added token, text must not become it. */
static void a_merge_into_an_added_token_never_applies(void **state)
{
    json_t *demo = cases_load("weights/tokenizer.json");
    int the = (int)json_integer_value(json_object_get(json_object_get(json_object_get(demo, "model"), "vocab"), "the"));
    json_decref(demo);
    assert_true(the > 0);
    char token[96];
    snprintf(token, sizeof token, TOKEN("%d", "\"the\"", ""), the);
    hadal_tokenizer *loaded;
    load_edited(&loaded, *state, &(change){"added_tokens.2", token, NULL}, 1);
    hadal_tokens tokens = {0};
    CHECK_OK(hadal_tokenize(loaded, &tokens, "the", 3, 0));
    assert_true(tokens.count > 1);
    for (size_t i = 0; i < tokens.count; i++)
        assert_int_not_equal(tokens.ids[i], the);
    tokens.count = 0;
    CHECK_OK(hadal_tokenize(loaded, &tokens, "the", 3, HADAL_TEXT_SPECIAL));
    assert_int_equal(tokens.count, 1);
    assert_int_equal(tokens.ids[0], the);
    hadal_tokens_free(&tokens);
    hadal_tokenizer_free(loaded);
}

/* A hostile pattern is given up on; what was encoded before it hit is taken back. */
static void a_text_that_fails_leaves_the_tokens_as_they_were(void **state)
{
    hadal_tokenizer *loaded;
    load_edited(&loaded, *state,
                &(change){"pre_tokenizer.pretokenizers.1.pattern.Regex", "\"(?:a|aa)+(?:c|d)\"", NULL}, 1);
    char text[3000];
    memset(text, 'a', sizeof text);
    memcpy(text, "b 1 ", 4);
    hadal_tokens tokens = {0};
    CHECK_OK(hadal_tokenize(loaded, &tokens, "b 1 ", 4, 0));
    size_t before = tokens.count;
    CHECK_FAILS(HADAL_ERROR_DATA, "could not be matched", hadal_tokenize(loaded, &tokens, text, sizeof text, 0));
    assert_int_equal(tokens.count, before);
    hadal_tokens_free(&tokens);
    hadal_tokenizer_free(loaded);
}

static size_t tokens_of_a(const hadal_tokenizer *tokenizer)
{
    hadal_tokens tokens = {0};
    CHECK_OK(hadal_tokenize(tokenizer, &tokens, "a", 1, HADAL_TEXT_BOS));
    size_t count = tokens.count;
    hadal_tokens_free(&tokens);
    return count;
}

/* add_bos_token decides; where it is absent, the post_processor. */
static void whether_texts_begin_with_bos_is_read_from_the_files(void **state)
{
    static const struct {
        change changes[2];
        size_t expected;
    } cases[] = {
        {{{"config.add_bos_token", "true", NULL}, {"post_processor", "null", NULL}}, 2},
        {{{"config.add_bos_token", "false", NULL}, {"version", "\"1.0\"", NULL}}, 1},
        {{{"config.add_bos_token", NULL, NULL}, {"version", "\"1.0\"", NULL}}, 2},
        {{{"config.add_bos_token", NULL, NULL}, {"post_processor", "null", NULL}}, 1},
        {{{"config.add_bos_token", "true", NULL}, {"config.bos_token", "null", NULL}}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hadal_tokenizer *loaded;
        load_edited(&loaded, *state, cases[i].changes, 2);
        assert_int_equal(tokens_of_a(loaded), cases[i].expected);
        hadal_tokenizer_free(loaded);
    }
    static const change contrary[] = {{"add_bos_token", NULL, "bos_token"}, {"bos_token", "null", NULL}};
    json_t *root = cases_load("weights/tokenizer.json"), *config = cases_load("weights/tokenizer_config.json");
    edit(config, contrary[0].path, contrary[0].value);
    edit(config, contrary[1].path, contrary[1].value);
    assert_int_equal(json_dump_file(root, path_in(*state, "tokenizer.json"), 0), 0);
    assert_int_equal(json_dump_file(config, path_in(*state, "tokenizer_config.json"), 0), 0);
    json_decref(root);
    json_decref(config);
    hadal_tokenizer *loaded;
    CHECK_FAILS(HADAL_ERROR_DATA, "the token that post_processor in tokenizer.json puts first",
                hadal_tokenizer_load(&loaded, *state));
}

/* The same tokenizer, with merges as lists and as texts. */
static void merges_are_read_in_both_forms(void **state)
{
    json_t *root = cases_load("weights/tokenizer.json"), *config = cases_load("weights/tokenizer_config.json");
    json_t *merges = json_object_get(json_object_get(root, "model"), "merges");
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const char *text = json_string_value(json_array_get(merges, i)), *space = strchr(text, ' ');
        json_t *pair = json_pack("[s%s]", text, (int)(space - text), space + 1);
        assert_non_null(pair);
        json_array_set_new(merges, i, pair);
    }
    assert_int_equal(json_dump_file(root, path_in(*state, "tokenizer.json"), 0), 0);
    assert_int_equal(json_dump_file(config, path_in(*state, "tokenizer_config.json"), 0), 0);
    json_decref(root);
    json_decref(config);
    hadal_tokenizer *loaded;
    CHECK_OK(hadal_tokenizer_load(&loaded, *state));
    json_t *cases = cases_load("weights/reference/tokenizer_cases.json"), *one;
    size_t index;
    json_array_foreach(cases, index, one) {
        const json_t *text = json_object_get(one, "text");
        hadal_tokens tokens = {0};
        CHECK_OK(hadal_tokenize(loaded, &tokens, json_string_value(text), json_string_length(text),
                                HADAL_TEXT_SPECIAL));
        cases_check_ids(json_object_get(one, "ids"), tokens.ids, tokens.count, text);
        hadal_tokens_free(&tokens);
    }
    json_decref(cases);
    hadal_tokenizer_free(loaded);
}

/* Bytes changed at random: an answer or one line of complaint, never a crash. */
static void damaged_files_never_crash(void **state)
{
    json_t *config = cases_load("tests/text/data/tokenizer_config.json");
    json_t *root = cases_load("tests/text/data/tokenizer.json");
    assert_int_equal(json_dump_file(config, path_in(*state, "tokenizer_config.json"), 0), 0);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    json_decref(config);
    size_t length = strlen(text), loaded_count = 0;
    uint64_t seed = 11;
    for (int round = 0; round < 400; round++) {
        char *damaged = strdup(text);
        size_t changed = length;
        for (int hit = 0; hit <= round % 3; hit++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            /* Half of the hits near the ends, where the rules stand; the rest is vocabulary. */
            size_t at = (size_t)(seed >> 20) % (round % 2 ? length : 3000);
            damaged[at] = "0189\"{}[],:-\\eax\x01\xc3"[(seed >> 8) % 18];
        }
        if (round % 10 == 9)
            changed = (size_t)(seed >> 20) % length;
        write_file(*state, "tokenizer.json", damaged, changed);
        free(damaged);
        hadal_tokenizer *loaded;
        if (hadal_tokenizer_load(&loaded, *state) == HADAL_OK) {
            hadal_tokens tokens = {0};
            (void)!hadal_tokenize(loaded, &tokens, "Hello, wörld 123", 17, HADAL_TEXT_SPECIAL);
            hadal_tokens_free(&tokens);
            hadal_tokenizer_free(loaded);
            loaded_count++;
        } else {
            assert_true(strlen(hadal_error_message()) > 10);
            assert_null(strchr(hadal_error_message(), '\n'));
        }
    }
    assert_true(loaded_count < 400);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(what_would_change_the_result_is_refused_by_name),
        IN_DIRECTORY(malformed_vocabularies_are_refused),
        IN_DIRECTORY(the_configuration_is_checked),
        IN_DIRECTORY(missing_and_broken_files_are_told),
        IN_DIRECTORY(a_merge_into_an_added_token_never_applies),
        IN_DIRECTORY(a_text_that_fails_leaves_the_tokens_as_they_were),
        IN_DIRECTORY(whether_texts_begin_with_bos_is_read_from_the_files),
        IN_DIRECTORY(merges_are_read_in_both_forms),
        IN_DIRECTORY(damaged_files_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
