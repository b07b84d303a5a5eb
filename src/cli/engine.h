/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What a command opens to run a model: device, model, session, tokenizer. */

#ifndef HADAL_CLI_ENGINE_H
#define HADAL_CLI_ENGINE_H

#include "cli/commands.h"
#include "hadal.h"

/* The directory of the model: as given, else of $HADAL_MODEL, else data/model of a build tree, else the installed
 * one. *directory is freed with free(). */
int engine_find_model(char **directory, const model_settings *model);

/* -d, else $HADAL_DEVICE, else NULL. Not owned. */
const char *engine_device_selector(const device_settings *device);

/* The word of --precision for what a device computes with. */
const char *engine_precision_name(hadal_precision precision);

/* Says so when sizes that were tuned cannot be used. */
void engine_warn_of_tuning(const hadal_device *device, const output_settings *output);

/* The options of a session; context is 0 unless -c was given. */
hadal_session_options engine_session_options(const session_settings *session);

/* Everything open; start with {0}. */
typedef struct engine {
    char *directory;
    hadal_tokenizer *tokenizer; /* NULL when the model has none and that is allowed */
    hadal_device *device;
    hadal_model *model;
    hadal_session *session;
    size_t context; /* of the session */
    double load_seconds;
} engine;

/* Finds the model's directory and loads its tokenizer: what is cheap and fails early. When the tokenizer is not
 * needed and no tokenizer.json is there, e->tokenizer stays NULL. */
int engine_open_text(engine *e, const model_settings *model, bool tokenizer_needed);

typedef struct engine_request {
    const device_settings *device;
    const precision_settings *precision;
    const session_settings *session;
    const engine_settings *engine;
    const output_settings *output;
    bool profile;
    const char *title; /* what messages call the prompt */
    size_t prompt; /* tokens that will be fed; they must fit */
    size_t total;  /* tokens that may follow included; fewer when the model's positions end. 0: all positions */
} engine_request;

/* Opens the device and loads the model. */
int engine_load(engine *e, const engine_request *request);

/* Makes the session empty, or creates one of the context asked for with -c, else of request->total, when there is none
 * of that size. EX_DATAERR: the prompt does not fit. */
int engine_fit(engine *e, const engine_request *request);

/* Both. */
int engine_open(engine *e, const engine_request *request);

/* Releases everything; may be called at any time. */
void engine_close(engine *e);

#endif
