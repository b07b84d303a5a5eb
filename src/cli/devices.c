/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal devices: what OpenCL devices are there, what each can do, and whether the kernels are right on it. */

#include <stdlib.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "cli/terminal.h"

#define DEVICES_OPTIONS(X)                                                                                 \
    X(FLAG, self_test, 0, "self-test", NULL, ANY,                                                          \
      "run every kernel on small known data and compare with plain C; on all devices unless -d names one") \
    X(CHOICE, color, 0, "color", "auto|always|never", ANY, "colours in its results (default: auto, on a terminal)")

OPTION_GROUP(devices_settings, DEVICES_OPTIONS)

typedef struct listing {
    devices_settings settings;
    device_settings device_settings;
    output_settings output;
    bool color;
    size_t device; /* index of the one under test */
    size_t failed; /* tests, on all devices */
    int code;      /* of the output so far */
} listing;

static const char *kind_name(hadal_device_kind kind)
{
    switch (kind) {
    case HADAL_DEVICE_CPU: return "CPU";
    case HADAL_DEVICE_GPU: return "GPU";
    case HADAL_DEVICE_ACCELERATOR: return "accelerator";
    }
    return "unknown";
}

/* ---- The list ----------------------------------------------------------------------------------- */

static int print_device_json(const hadal_device_info *d)
{
    json_t *abilities = json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:i, s:s, s:s}", "unified_memory",
                                  d->unified_memory, "half_arithmetic", d->half_arithmetic, "double_arithmetic",
                                  d->double_arithmetic,
                                  "subgroups", d->subgroups, "command_buffer", d->command_buffer, "integer_dot",
                                  d->integer_dot, "lane_path", d->lane_path ? d->lane_path : "", "matrix_unit",
                                  d->matrix_unit ? d->matrix_unit : "", "tuned", (int)d->tuned, "tuning_file",
                                  d->tuning_file, "tuning_failure", d->tuning_failure);
    json_t *object = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:i, s:i, s:i}", "type", "device", "index",
        (json_int_t)d->index, "name", d->name, "vendor", d->vendor, "platform", d->platform, "version", d->version,
        "driver", d->driver, "kind", kind_name(d->kind), "usable", d->usable, "unusable_reason", d->unusable_reason,
        "memory_bytes", (json_int_t)d->memory_bytes, "largest_allocation_bytes",
        (json_int_t)d->largest_allocation_bytes, "local_memory_bytes", (json_int_t)d->local_memory_bytes,
        "compute_units", (int)d->compute_units, "max_group_size", (int)d->max_group_size, "native_vector_width",
        (int)d->native_vector_width);
    if (object && json_object_update_missing(object, abilities) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(abilities);
    return output_json(object);
}

static int print_device_text(const hadal_device_info *d)
{
    char memory[32], largest[32], local[32];
    TRY(output_format("%zu  %s\n", d->index, d->name));
    TRY(output_format("   platform     %s, driver %s\n", d->platform, d->driver));
    TRY(output_format("   version      %s\n", d->version));
    TRY(output_format("   kind         %s of %s, %u compute units, groups of up to %u, vectors of %u\n",
                      kind_name(d->kind), d->vendor, d->compute_units, d->max_group_size, d->native_vector_width));
    TRY(output_format("   memory       %s%s, largest allocation %s, local %s\n",
                      output_bytes(memory, (double)d->memory_bytes), d->unified_memory ? " shared with the host" : "",
                      output_bytes(largest, (double)d->largest_allocation_bytes),
                      output_bytes(local, (double)d->local_memory_bytes)));
    TRY(output_format("   has         %s%s%s%s%s\n", d->half_arithmetic ? " half" : "",
                      d->double_arithmetic ? " double" : "", d->subgroups ? " subgroups" : "",
                      d->integer_dot ? " integer-dot" : "", d->command_buffer ? " command-buffer" : ""));
    TRY(output_format("   lanes        %s\n", d->lane_path ? d->lane_path : "none"));
    TRY(output_format("   matrix unit  %s\n", d->matrix_unit ? d->matrix_unit : "none"));
    if (!d->usable)
        return output_format("   not usable   %s\n", d->unusable_reason);
    if (*d->tuning_failure)
        return output_format("   tuned        no: %s\n", d->tuning_failure);
    if (!d->tuned)
        return output_format("   tuned        no, usual sizes\n");
    return output_format("   tuned        %u %s, %s\n", d->tuned, d->tuned == 1 ? "size" : "sizes", d->tuning_file);
}

