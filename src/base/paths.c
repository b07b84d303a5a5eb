/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "base/paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

static bool holds(const char *directory, const char *witness)
{
    byte_array path = {0};
    bool found = bytes_format(&path, "%s/%s", directory, witness) == HADAL_OK && access(path.data, R_OK) == 0;
    bytes_free(&path);
    return found;
}

/* The folder of the running program, without the .libs into which libtool puts it; empty where /proc is not there. */
static void program_folder(char folder[4096])
{
    ssize_t length = readlink("/proc/self/exe", folder, 4095);
    folder[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return;
    *slash = '\0';
    slash = strrchr(folder, '/');
    if (slash && strcmp(slash, "/.libs") == 0)
        *slash = '\0';
}

/* configure puts links to the sources' data into BUILD/data; an installed program has no such folder beside it. */
static hadal_status build_tree_data(char **directory, const char *name)
{
    char folder[4096];
    byte_array path = {0};
    program_folder(folder);
    TRY(bytes_format(&path, "%s/data/%s", folder, name));
    *directory = path.data;
    return HADAL_OK;
}

hadal_status paths_find_data(char **directory, const char *chosen, const char *environment, const char *name,
                             const char *witness)
{
    byte_array installed = {0};
    const char *wanted = chosen ? chosen : getenv(environment);
    *directory = NULL;
    if (wanted && *wanted) {
        if (!holds(wanted, witness))
            return failure(HADAL_ERROR_INPUT, "%s holds no %s; check the path%s%s", wanted, witness,
                           chosen ? "" : " in ", chosen ? "" : environment);
        return memory_copy_text(directory, wanted, strlen(wanted));
    }
    TRY(build_tree_data(directory, name));
    if (holds(*directory, witness))
        return HADAL_OK;
    hadal_status status = bytes_format(&installed, "%s/%s", PKGDATADIR, name);
    if (status == HADAL_OK && !holds(installed.data, witness))
        status = failure(HADAL_ERROR_INPUT, "%s was found neither in %s nor in %s; reinstall hadal or set %s", witness,
                         installed.data, *directory, environment);
    free(*directory);
    *directory = installed.data;
    if (status != HADAL_OK) {
        free(*directory);
        *directory = NULL;
    }
    return status;
}
