/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "text/bpe.h"

#include <stdlib.h>
#include <string.h>

/* The merges lie sorted by (left, right); those of token `left` are [first[left], first[left + 1]). A search inside
 * takes a few steps, needs no hash table, and no file can make it slow. */
struct bpe {
    int32_t byte_tokens[256];
    uint32_t *lengths; /* [size] */
    size_t *first;     /* [size + 1] */
    bpe_merge *merges;
};

static int compare_merges(const void *left, const void *right)
{
    const bpe_merge *a = left, *b = right;
    if (a->left != b->left)
        return a->left < b->left ? -1 : 1;
    if (a->right != b->right)
        return a->right < b->right ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

/* Sorts, and keeps the last of each pair. Returns how many are left. */
static size_t sort_merges(bpe_merge *merges, size_t count)
{
    if (count)
        qsort(merges, count, sizeof *merges, compare_merges);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || merges[i].left != merges[i + 1].left || merges[i].right != merges[i + 1].right)
            merges[kept++] = merges[i];
    return kept;
}

hadal_status bpe_create(bpe **created, const int32_t byte_tokens[static 256], const uint32_t *lengths, size_t size,
                        bpe_merge *merges, size_t count)
{
    TRY(memory_allocate(created, 1, sizeof **created));
    bpe *model = *created;
    hadal_status status;
    count = sort_merges(merges, count);
    TRY_OR(failed, memory_allocate(&model->lengths, size, sizeof *model->lengths));
    TRY_OR(failed, memory_allocate(&model->first, size + 1, sizeof *model->first));
    TRY_OR(failed, memory_allocate(&model->merges, count, sizeof *model->merges));
    memcpy(model->byte_tokens, byte_tokens, sizeof model->byte_tokens);
    if (size)
        memcpy(model->lengths, lengths, size * sizeof *lengths);
    if (count)
        memcpy(model->merges, merges, count * sizeof *merges);
    for (size_t i = 0; i < count; i++)
        model->first[(size_t)merges[i].left + 1]++;
    for (size_t token = 0; token < size; token++)
        model->first[token + 1] += model->first[token];
    return HADAL_OK;
failed:
    bpe_free(model);
    *created = NULL;
    return status;
}

void bpe_free(bpe *created)
{
    if (!created)
        return;
    free(created->lengths);
    free(created->first);
    free(created->merges);
    free(created);
}

void bpe_workspace_free(bpe_workspace *workspace)
{
    free(workspace->cells);
    free(workspace->queue);
    *workspace = (bpe_workspace){0};
}

static const bpe_merge *find_merge(const bpe *model, int32_t left, int32_t right)
{
    size_t low = model->first[left], high = model->first[left + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const bpe_merge *merge = &model->merges[middle];
        if (merge->right == right)
            return merge;
        if (merge->right < right)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- The queue of merges that may apply: a heap of rank * 2^32 + position, lowest first -------------------- */

enum { HEAP_WAYS = 4 }; /* half the depth of a binary heap, and the children share a cache line */

static hadal_status queue_push(bpe_workspace *workspace, uint32_t rank, size_t position)
{
    uint64_t entry = (uint64_t)rank << 32 | position;
    TRY(memory_grow(&workspace->queue, &workspace->queue_capacity, workspace->queue_length + 1, sizeof entry));
    uint64_t *queue = workspace->queue;
    size_t at = workspace->queue_length++;
    for (; at > 0 && queue[(at - 1) / HEAP_WAYS] > entry; at = (at - 1) / HEAP_WAYS)
        queue[at] = queue[(at - 1) / HEAP_WAYS];
    queue[at] = entry;
    return HADAL_OK;
}

static uint64_t queue_pop(bpe_workspace *workspace)
{
    uint64_t *queue = workspace->queue, top = queue[0], last = queue[--workspace->queue_length];
    size_t length = workspace->queue_length, at = 0;
    for (;;) {
        size_t first = HEAP_WAYS * at + 1, end = min_size(first + HEAP_WAYS, length), least = first;
        for (size_t child = first + 1; child < end; child++)
            if (queue[child] < queue[least])
                least = child;
        if (first >= length || queue[least] >= last)
            break;
        queue[at] = queue[least];
        at = least;
    }
    queue[at] = last;
    return top;
}

/* ---- The tokens of a piece, one cell a byte -------------------------------------------------------------- */

/* The first cell of a token holds its id, the last (if it is another) ~id, those between are not looked at: with the
 * tokens' lengths that is a list linked both ways, in four bytes a byte. */

static void place(const bpe *model, int32_t *cells, size_t position, int32_t token)
{
    size_t last = position + model->lengths[token] - 1;
    cells[last] = ~token;
    cells[position] = token;
}

static int32_t token_before(const int32_t *cells, size_t position)
{
    int32_t cell = cells[position - 1];
    return cell < 0 ? ~cell : cell;
}

/* Queues the merge of the token at `position` with the one behind it, if there is one. */
static hadal_status queue_pair(const bpe *model, bpe_workspace *workspace, size_t position, size_t length)
{
    int32_t left = workspace->cells[position];
    size_t behind = position + model->lengths[left];
    if (behind >= length)
        return HADAL_OK;
    const bpe_merge *merge = find_merge(model, left, workspace->cells[behind]);
    return merge ? queue_push(workspace, merge->rank, position) : HADAL_OK;
}

/* Applies a queued merge unless it is stale: its left token grew, vanished into another, or got a new neighbour. */
static hadal_status apply(const bpe *model, bpe_workspace *workspace, uint64_t entry, size_t length)
{
    int32_t *cells = workspace->cells;
    size_t position = entry & UINT32_MAX;
    int32_t left = cells[position];
    if (left < 0)
        return HADAL_OK;
    size_t behind = position + model->lengths[left];
    if (behind >= length)
        return HADAL_OK;
    const bpe_merge *merge = find_merge(model, left, cells[behind]);
    if (!merge || merge->rank != entry >> 32)
        return HADAL_OK;
    cells[behind] = -1; /* no token begins here any more */
    place(model, cells, position, merge->merged);
    if (position > 0)
        TRY(queue_pair(model, workspace, position - model->lengths[token_before(cells, position)], length));
    return queue_pair(model, workspace, position, length);
}

hadal_status bpe_encode(const bpe *model, bpe_workspace *workspace, hadal_tokens *tokens, const char *piece,
                        size_t length)
{
    if (length >= UINT32_MAX)
        return failure(HADAL_ERROR_DATA, "a run of %zu bytes without a break is too long to tokenize", length);
    TRY(memory_grow(&workspace->cells, &workspace->cell_capacity, length, sizeof *workspace->cells));
    for (size_t i = 0; i < length; i++)
        workspace->cells[i] = model->byte_tokens[(unsigned char)piece[i]];
    workspace->queue_length = 0;
    for (size_t i = 0; i < length; i++)
        TRY(queue_pair(model, workspace, i, length));
    while (workspace->queue_length)
        TRY(apply(model, workspace, queue_pop(workspace), length));
    for (size_t i = 0; i < length; i += model->lengths[workspace->cells[i]])
        TRY(hadal_tokens_append(tokens, &workspace->cells[i], 1));
    return HADAL_OK;
}
