/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/reference.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

double reference_error(const float *got, const double *expected, size_t count)
{
    double difference = 0, magnitude = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)got[i] - expected[i]) * ((double)got[i] - expected[i]);
        magnitude += expected[i] * expected[i];
    }
    return magnitude > 0 ? sqrt(difference / magnitude) : sqrt(difference);
}

void reference_rms_norm(double *out, const float *in, const float *weight, size_t columns, double epsilon)
{
    double squares = 0;
    for (size_t i = 0; i < columns; i++)
        squares += (double)in[i] * in[i];
    for (size_t i = 0; i < columns; i++)
        out[i] = in[i] / sqrt(squares / (double)columns + epsilon) * weight[i];
}

void reference_frequencies(double *frequencies, size_t pairs)
{
    for (size_t i = 0; i < pairs; i++)
        frequencies[i] = pow(10000, -(double)i / (double)pairs);
}

void reference_rope(double *out, const float *in, const double *frequencies, size_t pairs, int32_t position,
                    double amplitude)
{
    for (size_t i = 0; i < pairs; i++) {
        double angle = position * frequencies[i];
        double x = in[2 * i], y = in[2 * i + 1];
        out[2 * i] = amplitude * (x * cos(angle) - y * sin(angle));
        out[2 * i + 1] = amplitude * (y * cos(angle) + x * sin(angle));
    }
}

void reference_latent(double *cache, const float *kv, const float *weight, size_t latent, size_t rope, double epsilon,
                      const double *frequencies, int32_t position, double amplitude)
{
    size_t padded = round_up(latent, ROW_UNIT);
    memset(cache, 0, (padded + round_up(rope, ROW_UNIT)) * sizeof *cache);
    reference_rms_norm(cache, kv, weight, latent, epsilon);
    reference_rope(cache + padded, kv + latent, frequencies, rope / 2, position, amplitude);
}

void reference_attend(double *out, const attend_dims *dims, const float *query, const float *cache, const int32_t *list,
                      size_t length)
{
    size_t row = round_up(dims->latent, ROW_UNIT) + round_up(dims->rope, ROW_UNIT);
    double largest = -INFINITY, total = 0;
    for (int pass = 0; pass < 2; pass++) /* the largest score first, so that exp stays within bounds */
        for (size_t i = 0; i < length; i++) {
            const float *key = cache + (list ? (size_t)list[i] : i) * row;
            double score = 0;
            for (size_t j = 0; j < row; j++)
                score += (double)query[j] * key[j];
            if (pass == 0) {
                largest = fmax(largest, score);
                continue;
            }
            total += exp(score - largest);
            for (size_t j = 0; j < dims->latent; j++)
                out[j] = (i ? out[j] : 0) + exp(score - largest) * key[j];
        }
    for (size_t j = 0; j < dims->latent; j++)
        out[j] /= total;
}

/* scale q_nope . W_UK c + query_rope . k_rope */
static double score_by_heads(const attend_heads_dims *dims, const float *q_nope, const float *query_rope,
                             const float *row, const double *k_up, double scale)
{
    const float *k_rope = row + round_up(dims->latent, ROW_UNIT);
    double score = 0;
    for (size_t i = 0; i < dims->nope; i++) {
        double key = 0;
        for (size_t j = 0; j < dims->latent; j++)
            key += k_up[j * dims->nope + i] * row[j];
        score += scale * q_nope[i] * key;
    }
    for (size_t i = 0; i < dims->rope; i++)
        score += (double)query_rope[i] * k_rope[i];
    return score;
}

void reference_attend_heads(double *out, const attend_heads_dims *dims, const float *q_nope, const float *query_rope,
                            const float *cache, const double *k_up, const double *v_up, size_t length, double scale)
{
    size_t width = round_up(dims->latent, ROW_UNIT) + round_up(dims->rope, ROW_UNIT);
    double largest = -INFINITY, total = 0;
    memset(out, 0, dims->value * sizeof *out);
    for (size_t s = 0; s < length; s++) {
        const float *row = cache + s * width;
        double score = score_by_heads(dims, q_nope, query_rope, row, k_up, scale), next = fmax(largest, score);
        double factor = exp(largest - next), weight = exp(score - next);
        largest = next;
        total = total * factor + weight;
        for (size_t i = 0; i < dims->value; i++)
            out[i] = out[i] * factor + weight * reference_dot(row, v_up + i * dims->latent, dims->latent);
    }
    for (size_t i = 0; i < dims->value; i++)
        out[i] /= total;
}

