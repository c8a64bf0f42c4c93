/*
 * The kmalloc family by threads that pass objects to each other and come and go, mixed with the malloc family. The model holds each
 * object's size, stamp and family; sizes of objects and their alignment are computed here anew.
 */
#include "test/model/model.h"

#include "alloc/heap.h"
#include "base/fail.h"
#include "kernel/kmalloc.h"
#include "tarn/alloc.h"
#include "tarn/kmalloc.h"
#include "tarn/stats.h"

#include <pthread.h>
#include <string.h>

enum { THREADS = 3, OWN = 150, SHARED = 300, STEPS = 5000 };
enum family { KMALLOC, KVMALLOC, VMALLOC, MALLOC, FAMILIES };

struct object {
    unsigned char *p; /* NULL: none */
    size_t size;
    uint64_t stamp;
    enum family family;
    bool zeroed; /* asked for with ZERO each time: behind its size there are zeros */
};

static struct {
    pthread_mutex_t lock;
    struct object object;
} shared[SHARED];
static uint64_t seed_of_all, generation;

static size_t any_size(uint64_t *random)
{
    size_t kind = model_below(random, 100);
    return 1 + (kind < 50   ? model_below(random, 300)
                : kind < 80 ? model_below(random, 9000)
                : kind < 98 ? model_below(random, 70000)
                            : model_below(random, (size_t)4 << 20));
}

/* What kmalloc promises, by its rule and not by its table. */
static size_t rounded(size_t size)
{
    size_t power = 8;
    while (power < size)
        power *= 2;
    return size > 64 && size <= 96 ? 96 : size > 128 && size <= 192 ? 192 : power;
}

static size_t expected_size(const struct object *object)
{
    size_t pages = (object->size + 4095) / 4096 * 4096;
    switch (object->family) {
    case KMALLOC:
        return rounded(object->size);
    case KVMALLOC:
        return object->size <= 8192 ? rounded(object->size) : pages;
    case VMALLOC:
        return pages;
    default:
        return tarn_usable_size(object->p);
    }
}

static void verify(const struct object *object)
{
    size_t size = tarn_ksize(object->p);
    MODEL_REQUIRE(model_stamped(object->p, object->size, object->stamp), "an object's contents are its owner's");
    MODEL_REQUIRE(!object->zeroed || model_zero(object->p + object->size, size - object->size),
                  "behind an object that was asked for with zeros there are zeros");
}

/* Notes what was got, of which the first `kept` bytes held the old stamp. */
static void note(uint64_t *random, struct object *object, unsigned char *p, size_t size, size_t kept)
{
    MODEL_REQUIRE(p, "there is memory");
    MODEL_REQUIRE(kept == 0 || model_stamped(p, kept, object->stamp), "reallocation keeps contents");
    MODEL_REQUIRE(!object->zeroed || model_zero(p + kept, size - kept), "what is added reads as zero");
    object->p = p;
    object->size = size;
    object->stamp = model_random(random);
    model_stamp(p, size, object->stamp);
}

static void take(uint64_t *random, struct object *object)
{
    static const tarn_gfp_t how[] = {TARN_GFP_KERNEL, TARN_GFP_ATOMIC, TARN_GFP_NOWAIT, TARN_GFP_KERNEL | TARN_GFP_RECLAIMABLE};
    size_t size = any_size(random);
    *object = (struct object){.family = (enum family)model_below(random, FAMILIES), .zeroed = model_below(random, 3) == 0};
    tarn_gfp_t flags = how[model_below(random, 4)] | (object->zeroed ? TARN_GFP_ZERO : 0);
    void *p;
    if (object->family == MALLOC) {
        object->zeroed = false;
        p = tarn_malloc(size);
    } else {
        p = object->family == KMALLOC    ? tarn_kmalloc(size, flags)
            : object->family == KVMALLOC ? tarn_kvmalloc(size, flags)
                                         : tarn_vmalloc_flags(size, flags);
    }
    note(random, object, p, size, 0);
    MODEL_REQUIRE(tarn_ksize(p) == expected_size(object), "an object has the size that its family gives");
    MODEL_REQUIRE(object->family != KMALLOC || (uintptr_t)p % (size & (~size + 1)) == 0,
                  "an object is aligned to what divides its size");
}

