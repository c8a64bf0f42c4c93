/* A list in order of address. */
#include "pool/spans.h"

struct tarn__span *tarn__spans_search(const struct tarn__spans *spans, uintptr_t address)
{
    for (struct tarn__span *span = spans->root; span; span = span->right)
        if (address - span->base < span->end - span->base)
            return span;
    return NULL;
}

struct tarn__span *tarn__spans_above(const struct tarn__spans *spans, uintptr_t address)
{
    for (struct tarn__span *span = spans->root; span; span = span->right)
        if (span->base > address)
            return span;
    return NULL;
}

bool tarn__spans_overlap(const struct tarn__spans *spans, uintptr_t base, uintptr_t end)
{
    for (struct tarn__span *span = spans->root; span; span = span->right)
        if (span->base < end && base < span->end)
            return true;
    return false;
}

void tarn__spans_insert(struct tarn__spans *spans, struct tarn__span *span)
{
    struct tarn__span **at = &spans->root;
    while (*at && (*at)->base < span->base)
        at = &(*at)->right;
    span->left = NULL;
    span->right = *at;
    *at = span;
    spans->latest = span;
    spans->count++;
}

void tarn__spans_remove(struct tarn__spans *spans, struct tarn__span *span)
{
    struct tarn__span **at = &spans->root;
    while (*at != span)
        at = &(*at)->right;
    *at = span->right;
    spans->latest = spans->root;
    spans->count--;
}