void reference_combine(double *out, const float *sums, const float *totals, size_t latent, size_t splits)
{
    double largest = -INFINITY, total = 0;
    for (size_t s = 0; s < splits; s++)
        largest = fmax(largest, totals[2 * s]);
    for (size_t s = 0; s < splits; s++)
        total += exp(totals[2 * s] - largest) * totals[2 * s + 1];
    for (size_t i = 0; i < latent; i++) {
        out[i] = 0;
        for (size_t s = 0; s < splits; s++)
            out[i] += exp(totals[2 * s] - largest) * sums[s * round_up(latent, ROW_UNIT) + i] / total;
    }
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* An expert's choice, or -INFINITY if its group is not kept. */
static double choice_of(size_t expert, const float *logits, const float *bias, const route_dims *dims, const bool *kept)
{
    size_t group = expert / (dims->experts / dims->groups);
    return !kept || kept[group] ? sigmoid(logits[expert]) + bias[expert] : -INFINITY;
}

static double group_score(size_t group, const float *logits, const float *bias, const route_dims *dims)
{
    size_t size = dims->experts / dims->groups;
    double best = -INFINITY, second = -INFINITY;
    for (size_t i = 0; i < size; i++) {
        double choice = choice_of(group * size + i, logits, bias, dims, NULL);
        if (choice > best) {
            second = best;
            best = choice;
        } else if (choice > second) {
            second = choice;
        }
    }
    return size == 1 ? best : best + second;
}

/* Marks the dims->top_groups best groups. */
static void keep_groups(bool *kept, const float *logits, const float *bias, const route_dims *dims)
{
    memset(kept, 0, ROUTE_MOST_EXPERTS * sizeof *kept);
    for (size_t round = 0; round < dims->top_groups; round++) {
        size_t best = dims->groups;
        for (size_t group = 0; group < dims->groups; group++)
            if (!kept[group] && (best == dims->groups || group_score(group, logits, bias, dims) >
                                                             group_score(best, logits, bias, dims)))
                best = group;
        kept[best] = true;
    }
}

void reference_route(int32_t *ids, double *weights, const float *logits, const float *bias, const route_dims *dims)
{
    bool kept[ROUTE_MOST_EXPERTS], taken[ROUTE_MOST_EXPERTS] = {false};
    double sum = 0;
    keep_groups(kept, logits, bias, dims);
    for (size_t k = 0; k < dims->top_k; k++) {
        size_t best = dims->experts;
        for (size_t expert = 0; expert < dims->experts; expert++)
            if (!taken[expert] && (best == dims->experts || choice_of(expert, logits, bias, dims, kept) >
                                                                choice_of(best, logits, bias, dims, kept)))
                best = expert;
        taken[best] = true;
        ids[k] = (int32_t)best;
        weights[k] = sigmoid(logits[best]);
        sum += weights[k];
    }
    for (size_t k = 0; k < dims->top_k; k++)
        weights[k] *= dims->scaling / (dims->normalise ? sum + 1e-20 : 1);
}

void reference_dispatch(int32_t *offsets, int32_t *slots, const int32_t *ids, size_t slot_count, size_t experts)
{
    int32_t count = 0;
    for (size_t expert = 0; expert < experts; expert++) {
        offsets[expert] = count;
        for (size_t slot = 0; slot < slot_count; slot++)
            if ((size_t)ids[slot] == expert)
                slots[count++] = (int32_t)slot;
    }
    offsets[experts] = count;
}

void reference_swiglu(double *out, const float *gate, const float *up, size_t columns)
{
    for (size_t i = 0; i < columns; i++)
        out[i] = gate[i] * sigmoid(gate[i]) * up[i];
}

void reference_moe_combine(double *out, const float *x, const float *expert_out, const float *weights,
                           const float *shared, size_t columns, size_t stride, size_t top_k)
{
    for (size_t i = 0; i < columns; i++) {
        out[i] = (double)x[i] + (shared ? shared[i] : 0.0f);
        for (size_t k = 0; k < top_k; k++)
            out[i] += (double)weights[k] * expert_out[k * stride + i];
    }
}

double reference_dot(const float *in, const double *weight, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += in[i] * weight[i];
    return sum;
}