static int print_device(const listing *l, const hadal_device_info *device)
{
    return l->output.json ? print_device_json(device) : print_device_text(device);
}

/* ---- Self-test ---------------------------------------------------------------------------------- */

static int write_test(const listing *l, const char *name, bool passed, double error, const char *detail)
{
    static const char green[] = "\033[32m", red[] = "\033[31m", plain[] = "\033[0m";
    if (l->output.json)
        return output_json(json_pack("{s:s, s:I, s:s, s:b, s:o, s:s}", "type", "test", "device", (json_int_t)l->device,
                                     "name", name, "passed", passed, "error", output_number(error), "detail",
                                     detail ? detail : ""));
    return output_format("   %s%-6s%s %-28s %9.2g of the tolerance  %s\n", !l->color ? "" : passed ? green : red,
                         passed ? "ok" : "FAILED", l->color ? plain : "", name, error, detail ? detail : "");
}

static void on_test(void *user, const char *name, bool passed, double error, const char *detail)
{
    listing *l = user;
    if (l->code == 0)
        l->code = write_test(l, name, passed, error, detail);
    if (l->code == 0)
        l->code = output_flush();
}

static int test_device(listing *l, hadal_device *device)
{
    size_t failed = 0;
    l->device = hadal_device_describe(device)->index;
    int code = report_status(hadal_device_self_test(device, &failed, on_test, l));
    l->failed += failed;
    return l->code != 0 ? l->code : signals_caught() ? EX_STOPPED : code;
}

static int test_by_index(listing *l, size_t index)
{
    char selector[24];
    hadal_device *device;
    snprintf(selector, sizeof selector, "%zu", index);
    TRY(report_status(hadal_device_open(&device, &(hadal_device_options){.selector = selector})));
    int code = test_device(l, device);
    hadal_device_close(device);
    return code;
}

/* ---- The work ----------------------------------------------------------------------------------- */

static const char no_device[] = "no usable OpenCL device; install your GPU's driver, or PoCL to run on the CPU: "
                                "apt install pocl-opencl-icd (Debian), dnf install pocl (Fedora)";

static int list_all(listing *l, const hadal_device_info *devices, size_t count)
{
    size_t usable = 0;
    for (size_t i = 0; i < count; i++) {
        TRY(print_device(l, &devices[i]));
        usable += devices[i].usable;
        if (l->settings.self_test && devices[i].usable)
            TRY(test_by_index(l, devices[i].index));
    }
    TRY(output_flush());
    return usable > 0 ? 0 : report(EX_UNAVAILABLE, "%s", no_device);
}

static int run_on_all(listing *l)
{
    hadal_device_info *devices;
    size_t count;
    TRY(report_status(hadal_device_list(&devices, &count)));
    int code = list_all(l, devices, count);
    hadal_device_list_free(devices);
    return code;
}

static int run_on_one(listing *l, const char *selector)
{
    hadal_device *device;
    TRY(report_status(hadal_device_open(&device, &(hadal_device_options){.selector = selector})));
    int code = print_device(l, hadal_device_describe(device));
    if (code == 0 && l->settings.self_test)
        code = test_device(l, device);
    hadal_device_close(device);
    return code;
}

static int write_verdict(const listing *l)
{
    if (l->output.json)
        TRY(output_json(json_pack("{s:s, s:I}", "type", "done", "failed", (json_int_t)l->failed)));
    TRY(output_flush());
    return l->failed == 0 ? 0 : report(EX_SOFTWARE, "self-tests failed: %zu; do not trust results of this device",
                                       l->failed);
}

static int run(const command *self, int argc, char **argv)
{
    listing l = {0};
    const option_group groups[] = {
        devices_settings_group("What to do", &l.settings),
        device_settings_group(NULL, &l.device_settings),
        output_settings_group("Output", &l.output),
    };
    int first;
    TRY(options_parse(self, groups, sizeof groups / sizeof *groups, argc, argv, &first));
    if (first < argc)
        return report(EX_USAGE, "devices takes no operand; name a device with -d '%s'", argv[first]);
    l.color = terminal_wants_color((terminal_when)l.settings.color, stdout);
    const char *selector = engine_device_selector(&l.device_settings);
    TRY(selector ? run_on_one(&l, selector) : run_on_all(&l));
    return l.settings.self_test ? write_verdict(&l) : 0;
}

const command devices_command = {"devices", "", "Lists the OpenCL devices and what each can do.", run};
