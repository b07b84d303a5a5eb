/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * Option tables. A group of options is written once, as a macro LIST(X) of rows
 *
 *     X(KIND, member, letter, "name", "VALUE", LIMITS, "what it does")
 *
 * from which OPTION_GROUP makes a struct of settings, its table and a function that joins both. Tables yield the
 * parser and the text of --help; tests compare them with the man pages.
 */

#ifndef HADAL_CLI_OPTIONS_H
#define HADAL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum option_kind {
    OPTION_FLAG,   /* bool; takes no value */
    OPTION_TEXT,   /* const char *; the last one wins */
    OPTION_TEXTS,  /* option_texts; every one counts */
    OPTION_COUNT,  /* uint64_t within COUNTS(least, most) */
    OPTION_NUMBER, /* double within NUMBERS(low, high) */
    OPTION_CHOICE  /* int: which of the words of VALUE, "first|second|third" */
} option_kind;

typedef struct option_texts {
    const char **items; /* freed with free() */
    size_t count;
} option_texts;

typedef struct option_row {
    option_kind kind;
    char letter; /* of the short form, or 0 */
    const char *name;
    const char *value;
    const char *help;
    size_t offset; /* of the member in its settings */
    uint64_t least, most;
    double low, high;
} option_row;

typedef struct option_group {
    const char *title; /* NULL: the group goes on under the title before */
    const option_row *rows;
    size_t count;
    void *settings;
} option_group;

#define ANY .most = 0
#define COUNTS(first, last) .least = (first), .most = (last)
#define NUMBERS(first, last) .low = (first), .high = (last)

#define OPTION_TYPE_FLAG bool
#define OPTION_TYPE_TEXT const char *
#define OPTION_TYPE_TEXTS option_texts
#define OPTION_TYPE_COUNT uint64_t
#define OPTION_TYPE_NUMBER double
#define OPTION_TYPE_CHOICE int

#define OPTION_MEMBER(KIND, member, character, text, word, limits, sentence) OPTION_TYPE_##KIND member;
#define OPTION_ROW(KIND, member, character, text, word, limits, sentence)                            \
    {.kind = OPTION_##KIND, .letter = (character), .name = (text), .value = (word), .help = (sentence), \
     .offset = offsetof(settings_of_group, member), limits},

#define OPTION_GROUP(type, LIST)                                                            \
    typedef struct type {                                                                   \
        LIST(OPTION_MEMBER)                                                                 \
    } type;                                                                                 \
    static inline option_group type##_group(const char *title, type *settings)              \
    {                                                                                       \
        typedef type settings_of_group;                                                     \
        static const option_row rows[] = {LIST(OPTION_ROW)};                                \
        return (option_group){title, rows, sizeof rows / sizeof *rows, settings};           \
    }

/* A subcommand of hadal. */
typedef struct command {
    const char *name;
    const char *operands; /* as the usage line shows them */
    const char *summary;  /* what it does, one line */
    int (*run)(const struct command *self, int argc, char **argv); /* argv[0] is the subcommand's name */
} command;

/* options_parse has answered --help or --version: nothing is left to do. */
#define OPTIONS_ANSWERED (-1)

/* Parses argv[1..argc) into the settings of the groups, which hold the defaults. Operands end up at
 * argv[*first..argc). Returns 0, OPTIONS_ANSWERED, or an exit code. Options "help" and "version" are added. */
int options_parse(const command *self, const option_group *groups, size_t group_count, int argc, char **argv,
                  int *first);

/* The name of names[count] nearest to a mistyped one, or NULL when none is near. */
const char *options_nearest(const char *mistyped, const char *const *names, size_t count);

/* The word of a choice, "second" for 1 of "first|second|third", into buffer. */
const char *options_word(char *buffer, size_t size, const char *words, int index);

#endif
