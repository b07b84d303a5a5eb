/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/pattern.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/memory.h"

struct pattern {
    pcre2_code *code;
};

struct pattern_search {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

/* ---- Syntax: the part of it in which Oniguruma (Ruby syntax) and PCRE2 agree --------------------------- */

/* Each skip_ function gets the text behind what its name says, and returns the number of bytes that belong to it; 0
 * refuses them. */

/* After a backslash: punctuation for itself, control characters, \s \S \d \D, and general categories \p{L} \p{Lu}.
 * Others differ (\h \v \w \b), or are not known to be equal. */
static size_t skip_escape(const char *text)
{
    if (!*text)
        return 0;
    if (strchr("rntfsSdD", *text))
        return 1;
    if (*text == 'p' || *text == 'P') {
        if (text[1] != '{' || !text[2] || !strchr("LMNPSZC", text[2]))
            return 0;
        size_t length = 3;
        if (text[length] >= 'a' && text[length] <= 'z')
            length++;
        return text[length] == '}' ? length + 1 : 0;
    }
    bool word = (*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') || (*text >= 'a' && *text <= 'z');
    return word || (unsigned char)*text >= 0x80 ? 0 : 1;
}

/* After '[': up to and with the ']'. Oniguruma nests classes and intersects them by &&; PCRE2 does not. */
static size_t skip_class(const char *text)
{
    size_t at = text[0] == '^';
    if (text[at] == ']')
        return 0;
    while (text[at] != ']') {
        if (!text[at] || text[at] == '[' || (text[at] == '&' && text[at + 1] == '&'))
            return 0;
        size_t escape = text[at] == '\\' ? skip_escape(text + at + 1) : 0;
        if (text[at] == '\\' && !escape)
            return 0;
        at += 1 + escape;
    }
    return at + 1;
}

/* After '(': what tells the kind of the group. Options such as (?i) reach differently far. */
static bool group_opens(const char *text, size_t *length)
{
    static const char *const kinds[] = {"?:", "?=", "?!", "?<=", "?<!", "?>"};
    *length = 0;
    if (*text == '*')
        return false;
    if (*text != '?')
        return true;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(text, kinds[i], strlen(kinds[i])) == 0) {
            *length = strlen(kinds[i]);
            return true;
        }
    return false;
}

/* After '{': n}, n,} or n,m}. A + or ? behind it means possessive and lazy to PCRE2 alone. */
static size_t skip_repetition(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (!digits)
        return 0;
    size_t at = digits;
    if (text[at] == ',')
        at += 1 + strspn(text + at + 1, "0123456789");
    if (text[at] != '}' || text[at + 1] == '+' || text[at + 1] == '?')
        return 0;
    return at + 1;
}

static hadal_status check_syntax(const char *expression)
{
    for (size_t at = 0; expression[at];) {
        char character = expression[at];
        size_t length = 0;
        bool accepted = !strchr("^$.", character);
        if (character == '\\')
            accepted = (length = skip_escape(expression + at + 1)) > 0;
        else if (character == '[')
            accepted = (length = skip_class(expression + at + 1)) > 0;
        else if (character == '{')
            accepted = (length = skip_repetition(expression + at + 1)) > 0;
        else if (character == '(')
            accepted = group_opens(expression + at + 1, &length);
        if (!accepted)
            return failure(HADAL_ERROR_DATA, "the pattern has syntax at byte %zu that is not supported", at);
        at += 1 + length;
    }
    return HADAL_OK;
}

/* ---- Compiling ------------------------------------------------------------------------------------------ */

hadal_status pattern_compile(pattern **compiled, const char *expression)
{
    *compiled = NULL;
    TRY(check_syntax(expression));
    int error;
    PCRE2_SIZE offset;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error,
                                     &offset, NULL);
    if (!code) {
        PCRE2_UCHAR reason[128];
        pcre2_get_error_message(error, reason, sizeof reason);
        return failure(HADAL_ERROR_DATA, "the pattern is wrong at byte %zu: %s", (size_t)offset, (const char *)reason);
    }
    uint32_t matches_empty = 0;
    pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
    hadal_status status = matches_empty ? failure(HADAL_ERROR_DATA, "the pattern matches the empty text")
                                        : memory_allocate(compiled, 1, sizeof **compiled);
    if (status != HADAL_OK) {
        pcre2_code_free(code);
        return status;
    }
    (*compiled)->code = code;
    /* May fail where the system forbids code made at run time; then the interpreter matches, with the same result. */
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    return HADAL_OK;
}

void pattern_free(pattern *compiled)
{
    if (!compiled)
        return;
    pcre2_code_free(compiled->code);
    free(compiled);
}

/* ---- Searching ------------------------------------------------------------------------------------------ */

hadal_status pattern_search_create(pattern_search **created)
{
    TRY(memory_allocate(created, 1, sizeof **created));
    (*created)->data = pcre2_match_data_create(1, NULL); /* one pair of offsets: the whole match */
    (*created)->context = pcre2_match_context_create(NULL);
    if ((*created)->data && (*created)->context) {
        pcre2_set_heap_limit((*created)->context, 256 * 1024); /* KiB, for what the interpreter remembers */
        return HADAL_OK;
    }
    pattern_search_free(*created);
    *created = NULL;
    return failure_memory(sizeof **created);
}

void pattern_search_free(pattern_search *search)
{
    if (!search)
        return;
    pcre2_match_data_free(search->data);
    pcre2_match_context_free(search->context);
    free(search);
}

/* A sound pattern backs up a few times over each character at most: a run of a million spaces is tried as
 * \s*[\r\n]+ and then again as \s+. Beyond that the time would no longer be linear. */
static uint32_t step_limit(size_t length)
{
    size_t limit = 100000;
    return length < (UINT32_MAX - limit) / 64 ? (uint32_t)(limit + 64 * length) : UINT32_MAX;
}

hadal_status pattern_find(const pattern *compiled, pattern_search *search, const char *text, size_t length, size_t from,
                          size_t *begin, size_t *end)
{
    *begin = *end = length;
    pcre2_set_match_limit(search->context, step_limit(length - from));
    int result = pcre2_match(compiled->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK, search->data,
                             search->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter keeps its stack on the heap */
        result = pcre2_match(compiled->code, (PCRE2_SPTR)text, length, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                             search->data, search->context);
    if (result == PCRE2_ERROR_NOMATCH)
        return HADAL_OK;
    if (result == PCRE2_ERROR_NOMEMORY)
        return failure_memory(length);
    if (result < 0) {
        PCRE2_UCHAR reason[128];
        pcre2_get_error_message(result, reason, sizeof reason);
        return failure(HADAL_ERROR_DATA, "a split pattern of tokenizer.json could not be matched over %zu bytes of "
                       "text: %s", length - from, (const char *)reason);
    }
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(search->data);
    *begin = offsets[0];
    *end = offsets[1];
    return HADAL_OK;
}

