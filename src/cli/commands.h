/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The subcommands, one file each, and the options that several of them share. */

#ifndef HADAL_CLI_COMMANDS_H
#define HADAL_CLI_COMMANDS_H

#include "cli/options.h"

extern const command generate_command;
extern const command score_command;
extern const command tokenize_command;
extern const command inspect_command;
extern const command devices_command;
extern const command bench_command;

#define MODEL_OPTIONS(X)                         \
    X(TEXT, directory, 'm', "model", "DIR", ANY, \
      "directory of the model (default: $HADAL_MODEL, else the model that comes with hadal)")

#define DEVICE_OPTIONS(X)                                                                          \
    X(TEXT, selector, 'd', "device", "DEVICE", ANY,                                                \
      "OpenCL device: its index or a part of its name (default: $HADAL_DEVICE, else the GPU with " \
      "most memory, else any)")

#define PRECISION_OPTIONS(X)                                                                          \
    X(CHOICE, precision, 0, "precision", "fast|exact", ANY,                                           \
      "products on the device's matrix units where it has known ones (default), or all in float32")

/* The words of the choices stand in the order of the enums of hadal.h. */
#define SESSION_OPTIONS(X)                                                                                   \
    X(COUNT, context, 'c', "context", "N", COUNTS(1, INT32_MAX),                                             \
      "tokens that the caches hold (default: what is needed)")                                               \
    X(COUNT, chunk, 0, "chunk", "N", COUNTS(1, INT32_MAX), "tokens of a prefill step (default: by device)")  \
    X(CHOICE, attention, 0, "attention", "auto|dense|sparse", ANY,                                           \
      "to all tokens, or to those that the indexer selects; auto (default): sparse where that differs")      \
    X(COUNT, index_topk, 0, "index-topk", "N", COUNTS(1, INT32_MAX),                                         \
      "tokens that the indexer selects (default: the model's)")                                              \
    X(CHOICE, kv_cache, 0, "kv-cache", "bf16|f32", ANY, "number format of the latent cache (default: bf16)") \
    X(CHOICE, index_cache, 0, "index-cache", "int8|fp8|f32", ANY, "number format of the index keys (default: int8)")

#define ENGINE_OPTIONS(X)                                               \
    X(CHOICE, linear, 0, "linear", "auto|own|clblast", ANY,             \
      "who multiplies large matrices in prefill (default: auto)")       \
    X(CHOICE, progress, 0, "progress", "auto|always|never", ANY,        \
      "progress bars on standard error (default: auto, on a terminal)") \
    X(FLAG, verbose, 'v', "verbose", NULL, ANY, "tell model, device, seed and speed on standard error")

#define OUTPUT_OPTIONS(X)                                                 \
    X(FLAG, json, 0, "json", NULL, ANY, "print JSON objects, one a line") \
    X(FLAG, quiet, 'q', "quiet", NULL, ANY, "only errors on standard error")

OPTION_GROUP(model_settings, MODEL_OPTIONS)
OPTION_GROUP(device_settings, DEVICE_OPTIONS)
OPTION_GROUP(precision_settings, PRECISION_OPTIONS)
OPTION_GROUP(session_settings, SESSION_OPTIONS)
OPTION_GROUP(engine_settings, ENGINE_OPTIONS)
OPTION_GROUP(output_settings, OUTPUT_OPTIONS)

#endif
