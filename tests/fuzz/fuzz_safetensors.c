/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* A safetensors file. Where the length of the header has 0xff as its highest byte, it is set right first: then the
 * header ends with the last '}'. */

#include "tests/fuzz/fuzz.h"

#include "weights/safetensors.h"

static void correct_length(uint8_t *file, size_t size)
{
    uint64_t end = size;
    if (size < 8 || file[7] != 0xff)
        return;
    while (end > 8 && file[end - 1] != '}')
        end--;
    end -= 8;
    memcpy(file, &end, sizeof end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    MUST(copy);
    if (size)
        memcpy(copy, data, size);
    correct_length(copy, size);
    const mapped_file file = {copy, size};
    tensor_list list = {0};
    uint64_t covered = 0;
    if (fuzz_accepted(safetensors_parse(&list, &file, "file"))) {
        for (size_t i = 0; i < list.count; i++) {
            const tensor_view *view = &list.views[i];
            const uint8_t *begin = view->data;
            MUST(begin >= copy + 8 && begin <= copy + size && view->bytes <= (size_t)(copy + size - begin));
            uint64_t bytes = view->supported ? dtype_bytes(view->type) : 0;
            for (unsigned k = 0; view->supported && k < view->rank; k++)
                bytes *= view->shape[k];
            MUST(!view->supported || bytes == view->bytes);
            covered += view->bytes;
        }
        uint64_t header;
        memcpy(&header, copy, sizeof header);
        MUST(covered == size - 8 - header);
    }
    tensor_list_free(&list);
    free(copy);
    return 0;
}