static void resize(uint64_t *random, struct object *object)
{
    size_t size = any_size(random), room = tarn_ksize(object->p), kept = size < object->size ? size : object->size;
    tarn_gfp_t flags = TARN_GFP_KERNEL | (object->zeroed ? TARN_GFP_ZERO : 0);
    bool further = object->family != KMALLOC;
    unsigned char *p = further ? tarn_kvrealloc(object->p, size, flags) : tarn_krealloc(object->p, size, flags);
    MODEL_REQUIRE((p == object->p) == (size <= room), "an object stays where it is if and only if it fits");
    note(random, object, p, size, kept);
}

static void give(uint64_t *random, struct object *object)
{
    void *p = object->p;
    verify(object);
    object->p = NULL;
    switch (model_below(random, 6)) {
    case 0:
        tarn_kvfree(p);
        break;
    case 1:
        tarn_free(p);
        break;
    case 2:
        tarn_kfree_sensitive(p);
        break;
    case 3:
        tarn_kfree_bulk(1, &p);
        break;
    case 4:
        if (object->size >= 64)
            tarn_kfree_rcu(p, (struct tarn_rcu_head *)((char *)p + model_below(random, object->size / 8 - 1) * 8));
        else
            tarn_kfree_rcu_mightsleep(p);
        break;
    default:
        tarn_kfree(p);
    }
}

/* Swaps an object with what lies in the shared place. */
static void pass(uint64_t *random, struct object *object)
{
    size_t at = model_below(random, SHARED);
    pthread_mutex_lock(&shared[at].lock);
    struct object other = shared[at].object;
    shared[at].object = *object;
    pthread_mutex_unlock(&shared[at].lock);
    *object = other;
    if (other.p)
        verify(&other);
}

static void *work(void *number)
{
    uint64_t random = model_state(seed_of_all + generation * 1000, (unsigned)(uintptr_t)number);
    struct object own[OWN] = {{0}};
    for (int i = 0; i < STEPS && model_goes_on(); i++) {
        struct object *object = &own[model_below(&random, OWN)];
        if (model_below(&random, 3) == 0)
            pass(&random, object);
        else if (!object->p)
            take(&random, object);
        else if (model_below(&random, 3))
            give(&random, object);
        else
            resize(&random, object);
    }
    for (int i = 0; i < OWN; i++)
        if (own[i].p)
            give(&random, &own[i]);
    return NULL;
}

static void check_caches(void)
{
    for (int kind = 0; kind < TARN__KMALLOC_KINDS; kind++)
        for (int i = 0; i < TARN__KMALLOC_CLASSES; i++)
            if (tarn__kmalloc_cache[kind][i])
                tarn__cache_check(tarn__kmalloc_cache[kind][i]);
}

static void count_all(void)
{
    struct tarn_stats stats;
    size_t live = 0;
    tarn_rcu_barrier();
    for (size_t i = 0; i < SHARED; i++)
        if (shared[i].object.p) {
            verify(&shared[i].object);
            live++;
        }
    tarn_stats(&stats);
    MODEL_REQUIRE(stats.live_objects == live, "the counts of live objects are right");
    check_caches();
    tarn__zone_check(&tarn__heap.zone);
}

static void flush(struct tarn_rcu_head *head)
{
    (void)head;
    tarn__local_flush();
}

/* The thread that frees after grace periods has magazines, too. */
static void give_all_back(void)
{
    struct tarn_rcu_head head;
    tarn_rcu_call(&head, flush);
    tarn_rcu_barrier();
    tarn_trim(0);
    MODEL_REQUIRE(tarn__heap.zone.pages == 0, "a heap that is all free can be given back");
}

static void run(uint64_t seed)
{
    uint64_t random = model_state(seed, 1000);
    tarn__heap_ready();
    tarn__set_fail_exit(model_fail_exit);
    seed_of_all = seed;
    for (size_t i = 0; i < SHARED; i++)
        pthread_mutex_init(&shared[i].lock, NULL);
    for (generation = 0; generation == 0 || model_goes_on(); generation++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, work, (void *)i);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        count_all();
    }
    for (size_t i = 0; i < SHARED; i++)
        if (shared[i].object.p)
            give(&random, &shared[i].object);
    count_all();
    give_all_back();
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
