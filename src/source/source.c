/*
 * The operations of include/tarn/source.h, and the links that stand on a parent: counting, limiting, failing.
 * A link does its one duty and passes everything else on.
 */
#include "tarn/source.h"

#include "source/links.h"

#include <errno.h>

void *tarn_source_acquire(struct tarn_source *source, size_t size, size_t align)
{
    return source->ops->acquire(source, size, align);
}

int tarn_source_release(struct tarn_source *source, void *p, size_t size) { return source->ops->release(source, p, size); }

int tarn_source_purge(struct tarn_source *source, void *p, size_t size)
{
    return source->ops->purge ? source->ops->purge(source, p, size) : -ENOTSUP;
}

int tarn_source_populate(struct tarn_source *source, void *p, size_t size)
{
    return source->ops->populate ? source->ops->populate(source, p, size) : -ENOTSUP;
}

int tarn_source_move(struct tarn_source *source, void *from, void *to, size_t size)
{
    return source->ops->move ? source->ops->move(source, from, to, size) : -ENOTSUP;
}

int tarn__pass_purge(struct tarn_source *source, void *p, size_t size) { return tarn_source_purge(source->parent, p, size); }

int tarn__pass_populate(struct tarn_source *source, void *p, size_t size)
{
    return tarn_source_populate(source->parent, p, size);
}

int tarn__pass_move(struct tarn_source *source, void *from, void *to, size_t size)
{
    return tarn_source_move(source->parent, from, to, size);
}

/* The public structs hold plain words, so that C++ can read the header: changed and read by these only. */
static uint64_t load(uint64_t *word) { return __atomic_load_n(word, __ATOMIC_RELAXED); }

static uint64_t add(uint64_t *word, uint64_t n) { return __atomic_add_fetch(word, n, __ATOMIC_RELAXED); }

/* Counting */

static void *count_acquire(struct tarn_source *source, size_t size, size_t align)
{
    struct tarn_source_count *count = (struct tarn_source_count *)source;
    void *p = tarn_source_acquire(source->parent, size, align);
    add(p ? &count->acquired : &count->failures, p ? size : 1);
    return p;
}

static int count_release(struct tarn_source *source, void *p, size_t size)
{
    int error = tarn_source_release(source->parent, p, size);
    if (!error)
        add(&((struct tarn_source_count *)source)->released, size);
    return error;
}

static int count_purge(struct tarn_source *source, void *p, size_t size)
{
    int error = tarn_source_purge(source->parent, p, size);
    if (!error)
        add(&((struct tarn_source_count *)source)->purged, size);
    return error;
}

void tarn_source_count_init(struct tarn_source_count *count, struct tarn_source *parent)
{
    static const struct tarn_source_ops ops = {count_acquire, count_release, count_purge, tarn__pass_populate, tarn__pass_move};
    *count = (struct tarn_source_count){.source = {&ops, parent}};
}

/* Limiting: what is held is raised before the parent is asked, so that threads together cannot pass the limit. */

static void *limit_acquire(struct tarn_source *source, size_t size, size_t align)
{
    struct tarn_source_limit *limited = (struct tarn_source_limit *)source;
    uint64_t held = load(&limited->held), limit;
    do {
        limit = load(&limited->limit);
        if (held > limit || size > limit - held)
            return NULL;
    } while (!__atomic_compare_exchange_n(&limited->held, &held, held + size, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    void *p = tarn_source_acquire(source->parent, size, align);
    if (!p)
        add(&limited->held, -(uint64_t)size);
    return p;
}

static int limit_release(struct tarn_source *source, void *p, size_t size)
{
    int error = tarn_source_release(source->parent, p, size);
    if (!error)
        add(&((struct tarn_source_limit *)source)->held, -(uint64_t)size);
    return error;
}

void tarn_source_limit_init(struct tarn_source_limit *limited, struct tarn_source *parent, uint64_t limit)
{
    static const struct tarn_source_ops ops = {limit_acquire, limit_release, tarn__pass_purge, tarn__pass_populate,
                                               tarn__pass_move};
    *limited = (struct tarn_source_limit){.source = {&ops, parent}, .limit = limit};
}

/* Failing */

static bool fails_now(struct tarn_source *source)
{
    struct tarn_source_fail *failing = (struct tarn_source_fail *)source;
    uint64_t call = add(&failing->calls, 1);
    uint64_t first = load(&failing->first);
    return call >= first && call - first < load(&failing->times);
}

static void *fail_acquire(struct tarn_source *source, size_t size, size_t align)
{
    return fails_now(source) ? NULL : tarn_source_acquire(source->parent, size, align);
}

static int fail_release(struct tarn_source *source, void *p, size_t size)
{
    return fails_now(source) ? -ENOMEM : tarn_source_release(source->parent, p, size);
}

static int fail_purge(struct tarn_source *source, void *p, size_t size)
{
    return fails_now(source) ? -ENOMEM : tarn__pass_purge(source, p, size);
}

static int fail_populate(struct tarn_source *source, void *p, size_t size)
{
    return fails_now(source) ? -ENOMEM : tarn__pass_populate(source, p, size);
}

static int fail_move(struct tarn_source *source, void *from, void *to, size_t size)
{
    return fails_now(source) ? -ENOMEM : tarn__pass_move(source, from, to, size);
}

void tarn_source_fail_init(struct tarn_source_fail *failing, struct tarn_source *parent, uint64_t first, uint64_t times)
{
    static const struct tarn_source_ops ops = {fail_acquire, fail_release, fail_purge, fail_populate, fail_move};
    *failing = (struct tarn_source_fail){.source = {&ops, parent}, .first = first, .times = times};
}
