/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/sampling.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/report.h"

/* Out of every option's range. */
static const double number_not_given = -1;
static const uint64_t count_not_given = UINT64_MAX;

/* 32 bits: programs that read numbers of JSON as double keep it whole. */
static uint32_t random_seed(void)
{
    uint32_t seed;
    if (getentropy(&seed, sizeof seed) != 0)
        seed = (uint32_t)time(NULL);
    return seed;
}

sampling_settings sampling_defaults(void)
{
    return (sampling_settings){
        .temperature = number_not_given,
        .top_p = number_not_given,
        .top_k = count_not_given,
        .min_p = 0,
        .repeat_penalty = 1,
        .seed = random_seed(),
    };
}

/* The released file has 200 bytes; parsed, JSON may take a hundred times its size. */
enum { CONFIG_BYTES_LIMIT = 1 << 20 };

static bool is_small_file(FILE *file)
{
    struct stat about;
    return fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode) && about.st_size <= CONFIG_BYTES_LIMIT;
}

/* jansson's messages quote the file, which may hold anything that a terminal obeys. */
static const char *printable(char *text)
{
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
    return text;
}

/* generation_config.json names its fields as the transformers library does; do_sample false means greedy. */
static int read_config(sampling_settings *model, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT)
        return 0;
    if (!file)
        return report(EX_NOINPUT, "%s: %s", path, strerror(errno));
    if (!is_small_file(file)) {
        fclose(file);
        return report(EX_DATAERR, "%s: expected a file of at most %d bytes", path, CONFIG_BYTES_LIMIT);
    }
    json_error_t error;
    json_t *root = json_loadf(file, 0, &error);
    fclose(file);
    int sample = 0;
    double temperature = 1, top_p = 1;
    json_int_t top_k = 0;
    int code = 0;
    if (!root || json_unpack_ex(root, &error, 0, "{s?b, s?F, s?F, s?I}", "do_sample", &sample, "temperature",
                                &temperature, "top_p", &top_p, "top_k", &top_k) != 0)
        code = report(EX_DATAERR, "%s: %s", path, printable(error.text));
    else if (!(temperature >= 0 && temperature <= 100 && top_p >= 0 && top_p <= 1 && top_k >= 0 && top_k <= INT32_MAX))
        code = report(EX_DATAERR, "%s: temperature, top_p or top_k is out of range; give it as an option", path);
    else if (sample)
        *model = (sampling_settings){.temperature = temperature, .top_p = top_p, .top_k = (uint64_t)top_k};
    json_decref(root);
    return code;
}

int sampling_resolve(hadal_sampler_options *options, const sampling_settings *settings, const char *directory)
{
    static const char name[] = "/generation_config.json";
    sampling_settings model = {.temperature = 0, .top_p = 1, .top_k = 0};
    size_t size = strlen(directory) + sizeof name;
    char *path = malloc(size);
    if (!path)
        return report_memory();
    snprintf(path, size, "%s%s", directory, name);
    int code = read_config(&model, path);
    free(path);
    TRY(code);
    *options = (hadal_sampler_options){
        .temperature = (float)(settings->temperature >= 0 ? settings->temperature : model.temperature),
        .top_p = (float)(settings->top_p >= 0 ? settings->top_p : model.top_p),
        .top_k = (uint32_t)(settings->top_k != count_not_given ? settings->top_k : model.top_k),
        .min_p = (float)settings->min_p,
        .repeat_penalty = (float)settings->repeat_penalty,
        .seed = settings->seed,
    };
    return 0;
}
