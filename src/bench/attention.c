/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Dense against sparse attention, in latent space: what the indexer's selection gains. */

#include "base/memory.h"
#include "bench/ceilings.h"
#include "bench/sequences.h"
#include "model/expect.h"

/* A row with what all rows of these sequences share. */
static bench_case start_case(sequences *s, const char *name, const char *counted, const char *phase,
                             sequences_cost cost, bench_work *run)
{
    return (bench_case){
        .row = {.name = name, .phase = phase, .counted = counted, .context = s->settings.context, .batch = s->count,
                .tokens = s->tokens, .bytes = cost.bytes, .operations = cost.operations,
                .working_set = cost.rotated},
        .compute = CEILING_BF16,
        .run = run,
        .state = s,
    };
}

static hadal_status measure_sparse(bench *b, sequences *s, const char *phase, double dense)
{
    const sequences_cost index = sequences_index_cost(s), select = sequences_select_cost(s);
    const sequences_cost chosen = sequences_attend_cost(s, false);
    bench_case part = start_case(s, "index", "keys, queries and scores once; 2 operations a head, dim and pair", phase,
                                 index, sequences_index);
    part.compute = CEILING_INT8;
    TRY(bench_best(b, &part));
    part = start_case(s, "select", "scores read, selections written once", phase, select, sequences_select);
    TRY(bench_best(b, &part));
    part = start_case(s, "attend", "rows that can be selected, queries and results once; selected pairs", phase, chosen,
                      sequences_attend);
    TRY(bench_best(b, &part));
    const sequences_cost all = {index.bytes + select.bytes + chosen.bytes, index.operations + chosen.operations,
                                index.rotated + chosen.rotated};
    bench_case whole = start_case(s, "sparse", "index, select and attend in a row", phase, all, sequences_sparse);
    whole.against = dense;
    return bench_by_clock(b, &whole);
}

static hadal_status measure(bench *b, const model_config *config, const char *phase, size_t count, size_t tokens,
                            size_t context)
{
    sequences s;
    hadal_status status;
    TRY(sequences_create(&s, b, config, count, tokens, context));
    bench_case dense = start_case(&s, "dense", "all rows, queries and results once; causal pairs", phase,
                                  sequences_attend_cost(&s, true), sequences_dense);
    TRY_OR(done, bench_by_clock(b, &dense));
    TRY_OR(done, measure_sparse(b, &s, phase, dense.row.microseconds));
done:
    sequences_free(&s);
    return status;
}

static hadal_status measure_all(bench *b, const model_config *config)
{
    static const size_t default_contexts[] = {8192, 32768, 65536, 131072}, default_batches[] = {1, 16, 64};
    static const size_t default_tokens[] = {2048};
    const hadal_bench_options *o = &b->options;
    const size_t *contexts, *batches, *tokens;
    size_t context_count, batch_count, token_count, most = config->max_position_embeddings;
    bench_list(&contexts, &context_count, o->contexts, o->context_count, default_contexts, 4, most);
    bench_list(&batches, &batch_count, o->batches, o->batch_count, default_batches, 3, SIZE_MAX);
    bench_list(&tokens, &token_count, o->tokens, o->token_count, default_tokens, 1, SIZE_MAX);
    for (size_t i = 0; o->phases & HADAL_BENCH_DECODE && i < batch_count; i++)
        for (size_t j = 0; j < context_count; j++)
            TRY(measure(b, config, "decode", batches[i], 1, contexts[j]));
    for (size_t i = 0; o->phases & HADAL_BENCH_PREFILL && i < token_count; i++)
        for (size_t j = 0; j < context_count; j++)
            TRY(measure(b, config, "prefill", 1, tokens[i], contexts[j]));
    return HADAL_OK;
}

hadal_status hadal_bench_attention(hadal_device *device, const hadal_bench_options *options, hadal_bench_report report,
                                   void *user)
{
    bench b;
    model_config config;
    hadal_status status;
    TRY(config_of_dims(&config, options ? options->dims : NULL));
    TRY_OR(done, bench_open(&b, device, "attention", options, report, user));
    TRY_OR(done, ceilings_measure(&b));
    TRY_OR(done, measure_all(&b, &config));
done:
    bench_close(&b);
    return status;
}
