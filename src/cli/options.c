/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/completions.h"
#include "cli/report.h"

enum {
    MAX_OPTIONS = 64,
    HELP_COLUMN = 30, /* where the sentences of --help begin */
    HELP_WIDTH = 79,
    LONG_BASE = 256   /* getopt_long returns LONG_BASE + index of the option */
};

/* The options of one command: its groups in a row, and getopt's view of them. */
typedef struct parser {
    const command *self;
    const option_row *rows[MAX_OPTIONS];
    char *settings[MAX_OPTIONS];
    size_t count;
    struct option names[MAX_OPTIONS + 1];
    char letters[2 * MAX_OPTIONS + 2];
} parser;

typedef struct answers {
    bool help;
    bool version;
} answers;

static const option_row answer_rows[] = {
    {.kind = OPTION_FLAG, .letter = 'h', .name = "help", .help = "print this and exit",
     .offset = offsetof(answers, help)},
    {.kind = OPTION_FLAG, .letter = 'V', .name = "version", .help = "print the version and exit",
     .offset = offsetof(answers, version)},
};

/* ---- Help --------------------------------------------------------------------------------------- */

/* Prints text from column `column` on, broken between words, each further line starting at HELP_COLUMN. */
static void print_wrapped(const char *text, int column)
{
    while (*text) {
        int word = (int)strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + word > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            putchar(' ');
            column++;
        }
        printf("%.*s", word, text);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_option(const option_row *row)
{
    char form[HELP_WIDTH];
    char letter[4] = "   ";
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c,", row->letter);
    int used = snprintf(form, sizeof form, "  %s --%s%s%s", letter, row->name, row->value ? " " : "",
                        row->value ? row->value : "");
    printf("%s", form);
    if (used >= HELP_COLUMN - 1)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - used, "");
    print_wrapped(row->help, HELP_COLUMN);
}

static void print_help(const command *self, const option_group *groups, size_t group_count)
{
    printf("Usage: hadal %s [OPTION]...%s%s\n%s\n", self->name, *self->operands ? " " : "", self->operands,
           self->summary);
    for (size_t g = 0; g < group_count; g++) {
        if (groups[g].title)
            printf("\n%s:\n", groups[g].title);
        for (size_t i = 0; i < groups[g].count; i++)
            print_option(&groups[g].rows[i]);
    }
    for (size_t i = 0; i < sizeof answer_rows / sizeof *answer_rows; i++)
        print_option(&answer_rows[i]);
    printf("\nman hadal-%s tells more.\n", self->name);
}

/* The options of every command are part of its completions too. */
static int print_completions(const command *self, const option_group *groups, size_t group_count, const char *shell)
{
    option_group all[MAX_OPTIONS + 1];
    if (group_count > MAX_OPTIONS)
        abort(); /* a group holds one option at least */
    memcpy(all, groups, group_count * sizeof *all);
    all[group_count] = (option_group){NULL, answer_rows, sizeof answer_rows / sizeof *answer_rows, NULL};
    completions_print_groups(self, all, group_count + 1, shell);
    return OPTIONS_ANSWERED;
}

