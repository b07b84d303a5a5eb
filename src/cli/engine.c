/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/terminal.h"

static char *join_path(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static bool has_file(const char *directory, const char *name)
{
    char *path = join_path(directory, name);
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

int engine_find_model(char **directory, const model_settings *model)
{
    return report_status(hadal_find_model(directory, model->directory));
}

const char *engine_device_selector(const device_settings *device)
{
    const char *selector = device->selector ? device->selector : getenv("HADAL_DEVICE");
    return selector && *selector ? selector : NULL;
}

const char *engine_precision_name(hadal_precision precision)
{
    return precision == HADAL_PRECISION_EXACT ? "exact" : "fast";
}

hadal_session_options engine_session_options(const session_settings *session)
{
    return (hadal_session_options){
        .context = session->context,
        .chunk = session->chunk,
        .attention = (hadal_attention)session->attention,
        .index_topk = (uint32_t)session->index_topk,
        .kv_cache = (hadal_kv_cache)session->kv_cache,
        .index_cache = (hadal_index_cache)session->index_cache,
    };
}

int engine_open_text(engine *e, const model_settings *model, bool tokenizer_needed)
{
    TRY(engine_find_model(&e->directory, model));
    if (!tokenizer_needed && !has_file(e->directory, "tokenizer.json"))
        return 0;
    return report_status(hadal_tokenizer_load(&e->tokenizer, e->directory));
}

static int load_model(engine *e, const engine_request *request)
{
    progress_bar bar;
    progress_start(&bar, (terminal_when)request->engine->progress, request->output->quiet);
    double started = terminal_clock();
    hadal_status status = hadal_model_load(&e->model, e->device, e->directory,
                                           &(hadal_model_options){
                                               .linear = (hadal_linear)request->engine->linear,
                                               .progress = progress_update,
                                               .user = &bar,
                                           });
    progress_end(&bar);
    e->load_seconds = terminal_clock() - started;
    return report_status(status);
}

static void warn_of_matrix_unit(const engine *e, const engine_request *request)
{
    const hadal_device_info *device = hadal_device_describe(e->device);
    report_note(device->matrix_unit_failure[0] && !request->output->quiet,
                "the matrix unit of %s failed its self-test (%s); that part of the model is computed without it",
                device->name, device->matrix_unit_failure);
}

void engine_warn_of_tuning(const hadal_device *device, const output_settings *output)
{
    const hadal_device_info *info = hadal_device_describe(device);
    report_note(info->tuning_failure[0] && !output->quiet, "tuned sizes are not used: %s", info->tuning_failure);
}

static void tell_what_runs(const engine *e, const engine_request *request)
{
    const hadal_model_info *model = hadal_model_describe(e->model);
    const hadal_device_info *device = hadal_device_describe(e->device);
    bool wanted = request->engine->verbose;
    report_note(wanted, "model %s: %s, %.1f M parameters, %s, loaded in %.2f s", e->directory, model->model_type,
                (double)model->parameters / 1e6, model->weight_format, e->load_seconds);
    report_note(wanted, "device %zu: %s (%s), precision %s", device->index, device->name, device->platform,
                engine_precision_name(device->precision));
}

/* The context: as asked for, else what is needed, within the model's positions. */
static int choose_context(size_t *context, const hadal_model_info *model, const engine_request *request)
{
    size_t asked = request->session->context;
    size_t most = model->max_position_embeddings;
    size_t needed = request->total ? request->total : most;
    *context = asked ? asked : most && needed > most ? most : needed;
    if (request->prompt <= *context)
        return 0;
    if (asked)
        return report(EX_DATAERR, "%s has %zu tokens but the context holds %zu; give -c %zu or more", request->title,
                      request->prompt, *context, request->total ? request->total : request->prompt);
    return report(EX_DATAERR, "%s has %zu tokens but the model takes at most %zu", request->title, request->prompt,
                  *context);
}

int engine_load(engine *e, const engine_request *request)
{
    TRY(report_status(hadal_device_open(&e->device, &(hadal_device_options){
                                                             .selector = engine_device_selector(request->device),
                                                             .precision =
                                                                 (hadal_precision)request->precision->precision,
                                                             .profile = request->profile,
                                                         })));
    TRY(load_model(e, request));
    warn_of_matrix_unit(e, request);
    engine_warn_of_tuning(e->device, request->output);
    tell_what_runs(e, request);
    return 0;
}

int engine_fit(engine *e, const engine_request *request)
{
    hadal_session_options options = engine_session_options(request->session);
    TRY(choose_context(&options.context, hadal_model_describe(e->model), request));
    if (e->session && e->context >= options.context) {
        hadal_session_truncate(e->session, 0);
        return 0;
    }
    hadal_session_free(e->session); /* first: both may be more than the device holds */
    e->context = options.context;
    return report_status(hadal_session_create(&e->session, e->model, &options));
}

int engine_open(engine *e, const engine_request *request)
{
    TRY(engine_load(e, request));
    return engine_fit(e, request);
}

void engine_close(engine *e)
{
    hadal_session_free(e->session);
    hadal_model_free(e->model);
    hadal_device_close(e->device);
    hadal_tokenizer_free(e->tokenizer);
    free(e->directory);
}
