/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal: finds the subcommand, runs it, and ends as a POSIX program should. */

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/completions.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"

static const command *const commands[] = {
    &generate_command, &score_command, &tokenize_command, &inspect_command, &devices_command,
    &bench_command,
};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_usage(FILE *stream)
{
    fputs("Usage: hadal COMMAND [OPTION]... [OPERAND]...\n"
          "Runs DeepSeek-V3.2 models on any OpenCL device.\n\nCommands:\n", stream);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n  -h, --help     print this and exit\n"
          "  -V, --version  print the version and exit\n\n"
          "'hadal help COMMAND' lists the options of a command, 'hadal completions SHELL' prints\n"
          "what bash, zsh or fish complete; man hadal tells more.\n", stream);
}

static const command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    }
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        names[i] = commands[i]->name;
    const char *nearest = options_nearest(name, names, COMMAND_COUNT);
    if (nearest)
        return report(EX_USAGE, "unknown command '%s'; did you mean '%s'?", name, nearest);
    const char *kind = *name == '-' ? "option" : "command";
    return report(EX_USAGE, "unknown %s '%s'; 'hadal help' lists the commands", kind, name);
}

static int help(const char *name)
{
    if (!name) {
        print_usage(stdout);
        return 0;
    }
    const command *found = find_command(name);
    if (!found)
        return refuse_command(name);
    char *arguments[] = {(char[]){"hadal"}, (char[]){"--help"}, NULL};
    return found->run(found, 2, arguments);
}

static int dispatch(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name) {
        print_usage(stderr);
        return EX_USAGE;
    }
    if (strcmp(name, "help") == 0)
        return help(argv[2]);
    if (strcmp(name, "completions") == 0)
        return completions_print(argc == 3 ? argv[2] : NULL, commands, COMMAND_COUNT);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(NULL);
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        return output_format("hadal %s\n", hadal_version());
    const command *found = find_command(name);
    return found ? found->run(found, argc - 1, argv + 1) : refuse_command(name);
}

int main(int argc, char **argv)
{
    output_guard();
    signals_install();
    int code = dispatch(argc, argv);
    code = output_close(code == OPTIONS_ANSWERED ? 0 : code);
    signals_raise_again();
    return code;
}
