/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* From options, operands and standard input to the tokens that a model is fed. */

#ifndef HADAL_CLI_PROMPT_H
#define HADAL_CLI_PROMPT_H

#include "cli/input.h"
#include "cli/options.h"
#include "hadal.h"

#define PROMPT_OPTIONS(X)                                                                                            \
    X(TEXT, prompt, 'p', "prompt", "TEXT", ANY, "the prompt")                                                        \
    X(TEXT, file, 'f', "file", "FILE", ANY, "read the prompt from FILE, plain or gzip; put before TEXT")             \
    X(TEXT, tokens, 0, "tokens", "FILE", ANY, "the prompt as token ids; no tokenizer is needed")                     \
    X(FLAG, special, 0, "special", NULL, ANY, "recognise special tokens in the prompt and write them in the answer") \
    X(FLAG, chat, 0, "chat", NULL, ANY, "the prompt is what a user says; answer it in the model's chat form")        \
    X(TEXT, system, 0, "system", "TEXT", ANY, "system text that comes before it; implies --chat")                    \
    X(FLAG, think, 0, "think", NULL, ANY, "let the model reason before it answers; implies --chat") \
    X(FLAG, each, 0, "each", NULL, ANY, "answer each line of standard input or of FILE by itself, with one line")    \
    X(FLAG, null, '0', "null", NULL, ANY, "with --each: a NUL byte ends records and answers, instead of a newline")

OPTION_GROUP(prompt_settings, PROMPT_OPTIONS)

/* What the prompt consists of. Built from the settings before any file is opened, so that wrong usage shows first. */
typedef struct prompt_source {
    const prompt_settings *settings;
    char **operands;
    int operand_count;
    bool read_stdin;
    const char *records; /* --each: the path of the input that holds a prompt a record; else NULL */
} prompt_source;

/* Decides where the prompt comes from; an error when options contradict each other or there is no prompt. */
int prompt_choose(prompt_source *source, const prompt_settings *settings, int operand_count, char **operands);

/* Appends the prompt's tokens. tokenizer may be NULL when the settings name a file of tokens. */
int prompt_read(hadal_tokens *tokens, const prompt_source *source, const hadal_tokenizer *tokenizer);

/* Appends the tokens of a prompt that begins with a record's text; title is what messages call it. */
int prompt_of_record(hadal_tokens *tokens, const prompt_source *source, const hadal_tokenizer *tokenizer,
                     const input_text *record, const char *title);

#endif
