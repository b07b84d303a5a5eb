/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Completions of the shells, written from the tables of options that parse them and make --help. */

#ifndef HADAL_CLI_COMPLETIONS_H
#define HADAL_CLI_COMPLETIONS_H

#include "cli/options.h"

/* Prints what completes all commands in a shell: "bash", "zsh" or "fish". Returns an exit code. */
int completions_print(const char *shell, const command *const *commands, size_t count);

/* Whether completions_print asks a command for its options; options_parse then calls completions_print_groups. */
bool completions_are_asked(int argc, char **argv);

/* Prints the part of one command. */
void completions_print_groups(const command *self, const option_group *groups, size_t count, const char *shell);

#endif
