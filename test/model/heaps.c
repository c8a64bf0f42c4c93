/* Users' heaps by one thread against a simple reference: a random tree that grows and is cut, objects with stamped contents, limits, resets. */
#include "test/model/model.h"

#include "base/bits.h"
#include "base/fail.h"
#include "alloc/classes.h"
#include "tarn/alloc.h"
#include "tarn/heap.h"

#include <string.h>

enum { HEAPS = 24, OBJECTS = 1500 };

struct node {
    struct tarn_heap *heap; /* NULL: there is none */
    int parent;             /* -1: none */
    size_t hard, soft;
    uint64_t own, objects, peak, failures;
    unsigned hard_told, soft_told;
};

struct object {
    unsigned char *p;
    size_t size, usable;
    uint64_t stamp;
    int node;
};

static struct node nodes[HEAPS];
static struct object objects[OBJECTS];

static bool is_below(int node, int top)
{
    for (; node >= 0; node = nodes[node].parent)
        if (node == top)
            return true;
    return false;
}

static uint64_t live_in(int top, uint64_t *count)
{
    uint64_t live = 0;
    *count = 0;
    for (int i = 0; i < HEAPS; i++)
        if (nodes[i].heap && is_below(i, top)) {
            live += nodes[i].own;
            *count += nodes[i].objects;
        }
    return live;
}

/* The first heap, from `node` up, that `bytes` more would bring past its limit; -1: none. */
static int refuses(int node, uint64_t bytes)
{
    uint64_t count;
    for (; node >= 0; node = nodes[node].parent)
        if (nodes[node].hard && live_in(node, &count) + bytes > nodes[node].hard)
            return node;
    return -1;
}

static void told_hard(void *context, struct tarn_heap *heap, size_t size)
{
    struct node *node = context;
    (void)size;
    MODEL_REQUIRE(node->heap == heap, "the heap whose limit it is, is told");
    node->hard_told++;
}

static void told_soft(void *context, struct tarn_heap *heap, size_t size)
{
    struct node *node = context;
    (void)size;
    MODEL_REQUIRE(node->heap == heap, "the heap whose limit it is, is told");
    node->soft_told++;
}

static int any_node(uint64_t *random)
{
    int at = (int)model_below(random, HEAPS);
    for (int i = 0; i < HEAPS; i++, at = (at + 1) % HEAPS)
        if (nodes[at].heap)
            return at;
    return -1;
}

static void make_heap(uint64_t *random, struct node *node)
{
    *node = (struct node){.parent = model_below(random, 4) ? any_node(random) : -1};
    node->hard = model_below(random, 4) ? 0 : 1000 + model_below(random, 400000);
    node->soft = model_below(random, 3) ? 0 : 500 + model_below(random, 200000);
    node->heap = tarn_heap_create(&(struct tarn_heap_options){
        .name = "model",
        .parent = node->parent >= 0 ? nodes[node->parent].heap : NULL,
        .hard_limit = node->hard,
        .soft_limit = node->soft,
        .over_hard = told_hard,
        .over_soft = told_soft,
        .context = node,
    });
    MODEL_REQUIRE(node->heap, "there is memory");
}

/* All objects below a heap are gone. */
static uint64_t forget(int top)
{
    uint64_t gone = 0;
    for (int i = 0; i < OBJECTS; i++)
        if (objects[i].p && is_below(objects[i].node, top)) {
            MODEL_REQUIRE(model_stamped(objects[i].p, objects[i].size, objects[i].stamp), "an object keeps its contents");
            objects[i].p = NULL;
            gone++;
        }
    for (int i = 0; i < HEAPS; i++)
        if (nodes[i].heap && is_below(i, top))
            nodes[i].own = nodes[i].objects = 0;
    return gone;
}

static void cut(int top, bool destroy)
{
    uint64_t gone = forget(top);
    MODEL_REQUIRE((destroy ? tarn_heap_destroy : tarn_heap_reset)(nodes[top].heap) == gone,
                  "the end of a heap tells how many objects were live");
    if (!destroy)
        return;
    bool below[HEAPS];
    for (int i = 0; i < HEAPS; i++)
        below[i] = nodes[i].heap && is_below(i, top);
    for (int i = 0; i < HEAPS; i++)
        if (below[i])
            nodes[i].heap = NULL;
}

/* `bytes` more in a heap, which was granted or refused: whether that was right, and who must have been told. */
static void require_charged(int node, uint64_t bytes, bool granted, const struct node *before)
{
    int refuser = refuses(node, bytes);
    MODEL_REQUIRE(granted == (refuser < 0), "a request is refused when a limit would be passed, and then only");
    if (granted) {
        nodes[node].own += bytes;
        nodes[node].objects++;
    } else {
        nodes[node].failures++;
    }
    for (int i = 0; i < HEAPS; i++) {
        uint64_t count, live = nodes[i].heap ? live_in(i, &count) : 0;
        bool passed = granted && nodes[i].heap && is_below(node, i) && nodes[i].soft && live > nodes[i].soft &&
                      live - bytes <= nodes[i].soft;
        MODEL_REQUIRE(nodes[i].hard_told == before[i].hard_told + (i == refuser), "the refusing heap is told, once");
        MODEL_REQUIRE(nodes[i].soft_told == before[i].soft_told + passed, "who passes a soft limit is told, once");
        nodes[i].peak = nodes[i].peak > live ? nodes[i].peak : live;
    }
}

