/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Picks tokens. The steps come in the order of llama.cpp's default chain: repeat penalty, top-k, top-p, min-p, and only
 * then temperature; so top-p and min-p see the probabilities at temperature 1, whatever the temperature.
 *
 * All sums are in double and in a fixed order, and the exponential is our own: the choice depends on no library. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "session/probability.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* as in probability.c */
#endif

enum { DEFAULT_REPEAT_LAST = 64 };

typedef struct candidate {
    double logit;  /* after the penalty */
    double weight; /* e^(logit - largest logit), proportional to the probability */
    int32_t token;
} candidate;

struct hadal_sampler {
    hadal_sampler_options options;
    uint32_t vocab_size;
    uint64_t random; /* see base/random.h */
    candidate *candidates; /* [vocab_size] */
    candidate *kept;       /* [vocab_size] */
    int32_t *recent;       /* [repeat_last] a ring; NULL without penalty, like the next */
    uint32_t *occurrences; /* [vocab_size] how often each token is among the recent */
    size_t recent_count, recent_next;
};

/* ---- Creation ------------------------------------------------------------------------------------------------ */

static hadal_status check_options(const hadal_sampler_options *options)
{
    if (!(options->temperature >= 0 && isfinite(options->temperature)))
        return failure(HADAL_ERROR_ARGUMENT, "the temperature is %g, expected 0 or more", (double)options->temperature);
    if (!(options->top_p >= 0 && options->top_p <= 1))
        return failure(HADAL_ERROR_ARGUMENT, "top-p is %g, expected 0 to 1", (double)options->top_p);
    if (!(options->min_p >= 0 && options->min_p <= 1))
        return failure(HADAL_ERROR_ARGUMENT, "min-p is %g, expected 0 to 1", (double)options->min_p);
    if (!(options->repeat_penalty > 0 && isfinite(options->repeat_penalty)))
        return failure(HADAL_ERROR_ARGUMENT, "the repeat penalty is %g, expected more than 0 (1 is none)",
                       (double)options->repeat_penalty);
    return HADAL_OK;
}

hadal_status hadal_sampler_create(hadal_sampler **sampler, uint32_t vocab_size, const hadal_sampler_options *options)
{
    *sampler = NULL;
    if (!options || !vocab_size || vocab_size > INT32_MAX)
        return failure(HADAL_ERROR_ARGUMENT, "a sampler needs options and a vocabulary of 1 to %d tokens", INT32_MAX);
    TRY(check_options(options));
    hadal_sampler *made;
    hadal_status status;
    TRY(memory_allocate(&made, 1, sizeof *made));
    made->options = *options;
    if (!made->options.repeat_last)
        made->options.repeat_last = DEFAULT_REPEAT_LAST;
    made->vocab_size = vocab_size;
    made->random = options->seed;
    TRY_OR(failed, memory_allocate(&made->candidates, vocab_size, sizeof *made->candidates));
    TRY_OR(failed, memory_allocate(&made->kept, vocab_size, sizeof *made->kept));
    if (options->repeat_penalty != 1) {
        TRY_OR(failed, memory_allocate(&made->recent, made->options.repeat_last, sizeof *made->recent));
        TRY_OR(failed, memory_allocate(&made->occurrences, vocab_size, sizeof *made->occurrences));
    }
    *sampler = made;
    return HADAL_OK;
failed:
    hadal_sampler_free(made);
    return status;
}

void hadal_sampler_free(hadal_sampler *sampler)
{
    if (!sampler)
        return;
    free(sampler->candidates);
    free(sampler->kept);
    free(sampler->recent);
    free(sampler->occurrences);
    free(sampler);
}

void hadal_sampler_accept(hadal_sampler *sampler, int32_t token)
{
    if (!sampler->recent || token < 0 || (uint32_t)token >= sampler->vocab_size)
        return;
    if (sampler->recent_count == sampler->options.repeat_last)
        sampler->occurrences[sampler->recent[sampler->recent_next]]--;
    else
        sampler->recent_count++;
    sampler->recent[sampler->recent_next] = token;
    sampler->occurrences[token]++;
    sampler->recent_next = (sampler->recent_next + 1) % sampler->options.repeat_last;
}

/* ---- The steps: each works on a list of candidates and returns how many are left ----------------------------- */

static double penalise(const hadal_sampler *sampler, uint32_t token, double logit)
{
    if (!sampler->recent || !sampler->occurrences[token])
        return logit;
    double penalty = sampler->options.repeat_penalty;
    return logit > 0 ? logit / penalty : logit * penalty;
}

static hadal_status check_logits(const hadal_sampler *sampler, const float *logits)
{
    bool some = false;
    for (uint32_t token = 0; token < sampler->vocab_size; token++) {
        if (!(logits[token] < INFINITY))
            return failure(HADAL_ERROR_INTERNAL, "the logit of token %u is %s: the weights are damaged, or this is a "
                           "bug", (unsigned)token, isnan(logits[token]) ? "NaN" : "infinite");
        some |= logits[token] > -INFINITY;
    }
    if (!some)
        return failure(HADAL_ERROR_INTERNAL, "all %u logits are -infinity: the weights are damaged, or this is a bug",
                       (unsigned)sampler->vocab_size);
    return HADAL_OK;
}

