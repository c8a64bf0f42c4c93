/*
 * Best fit: the smallest free block that will do, the lowest of those. Free blocks are in a tree by size, then address, with the tree's links in
 * their first granule; the second says the size, and a mark in the links that there is none.
 */
#include "base/list.h"
#include "pool/region_blocks.h"

static struct tarn__free *free_of(const struct tarn__tree_node *node)
{
    return TARN__CONTAINER((uintptr_t)node, struct tarn__free, node);
}

static size_t granules_of(const struct tarn__tree_node *node) { return tarn__tree_marked(node) ? 1 : free_of(node)->granules; }

static bool before(const struct tarn__tree_node *a, const struct tarn__tree_node *b)
{
    size_t granules = granules_of(a), others = granules_of(b);
    return granules != others ? granules < others : a < b;
}

void tarn__best_insert(struct tarn_region *region, struct tarn__free *block, size_t granules)
{
    block->node.link[0] = granules == 1 ? TARN__TREE_MARK : 0;
    if (granules > 1)
        block->granules = granules;
    tarn__tree_insert(&region->tree, &block->node, granules == 1, before);
}

void tarn__best_remove(struct tarn_region *region, struct tarn__free *block)
{
    tarn__tree_remove(&region->tree, &block->node, before);
}

/* Whether a link leads to a free block that says its size rightly, or nowhere. */
static bool node_sound(struct tarn_region *region, const struct tarn__tree_node *node)
{
    struct tarn__range *range = node ? tarn__range_of(region, node) : NULL;
    if (!node)
        return true;
    if (!range || (uintptr_t)node % TARN__GRANULE != 0)
        return false;
    size_t at = tarn__index_in(range, node);
    if (!tarn__is_free_start(region, node))
        return false;
    if (!tarn__tree_marked(node) && at + 1 >= range->granules)
        return false; /* it has no second granule */
    size_t granules = granules_of(node);
    return granules == tarn__free_granules(range, at) && granules <= range->granules - at;
}

struct tarn__free *tarn__best_find(struct tarn_region *region, size_t granules)
{
    struct tarn__tree_node *best = NULL;
    int levels = 0;
    for (struct tarn__tree_node *node = tarn__tree_at(region->tree); node;) {
        if ((region->flags & TARN_POOL_CHECK) && (levels++ == TARN__TREE_LEVELS || !node_sound(region, node)))
            return NULL;
        bool enough = granules_of(node) >= granules;
        if (enough)
            best = node;
        node = tarn__tree_child(node, !enough);
    }
    return best ? free_of(best) : NULL;
}

/* The same of its children, and of theirs: a turn looks so far, and a free makes up to three changes one after another. */
static bool family_sound(struct tarn_region *region, const struct tarn__tree_node *node, int generations)
{
    for (int side = 0; node && side < 2; side++) {
        const struct tarn__tree_node *child = tarn__tree_child(node, side);
        if (!node_sound(region, child) || (generations > 1 && !family_sound(region, child, generations - 1)))
            return false;
    }
    return true;
}

bool tarn__best_sound(struct tarn_region *region, const struct tarn__free *block, size_t granules, bool known)
{
    const struct tarn__tree_node *node = tarn__tree_at(region->tree);
    bool met = false;
    if (!node_sound(region, node))
        return false;
    for (int level = 0; node; level++) {
        size_t its = granules_of(node);
        if (level == TARN__TREE_LEVELS || !family_sound(region, node, 3))
            return false;
        bool behind = met; /* then the way leads to the one that would take its place */
        met |= free_of(node) == block;
        int side = its != granules ? its < granules : (uintptr_t)node <= (uintptr_t)block;
        node = tarn__tree_child(node, met ? !behind : side);
    }
    return met || !known;
}

bool tarn__best_balanced(struct tarn_region *region) { return tarn__tree_height(region->tree, TARN__TREE_LEVELS, before) >= 0; }
