/*
 * A balanced binary tree with its links inside the elements, of two words each.
 *
 * It is an AVL tree (Adelson-Velsky, Landis 1962): of any node's subtrees one may be higher than the other, by one. Which is kept in the lowest bit
 * of the link to it, as nodes lie at even addresses; so a node has no room but for its links, and a tree of n has at most 1.44 log2(n) levels.
 *
 *     link[0]   address of the left subtree  | mark | 1: it is the higher one
 *     link[1]   address of the right subtree |  0   | 1: it is the higher one
 *
 * The mark is the owner's. The order is a function that the owner passes, which says of two nodes whether the first comes before the second; the
 * compiler puts it in place. No two nodes are equal in it.
 */
#ifndef TARN_BASE_TREE_H
#define TARN_BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tarn__tree_node {
    uintptr_t link[2];
};

typedef bool tarn__tree_before(const struct tarn__tree_node *, const struct tarn__tree_node *);

enum { TARN__TREE_HIGHER = 1, TARN__TREE_MARK = 2, TARN__TREE_BITS = 3, TARN__TREE_LEVELS = 12 * (int)sizeof(void *) };

static inline struct tarn__tree_node *tarn__tree_at(uintptr_t link)
{
    return (struct tarn__tree_node *)(link & ~(uintptr_t)TARN__TREE_BITS);
}

static inline struct tarn__tree_node *tarn__tree_child(const struct tarn__tree_node *node, int side)
{
    return tarn__tree_at(node->link[side]);
}

static inline bool tarn__tree_marked(const struct tarn__tree_node *node) { return node->link[0] & TARN__TREE_MARK; }

static inline bool tarn__tree_tilted(const struct tarn__tree_node *node, int side)
{
    return node->link[side] & TARN__TREE_HIGHER;
}

static inline void tarn__tree_tilt(struct tarn__tree_node *node, int side, bool higher)
{
    node->link[side] = (node->link[side] & ~(uintptr_t)TARN__TREE_HIGHER) | higher;
}

/* The bits of a link are those of the node that it is in, and stay. */
static inline void tarn__tree_point(uintptr_t *link, const struct tarn__tree_node *node)
{
    *link = (*link & TARN__TREE_BITS) | (uintptr_t)node;
}

/* Turns the node at `link`, whose `side` is higher by two. @return whether the subtree is lower by one then */
static inline bool tarn__tree_turn(uintptr_t *link, int side)
{
    struct tarn__tree_node *top = tarn__tree_at(*link), *child = tarn__tree_child(top, side);
    if (!child || (tarn__tree_tilted(child, !side) && !tarn__tree_child(child, !side))) { /* an overwritten bit lies */
        tarn__tree_tilt(top, side, false);
        return false;
    }
    if (!tarn__tree_tilted(child, !side)) {
        bool level = !tarn__tree_tilted(child, side);
        tarn__tree_point(&top->link[side], tarn__tree_child(child, !side));
        tarn__tree_point(&child->link[!side], top);
        tarn__tree_point(link, child);
        tarn__tree_tilt(top, side, level);
        tarn__tree_tilt(child, side, false);
        tarn__tree_tilt(child, !side, level);
        return !level;
    }
    struct tarn__tree_node *inner = tarn__tree_child(child, !side);
    tarn__tree_point(&child->link[!side], tarn__tree_child(inner, side));
    tarn__tree_point(&top->link[side], tarn__tree_child(inner, !side));
    tarn__tree_point(&inner->link[side], child);
    tarn__tree_point(&inner->link[!side], top);
    tarn__tree_point(link, inner);
    tarn__tree_tilt(child, !side, false);
    tarn__tree_tilt(child, side, tarn__tree_tilted(inner, !side));
    tarn__tree_tilt(top, side, false);
    tarn__tree_tilt(top, !side, tarn__tree_tilted(inner, side));
    tarn__tree_tilt(inner, 0, false);
    tarn__tree_tilt(inner, 1, false);
    return true;
}

