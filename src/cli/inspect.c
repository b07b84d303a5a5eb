/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* hadal inspect: what a model is, and the memory it needs against the memory of a device. */

#include <inttypes.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/engine.h"
#include "cli/output.h"
#include "cli/report.h"

typedef struct inspection {
    model_settings model;
    device_settings device_settings;
    precision_settings precision;
    session_settings session;
    output_settings output;
    char *path;
    hadal_device *device;           /* NULL: there is none */
    const hadal_device_info *limits; /* of the device */
    hadal_plan plan;
} inspection;

/* ---- For people --------------------------------------------------------------------------------- */

/* "671.0 B", "13.0 M" or "5120". */
static const char *format_count(char buffer[32], uint64_t count)
{
    double value = (double)count;
    if (value >= 1e9)
        snprintf(buffer, 32, "%.1f B", value / 1e9);
    else if (value >= 1e6)
        snprintf(buffer, 32, "%.1f M", value / 1e6);
    else
        snprintf(buffer, 32, "%" PRIu64, count);
    return buffer;
}

static int print_weights(const hadal_plan *plan)
{
    char bytes[32];
    if (plan->from_config_only)
        return output_format("weights       %s by config.json; no weight files are there\n", plan->model.weight_format);
    return output_format("weights       %s, %s of files\n", plan->model.weight_format,
                         output_bytes(bytes, (double)plan->file_bytes));
}

static int print_attention(const hadal_model_info *m)
{
    TRY(output_format("attention     %u heads of %u + %u (rope), values of %u\n", m->num_attention_heads,
                      m->qk_nope_head_dim, m->qk_rope_head_dim, m->v_head_dim));
    TRY(output_format("latents       %u (query), %u (key and value)\n", m->q_lora_rank, m->kv_lora_rank));
    if (m->index_n_heads == 0)
        return 0;
    return output_format("indexer       %u heads of %u, selects %u tokens\n", m->index_n_heads, m->index_head_dim,
                         m->index_topk);
}

static int print_experts(const hadal_model_info *m)
{
    if (m->n_routed_experts == 0)
        return 0;
    return output_format("experts       %u routed, %u for a token, from %u of %u groups; %u shared; intermediate %u\n",
                         m->n_routed_experts, m->num_experts_per_tok, m->topk_group, m->n_group, m->n_shared_experts,
                         m->moe_intermediate_size);
}

static int print_model(const inspection *in)
{
    const hadal_model_info *m = &in->plan.model;
    char all[32], active[32];
    TRY(output_format("model         %s\n", in->path));
    TRY(output_format("type          %s\n", m->model_type));
    TRY(output_format("parameters    %s, %s of them active for a token\n", format_count(all, m->parameters),
                      format_count(active, m->active_parameters)));
    TRY(print_weights(&in->plan));
    TRY(output_format("layers        %u, the first %u with a dense MLP\n", m->num_hidden_layers,
                      m->first_k_dense_replace));
    TRY(output_format("sizes         hidden %u, intermediate %u, vocabulary %u\n", m->hidden_size,
                      m->intermediate_size, m->vocab_size));
    TRY(print_attention(m));
    TRY(print_experts(m));
    return output_format("context       up to %u tokens\n", m->max_position_embeddings);
}

static int print_row(const char *name, uint64_t bytes)
{
    char text[32];
    return output_format("  %-28s %12s %20" PRIu64 "\n", name, output_bytes(text, (double)bytes), bytes);
}

static int print_rows(const hadal_plan_row *rows, size_t count, const char *sum_name, uint64_t sum)
{
    for (size_t i = 0; i < count; i++)
        TRY(print_row(rows[i].name, rows[i].bytes));
    return print_row(sum_name, sum);
}

static int print_memory(const inspection *in)
{
    const hadal_plan *plan = &in->plan;
    uint64_t total = plan->weight_bytes + plan->session_bytes;
    size_t weights = plan->weight_row_count;
    TRY(output_format("\ndevice memory for %zu tokens of context, prefill in chunks of %zu:\n", plan->context,
                      plan->chunk));
    TRY(print_rows(plan->rows, weights, "= weights", plan->weight_bytes));
    TRY(print_rows(plan->rows + weights, plan->row_count - weights, "= session", plan->session_bytes));
    TRY(print_row("= all", total));
    TRY(print_row("caches, for each token", plan->cache_bytes_per_token));
    if (!in->limits)
        return output_format("\nno OpenCL device is there to compare with\n");
    char has[32], difference[32];
    uint64_t memory = in->limits->memory_bytes;
    TRY(output_format("\ndevice %zu     %s, %s of memory\n", in->limits->index, in->limits->name,
                      output_bytes(has, (double)memory)));
    TRY(output_format("              precision %s, matrix unit %s\n", engine_precision_name(in->limits->precision),
                      in->limits->matrix_unit));
    if (total <= memory)
        return output_format("              it fits, %s are left\n",
                             output_bytes(difference, (double)(memory - total)));
    return output_format("              it does not fit, %s are missing\n",
                         output_bytes(difference, (double)(total - memory)));
}

