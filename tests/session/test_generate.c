/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Generation over a session that is scripted here instead of computed: what the model "says" is given, so that every
 * way to finish can be tried. tests/session/test_generate_demo.c does it with a real model. */

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "session/session.h"
#include "tests/check.h"

enum { VOCABULARY = 4096, EOS = 1 };

/* These definitions take the place of src/session/session.c. */
struct hadal_session {
    const int32_t *script; /* the tokens that the model finds likely, one after another */
    size_t script_length;
    size_t said;           /* how many of them */
    size_t length, context;
    size_t started;        /* steps that session_start began */
    hadal_status prompt_status;
    hadal_model_info info;
    float logits[VOCABULARY];
};

hadal_status hadal_session_feed(hadal_session *session, const int32_t *tokens, size_t count,
                                const hadal_feed_options *options)
{
    (void)tokens;
    assert_true(session->length + count <= session->context);
    if (!session->length && session->prompt_status != HADAL_OK)
        return session->prompt_status;
    if (options && options->progress)
        options->progress(options->user, "prefill", count, count);
    session->length += count;
    for (size_t i = 0; i < VOCABULARY; i++)
        session->logits[i] = 0;
    assert_true(session->said < session->script_length);
    session->logits[session->script[session->said++]] = 20;
    return HADAL_OK;
}

hadal_status session_start(hadal_session *session, int32_t token)
{
    assert_in_range(token, 0, VOCABULARY - 1);
    assert_true(session->length < session->context);
    session->started++;
    return HADAL_OK;
}

hadal_status session_join(hadal_session *session)
{
    return hadal_session_feed(session, (int32_t[]){0}, 1, NULL);
}

const float *hadal_session_logits(const hadal_session *session)
{
    return session->logits;
}

size_t hadal_session_length(const hadal_session *session)
{
    return session->length;
}

size_t session_context(const hadal_session *session)
{
    return session->context;
}

const hadal_model_info *session_model(const hadal_session *session)
{
    return &session->info;
}

/* ---- A generation, and what its caller saw ------------------------------------------------------------------- */

typedef struct witness {
    byte_array text;      /* of all events */
    hadal_tokens tokens;  /* of all events but the last with id -1 */
    size_t flushes;       /* events with id -1 */
    size_t stop_after;    /* return false at this token; 0: never */
    uint64_t progress;
} witness;

static bool see(void *user, const hadal_token_event *event)
{
    witness *seen = user;
    assert_non_null(event->text);
    CHECK_OK(bytes_append(&seen->text, event->text, event->length));
    if (event->id < 0) {
        seen->flushes++;
        assert_true(event->length > 0);
        return true;
    }
    assert_int_equal(seen->flushes, 0);
    assert_true(event->logprob < 0 && event->logprob > -1e-3);
    CHECK_OK(hadal_tokens_append(&seen->tokens, &event->id, 1));
    return seen->tokens.count != seen->stop_after;
}

static bool see_progress(void *user, const char *stage, uint64_t done, uint64_t total)
{
    assert_string_equal(stage, "prefill");
    assert_int_equal(done, total);
    ((witness *)user)->progress = done;
    return true;
}

typedef struct scene {
    hadal_tokenizer *tokenizer;
    hadal_session session;
    hadal_tokens script;
    hadal_generate_options options;
    witness seen;
    hadal_generate_result result;
} scene;

/* The model will say that text, token by token, then the end of sentence over and over. */
static void scene_begin(scene *on, const char *text)
{
    *on = (scene){.session = {.context = 1000, .info = {.vocab_size = VOCABULARY, .eos_token_id = EOS}}};
    char path[4096];
    snprintf(path, sizeof path, "%s/weights", getenv("top_srcdir") ? getenv("top_srcdir") : ".");
    CHECK_OK(hadal_tokenizer_load(&on->tokenizer, path));
    CHECK_OK(hadal_tokenize(on->tokenizer, &on->script, text, strlen(text), HADAL_TEXT_SPECIAL));
    for (int i = 0; i < 50; i++)
        CHECK_OK(hadal_tokens_append(&on->script, (int32_t[]){EOS}, 1));
    on->options = (hadal_generate_options){.token = see, .progress = see_progress, .user = &on->seen};
}

