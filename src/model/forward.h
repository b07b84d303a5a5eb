/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The forward pass of one timeline: a step takes tokens at consecutive positions through all layers. */

#ifndef HADAL_MODEL_FORWARD_H
#define HADAL_MODEL_FORWARD_H

#include "model/settings.h"

typedef struct forward forward;

/* Kernels, caches and activations for a timeline of at most settings->context tokens. Borrows the model. */
HADAL_CHECKED hadal_status forward_create(forward **created, hadal_model *model, const settings *s);
void forward_free(forward *freed);

/* Says that `ahead` tokens will follow in steps of settings->chunk, so that what pays only for long prompts is
 * chosen. */
HADAL_CHECKED hadal_status forward_expect(forward *f, size_t ahead);

/* Takes tokens[count] (1 to settings->chunk, each below vocab_size), the first at `position`, through all layers.
 * Positions before it must have been taken before. Allocates nothing. */
HADAL_CHECKED hadal_status forward_step(forward *f, const int32_t *tokens, size_t count, size_t position);

/* Fills the caches of all layers with random latents and keys of usual size, as if every position had been taken, so
 * that a step at any position can be measured. */
HADAL_CHECKED hadal_status forward_fill_caches(forward *f, uint32_t seed);

/* logits float32 [rows, vocab_size] of the last step's tokens first .. first + rows - 1; rows <= settings->logit_rows.
 * Waits for the device. */
HADAL_CHECKED hadal_status forward_logits(forward *f, float *logits, size_t first, size_t rows);

#endif
