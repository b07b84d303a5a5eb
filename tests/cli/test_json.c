/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * test_json TYPE PATH <LINES: what --json printed, for shell tests. Every line must be a JSON object with a string
 * "type". Prints the member at PATH ("usage.prompt_tokens") of each line whose type is TYPE: strings as they are, all
 * else as JSON. Exit status 1 when a line is wrong or no member was found.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The member of object at the path a.b.c, or NULL. */
static json_t *find_member(json_t *object, const char *path)
{
    char name[64];
    while (object && *path) {
        size_t length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        object = json_object_get(object, name);
        path += length + (path[length] == '.');
    }
    return object;
}

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        fwrite(json_string_value(value), 1, json_string_length(value), stdout);
    else
        json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
    putchar('\n');
}

/* Returns whether the line is an object with a type; adds to *found. */
static int check_line(const char *line, const char *type, const char *path, int *found)
{
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const char *its_type = json_string_value(json_object_get(object, "type"));
    if (!its_type) {
        fprintf(stderr, "no JSON object with a type: %s", line);
        json_decref(object);
        return 0;
    }
    json_t *member = find_member(object, path);
    if (strcmp(its_type, type) == 0 && member) {
        print_value(member);
        ++*found;
    }
    json_decref(object);
    return 1;
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t size = 0;
    int good = 1, found = 0;
    if (argc != 3)
        return 64;
    while (good && getline(&line, &size, stdin) > 0)
        good = check_line(line, argv[1], argv[2], &found);
    free(line);
    return good && found > 0 ? 0 : 1;
}
