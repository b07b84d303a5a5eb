/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <unistd.h>

bool fuzz_is_line(const char *message)
{
    for (const unsigned char *at = (const unsigned char *)message; *at; at++)
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
            return false;
    return *message != '\0';
}

bool fuzz_accepted(hadal_status status)
{
    if (status == HADAL_OK)
        return true;
    MUST(status == HADAL_ERROR_DATA);
    MUST(fuzz_is_line(hadal_error_message()));
    return false;
}

char *fuzz_path(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    MUST(path);
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

const char *fuzz_folder(void)
{
    static char *folder;
    const char *parent = getenv("TMPDIR");
    if (!folder) {
        folder = fuzz_path(parent ? parent : "/tmp", "hadal-fuzz-XXXXXX");
        MUST(mkdtemp(folder));
    }
    return folder;
}

void fuzz_write(const char *path, const void *data, size_t size)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(file >= 0);
    MUST(write(file, data, size) == (ssize_t)size);
    MUST(close(file) == 0);
}

const hadal_tokenizer *fuzz_demo_tokenizer(void)
{
    static hadal_tokenizer *tokenizer;
    const char *model = getenv("HADAL_MODEL");
    MUST(model);
    MUST(tokenizer || hadal_tokenizer_load(&tokenizer, model) == HADAL_OK);
    return tokenizer;
}

bool fuzz_is_utf8(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t at = 0; at < length;) {
        unsigned char first = bytes[at++];
        unsigned more = first < 0x80 ? 0 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        uint32_t value = more ? first & (0x3fu >> more) : first;
        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || length - at < more)
            return false;
        for (unsigned i = 0; i < more; i++, at++) {
            if ((bytes[at] & 0xc0) != 0x80)
                return false;
            value = value << 6 | (bytes[at] & 0x3fu);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (value < least[more] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return false;
    }
    return true;
}