static size_t any_size(uint64_t *random)
{
    switch (model_below(random, 12)) {
    case 0:
        return model_below(random, 300000);
    case 1:
    case 2:
        return model_below(random, 40000);
    default:
        return model_below(random, 800);
    }
}

static uint64_t rounded(size_t size, size_t align)
{
    size_t up = tarn__align_up(tarn__max(size, 1), align);
    return align <= 4096 && up <= TARN__SMALL_MOST ? tarn__class_size(tarn__class_of(up))
                                                   : tarn__align_up(tarn__max(size, 1), 4096);
}

static void take(uint64_t *random, struct object *object)
{
    struct node before[HEAPS];
    int node = any_node(random);
    size_t size = any_size(random), align = model_below(random, 6) ? 1 : (size_t)1 << model_below(random, 18);
    bool zeroed = align == 1 && model_below(random, 5) == 0;
    if (node < 0)
        return;
    memcpy(before, nodes, sizeof nodes);
    unsigned char *p = zeroed       ? tarn_heap_calloc(nodes[node].heap, 1, size)
                       : align == 1 ? tarn_heap_alloc(nodes[node].heap, size)
                                    : tarn_heap_aligned_alloc(nodes[node].heap, align, size);
    require_charged(node, rounded(size, align), p != NULL, before);
    if (!p)
        return;
    MODEL_REQUIRE((uintptr_t)p % align == 0, "an object is aligned");
    MODEL_REQUIRE(!zeroed || model_zero(p, size), "calloc gives zeros");
    MODEL_REQUIRE(tarn_usable_size(p) == rounded(size, align), "an object is as large as it is counted");
    MODEL_REQUIRE(tarn_heap_of(p) == nodes[node].heap, "an object's heap is known");
    *object = (struct object){p, size, rounded(size, align), model_random(random), node};
    model_stamp(p, size, object->stamp);
}

static void give(uint64_t *random, struct object *object)
{
    MODEL_REQUIRE(model_stamped(object->p, object->size, object->stamp), "an object keeps its contents");
    if (model_below(random, 2))
        tarn_heap_free(object->p);
    else
        tarn_free_sized(object->p, object->size);
    object->p = NULL;
    nodes[object->node].own -= object->usable;
    nodes[object->node].objects--;
}

/* What a reallocation does is seen from outside; that it is allowed to is what the model knows. */
static void resize(uint64_t *random, struct object *object)
{
    struct node *node = &nodes[object->node];
    size_t size = any_size(random) + 1;
    unsigned char *p = tarn_realloc(object->p, size);
    if (!p) {
        MODEL_REQUIRE(size > object->size, "a smaller size never fails");
        MODEL_REQUIRE(refuses(object->node, rounded(size, 1)) >= 0, "a request is refused when a limit would be passed");
        node->failures++;
        return;
    }
    MODEL_REQUIRE(model_stamped(p, tarn__min(size, object->size), object->stamp), "realloc keeps contents");
    node->own += tarn_usable_size(p);
    node->own -= object->usable;
    *object = (struct object){p, size, tarn_usable_size(p), model_random(random), object->node};
    model_stamp(p, size, object->stamp);
}

static void verify_all(void)
{
    for (int i = 0; i < HEAPS; i++) {
        struct tarn_heap_stats now;
        uint64_t count, live = live_in(i, &count);
        if (!nodes[i].heap)
            continue;
        tarn_heap_verify(nodes[i].heap);
        tarn_heap_stats(nodes[i].heap, &now);
        MODEL_REQUIRE(now.live_bytes == live && now.live_objects == count, "what is live is counted");
        MODEL_REQUIRE(now.own_bytes == nodes[i].own && now.own_objects == nodes[i].objects, "what is a heap's own is counted");
        MODEL_REQUIRE(now.failures == nodes[i].failures, "failures are counted");
        MODEL_REQUIRE(now.peak_bytes >= nodes[i].peak, "a peak is no lower than what was live");
        MODEL_REQUIRE(!nodes[i].hard || now.peak_bytes <= nodes[i].hard, "no limit was passed");
    }
}

static void step(uint64_t *random)
{
    struct object *object = &objects[model_below(random, OBJECTS)];
    size_t what = model_below(random, 1000);
    int node = any_node(random);
    if (what < 10) {
        struct node *free = &nodes[model_below(random, HEAPS)];
        if (!free->heap)
            make_heap(random, free);
    } else if (what < 12 && node >= 0) {
        cut(node, model_below(random, 2));
    } else if (object->p && what < 200) {
        resize(random, object);
    } else if (object->p) {
        give(random, object);
    } else {
        take(random, object);
    }
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 0);
    tarn__set_fail_exit(model_fail_exit);
    for (unsigned i = 0; model_goes_on(); i++) {
        step(&random);
        if (i % 500 == 0)
            verify_all();
    }
    verify_all();
    for (int i = 0; i < HEAPS; i++)
        if (nodes[i].heap && nodes[i].parent < 0)
            cut(i, true);
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
