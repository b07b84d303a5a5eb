/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/completions.h"

#include <stdio.h>
#include <string.h>

#include "cli/report.h"

/* Only completions_print passes it on, as the first argument of a command. */
static const char question[] = "---completions";

/* How a value is completed; told from its form in --help. */
typedef enum value_kind { VALUE_NONE, VALUE_FREE, VALUE_WORDS, VALUE_FILE, VALUE_DIRECTORY } value_kind;

static value_kind kind_of(const option_row *row)
{
    if (row->kind == OPTION_FLAG)
        return VALUE_NONE;
    if (row->kind == OPTION_CHOICE)
        return VALUE_WORDS;
    if (strcmp(row->value, "DIR") == 0)
        return VALUE_DIRECTORY;
    if (strcmp(row->value, "FILE") == 0 || strncmp(row->value, "OUT.", 4) == 0)
        return VALUE_FILE;
    return VALUE_FREE;
}

/* Whether operands are files, or text that nothing can guess. */
static bool takes_files(const command *self)
{
    return strstr(self->operands, "FILE") != NULL;
}

/* Prints text with a backslash before each character of `special`, and what ' is between quotes of this shell. */
static void print_escaped(const char *text, const char *special, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs(quote, stdout);
        } else {
            if (strchr(special, *text))
                putchar('\\');
            putchar(*text);
        }
    }
}

/* "first|second" as "first second". */
static void print_words(const char *words)
{
    for (; *words; words++)
        putchar(*words == '|' ? ' ' : *words);
}

static void print_names(const command *const *commands, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i > 0 ? " " : "", commands[i]->name);
}

/* ---- bash --------------------------------------------------------------------------------------- */

static void bash_head(const command *const *commands, size_t count)
{
    fputs("_hadal()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} words=\n"
          "    COMPREPLY=()\n"
          "    # --name=value comes as three words\n"
          "    if [ \"$word\" = = ]; then\n        word=\n"
          "    elif [ \"$before\" = = ]; then\n        before=${COMP_WORDS[COMP_CWORD - 2]}\n    fi\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='", stdout);
    print_names(commands, count);
    fputs(" help completions --help --version -h -V'\n"
          "    else\n        case ${COMP_WORDS[1]} in\n", stdout);
}

static void bash_names(const option_row *row, const char *between)
{
    if (row->letter)
        printf("-%c%s", row->letter, between);
    printf("--%s", row->name);
}

static void bash_option_value(const option_row *row)
{
    value_kind kind = kind_of(row);
    if (kind == VALUE_NONE || kind == VALUE_FILE)
        return; /* bash completes files by itself */
    fputs("                    ", stdout);
    bash_names(row, " | ");
    fputs(") ", stdout);
    if (kind == VALUE_WORDS) {
        fputs("words='", stdout);
        print_words(row->value);
        putchar('\'');
    } else if (kind == VALUE_DIRECTORY) {
        fputs("compopt -o dirnames; return", stdout);
    } else {
        fputs("compopt +o default; return", stdout);
    }
    fputs(" ;;\n", stdout);
}

static void bash_command(const command *self, const option_group *groups, size_t count)
{
    printf("            %s)\n                case $before in\n", self->name);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g].count; i++)
            bash_option_value(&groups[g].rows[i]);
    }
    fputs("                    *)\n                        case $word in -*) words='", stdout);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g].count; i++) {
            bash_names(&groups[g].rows[i], " ");
            putchar(g + 1 < count || i + 1 < groups[g].count ? ' ' : '\'');
        }
    }
    fputs(" ;; esac\n                        ;;\n                esac\n                ;;\n", stdout);
}

static void bash_tail(const command *const *commands, size_t count)
{
    fputs("            help) words='", stdout);
    print_names(commands, count);
    fputs("' ;;\n            completions) words='bash zsh fish' ;;\n        esac\n    fi\n"
          "    if [ -n \"$words\" ]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n    fi\n}\n"
          "complete -o default -F _hadal hadal\n", stdout);
}

/* ---- zsh ---------------------------------------------------------------------------------------- */

static void zsh_head(const command *const *commands, size_t count)
{
    fputs("_hadal() {\n    local -a commands options\n    if (( CURRENT == 2 )); then\n        commands=(\n", stdout);
    for (size_t i = 0; i < count; i++) {
        printf("            '%s:", commands[i]->name);
        print_escaped(commands[i]->summary, "", "'\\''");
        fputs("'\n", stdout);
    }
    fputs("            'help:Lists the options of a command.'\n"
          "            'completions:Prints the completions of a shell.'\n        )\n"
          "        options=(--help --version -h -V)\n"
          "        _describe -t commands command commands\n"
          "        _describe -o option options\n        return\n    fi\n"
          "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n", stdout);
}

static void zsh_option(const option_row *row)
{
    value_kind kind = kind_of(row);
    fputs("                ", stdout);
    if (row->kind == OPTION_TEXTS)
        fputs("'*'", stdout);
    else if (row->letter)
        printf("'(-%c --%s)'", row->letter, row->name);
    if (row->letter)
        printf("{-%c%s,--%s%s}", row->letter, kind == VALUE_NONE ? "" : "+", row->name, kind == VALUE_NONE ? "" : "=");
    else
        printf("--%s%s", row->name, kind == VALUE_NONE ? "" : "=");
    fputs("'[", stdout);
    print_escaped(row->help, "[]:\\", "'\\''");
    putchar(']');
    if (kind != VALUE_NONE) {
        putchar(':');
        print_escaped(kind == VALUE_WORDS ? row->name : row->value, ":", "'\\''");
        putchar(':');
    }
    if (kind == VALUE_WORDS) {
        putchar('(');
        print_words(row->value);
        putchar(')');
    } else if (kind != VALUE_NONE) {
        fputs(kind == VALUE_FILE ? "_files" : kind == VALUE_DIRECTORY ? "_files -/" : " ", stdout);
    }
    fputs("' \\\n", stdout);
}