/* Adds a node. Only the last tilted node of the way down can come out of balance; what is below it is level, and tilts. */
static inline void tarn__tree_insert(uintptr_t *root, struct tarn__tree_node *node, bool mark, tarn__tree_before *before)
{
    uintptr_t *at = root, *tilted = root;
    for (struct tarn__tree_node *next; (next = tarn__tree_at(*at)); at = &next->link[before(next, node)])
        if ((next->link[0] | next->link[1]) & TARN__TREE_HIGHER)
            tilted = at;
    node->link[0] = mark ? TARN__TREE_MARK : 0;
    node->link[1] = 0;
    tarn__tree_point(at, node);
    struct tarn__tree_node *top = tarn__tree_at(*tilted);
    if (top == node)
        return;
    int side = before(top, node);
    bool too_high = tarn__tree_tilted(top, side), level = !too_high && !tarn__tree_tilted(top, !side);
    for (struct tarn__tree_node *next = tarn__tree_child(top, side); next != node;) {
        int below = before(next, node);
        tarn__tree_tilt(next, below, true);
        next = tarn__tree_child(next, below);
    }
    if (too_high)
        tarn__tree_turn(tilted, side);
    else if (level)
        tarn__tree_tilt(top, side, true);
    else
        tarn__tree_tilt(top, !side, false);
}

/* The way down to a node: links, and to which side it goes on from each. */
struct tarn__tree_way {
    uintptr_t *link[TARN__TREE_LEVELS];
    unsigned char side[TARN__TREE_LEVELS];
    int length;
};

static inline uintptr_t *tarn__tree_go(struct tarn__tree_way *way, uintptr_t *link, int side)
{
    way->link[way->length] = link;
    way->side[way->length++] = (unsigned char)side;
    return &tarn__tree_at(*link)->link[side];
}

/* Puts the node that follows the one at `link`, which has two subtrees, in its place. */
static inline void tarn__tree_succeed(struct tarn__tree_way *way, uintptr_t *link)
{
    struct tarn__tree_node *node = tarn__tree_at(*link), *heir;
    int place = way->length;
    uintptr_t *at = tarn__tree_go(way, link, 1);
    while (heir = tarn__tree_at(*at), tarn__tree_child(heir, 0))
        at = tarn__tree_go(way, at, 0);
    struct tarn__tree_node *right = tarn__tree_child(heir, 1);
    if (at != &node->link[1]) {
        tarn__tree_point(at, right);
        right = tarn__tree_child(node, 1);
        way->link[place + 1] = &heir->link[1];
    }
    bool mark = tarn__tree_marked(heir);
    heir->link[0] = (node->link[0] & ~(uintptr_t)TARN__TREE_MARK) | (mark ? TARN__TREE_MARK : 0);
    heir->link[1] = (uintptr_t)right | (node->link[1] & TARN__TREE_BITS);
    tarn__tree_point(link, heir);
}

/* Takes a node of the tree out of it. */
static inline void tarn__tree_remove(uintptr_t *root, struct tarn__tree_node *node, tarn__tree_before *before)
{
    struct tarn__tree_way way;
    uintptr_t *at = root;
    way.length = 0;
    while (tarn__tree_at(*at) != node)
        at = tarn__tree_go(&way, at, before(tarn__tree_at(*at), node));
    struct tarn__tree_node *left = tarn__tree_child(node, 0), *right = tarn__tree_child(node, 1);
    if (left && right)
        tarn__tree_succeed(&way, at);
    else
        tarn__tree_point(at, left ? left : right);
    while (way.length-- > 0) {
        int side = way.side[way.length];
        struct tarn__tree_node *above = tarn__tree_at(*way.link[way.length]);
        if (tarn__tree_tilted(above, side)) {
            tarn__tree_tilt(above, side, false);
        } else if (!tarn__tree_tilted(above, !side)) {
            tarn__tree_tilt(above, !side, true);
            return;
        } else if (!tarn__tree_turn(way.link[way.length], !side)) {
            return;
        }
    }
}

/* The height of a tree whose balance bits and order are right; -1: they are not, or it is higher than a tree can be. For checks. */
static inline int tarn__tree_height(uintptr_t root, int most, tarn__tree_before *before)
{
    struct tarn__tree_node *node = tarn__tree_at(root), *child;
    int height[2];
    if (!node)
        return 0;
    if (most == 0)
        return -1;
    for (int side = 0; side < 2; side++) {
        child = tarn__tree_child(node, side);
        height[side] = tarn__tree_height((uintptr_t)child, most - 1, before);
        if (height[side] < 0 || (child && !(side ? before(node, child) : before(child, node))))
            return -1;
    }
    int tilt = tarn__tree_tilted(node, 1) - tarn__tree_tilted(node, 0);
    if (height[1] - height[0] != tilt || (tarn__tree_tilted(node, 0) && tarn__tree_tilted(node, 1)))
        return -1;
    return 1 + (height[0] > height[1] ? height[0] : height[1]);
}

#endif