static hadal_status scene_run(scene *on, bool with_tokenizer)
{
    const hadal_sampler_options greedy = {.top_p = 1, .repeat_penalty = 1};
    hadal_sampler *sampler;
    CHECK_OK(hadal_sampler_create(&sampler, VOCABULARY, &greedy));
    on->session.script = on->script.ids;
    on->session.script_length = on->script.count;
    hadal_status status = hadal_generate(&on->result, &on->session, sampler, with_tokenizer ? on->tokenizer : NULL,
                                         (int32_t[]){0, 67, 68}, 3, &on->options);
    hadal_sampler_free(sampler);
    if (status != HADAL_OK)
        return status;
    /* Whatever happens, the events tell the same as the result. */
    assert_string_equal(on->result.text, on->seen.text.data ? on->seen.text.data : "");
    assert_int_equal(on->result.length, on->seen.text.length);
    assert_int_equal(on->result.tokens.count, on->seen.tokens.count);
    assert_int_equal(on->result.generated_tokens, on->seen.tokens.count);
    if (on->seen.tokens.count)
        assert_memory_equal(on->result.tokens.ids, on->seen.tokens.ids, on->seen.tokens.count * sizeof(int32_t));
    assert_int_equal(on->result.prompt_tokens, 3);
    assert_true(on->result.prefill_seconds >= 0 && on->result.decode_seconds >= 0);
    return status;
}

static void scene_end(scene *on)
{
    hadal_generate_result_free(&on->result);
    assert_null(on->result.text);
    bytes_free(&on->seen.text);
    hadal_tokens_free(&on->seen.tokens);
    hadal_tokens_free(&on->script);
    hadal_tokenizer_free(on->tokenizer);
}

/* ---- Ways to finish ------------------------------------------------------------------------------------------ */

static void the_end_of_sentence_finishes(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "Hello, world: 12 字!");
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_EOS);
    assert_string_equal(on.result.text, "Hello, world: 12 字!");
    assert_int_equal(on.result.generated_tokens, on.script.count - 50); /* without the EOS */
    assert_int_equal(on.session.length, 3 + on.result.generated_tokens);
    assert_int_equal(on.seen.progress, 3);
    assert_int_equal(on.seen.flushes, 0);
    scene_end(&on);
}

static void the_end_of_sentence_can_be_ignored(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "a");
    on.options.ignore_eos = true;
    on.options.max_tokens = 4;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_LENGTH);
    assert_int_equal(on.result.generated_tokens, 4);
    assert_string_equal(on.result.text, "a");
    scene_end(&on);
    scene_begin(&on, "a");
    on.options.ignore_eos = on.options.special = true;
    on.options.max_tokens = 2;
    CHECK_OK(scene_run(&on, true));
    assert_string_equal(on.result.text, "a<｜end▁of▁sentence｜>");
    scene_end(&on);
}

static void the_token_limit_finishes(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one two three four five six");
    on.options.max_tokens = 1;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_LENGTH);
    assert_int_equal(on.result.generated_tokens, 1);
    assert_int_equal(on.session.length, 3); /* the last token was not fed */
    assert_int_equal(on.session.started, 0);
    scene_end(&on);
}

static void full_caches_finish(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one two three four five six seven eight");
    on.session.context = 5;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_CONTEXT);
    assert_int_equal(on.result.generated_tokens, 3); /* two that were fed, and one that found no room */
    assert_int_equal(on.session.length, 5);
    assert_int_equal(on.session.started, 2);
    scene_end(&on);
    scene_begin(&on, "one two three four five six seven eight");
    on.session.context = 3; /* the prompt fills it */
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_CONTEXT);
    assert_int_equal(on.result.generated_tokens, 1);
    scene_end(&on);
}

static void the_callback_can_interrupt(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one two three four five six");
    on.seen.stop_after = 2;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_INTERRUPTED);
    assert_int_equal(on.result.generated_tokens, 2);
    assert_int_equal(on.session.length, 4);
    assert_int_equal(on.session.started, 2); /* the device was at the third token when the second was told */
    scene_end(&on);
}

static void the_prompt_can_be_interrupted(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one");
    on.session.prompt_status = HADAL_STOPPED;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_INTERRUPTED);
    assert_int_equal(on.result.generated_tokens, 0);
    assert_string_equal(on.result.text, "");
    scene_end(&on);
}