static void zsh_command(const command *self, const option_group *groups, size_t count)
{
    printf("        %s)\n            _arguments -s -S \\\n", self->name);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g].count; i++)
            zsh_option(&groups[g].rows[i]);
    }
    printf("                '*:operand:%s'\n            ;;\n", takes_files(self) ? "_files" : " ");
}

static void zsh_tail(const command *const *commands, size_t count)
{
    fputs("        help) _values command ", stdout);
    print_names(commands, count);
    fputs(" ;;\n        completions) _values shell bash zsh fish ;;\n    esac\n}\n_hadal \"$@\"\n", stdout);
}

/* ---- fish --------------------------------------------------------------------------------------- */

static void fish_description(const char *text)
{
    fputs(" -d '", stdout);
    print_escaped(text, "\\", "\\'");
    fputs("'\n", stdout);
}

static void fish_head(const command *const *commands, size_t count)
{
    fputs("function __hadal_command\n    set -l words (commandline -opc)\n"
          "    test (count $words) -ge 2; and test $words[2] = $argv[1]\nend\n"
          "function __hadal_no_command\n    test (count (commandline -opc)) -eq 1\nend\n"
          "complete -c hadal -f\n"
          "complete -c hadal -n __hadal_no_command -s h -l help -d 'print this and exit'\n"
          "complete -c hadal -n __hadal_no_command -s V -l version -d 'print the version and exit'\n", stdout);
    for (size_t i = 0; i < count; i++) {
        printf("complete -c hadal -n __hadal_no_command -a %s", commands[i]->name);
        fish_description(commands[i]->summary);
    }
    fputs("complete -c hadal -n __hadal_no_command -a help -d 'Lists the options of a command.'\n"
          "complete -c hadal -n __hadal_no_command -a completions -d 'Prints the completions of a shell.'\n", stdout);
}

static void fish_option(const command *self, const option_row *row)
{
    value_kind kind = kind_of(row);
    printf("complete -c hadal -n '__hadal_command %s'", self->name);
    if (row->letter)
        printf(" -s %c", row->letter);
    printf(" -l %s", row->name);
    if (kind == VALUE_FILE)
        fputs(" -r -F", stdout);
    else if (kind != VALUE_NONE)
        fputs(" -x", stdout);
    if (kind == VALUE_DIRECTORY)
        fputs(" -a '(__fish_complete_directories)'", stdout);
    if (kind == VALUE_WORDS) {
        fputs(" -a '", stdout);
        print_words(row->value);
        putchar('\'');
    }
    fish_description(row->help);
}

static void fish_command(const command *self, const option_group *groups, size_t count)
{
    if (takes_files(self))
        printf("complete -c hadal -n '__hadal_command %s' -F\n", self->name);
    for (size_t g = 0; g < count; g++) {
        for (size_t i = 0; i < groups[g].count; i++)
            fish_option(self, &groups[g].rows[i]);
    }
}

static void fish_tail(const command *const *commands, size_t count)
{
    fputs("complete -c hadal -n '__hadal_command help' -a '", stdout);
    print_names(commands, count);
    fputs("'\ncomplete -c hadal -n '__hadal_command completions' -a 'bash zsh fish'\n", stdout);
}

/* ---- All of them -------------------------------------------------------------------------------- */

typedef struct shell {
    const char *name;
    const char *first_line; /* zsh looks for its own there */
    void (*head)(const command *const *commands, size_t count);
    void (*command)(const command *self, const option_group *groups, size_t count);
    void (*tail)(const command *const *commands, size_t count);
} shell;

static const shell shells[] = {
    {"bash", "", bash_head, bash_command, bash_tail},
    {"zsh", "#compdef hadal\n", zsh_head, zsh_command, zsh_tail},
    {"fish", "", fish_head, fish_command, fish_tail},
};

static const shell *find_shell(const char *name)
{
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(shells[i].name, name) == 0)
            return &shells[i];
    }
    return NULL;
}

int completions_print(const char *name, const command *const *commands, size_t count)
{
    const shell *wanted = name ? find_shell(name) : NULL;
    if (!wanted)
        return name ? report(EX_USAGE, "completions: unknown shell '%s'; name one of bash, zsh, fish", name)
                    : report(EX_USAGE, "completions: takes one shell: bash, zsh or fish");
    printf("%s# SPDX-License-Identifier: MIT\n# SPDX-FileCopyrightText: The hadal authors\n\n"
           "# Made by `hadal completions %s`.\n\n", wanted->first_line, wanted->name);
    wanted->head(commands, count);
    for (size_t i = 0; i < count; i++) {
        char first[sizeof question];
        char shell_name[8];
        memcpy(first, question, sizeof first);
        snprintf(shell_name, sizeof shell_name, "%s", wanted->name);
        char *arguments[] = {(char[]){"hadal"}, first, shell_name, NULL};
        (void)commands[i]->run(commands[i], 3, arguments);
    }
    wanted->tail(commands, count);
    return 0;
}

bool completions_are_asked(int argc, char **argv)
{
    return argc == 3 && strcmp(argv[1], question) == 0 && find_shell(argv[2]);
}

void completions_print_groups(const command *self, const option_group *groups, size_t count, const char *name)
{
    find_shell(name)->command(self, groups, count);
}
