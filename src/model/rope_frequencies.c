/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What positions do: RoPE frequencies under YaRN (https://arxiv.org/abs/2309.00071, section 3) and its factors. */

#include <math.h>

#include "model/config.h"
#include "model/rope_frequencies.h"

static const double two_pi = 6.283185307179586476925;

/* The pair of dimensions (as a real number) that turns `rotations` times over the original context. */
static double correction_dimension(const model_config *config, double rotations)
{
    return config->qk_rope_head_dim * log(config->yarn.original_max_position_embeddings / (rotations * two_pi)) /
           (2 * log(config->rope_theta));
}

bool rope_ramp_range(const model_config *config, double *low, double *high)
{
    *low = fmax(floor(correction_dimension(config, config->yarn.beta_fast)), 0);
    *high = fmin(ceil(correction_dimension(config, config->yarn.beta_slow)), config->qk_rope_head_dim - 1);
    return *low <= *high;
}

/* 0: the pair keeps its frequency, 1: it is interpolated, divided by the factor. */
static double ramp(double pair, double low, double high)
{
    return fmin(fmax((pair - low) / fmax(high - low, 0.001), 0), 1);
}

void config_rope_frequencies(const model_config *config, double *frequencies)
{
    double low = 0, high = 0;
    if (config->yarn.present)
        rope_ramp_range(config, &low, &high);
    for (uint32_t pair = 0; pair < config->qk_rope_head_dim / 2; pair++) {
        double frequency = pow(config->rope_theta, -2.0 * pair / config->qk_rope_head_dim);
        if (config->yarn.present) {
            double interpolated = ramp(pair, low, high);
            frequency = frequency / config->yarn.factor * interpolated + frequency * (1 - interpolated);
        }
        frequencies[pair] = frequency;
    }
}

/* YaRN's attention temperature; 1 for mscale 0. */
static double get_mscale(double factor, double mscale)
{
    return factor > 1 ? 0.1 * mscale * log(factor) + 1 : 1;
}

double config_softmax_scale(const model_config *config)
{
    double m = config->yarn.present ? get_mscale(config->yarn.factor, config->yarn.mscale_all_dim) : 1;
    return m * m / sqrt((double)config->qk_nope_head_dim + config->qk_rope_head_dim);
}

double config_rope_amplitude(const model_config *config)
{
    const yarn_config *yarn = &config->yarn;
    if (!yarn->present)
        return 1;
    if (yarn->attention_factor > 0)
        return yarn->attention_factor;
    /* One of the two alone counts for nothing: transformers' yarn, and the case yarn-mscale-only of the references. */
    if (yarn->mscale == 0 || yarn->mscale_all_dim == 0)
        return get_mscale(yarn->factor, 1);
    return get_mscale(yarn->factor, yarn->mscale) / get_mscale(yarn->factor, yarn->mscale_all_dim);
}
