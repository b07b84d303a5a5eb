/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static hadal_status opening_failed(const char *path)
{
    char reason[128] = "unknown error";
    if (strerror_r(errno, reason, sizeof reason) != 0)
        return failure(HADAL_ERROR_INPUT, "%s: cannot be opened (error %d)", path, errno);
    return failure(HADAL_ERROR_INPUT, "%s: cannot be opened: %s", path, reason);
}

static hadal_status reading_failed(const char *path)
{
    if (errno == EISDIR)
        return failure(HADAL_ERROR_INPUT, "%s: is a directory, expected a file", path);
    char reason[128] = "unknown error";
    if (strerror_r(errno, reason, sizeof reason) != 0)
        return failure(HADAL_ERROR_IO, "%s: cannot be read (error %d)", path, errno);
    return failure(HADAL_ERROR_IO, "%s: cannot be read: %s", path, reason);
}

hadal_status file_map(mapped_file *file, const char *path)
{
    *file = (mapped_file){0};
    /* O_NONBLOCK: a pipe of that name is refused below rather than waited for. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return opening_failed(path);
    hadal_status status = HADAL_OK;
    struct stat about;
    if (fstat(descriptor, &about) != 0) {
        status = reading_failed(path);
    } else if (!S_ISREG(about.st_mode)) {
        status = failure(HADAL_ERROR_INPUT, "%s: is a %s, expected a file", path,
                         S_ISDIR(about.st_mode) ? "directory" : "pipe or device");
    } else if ((uintmax_t)about.st_size > SIZE_MAX) {
        status = failure(HADAL_ERROR_HOST_MEMORY, "%s: %jd bytes are more than this machine can address", path,
                         (intmax_t)about.st_size);
    } else if (about.st_size > 0) {
        void *data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (data == MAP_FAILED)
            status = errno == ENOMEM ? failure_memory((size_t)about.st_size) : reading_failed(path);
        else
            *file = (mapped_file){data, (size_t)about.st_size};
    }
    close(descriptor);
    return status;
}

void file_unmap(mapped_file *file)
{
    if (file->size) {
        void *data;
        memcpy(&data, &file->data, sizeof data); /* munmap takes the address without its const */
        munmap(data, file->size);
    }
    *file = (mapped_file){0};
}

static hadal_status read_all(byte_array *content, int descriptor, const char *path, size_t limit)
{
    char block[65536];
    for (;;) {
        ssize_t got = read(descriptor, block, sizeof block);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return reading_failed(path);
        if (got == 0)
            return bytes_append(content, "", 0); /* an empty file, too, becomes a terminated text */
        if ((size_t)got > limit - content->length)
            return failure(HADAL_ERROR_DATA, "%s: holds more than %zu bytes, the most that is expected", path, limit);
        TRY(bytes_append(content, block, (size_t)got));
    }
}

hadal_status file_read(byte_array *content, const char *path, size_t limit)
{
    *content = (byte_array){0};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return opening_failed(path);
    hadal_status status = read_all(content, descriptor, path, limit);
    close(descriptor);
    if (status != HADAL_OK)
        bytes_free(content);
    return status;
}

bool file_exists(const char *path)
{
    struct stat about;
    return lstat(path, &about) == 0;
}

hadal_status file_check_directory(const char *path)
{
    struct stat about;
    if (stat(path, &about) != 0)
        return opening_failed(path);
    return S_ISDIR(about.st_mode) ? HADAL_OK : failure(HADAL_ERROR_INPUT, "%s: is not a directory", path);
}

hadal_status file_join(char **path, const char *directory, const char *name)
{
    *path = NULL;
    size_t length = strlen(directory);
    const char *separator = length && directory[length - 1] == '/' ? "" : "/";
    byte_array joined = {0};
    hadal_status status = bytes_format(&joined, "%s%s%s", directory, separator, name);
    if (status == HADAL_OK)
        *path = joined.data;
    else
        bytes_free(&joined);
    return status;
}