/* ---- Did you mean ------------------------------------------------------------------------------- */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance; words longer than the row count as far apart. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64];
    size_t length = strlen(b);
    if (length >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t above = row[j + 1];
            row[j + 1] = smallest(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[length];
}

const char *options_nearest(const char *mistyped, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t least = strlen(mistyped) / 3 + 1; /* at most a third of the letters, and one, are wrong */
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(mistyped, names[i]);
        if (distance <= least && (!nearest || distance < least)) {
            least = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* ---- Values ------------------------------------------------------------------------------------- */

/* "-n, --max-tokens" or "--seed". */
static const char *option_title(char *buffer, size_t size, const option_row *row)
{
    if (row->letter)
        snprintf(buffer, size, "-%c, --%s", row->letter, row->name);
    else
        snprintf(buffer, size, "--%s", row->name);
    return buffer;
}

static bool parse_count(uint64_t *value, const option_row *row, const char *text)
{
    if (*text == '\0' || text[strspn(text, "0123456789")] != '\0')
        return false;
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    *value = number;
    return errno == 0 && number >= row->least && number <= row->most;
}

static bool parse_number(double *value, const option_row *row, const char *text)
{
    char *end;
    if (*text == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0')
        return false;
    double number = strtod(text, &end);
    *value = number;
    return *end == '\0' && isfinite(number) && number >= row->low && number <= row->high;
}

static bool parse_choice(int *value, const option_row *row, const char *text)
{
    size_t length = strlen(text);
    int index = 0;
    for (const char *word = row->value; word; index++) {
        size_t extent = strcspn(word, "|");
        if (extent == length && memcmp(word, text, length) == 0) {
            *value = index;
            return true;
        }
        word = word[extent] ? word + extent + 1 : NULL;
    }
    return false;
}

const char *options_word(char *buffer, size_t size, const char *words, int index)
{
    while (index-- > 0)
        words += strcspn(words, "|") + 1;
    snprintf(buffer, size, "%.*s", (int)strcspn(words, "|"), words);
    return buffer;
}

static int append_text(option_texts *texts, const char *text)
{
    const char **items = realloc(texts->items, (texts->count + 1) * sizeof *items);
    if (!items)
        return report_memory();
    items[texts->count++] = text;
    texts->items = items;
    return 0;
}

static int store(const option_row *row, char *settings, const char *text)
{
    char title[64];
    void *member = settings + row->offset;
    option_title(title, sizeof title, row);
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)member = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)member = text;
        return 0;
    case OPTION_TEXTS:
        return append_text(member, text);
    case OPTION_COUNT:
        if (parse_count(member, row, text))
            return 0;
        return report(EX_USAGE, "%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64, title, text,
                      row->least, row->most);
    case OPTION_NUMBER:
        if (parse_number(member, row, text))
            return 0;
        return report(EX_USAGE, "%s: '%s' is not a number from %g to %g", title, text, row->low, row->high);
    case OPTION_CHOICE:
        if (parse_choice(member, row, text))
            return 0;
        return report(EX_USAGE, "%s: '%s' is none of %s", title, text, row->value);
    }
    return 0;
}

/* ---- Parsing ------------------------------------------------------------------------------------ */

static void add_row(parser *p, const option_row *row, void *settings)
{
    if (p->count == MAX_OPTIONS)
        abort(); /* a table outgrew the parser: every run would show it */
    p->rows[p->count] = row;
    p->settings[p->count] = settings;
    p->names[p->count] = (struct option){row->name, row->kind == OPTION_FLAG ? no_argument : required_argument, NULL,
                                         LONG_BASE + (int)p->count};
    p->count++;
    if (row->letter) {
        size_t end = strlen(p->letters);
        p->letters[end] = row->letter;
        if (row->kind != OPTION_FLAG)
            p->letters[end + 1] = ':';
    }
}

/* The option that getopt's value stands for, a letter or LONG_BASE + index; p->count when there is none. */
static size_t find_option(const parser *p, int value)
{
    if (value >= LONG_BASE && (size_t)(value - LONG_BASE) < p->count)
        return (size_t)(value - LONG_BASE);
    size_t i = 0;
    while (i < p->count && !(value != 0 && p->rows[i]->letter == value))
        i++;
    return i;
}

/* Reports a long option that getopt did not take: unknown, ambiguous, or a flag with a value. */
static int refuse_long_option(const parser *p, const char *argument)
{
    char name[64];
    const char *names[MAX_OPTIONS];
    size_t alike = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
    for (size_t i = 0; i < p->count; i++) {
        if (strncmp(p->rows[i]->name, name, strlen(name)) == 0)
            names[alike++] = p->rows[i]->name;
    }
    if (alike > 1)
        return report(EX_USAGE, "option '--%s' could be --%s or --%s; write it out", name, names[0], names[1]);
    for (size_t i = 0; i < p->count; i++)
        names[i] = p->rows[i]->name;
    const char *nearest = options_nearest(name, names, p->count);
    if (nearest)
        return report(EX_USAGE, "unknown option '--%s'; did you mean '--%s'?", name, nearest);
    return report(EX_USAGE, "unknown option '--%s'; 'hadal %s --help' lists the options", name, p->self->name);
}

/* Reports what getopt refused. */
static int refuse(const parser *p, int result, char **argv)
{
    char title[64];
    size_t i = find_option(p, optopt);
    if (i < p->count && result == ':')
        return report(EX_USAGE, "%s: a value %s is missing", option_title(title, sizeof title, p->rows[i]),
                      p->rows[i]->value);
    if (i < p->count)
        return report(EX_USAGE, "%s: takes no value", option_title(title, sizeof title, p->rows[i]));
    if (optopt == 0)
        return refuse_long_option(p, argv[optind - 1]);
    return report(EX_USAGE, "unknown option '-%c'; 'hadal %s --help' lists the options", optopt, p->self->name);
}

int options_parse(const command *self, const option_group *groups, size_t group_count, int argc, char **argv,
                  int *first)
{
    parser p = {.self = self, .letters = ":"}; /* ':' first: getopt prints nothing and tells a missing value */
    answers wanted = {false, false};
    if (completions_are_asked(argc, argv))
        return print_completions(self, groups, group_count, argv[2]);
    for (size_t g = 0; g < group_count; g++) {
        for (size_t i = 0; i < groups[g].count; i++)
            add_row(&p, &groups[g].rows[i], groups[g].settings);
    }
    for (size_t i = 0; i < sizeof answer_rows / sizeof *answer_rows; i++)
        add_row(&p, &answer_rows[i], &wanted);
    for (;;) {
        int result = getopt_long(argc, argv, p.letters, p.names, NULL);
        if (result == -1)
            break;
        size_t i = result == '?' || result == ':' ? p.count : find_option(&p, result);
        if (i == p.count)
            return refuse(&p, result, argv);
        TRY(store(p.rows[i], p.settings[i], optarg));
        if (wanted.help) {
            print_help(self, groups, group_count);
            return OPTIONS_ANSWERED;
        }
        if (wanted.version) {
            printf("hadal %s\n", hadal_version());
            return OPTIONS_ANSWERED;
        }
    }
    *first = optind;
    return 0;
}
