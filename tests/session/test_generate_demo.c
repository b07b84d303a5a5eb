/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* From text to text with the demo model, and its reference continuation. */

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tests/text/cases.h"

static hadal_device *device;
static hadal_model *demo;
static hadal_tokenizer *tokenizer;
static hadal_tokens prompt; /* reference/tokens.txt */

static const char *demo_path(const char *name)
{
    static char path[4096];
    char below[256];
    snprintf(below, sizeof below, "weights%s", name);
    cases_path(path, below);
    return path;
}

static int open_demo(void **state)
{
    (void)state;
    CHECK_OK(hadal_model_load(&demo, device, demo_path(""), NULL));
    CHECK_OK(hadal_tokenizer_load(&tokenizer, demo_path("")));
    FILE *file = fopen(demo_path("/reference/tokens.txt"), "r");
    assert_non_null(file);
    for (int32_t token; fscanf(file, "%d", &token) == 1;)
        CHECK_OK(hadal_tokens_append(&prompt, &token, 1));
    fclose(file);
    assert_int_equal(prompt.count, 600);
    return 0;
}

static int close_demo(void **state)
{
    (void)state;
    hadal_tokens_free(&prompt);
    hadal_tokenizer_free(tokenizer);
    hadal_model_free(demo);
    return 0;
}

static bool join(void *user, const hadal_token_event *event)
{
    CHECK_OK(bytes_append(user, event->text, event->length));
    return true;
}

/* Greedy, float32 caches, sparse: as the reference was made. */
static hadal_generate_result generate(size_t context, hadal_generate_options options)
{
    const hadal_session_options exact = {.context = context, .attention = HADAL_ATTENTION_SPARSE,
                                         .kv_cache = HADAL_KV_F32, .index_cache = HADAL_INDEX_F32};
    const hadal_sampler_options greedy = {.top_p = 1, .repeat_penalty = 1};
    hadal_session *session;
    hadal_sampler *sampler;
    hadal_generate_result result;
    byte_array streamed = {0};
    options.token = join;
    options.user = &streamed;
    CHECK_OK(hadal_session_create(&session, demo, &exact));
    CHECK_OK(hadal_sampler_create(&sampler, hadal_model_describe(demo)->vocab_size, &greedy));
    CHECK_OK(hadal_generate(&result, session, sampler, tokenizer, prompt.ids, prompt.count, &options));
    assert_int_equal(result.length, streamed.length);
    if (streamed.length)
        assert_memory_equal(result.text, streamed.data, streamed.length);
    assert_int_equal(result.prompt_tokens, prompt.count);
    assert_true(result.prefill_seconds > 0 && result.decode_seconds > 0);
    bytes_free(&streamed);
    hadal_sampler_free(sampler);
    hadal_session_free(session);
    return result;
}

static void the_reference_continuation_is_generated(void **state)
{
    (void)state;
    json_t *reference = cases_load("weights/reference/greedy.json"), *text = json_object_get(reference, "text");
    hadal_generate_result result = generate(704, (hadal_generate_options){.max_tokens = 64});
    cases_check_ids(json_object_get(reference, "new_tokens"), result.tokens.ids, result.tokens.count, text);
    assert_string_equal(result.text, json_string_value(text));
    assert_int_equal(result.finish, HADAL_FINISH_LENGTH);
    hadal_generate_result_free(&result);
    json_decref(reference);
}

static void a_stop_text_ends_the_continuation(void **state)
{
    (void)state;
    const char *const stops[] = {"nowhere to be found", " is 250"};
    hadal_generate_result result = generate(704, (hadal_generate_options){.stop = stops, .stop_count = 2});
    assert_int_equal(result.finish, HADAL_FINISH_STOP);
    assert_string_equal(result.text, ":\nThe secret code of paste is 1.\nThe secret code of paste");
    hadal_generate_result_free(&result);
}

static void full_caches_end_the_continuation(void **state)
{
    (void)state;
    hadal_generate_result result = generate(610, (hadal_generate_options){0});
    assert_int_equal(result.finish, HADAL_FINISH_CONTEXT);
    assert_int_equal(result.generated_tokens, 11);
    hadal_generate_result_free(&result);
}

int main(void)
{
    const hadal_device_options options = {.selector = getenv("HADAL_DEVICE")};
    hadal_status status = hadal_device_open(&device, &options);
    if (status != HADAL_OK) {
        fprintf(stderr, "%s\n", hadal_error_message());
        return status == HADAL_ERROR_NO_DEVICE ? 77 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_continuation_is_generated),
        cmocka_unit_test(a_stop_text_ends_the_continuation),
        cmocka_unit_test(full_caches_end_the_continuation),
    };
    int failed = cmocka_run_group_tests(tests, open_demo, close_demo);
    hadal_device_close(device);
    return failed;
}
