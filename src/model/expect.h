/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The tensors that a config implies, in the dtypes in which released models store them, without any data: for plans,
 * and for models of random weights. */

#ifndef HADAL_MODEL_EXPECT_H
#define HADAL_MODEL_EXPECT_H

#include "model/bind.h"

typedef struct expected_model {
    model_view view;        /* views have dtype and shape, but no data; experts and layers are alike */
    mlp_view *experts;      /* [n_routed_experts] */
    tensor_view vectors[5]; /* that the view points to */
} expected_model;

/* *expected must stay where it is. Released by expect_free. */
HADAL_CHECKED hadal_status expect_model(expected_model *expected, const model_config *config);
void expect_free(expected_model *expected);

/* The config that a name of dimensions stands for: NULL or "deepseek-v3.2-exp", the released model; else the path of a
 * config.json. */
HADAL_CHECKED hadal_status config_of_dims(model_config *config, const char *dims);

#endif
