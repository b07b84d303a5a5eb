/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * Continues a text with the model that comes along, or the one of $HADAL_MODEL, and prints each word as it comes:
 *
 *     cc continue.c -o continue $(pkg-config --cflags --libs libhadal)
 *     ./continue 'A database index is'
 */

#include <hadal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool print(void *user, const hadal_token_event *event)
{
    return fwrite(event->text, 1, event->length, user) == event->length && fflush(user) == 0;
}

/* What was opened here and must be closed. */
typedef struct everything {
    char *directory;
    hadal_device *device;
    hadal_model *model;
    hadal_session *session;
    hadal_sampler *sampler;
    hadal_tokenizer *tokenizer;
    hadal_tokens tokens;
    hadal_generate_result result;
} everything;

static hadal_status generate(everything *e, const char *text)
{
    hadal_session_options session = {0};
    hadal_sampler_options sampler = {0};
    hadal_generate_options options = {0};
    hadal_status status = hadal_find_model(&e->directory, NULL);
    if (status == HADAL_OK)
        status = hadal_device_open(&e->device, NULL);
    if (status == HADAL_OK)
        status = hadal_model_load(&e->model, e->device, e->directory, NULL);
    if (status == HADAL_OK)
        status = hadal_tokenizer_load(&e->tokenizer, e->directory);
    if (status == HADAL_OK)
        status = hadal_tokenize(e->tokenizer, &e->tokens, text, strlen(text), HADAL_TEXT_BOS);
    options.max_tokens = 24;
    options.token = print;
    options.user = stdout;
    session.context = e->tokens.count + options.max_tokens; /* what the caches must hold */
    if (status == HADAL_OK)
        status = hadal_session_create(&e->session, e->model, &session);
    sampler.top_p = 1; /* and temperature 0: always the most likely token */
    sampler.repeat_penalty = 1;
    if (status == HADAL_OK)
        status = hadal_sampler_create(&e->sampler, hadal_model_describe(e->model)->vocab_size, &sampler);
    if (status == HADAL_OK)
        status = hadal_generate(&e->result, e->session, e->sampler, e->tokenizer, e->tokens.ids, e->tokens.count,
                                &options);
    return status;
}

int main(int argc, char **argv)
{
    everything e;
    hadal_status status;
    memset(&e, 0, sizeof e);
    status = generate(&e, argc > 1 ? argv[1] : "A database index is");
    if (status == HADAL_OK)
        putchar('\n');
    else
        fprintf(stderr, "continue: %s\n", hadal_error_message());
    hadal_generate_result_free(&e.result);
    hadal_sampler_free(e.sampler);
    hadal_session_free(e.session);
    hadal_tokens_free(&e.tokens);
    hadal_tokenizer_free(e.tokenizer);
    hadal_model_free(e.model);
    hadal_device_close(e.device);
    free(e.directory);
    return status == HADAL_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