static void a_stop_text_finishes_and_is_not_shown(void **state)
{
    (void)state;
    static const char text[] = "The cat sat on the mat. The dog did not.";
    static const struct {
        const char *stop, *shown;
    } cases[] = {
        {"mat", "The cat sat on the "}, {" on t", "The cat sat"},
        {"The", ""},                    {"T", ""},
        {"e", "Th"},                    {". The d", "The cat sat on the mat"},
        {"not.", "The cat sat on the mat. The dog did "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene on;
        scene_begin(&on, text);
        on.options.stop = &cases[i].stop;
        on.options.stop_count = 1;
        CHECK_OK(scene_run(&on, true));
        assert_int_equal(on.result.finish, HADAL_FINISH_STOP);
        assert_string_equal(on.result.text, cases[i].shown);
        assert_int_equal(on.seen.flushes, 0);
        scene_end(&on);
    }
}

static void text_held_back_for_a_stop_text_comes_at_the_end(void **state)
{
    (void)state;
    scene on;
    const char *stop = " END of it";
    scene_begin(&on, "so END of");
    on.options.stop = &stop;
    on.options.stop_count = 1;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_EOS);
    assert_string_equal(on.result.text, "so END of");
    assert_int_equal(on.seen.flushes, 1);
    scene_end(&on);
}

static void a_character_cut_off_comes_as_its_replacement(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "x字");
    on.options.max_tokens = 3; /* x and two of three bytes */
    CHECK_OK(scene_run(&on, true));
    assert_string_equal(on.result.text, "x\xef\xbf\xbd");
    assert_int_equal(on.seen.flushes, 1);
    scene_end(&on);
    const char *stop = "\xef\xbf\xbd";
    scene_begin(&on, "x字");
    on.options.max_tokens = 3;
    on.options.stop = &stop;
    on.options.stop_count = 1;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_STOP);
    assert_string_equal(on.result.text, "x");
    scene_end(&on);
}

/* ---- Without text, and refusals ------------------------------------------------------------------------------ */

static void without_a_tokenizer_there_are_only_tokens(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one two");
    CHECK_OK(scene_run(&on, false));
    assert_int_equal(on.result.finish, HADAL_FINISH_EOS);
    assert_string_equal(on.result.text, "");
    assert_int_equal(on.result.generated_tokens, on.script.count - 50);
    scene_end(&on);
}

/* The model's config may name no end of sentence, or another than the tokenizer. */
static void the_tokenizer_knows_the_end_of_sentence_too(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one");
    on.session.info.eos_token_id = -1;
    CHECK_OK(scene_run(&on, true));
    assert_int_equal(on.result.finish, HADAL_FINISH_EOS);
    scene_end(&on);
}

static void failures_leave_an_empty_result(void **state)
{
    (void)state;
    scene on;
    scene_begin(&on, "one");
    const char *stop = "x";
    on.options.stop = &stop;
    on.options.stop_count = 1;
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "stop texts need a tokenizer", scene_run(&on, false));
    stop = "";
    CHECK_FAILS(HADAL_ERROR_ARGUMENT, "a stop text is empty", scene_run(&on, true));
    on.options.stop_count = 0;
    on.session.prompt_status = HADAL_ERROR_DEVICE_MEMORY;
    assert_int_equal(scene_run(&on, true), HADAL_ERROR_DEVICE_MEMORY);
    assert_null(on.result.text);
    assert_null(on.result.tokens.ids);
    scene_end(&on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_sentence_finishes),
        cmocka_unit_test(the_end_of_sentence_can_be_ignored),
        cmocka_unit_test(the_token_limit_finishes),
        cmocka_unit_test(full_caches_finish),
        cmocka_unit_test(the_callback_can_interrupt),
        cmocka_unit_test(the_prompt_can_be_interrupted),
        cmocka_unit_test(a_stop_text_finishes_and_is_not_shown),
        cmocka_unit_test(text_held_back_for_a_stop_text_comes_at_the_end),
        cmocka_unit_test(a_character_cut_off_comes_as_its_replacement),
        cmocka_unit_test(without_a_tokenizer_there_are_only_tokens),
        cmocka_unit_test(the_tokenizer_knows_the_end_of_sentence_too),
        cmocka_unit_test(failures_leave_an_empty_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
