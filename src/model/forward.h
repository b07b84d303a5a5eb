/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* The forward pass: a step takes tokens of one or several sequences through all layers. */

#ifndef HADAL_MODEL_FORWARD_H
#define HADAL_MODEL_FORWARD_H

#include "model/settings.h"

typedef struct forward forward;

/* Kernels, caches and activations for settings->sequences of at most settings->context tokens each. Borrows the
 * model. */
HADAL_CHECKED hadal_status forward_create(forward **created, hadal_model *model, const settings *s);
void forward_free(forward *freed);

/* Takes a token to position 0 and forgets it, so that the kernels of a step of one token and its logits are built, or
 * read from the cache, and loaded by the driver before the first of them. */
HADAL_CHECKED hadal_status forward_prepare(forward *f);

/* Says that `ahead` tokens will follow in steps of settings->chunk, so that what pays only for long prompts is
 * chosen. */
HADAL_CHECKED hadal_status forward_expect(forward *f, size_t ahead);

typedef struct forward_token {
    int32_t id;       /* below vocab_size */
    int32_t position; /* in its sequence, below settings->context */
    int32_t sequence; /* below settings->sequences */
} forward_token;

/* Takes tokens[count] (1 to settings->chunk) through all layers. Every position before a token's own must have been
 * taken, in an earlier step or before it in this one; the tokens of one sequence follow one another. Allocates
 * nothing. */
HADAL_CHECKED hadal_status forward_step(forward *f, const forward_token *tokens, size_t count);

/* Fills the caches of all layers with random latents and keys of usual size, as if every position had been taken, so
 * that a step at any position can be measured. */
HADAL_CHECKED hadal_status forward_fill_caches(forward *f, uint32_t seed);

/* logits float32 [rows, vocab_size] of the last step's tokens first .. first + rows - 1; rows <= settings->logit_rows.
 * Waits for the device. */
HADAL_CHECKED hadal_status forward_logits(forward *f, float *logits, size_t first, size_t rows);

/* The same in two parts: the first has the device begin, the second waits. */
HADAL_CHECKED hadal_status forward_start_logits(forward *f, size_t first, size_t rows);
HADAL_CHECKED hadal_status forward_read_logits(forward *f, float *logits, size_t rows);

#endif
