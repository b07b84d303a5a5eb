/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What attention of one layer works on: a step of several sequences, all random, and several sets of caches, as if of
 * as many layers. The operations run in the order and in the pieces in which
 * src/model/forward.c runs them. */

#ifndef HADAL_BENCH_SEQUENCES_H
#define HADAL_BENCH_SEQUENCES_H

#include "bench/runner.h"
#include "model/config.h"
#include "model/settings.h"
#include "ops/attend.h"
#include "ops/index_scores.h"
#include "ops/top_k.h"

typedef struct sequences {
    hadal_device *device;
    model_config config;
    settings settings;
    size_t count;        /* sequences of a step */
    size_t tokens;       /* of each */
    size_t sets;         /* of caches: repetition r uses set r % sets */
    activations a;
    layer_cache *caches; /* [sets], each of all sequences */
    index_scores_op index_scores;
    top_k_op top_k;
    attend_op attend;
} sequences;

/* `count` sequences that take `tokens` tokens each, the last at position context - 1. s must stay where it is. */
HADAL_CHECKED hadal_status sequences_create(sequences *s, const bench *b, const model_config *config, size_t count,
                                            size_t tokens, size_t context);
void sequences_free(sequences *s);

/* Makes the operations anew, for other sizes of tiles. */
HADAL_CHECKED hadal_status sequences_create_operations(sequences *s);

/* The parts of attention; state: a sequences. */
bench_work sequences_index, sequences_select, sequences_attend, sequences_dense;

/* The first half of a sparse attend: what it leaves in a.partials, and in how many splits. */
HADAL_CHECKED hadal_status sequences_split(size_t *splits, const sequences *s);

/* index and select by turns, then attend: the whole, sparse. */
bench_work sequences_sparse;

/* What a repetition of each part must read, write and compute at least. */
typedef struct sequences_cost {
    uint64_t bytes, operations, rotated; /* rotated: bytes of all sets of caches together that the part touches */
} sequences_cost;

sequences_cost sequences_index_cost(const sequences *s);
sequences_cost sequences_select_cost(const sequences *s);
sequences_cost sequences_attend_cost(const sequences *s, bool dense);

/* The mean number of different experts that so many tokens meet in a layer, all experts being equally likely. */
double bench_experts_met(const model_config *config, size_t tokens);

#endif
