/*
 * Planted errors in pools that stand alone, in caches, mempools and tarn_malloc, one a run: for what watches a process. The pool and the error are named by
 * the arguments.
 */
#include "tarn/alloc.h"
#include "tarn/blockpool.h"
#include "tarn/bump.h"
#include "tarn/cache.h"
#include "tarn/classpool.h"
#include "tarn/levelpool.h"
#include "tarn/mempool.h"
#include "tarn/region.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Alignas(4096) char memory[1 << 18];
static struct tarn_classpool *classes;
static void *pool;
void *keeps; /* memcheck looks for leaks only where anything is allocated */
static const char *kind;
static size_t room = 40; /* of each block */
static struct tarn_cache *objects;
static struct tarn_mempool *elements; /* on them */

static void *take(size_t size)
{
    switch (*kind) {
    case 'm':
    case 'w':
        return tarn_malloc(size);
    case 'o':
        return tarn_cache_alloc(objects, TARN_GFP_KERNEL);
    case 'e': /* from the reserve */
        return tarn_mempool_alloc_preallocated(elements);
    case 'r':
        return tarn_region_alloc(pool, size);
    case 'c':
        return tarn_classpool_alloc(pool, size);
    case 'l':
        return tarn_levelpool_alloc(pool, size);
    case 'a':
        return tarn_bump_alloc(pool, size);
    default:
        return tarn_blockpool_alloc(pool, size);
    }
}

static struct tarn_bump_mark mark; /* of an arena: all that was taken since goes at once */

static int give(void *p)
{
    switch (*kind) {
    case 'm':
    case 'w':
        return tarn_free(p), 0;
    case 'o':
        return tarn_cache_free(objects, p), 0;
    case 'e':
        return tarn_mempool_free(p, elements), 0;
    case 'a':
        return tarn_bump_rewind(pool, mark);
    case 'r':
        return tarn_region_free(pool, p);
    case 'c':
        return tarn_classpool_free(pool, p);
    case 'l':
        return tarn_levelpool_free(pool, p);
    default:
        return tarn_blockpool_free(pool, p);
    }
}

static int end(void)
{
    switch (*kind) {
    case 'm':
    case 'w':
        return 0;
    case 'e':
        tarn_mempool_destroy(elements);
        return tarn_cache_destroy(objects);
    case 'o':
        return tarn_cache_destroy(objects);
    case 'a':
        tarn_bump_destroy(pool);
        return 0;
    case 'r':
        return tarn_region_destroy(pool);
    case 'c':
        return tarn_classpool_close(&classes, NULL);
    case 'l':
        return tarn_levelpool_destroy(pool);
    default:
        return tarn_blockpool_destroy(pool);
    }
}

static void begin(void)
{
    struct tarn_blockpool_options blocks = {.block_size = 32};
    if (*kind == 'o' || *kind == 'e')
        objects = tarn_cache_create("objects", room, 0, 0, NULL, NULL);
    if (*kind == 'e')
        elements = tarn_mempool_create(2, tarn_mempool_alloc_slab, tarn_mempool_free_slab, objects);
    if (strchr("moew", *kind))
        return;
    if (*kind == 'c')
        tarn_classpool_open(&classes, memory, sizeof memory, NULL);
    pool = *kind == 'r'   ? (void *)tarn_region_create(memory, sizeof memory, NULL)
           : *kind == 'c' ? (void *)classes
           : *kind == 'a' ? (void *)tarn_bump_create(memory, sizeof memory, NULL)
           : *kind == 'l' ? (void *)tarn_levelpool_create(memory, sizeof memory, NULL)
                          : (void *)tarn_blockpool_create_in(memory, sizeof memory, &blocks);
}

/* A source in which a second thread finds the pool in use. */
static void *other_thread(void *p) { return p ? take(40) : NULL; }

static void *slow(struct tarn_source *source, size_t size, size_t align)
{
    pthread_t thread;
    void *got = NULL;
    (void)source, (void)size, (void)align;
    if (pthread_create(&thread, NULL, other_thread, pool) == 0)
        pthread_join(thread, &got);
    return NULL;
}

/* Two threads at once in a region without lock: the second comes while the first waits for its source. */
static int race(void)
{
    static const struct tarn_source_ops ops = {.acquire = slow};
    static struct tarn_source source = {.ops = &ops};
    struct tarn_region_options options = {.source = &source};
    pool = tarn_region_create(memory, 16384, &options);
    void *p = tarn_region_alloc(pool, 65536);
    return printf("end %d\n", p != NULL), 0;
}

/* A pool is used after its end. */
static int ended(void *p, void *q)
{
    give(p);
    give(q);
    end();
    return printf("end %d\n", take(40) != NULL), 0;
}

static int commit(const char *crime, volatile char *p, volatile char *q)
{
    volatile char *byte;
    if (!strcmp(crime, "overflow"))
        p[room] = 1;
    else if (!strcmp(crime, "resized")) /* tarn_malloc's, in its place */
        p = tarn_realloc((void *)p, 44), p[43] = 1, p[44] = 1;
    else if (!strcmp(crime, "underflow"))
        q[-1] = 1;
    else if (!strcmp(crime, "after-free"))
        give((void *)p), p[8] = 1;
    else if (!strcmp(crime, "read-after-free"))
        give((void *)p), printf("%d\n", p[8]);
    else if (!strcmp(crime, "uninitialised"))
        puts(p[8] ? "set" : "not set");
    else if (!strcmp(crime, "double"))
        give((void *)p), printf("%d\n", give((void *)p));
    else if (!strcmp(crime, "inside"))
        printf("%d\n", give((void *)(p + 8)));
    else if (!strcmp(crime, "foreign"))
        printf("%d\n", give((void *)&byte));
    else if (!strcmp(crime, "reused"))
        give((void *)p), p[8] = 1, take(40);
    else if (!strcmp(crime, "leak"))
        return 0;
    else if (!strcmp(crime, "busy"))
        return printf("%d\n", end()), 0;
    give((void *)q);
    if (strstr(crime, "free") == NULL && strcmp(crime, "double") && strcmp(crime, "leak"))
        give((void *)p);
    return printf("end %d\n", end()), 0;
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    kind = arguments[1];
    room = *kind == 'w' ? 100000 : room; /* whole pages */
    keeps = malloc(16);
    begin();
    if (*kind == 'a')
        mark = tarn_bump_mark(pool);
    char *p = take(room), *q = take(room); /* "arena" is bump's name here */
    if (!p || !q)
        return 3;
    if (!strcmp(arguments[2], "race"))
        return race();
    if (!strcmp(arguments[2], "ended"))
        return ended(p, q);
    if (strcmp(arguments[2], "uninitialised") != 0)
        memset(p, 1, 40);
    return commit(arguments[2], p, q);
}
