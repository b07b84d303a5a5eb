/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Numbers on the command line: options of generate and bench, lists of numbers, and files of token ids. The input's
 * lines are its arguments; the first byte chooses which of these it is. */

#include "tests/fuzz/fuzz.h"

#include <getopt.h>

#include "cli/bench.c" /* for its parse_list, */
#include "cli/input.c" /* and its parse_tokens */
#include "cli/sampling.h"
#include "tests/fuzz/report.h"

enum { MOST_ARGUMENTS = 24 };

static int split_lines(char **arguments, char *text)
{
    int count = 0;
    arguments[count++] = text; /* the name of the command, which is not read */
    for (char *end; count < MOST_ARGUMENTS && (end = strchr(text, '\n')); text = end + 1) {
        *end = '\0';
        arguments[count++] = end + 1;
    }
    arguments[count] = NULL;
    return count;
}

/* As parse_count must read it, without strtoull: digits alone, within 64 bits. */
static bool count_of(uint64_t *value, const char *text)
{
    *value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = 10 * *value + digit;
    }
    return *text == '\0';
}

static void check_last_count(const char *text, uint64_t least, uint64_t most, bool accepted, uint64_t value)
{
    uint64_t expected;
    bool right = *text && count_of(&expected, text) && expected >= least && expected <= most;
    MUST(accepted == right && (!accepted || value == expected));
}

static void try_options(char *text)
{
    static const command self = {.name = "bench", .operands = "", .summary = ""};
    char *arguments[MOST_ARGUMENTS + 1];
    bench_settings bench = {.layers = 4, .seconds = 1, .working_set = 1};
    sampling_settings sampling = {.temperature = 0};
    option_group groups[] = {bench_settings_group("Bench", &bench), sampling_settings_group("Sampling", &sampling)};
    int count = split_lines(arguments, text), first = 0;
    optind = 0; /* getopt begins anew */
    bool only_seed = count == 3 && strcmp(arguments[1], "--seed") == 0;
    int code = options_parse(&self, groups, sizeof groups / sizeof *groups, count, arguments, &first);
    MUST(code == 0 || code == EX_USAGE || code == OPTIONS_ANSWERED);
    if (only_seed)
        check_last_count(arguments[2], 0, INT64_MAX, code == 0, sampling.seed);
    if (code == EX_USAGE)
        return; /* and the program ends: what was refused may have been stored */
    MUST(bench.layers >= 1 && bench.layers <= 1024 && bench.seconds > 0 && bench.seconds <= 3600);
    MUST(sampling.temperature >= 0 && sampling.temperature <= 100 && sampling.top_p >= 0 && sampling.top_p <= 1);
    MUST(sampling.top_k <= INT32_MAX && bench.phase >= 0 && bench.phase <= 2);
    MUST(code == OPTIONS_ANSWERED || (first >= 1 && first <= count));
}

static void try_list(const char *text)
{
    value_list list = {.count = 0};
    int code = parse_list(&list, "context", text);
    MUST(code == 0 || code == EX_USAGE);
    MUST(list.count <= MOST_VALUES);
    for (size_t i = 0; i < list.count; i++)
        MUST(list.values[i] >= 1 && list.values[i] <= INT32_MAX);
}

static void try_tokens(const char *text, size_t length)
{
    hadal_tokens tokens = {0};
    int code = parse_tokens(&tokens, text, length, "file");
    MUST(code == 0 || code == EX_DATAERR);
    for (size_t i = 0; i < tokens.count; i++)
        MUST(tokens.ids[i] >= 0);
    hadal_tokens_free(&tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *silent;
    if (!silent)
        MUST((silent = freopen("/dev/null", "w", stdout))); /* --help answers there */
    if (!size)
        return 0;
    char *text = malloc(size);
    MUST(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] % 3 == 0)
        try_options(text);
    else if (data[0] % 3 == 1)
        try_list(text);
    else
        try_tokens(text, size - 1);
    free(text);
    return 0;
}
