/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal tokenize: text to token ids, and back. */

#include <stdlib.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"

#define TOKENIZE_OPTIONS(X)                                                                                      \
    X(FLAG, decode, 0, "decode", NULL, ANY, "read token ids and write their text")                               \
    X(FLAG, special, 0, "special", NULL, ANY, "recognise special tokens in the text; with --decode, write them") \
    X(FLAG, no_bos, 0, "no-bos", NULL, ANY, "do not begin with the beginning-of-sentence token")

OPTION_GROUP(tokenize_settings, TOKENIZE_OPTIONS)

static int write_token(const hadal_tokenizer *tokenizer, int32_t id, bool json)
{
    char *text;
    size_t length;
    if (!json)
        return output_format("%d\n", (int)id);
    TRY(report_status(hadal_detokenize(tokenizer, &text, &length, &id, 1, HADAL_TEXT_SPECIAL)));
    int code = output_json(json_pack("{s:s, s:i, s:s%}", "type", "token", "id", (int)id, "text", text, length));
    free(text);
    return code;
}

static int write_tokens(const hadal_tokenizer *tokenizer, const hadal_tokens *tokens, bool json)
{
    for (size_t i = 0; i < tokens->count; i++) {
        if (signals_caught())
            return EX_STOPPED;
        TRY(write_token(tokenizer, tokens->ids[i], json));
    }
    return json ? output_json(json_pack("{s:s, s:I}", "type", "done", "count", (json_int_t)tokens->count)) : 0;
}

static int encode(const hadal_tokenizer *tokenizer, const char *path, const tokenize_settings *settings, bool json)
{
    input_text text = {0};
    hadal_tokens tokens = {0};
    unsigned flags = (settings->special ? HADAL_TEXT_SPECIAL : 0U) | (settings->no_bos ? 0U : HADAL_TEXT_BOS);
    int code;
    TRY_OR(end, input_read(&text, path));
    TRY_OR(end, report_status_of(hadal_tokenize(tokenizer, &tokens, text.data, text.length, flags),
                                 input_title(path)));
    code = write_tokens(tokenizer, &tokens, json);
end:
    hadal_tokens_free(&tokens);
    input_free(&text);
    return code;
}

static int decode(const hadal_tokenizer *tokenizer, const char *path, const tokenize_settings *settings, bool json)
{
    hadal_tokens tokens = {0};
    char *text = NULL;
    size_t length;
    int code;
    TRY_OR(end, input_read_tokens(&tokens, path));
    TRY_OR(end, report_status_of(hadal_detokenize(tokenizer, &text, &length, tokens.ids, tokens.count,
                                                  settings->special ? HADAL_TEXT_SPECIAL : 0), input_title(path)));
    if (json)
        code = output_json(json_pack("{s:s, s:s%, s:I}", "type", "done", "text", text, length, "count",
                                     (json_int_t)tokens.count));
    else
        code = output_text(text, length);
end:
    free(text);
    hadal_tokens_free(&tokens);
    return code;
}

static int run(const command *self, int argc, char **argv)
{
    model_settings model = {0};
    tokenize_settings settings = {0};
    output_settings output = {0};
    const option_group groups[] = {
        tokenize_settings_group("Text", &settings),
        model_settings_group("Model", &model),
        output_settings_group("Output", &output),
    };
    engine e = {0};
    const char *path;
    int first;
    TRY(options_parse(self, groups, sizeof groups / sizeof *groups, argc, argv, &first));
    TRY(input_operand(&path, argc - first, argv + first));
    int code = engine_open_text(&e, &model, true);
    if (code == 0)
        code = (settings.decode ? decode : encode)(e.tokenizer, path, &settings, output.json);
    engine_close(&e);
    return code;
}

const command tokenize_command = {
    "tokenize", "[FILE | -]", "Turns text into token ids, or back.", run,
};
