/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* generation_config.json: what is accepted lies in the ranges of the options, what is refused is said in one line. */

#include "tests/fuzz/fuzz.h"

#include "cli/sampling.h"
#include "tests/fuzz/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    if (!path)
        path = fuzz_path(fuzz_folder(), "generation_config.json");
    fuzz_write(path, data, size);
    hadal_sampler_options options;
    const sampling_settings settings = sampling_defaults();
    int code = sampling_resolve(&options, &settings, fuzz_folder());
    MUST(code == 0 || (code == EX_DATAERR && fuzz_is_line(reported)));
    MUST(code != 0 || size <= 1 << 20);
    if (code == 0)
        MUST(options.temperature >= 0 && options.temperature <= 100 && options.top_p >= 0 && options.top_p <= 1 &&
             options.top_k <= INT32_MAX);
    return 0;
}
