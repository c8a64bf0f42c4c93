/*
 * The pieces of memory that a pool has: which of them an address lies in.
 *
 * A piece's struct begins with a span, and is found by address in a balanced tree; the one found last is looked at first. The tree is
 * base/tree.h's; with one piece, which is the rule, a search is two comparisons.
 */
#ifndef TARN_POOL_SPANS_H
#define TARN_POOL_SPANS_H

#include "base/list.h"
#include "base/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [base, end): base < end. */
struct tarn__span {
    uintptr_t base, end;
    struct tarn__tree_node node;
};

struct tarn__spans {
    uintptr_t root;            /* of the tree */
    struct tarn__span *latest; /* NULL only when there is none */
    size_t count;
};

/* Whether one of them has an address in [base, end). O(log n). */
bool tarn__spans_overlap(const struct tarn__spans *spans, uintptr_t base, uintptr_t end);

/* Adds one that overlaps none. O(log n). */
void tarn__spans_insert(struct tarn__spans *spans, struct tarn__span *span);

void tarn__spans_remove(struct tarn__spans *spans, struct tarn__span *span);

/* The one that has `address`, or NULL; the first one above `address`, or NULL. */
struct tarn__span *tarn__spans_search(const struct tarn__spans *spans, uintptr_t address);
struct tarn__span *tarn__spans_above(const struct tarn__spans *spans, uintptr_t address);

static inline struct tarn__span *tarn__spans_find(struct tarn__spans *spans, const void *p)
{
    struct tarn__span *span = spans->latest;
    if (__builtin_expect(span && (uintptr_t)p - span->base < span->end - span->base, 1))
        return span;
    span = tarn__spans_search(spans, (uintptr_t)p);
    if (span)
        spans->latest = span;
    return span;
}

#endif
