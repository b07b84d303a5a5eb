/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "cli/prompt.h"

#include <string.h>

#include "cli/report.h"

static bool is_stdin(const char *path)
{
    return path && strcmp(path, "-") == 0;
}

/* --tokens stands alone: there is no text to put before or after. */
static int choose_tokens(const prompt_settings *settings, int operand_count)
{
    if (settings->prompt || settings->file || operand_count > 0)
        return report(EX_USAGE, "--tokens: gives the whole prompt; leave out the other prompt");
    if (settings->chat || settings->system || settings->think)
        return report(EX_USAGE, "--tokens: has no chat form; leave out --chat, --system and --think");
    return 0;
}

/* Records come from one input: the file, else standard input, whatever that is. */
static int choose_records(prompt_source *source)
{
    const prompt_settings *settings = source->settings;
    if (settings->tokens)
        return report(EX_USAGE, "--each: takes text; leave out --tokens");
    if (settings->file && !is_stdin(settings->file) && source->read_stdin)
        return report(EX_USAGE, "--each: reads one input; leave out -f or -");
    source->records = settings->file ? settings->file : "-";
    return 0;
}

int prompt_choose(prompt_source *source, const prompt_settings *settings, int operand_count, char **operands)
{
    *source = (prompt_source){.settings = settings, .operands = operands, .operand_count = operand_count};
    if (settings->null && !settings->each)
        return report(EX_USAGE, "-0: tells how the records of --each end; give --each too");
    if (settings->tokens && !settings->each)
        return choose_tokens(settings, operand_count);
    if (settings->prompt && operand_count > 0 && !is_stdin(operands[0]))
        return report(EX_USAGE, "a prompt is given twice: by -p and as '%s'", operands[0]);
    source->read_stdin = is_stdin(settings->file) || (!settings->each && input_is_piped());
    for (int i = 0; i < operand_count; i++)
        source->read_stdin = source->read_stdin || is_stdin(operands[i]);
    if (settings->each)
        return choose_records(source);
    if (!source->read_stdin && !settings->prompt && !settings->file && operand_count == 0)
        return report(EX_USAGE, "no prompt: give one as an argument, with -p, -f FILE, or - to read standard input");
    return 0;
}

/* The words of the command line. */
static int append_words(input_text *text, const prompt_source *source)
{
    const prompt_settings *settings = source->settings;
    const char *separator = "";
    if (settings->prompt)
        TRY(input_append(text, settings->prompt, strlen(settings->prompt)));
    for (int i = 0; i < source->operand_count; i++) {
        if (is_stdin(source->operands[i]))
            continue;
        TRY(input_append(text, separator, strlen(separator)));
        TRY(input_append(text, source->operands[i], strlen(source->operands[i])));
        separator = " ";
    }
    return 0;
}

/* Standard input, then the file, then the words. */
static int read_text(input_text *text, const prompt_source *source)
{
    const prompt_settings *settings = source->settings;
    if (source->read_stdin)
        TRY(input_read(text, "-"));
    if (settings->file && !is_stdin(settings->file))
        TRY(input_read(text, settings->file));
    TRY(append_words(text, source));
    return text->length > 0 ? 0 : report(EX_DATAERR, "the prompt is empty");
}

static hadal_status tokenize_text(hadal_tokens *tokens, const prompt_settings *settings,
                                  const hadal_tokenizer *tokenizer, const input_text *text)
{
    unsigned flags = settings->special ? HADAL_TEXT_SPECIAL : 0;
    if (!settings->chat && !settings->system && !settings->think)
        return hadal_tokenize(tokenizer, tokens, text->data, text->length, flags | HADAL_TEXT_BOS);
    hadal_message messages[2];
    size_t count = 0;
    if (settings->system)
        messages[count++] = (hadal_message){HADAL_ROLE_SYSTEM, settings->system, strlen(settings->system)};
    messages[count++] = (hadal_message){HADAL_ROLE_USER, text->data, text->length};
    return hadal_tokenize_chat(tokenizer, tokens, messages, count, settings->think, flags);
}

int prompt_read(hadal_tokens *tokens, const prompt_source *source, const hadal_tokenizer *tokenizer)
{
    if (source->settings->tokens) {
        TRY(input_read_tokens(tokens, source->settings->tokens));
        return tokens->count > 0 ? 0 : report(EX_DATAERR, "the prompt is empty: %s holds no token id",
                                              source->settings->tokens);
    }
    input_text text = {0};
    int code = read_text(&text, source);
    if (code == 0)
        code = report_status_of(tokenize_text(tokens, source->settings, tokenizer, &text), "prompt");
    input_free(&text);
    return code;
}

int prompt_of_record(hadal_tokens *tokens, const prompt_source *source, const hadal_tokenizer *tokenizer,
                     const input_text *record, const char *title)
{
    input_text text = {0};
    int code;
    TRY_OR(end, input_append(&text, record->data, record->length));
    TRY_OR(end, append_words(&text, source));
    if (text.length > 0)
        code = report_status_of(tokenize_text(tokens, source->settings, tokenizer, &text), title);
    else
        code = report(EX_DATAERR, "%s: the prompt is empty", title);
end:
    input_free(&text);
    return code;
}
