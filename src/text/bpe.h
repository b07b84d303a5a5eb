/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* Byte-pair encoding: a piece of text starts as one token a byte; then, over and over, the adjacent pair whose merge
 * has the lowest rank (the leftmost among equals) becomes one token, until no merge applies. */

#ifndef HADAL_TEXT_BPE_H
#define HADAL_TEXT_BPE_H

#include "base/memory.h"

/* Tokens left and right, side by side, may become the token `merged`. */
typedef struct bpe_merge {
    int32_t left, right, merged;
    uint32_t rank;
} bpe_merge;

typedef struct bpe bpe;

/* byte_tokens[256]: the token of each byte, -1 for bytes that no text holds. lengths[size]: bytes of each token; a
 * merged token has those of its halves. merges[count] is sorted here; of two merges of one pair the one with the
 * higher rank counts, as in the `tokenizers` library. Everything is copied. */
HADAL_CHECKED hadal_status bpe_create(bpe **created, const int32_t byte_tokens[static 256], const uint32_t *lengths,
                                      size_t size, bpe_merge *merges, size_t count);
void bpe_free(bpe *created);

/* Scratch memory of bpe_encode, kept from piece to piece: some 20 bytes for each byte of the longest. Starts as {0}. */
typedef struct bpe_workspace {
    int32_t *cells;
    size_t cell_capacity;
    uint64_t *queue;
    size_t queue_length, queue_capacity;
} bpe_workspace;

void bpe_workspace_free(bpe_workspace *workspace);

/* Appends the tokens of piece[length] to *tokens, in n log n steps for n bytes. */
HADAL_CHECKED hadal_status bpe_encode(const bpe *model, bpe_workspace *workspace, hadal_tokens *tokens,
                                      const char *piece, size_t length);

#endif
