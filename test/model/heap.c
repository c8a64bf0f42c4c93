#include "test/model/heap.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "tarn/alloc.h"
#include "tarn/stats.h"

#include <stdatomic.h>
#include <string.h>

size_t heap_most_bytes = (size_t)400 << 20;
static _Atomic size_t live_bytes;

/* Sizes of all kinds: classes, pages, spans, mapped blocks; and the edges between them. */
static size_t any_size(uint64_t *random)
{
    static const size_t edges[] = {0, 16, 128, 256, 1024, 4096, 32768, 65536, 1 << 20, 4 << 20};
    size_t kind = model_below(random, 1000);
    if (kind < 500)
        return model_below(random, 300);
    if (kind < 750)
        return model_below(random, 5000);
    if (kind < 850)
        return model_below(random, 40000);
    if (kind < 900)
        return edges[model_below(random, sizeof edges / sizeof *edges)] + model_below(random, 3);
    if (kind < 980)
        return model_below(random, 300000);
    if (kind < 999)
        return model_below(random, (size_t)6 << (model_below(random, 4) ? 17 : 20));
    return ((size_t)60 << 20) + model_below(random, (size_t)20 << 20);
}

static void note(struct object *object, void *p, size_t size, uint64_t *random)
{
    MODEL_REQUIRE(p, "there is memory");
    MODEL_REQUIRE((uintptr_t)p % 16 == 0, "objects are aligned to 16");
    MODEL_REQUIRE(tarn_usable_size(p) >= size, "an object is as large as was asked for");
    *object = (struct object){p, size, model_random(random)};
    atomic_fetch_add(&live_bytes, size);
    model_stamp(p, size, object->stamp);
}

void heap_verify(const struct object *object)
{
    MODEL_REQUIRE(model_stamped(object->p, object->size, object->stamp), "an object's contents are its owner's");
}

static void take(uint64_t *random, struct object *object)
{
    size_t size = any_size(random), kind = model_below(random, 100);
    if (atomic_load(&live_bytes) + size > heap_most_bytes)
        return;
    if (kind < 60) {
        note(object, tarn_malloc(size), size, random);
    } else if (kind < 80) {
        unsigned char *p = tarn_calloc(size / 8 + 1, 8);
        size = (size / 8 + 1) * 8;
        MODEL_REQUIRE(p && (size > (size_t)8 << 20 || model_zero(p, size)), "calloc gives zeros");
        note(object, p, size, random);
    } else if (kind < 90) {
        note(object, tarn_realloc(NULL, size), size, random);
    } else {
        size_t align = (size_t)1 << model_below(random, model_below(random, 50) ? 17 : 25);
        void *p = tarn_aligned_alloc(align, size);
        MODEL_REQUIRE((uintptr_t)p % align == 0, "an object is aligned as was asked for");
        note(object, p, size, random);
    }
}

void heap_give(uint64_t *random, struct object *object)
{
    heap_verify(object);
    atomic_fetch_sub(&live_bytes, object->size);
    if (model_below(random, 4))
        tarn_free(object->p);
    else
        tarn_free_sized(object->p, object->size);
    object->p = NULL;
}

static void resize(uint64_t *random, struct object *object)
{
    size_t size = model_below(random, 3) ? any_size(random) : object->size + model_below(random, object->size / 2 + 20);
    if (size == 0 || atomic_load(&live_bytes) + size > heap_most_bytes)
        return;
    void *p = tarn_realloc(object->p, size);
    size_t kept = size < object->size ? size : object->size;
    MODEL_REQUIRE(p && model_stamped(p, kept, object->stamp), "realloc keeps contents");
    atomic_fetch_sub(&live_bytes, object->size);
    note(object, p, size, random);
}

void heap_step(uint64_t *random, struct object *object)
{
    if (!object->p)
        take(random, object);
    else if (model_below(random, 4))
        heap_give(random, object);
    else
        resize(random, object);
    if (model_below(random, 3000) == 0)
        tarn_trim(model_below(random, 2) * model_below(random, (size_t)64 << 20));
}

void heap_check(void)
{
    tarn__zone_check(&tarn__heap.zone);
    for (unsigned i = 1; i <= TARN__CLASSES; i++)
        if (tarn__heap_class_made(i))
            tarn__cache_check(&tarn__heap.cache[i]);
}

void heap_require_live(size_t objects, size_t bytes)
{
    struct tarn_stats stats;
    tarn_stats(&stats);
    MODEL_REQUIRE(stats.live_objects == objects, "the heap's count of live objects is right");
    MODEL_REQUIRE(stats.live_bytes == bytes, "the heap's count of live bytes is right");
}

void heap_require_empty(void)
{
    heap_check();
    heap_require_live(0, 0);
    tarn_trim(0);
    heap_check();
    MODEL_REQUIRE(tarn__heap.zone.pages == 0, "a heap that is all free can be given back");
}

void heap_begin(void)
{
    tarn__heap_ready();
    tarn__set_fail_exit(model_fail_exit);
}