/* ---- For programs ------------------------------------------------------------------------------- */

static json_t *model_json(const hadal_model_info *m)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"parameters", m->parameters},
        {"active_parameters", m->active_parameters},
        {"vocab_size", m->vocab_size},
        {"hidden_size", m->hidden_size},
        {"num_hidden_layers", m->num_hidden_layers},
        {"first_k_dense_replace", m->first_k_dense_replace},
        {"intermediate_size", m->intermediate_size},
        {"moe_intermediate_size", m->moe_intermediate_size},
        {"num_attention_heads", m->num_attention_heads},
        {"q_lora_rank", m->q_lora_rank},
        {"kv_lora_rank", m->kv_lora_rank},
        {"qk_nope_head_dim", m->qk_nope_head_dim},
        {"qk_rope_head_dim", m->qk_rope_head_dim},
        {"v_head_dim", m->v_head_dim},
        {"index_n_heads", m->index_n_heads},
        {"index_head_dim", m->index_head_dim},
        {"index_topk", m->index_topk},
        {"n_routed_experts", m->n_routed_experts},
        {"n_shared_experts", m->n_shared_experts},
        {"num_experts_per_tok", m->num_experts_per_tok},
        {"n_group", m->n_group},
        {"topk_group", m->topk_group},
        {"max_position_embeddings", m->max_position_embeddings},
    };
    json_t *object = json_pack("{s:s, s:s}", "model_type", m->model_type, "weight_format", m->weight_format);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (json_object_set_new(object, numbers[i].name, json_integer((json_int_t)numbers[i].value)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *rows_json(const hadal_plan_row *rows, size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        if (json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].bytes)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static int print_json(const inspection *in)
{
    const hadal_plan *plan = &in->plan;
    uint64_t total = plan->weight_bytes + plan->session_bytes;
    json_t *device = in->limits
                         ? json_pack("{s:I, s:s, s:I, s:s, s:s, s:b}", "index", (json_int_t)in->limits->index, "name",
                                     in->limits->name, "memory_bytes", (json_int_t)in->limits->memory_bytes,
                                     "precision", engine_precision_name(in->limits->precision), "matrix_unit",
                                     in->limits->matrix_unit, "fits", total <= in->limits->memory_bytes)
                         : json_null();
    return output_json(json_pack(
        "{s:s, s:s, s:o, s:b, s:I, s:I, s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:o}", "type", "model", "path", in->path,
        "model", model_json(&plan->model), "from_config_only", plan->from_config_only, "file_bytes",
        (json_int_t)plan->file_bytes, "context", (json_int_t)plan->context, "chunk", (json_int_t)plan->chunk, "weights",
        rows_json(plan->rows, plan->weight_row_count), "session",
        rows_json(plan->rows + plan->weight_row_count, plan->row_count - plan->weight_row_count), "weight_bytes",
        (json_int_t)plan->weight_bytes, "session_bytes", (json_int_t)plan->session_bytes, "total_bytes",
        (json_int_t)total, "cache_bytes_per_token", (json_int_t)plan->cache_bytes_per_token, "device", device));
}

/* ---- The work ----------------------------------------------------------------------------------- */

/* A device that was not asked for by name may be missing: the model is described all the same. */
static int find_device(inspection *in)
{
    const char *selector = engine_device_selector(&in->device_settings);
    hadal_status status = hadal_device_open(&in->device, &(hadal_device_options){
                                                          .selector = selector,
                                                          .precision = (hadal_precision)in->precision.precision,
                                                      });
    if (status == HADAL_OK)
        in->limits = hadal_device_describe(in->device);
    return status == HADAL_ERROR_NO_DEVICE && !selector ? 0 : report_status(status);
}

static int inspect(inspection *in)
{
    const hadal_session_options options = engine_session_options(&in->session);
    TRY(engine_find_model(&in->path, &in->model));
    TRY(find_device(in));
    TRY(report_status(hadal_plan_make(&in->plan, in->path, &options, in->limits)));
    if (in->output.json)
        return print_json(in);
    TRY(print_model(in));
    return print_memory(in);
}

static int run(const command *self, int argc, char **argv)
{
    inspection in = {0};
    const option_group groups[] = {
        model_settings_group("Model and device", &in.model),
        device_settings_group(NULL, &in.device_settings),
        precision_settings_group(NULL, &in.precision),
        session_settings_group(NULL, &in.session),
        output_settings_group("Output", &in.output),
    };
    int first;
    TRY(options_parse(self, groups, sizeof groups / sizeof *groups, argc, argv, &first));
    if (argc - first > (in.model.directory ? 0 : 1))
        return report(EX_USAGE, "one model at a time: '%s' is one too many", argv[argc - 1]);
    if (first < argc)
        in.model.directory = argv[first];
    int code = inspect(&in);
    hadal_device_close(in.device);
    free(in.path);
    return code;
}

const command inspect_command = {
    "inspect", "[DIR | config.json]", "Tells what a model is and the memory it needs.", run,
};