/* The first token of the highest logit. */
static int32_t pick_best(const hadal_sampler *sampler, const float *logits)
{
    double highest = -INFINITY;
    int32_t found = -1;
    for (uint32_t token = 0; token < sampler->vocab_size; token++) {
        double logit = penalise(sampler, token, logits[token]);
        if (logit > highest) {
            highest = logit;
            found = (int32_t)token;
        }
    }
    return found;
}

/* sampler->candidates = all tokens but those of logit -infinity, in the order of their ids. Returns how many. */
static size_t gather(hadal_sampler *sampler, const float *logits)
{
    size_t count = 0;
    for (uint32_t token = 0; token < sampler->vocab_size; token++)
        if (logits[token] != -INFINITY)
            sampler->candidates[count++] = (candidate){.logit = penalise(sampler, token, logits[token]),
                                                       .token = (int32_t)token};
    return count;
}

/* Higher logit first, lower id among equals. */
static bool precedes(const candidate *a, const candidate *b)
{
    return a->logit > b->logit || (a->logit == b->logit && a->token < b->token);
}

static double highest_logit(const candidate *list, size_t count)
{
    double highest = list[0].logit;
    for (size_t i = 1; i < count; i++)
        highest = list[i].logit > highest ? list[i].logit : highest;
    return highest;
}

/* Temperature 0 is not for this. */
static void weigh(candidate *list, size_t count, double largest, double temperature)
{
    for (size_t i = 0; i < count; i++)
        list[i].weight = probability_exp((list[i].logit - largest) / temperature);
}

static double total_weight(const candidate *list, size_t count)
{
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += list[i].weight;
    return total;
}

/* Puts `moved` where it belongs in the heap below the free place `at`. */
static void sift_down(candidate *heap, size_t count, size_t at, candidate moved)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && precedes(&heap[child + 1], &heap[child]))
            child++;
        if (!precedes(&heap[child], &moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

/* kept = the best of heap[count], best first: as many as are needed for `mass` of weight, `most` at most, one at least.
 * Costs count + n log count for n kept, so that a short list from a large vocabulary is cheap. */
static size_t keep_best(candidate *kept, candidate *heap, size_t count, size_t most, double mass)
{
    for (size_t i = count / 2; i-- > 0;)
        sift_down(heap, count, i, heap[i]);
    size_t number = 0;
    double sum = 0;
    do {
        kept[number] = heap[0];
        sum += kept[number++].weight;
        sift_down(heap, count - number, 0, heap[count - number]);
    } while (number < most && sum < mass);
    return number;
}

/* The shortest beginning of list[count], best first, that holds `mass` of weight. */
static size_t keep_mass(const candidate *list, size_t count, double mass)
{
    double sum = list[0].weight;
    size_t number = 1;
    for (; number < count && sum < mass; number++)
        sum += list[number].weight;
    return number;
}

/* Those of at least that weight; the best has weight 1. Keeps the order. */
static size_t keep_weight(candidate *list, size_t count, double least)
{
    size_t number = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].weight >= least)
            list[number++] = list[i];
    return number;
}

static int32_t draw(uint64_t *random, const candidate *list, size_t count)
{
    double unit = (double)(random_bits(random) >> 11) * 0x1p-53; /* in [0, 1), each step as likely */
    double target = unit * total_weight(list, count), sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        sum += list[i].weight;
        if (sum > target)
            return list[i].token;
        if (list[i].weight > 0)
            last = i;
    }
    return list[last].token; /* rounding: the target was the whole sum */
}

/* ---- Picking ------------------------------------------------------------------------------------------------- */

static int32_t sample(hadal_sampler *sampler, const float *logits)
{
    const hadal_sampler_options *options = &sampler->options;
    candidate *list = sampler->candidates;
    size_t count = gather(sampler, logits);
    double largest = highest_logit(list, count);
    weigh(list, count, largest, 1);
    bool few = options->top_k && options->top_k < count;
    if (few) {
        count = keep_best(sampler->kept, list, count, options->top_k, INFINITY);
        list = sampler->kept;
    }
    if (options->top_p < 1) {
        double mass = options->top_p * total_weight(list, count);
        count = few ? keep_mass(list, count, mass) : keep_best(sampler->kept, list, count, count, mass);
        list = sampler->kept;
    }
    count = keep_weight(list, count, options->min_p);
    weigh(list, count, largest, options->temperature);
    return draw(&sampler->random, list, count);
}

hadal_status hadal_sampler_pick(hadal_sampler *sampler, const float *logits, int32_t *token, double *logprob)
{
    *token = -1;
    if (logprob)
        *logprob = 0;
    TRY(check_logits(sampler, logits));
    *token = sampler->options.temperature == 0 ? pick_best(sampler, logits) : sample(sampler, logits);
    if (logprob)
        *logprob = hadal_log_probability(logits, sampler->vocab_size, *token);
    return HADAL_OK;
}
