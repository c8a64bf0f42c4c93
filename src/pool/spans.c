/* A tree in order of address. As spans do not overlap, their ends are in the same order. */
#include "pool/spans.h"

static struct tarn__span *span_of(struct tarn__tree_node *node) { return TARN__CONTAINER(node, struct tarn__span, node); }

static bool before(const struct tarn__tree_node *a, const struct tarn__tree_node *b)
{
    return TARN__CONTAINER(a, const struct tarn__span, node)->base < TARN__CONTAINER(b, const struct tarn__span, node)->base;
}

/* The first that ends above `address`, or NULL. */
static struct tarn__span *first_ending_above(const struct tarn__spans *spans, uintptr_t address)
{
    struct tarn__span *best = NULL;
    for (struct tarn__tree_node *node = tarn__tree_at(spans->root); node;) {
        bool above = span_of(node)->end > address;
        if (above)
            best = span_of(node);
        node = tarn__tree_child(node, !above);
    }
    return best;
}

struct tarn__span *tarn__spans_search(const struct tarn__spans *spans, uintptr_t address)
{
    struct tarn__span *span = first_ending_above(spans, address);
    return span && span->base <= address ? span : NULL;
}

struct tarn__span *tarn__spans_above(const struct tarn__spans *spans, uintptr_t address)
{
    struct tarn__span *best = NULL;
    for (struct tarn__tree_node *node = tarn__tree_at(spans->root); node;) {
        bool above = span_of(node)->base > address;
        if (above)
            best = span_of(node);
        node = tarn__tree_child(node, !above);
    }
    return best;
}

bool tarn__spans_overlap(const struct tarn__spans *spans, uintptr_t base, uintptr_t end)
{
    struct tarn__span *span = first_ending_above(spans, base);
    return span && span->base < end;
}

void tarn__spans_insert(struct tarn__spans *spans, struct tarn__span *span)
{
    tarn__tree_insert(&spans->root, &span->node, false, before);
    spans->latest = span;
    spans->count++;
}

void tarn__spans_remove(struct tarn__spans *spans, struct tarn__span *span)
{
    tarn__tree_remove(&spans->root, &span->node, before);
    spans->latest = spans->root ? span_of(tarn__tree_at(spans->root)) : NULL;
    spans->count--;
}
