/*
 * What the kernel's tools expect of a test allocator, around tarn: see linux/slab.h beside this file.
 *
 * A cache's record is found by a walk over a short array: entries are only added, and published by the store to `cache`, with which the
 * walk's load pairs.
 *
 * The programs declare what they use of this themselves, not always with the same types; so nothing declares it for them.
 */
#define TARN_CLIENTS_HOOKS
#include <linux/slab.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int nr_allocated, kmalloc_nr_allocated, preempt_count, kmalloc_verbose, test_verbose;

void kmem_cache_set_non_kernel(struct kmem_cache *cache, unsigned int requests);
void kmem_cache_set_callback(struct kmem_cache *cache, void (*callback)(void *));
void kmem_cache_set_private(struct kmem_cache *cache, void *value);
unsigned long kmem_cache_get_alloc(struct kmem_cache *cache);
unsigned long kmem_cache_nr_allocated(struct kmem_cache *cache);
unsigned long kmem_cache_nr_tallocated(struct kmem_cache *cache);
void kmem_cache_zero_nr_tallocated(struct kmem_cache *cache);
void test_kmem_cache_bulk(void);

#define RECORDS 256

static struct record {
    struct kmem_cache *cache;
    unsigned int non_kernel; /* requests without sleep that are still let through */
    unsigned long allocated, ever;
    bool due; /* the callback is called at the next request */
    void (*callback)(void *);
    void *private;
} records[RECORDS];

static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;

static struct record *find(struct kmem_cache *cache)
{
    for (int i = 0; i < RECORDS; i++) {
        struct kmem_cache *here = __atomic_load_n(&records[i].cache, __ATOMIC_ACQUIRE);

        if (here == cache)
            return &records[i];
        if (here == NULL)
            break;
    }
    return NULL;
}

static struct record *record_of(struct kmem_cache *cache)
{
    struct record *record = find(cache);

    if (record)
        return record;
    pthread_mutex_lock(&adding);
    record = find(cache);
    for (int i = 0; !record && i < RECORDS; i++)
        if (records[i].cache == NULL) {
            record = &records[i];
            __atomic_store_n(&record->cache, cache, __ATOMIC_RELEASE);
        }
    pthread_mutex_unlock(&adding);
    assert(record);
    return record;
}

void kmem_cache_set_non_kernel(struct kmem_cache *cache, unsigned int requests) { record_of(cache)->non_kernel = requests; }

void kmem_cache_set_callback(struct kmem_cache *cache, void (*callback)(void *)) { record_of(cache)->callback = callback; }

void kmem_cache_set_private(struct kmem_cache *cache, void *value) { record_of(cache)->private = value; }

unsigned long kmem_cache_get_alloc(struct kmem_cache *cache) { return record_of(cache)->allocated * kmem_cache_size(cache); }

unsigned long kmem_cache_nr_allocated(struct kmem_cache *cache) { return record_of(cache)->allocated; }

unsigned long kmem_cache_nr_tallocated(struct kmem_cache *cache) { return record_of(cache)->ever; }

void kmem_cache_zero_nr_tallocated(struct kmem_cache *cache) { record_of(cache)->ever = 0; }

static void count(struct record *record, long by)
{
    __atomic_fetch_add(&record->allocated, (unsigned long)by, __ATOMIC_RELAXED);
    __atomic_fetch_add(&nr_allocated, (int)by, __ATOMIC_RELAXED);
    if (by > 0)
        __atomic_fetch_add(&record->ever, (unsigned long)by, __ATOMIC_RELAXED);
}

/* Whether `requests` may be made: those that may sleep always, others as far as they were allowed. */
static bool allowed(struct record *record, gfp_t flags, size_t requests)
{
    if (gfpflags_allow_blocking(flags))
        return true;
    for (; requests > 0 && record->non_kernel > 0; requests--)
        record->non_kernel--;
    return requests == 0;
}

void *client_cache_alloc(struct kmem_cache *cache, gfp_t flags)
{
    struct record *record = record_of(cache);

    if (record->due) {
        if (record->callback)
            record->callback(record->private);
        record->due = false;
    }
    if (!allowed(record, flags, 1)) {
        record->due = true;
        return NULL;
    }
    void *object = kmem_cache_alloc(cache, flags);

    if (object)
        count(record, 1);
    return object;
}

int client_cache_alloc_bulk(struct kmem_cache *cache, gfp_t flags, size_t number, void **objects)
{
    struct record *record = record_of(cache);
    int got = allowed(record, flags, number) ? kmem_cache_alloc_bulk(cache, flags, number, objects) : 0;

    count(record, got);
    return got;
}

void client_cache_free(struct kmem_cache *cache, void *object)
{
    count(record_of(cache), -1);
    kmem_cache_free(cache, object);
}

void client_cache_free_bulk(struct kmem_cache *cache, size_t number, void **objects)
{
    count(record_of(cache), -(long)number);
    kmem_cache_free_bulk(cache, number, objects);
}

void *client_kmalloc(size_t size, gfp_t flags)
{
    void *p = gfpflags_allow_blocking(flags) ? kmalloc(size, flags) : NULL;

    if (p)
        __atomic_fetch_add(&kmalloc_nr_allocated, 1, __ATOMIC_RELAXED);
    return p;
}

void client_kfree(const void *p)
{
    if (p)
        __atomic_fetch_sub(&kmalloc_nr_allocated, 1, __ATOMIC_RELAXED);
    kfree(p);
}

/* The programs call this before all else, to try their allocator: single and bulk requests, plain and aligned, come back whole. */
void test_kmem_cache_bulk(void)
{
    for (unsigned int align = 0; align <= 128; align += 128) {
        struct kmem_cache *cache = kmem_cache_create("test_cache", 256, align, SLAB_PANIC, NULL);
        void *list[12];

        for (int round = 0; round < 3; round++) {
            assert(kmem_cache_alloc_bulk(cache, GFP_KERNEL, 12, list) == 12);
            for (int i = 0; i < 12; i++) {
                assert(list[i] && (align == 0 || (size_t)list[i] % align == 0));
                memset(list[i], i, 256);
            }
            for (int i = 0; i < 6; i++)
                kmem_cache_free(cache, list[i]);
            kmem_cache_free_bulk(cache, 6, list + 6);
        }
        kmem_cache_destroy(cache);
    }
}
