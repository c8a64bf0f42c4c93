/*
 * The object caches of a running process; see slabinfo.h.
 *
 * Objects are counted by the threads that allocate and free them, each in its own bins, and in the cache for threads that have ended. So what
 * is read must have been one set of threads: threads and caches are read before and after the bins, and all again if a thread came or
 * went. What threads allocate and free in between remains: the sums are of nearly one moment, and exact while the process rests.
 */
#include "slabinfo.h"

#include "common.h"
#include "emit.h"
#include "help.h"
#include "live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 32

struct row {
    char name[TOOL_LIVE_NAME];
    uint64_t size, object_size, objects, pages, slabs, flags, references;
    uint64_t limit, batch, shared; /* as slabinfo's tunables: of a thread, of an exchange, exchanges' worth in the depot */
    uint64_t depot_objects;
    uint64_t allocations, frees, active;
};

/* One reading of a copy of the library. */
struct sample {
    const struct tarn_live *root;
    uintptr_t *caches, *threads;
    size_t cache_count, thread_count;
    char *copies; /* of the caches, set.bytes apart */
    char *bins;   /* of each thread, as far as numbers are used */
    size_t bins_used;
};

static void drop(struct sample *sample)
{
    free(sample->caches);
    free(sample->threads);
    free(sample->copies);
    free(sample->bins);
    *sample = (struct sample){.root = sample->root};
}

static const char *cache_copy(const struct sample *sample, size_t i)
{
    return sample->copies + i * sample->root->cache.set.bytes;
}

static bool read_caches(const struct tool_live *live, struct sample *sample)
{
    const struct tarn_live_set *set = &sample->root->cache.set;
    struct tool_piece *pieces;
    bool done;

    if (!tool_live_elements(live, set, &sample->caches, &sample->cache_count))
        return false;
    sample->copies = tool_grow(NULL, sample->cache_count * set->bytes);
    pieces = tool_grow(NULL, sample->cache_count * sizeof *pieces);
    for (size_t i = 0; i < sample->cache_count; i++)
        pieces[i] = (struct tool_piece){sample->caches[i], sample->copies + i * set->bytes, set->bytes};
    done = tool_live_read_many(live, pieces, sample->cache_count);
    free(pieces);
    return done;
}

static bool read_bins(const struct tool_live *live, struct sample *sample)
{
    const struct tarn_live_thread *thread = &sample->root->thread;
    struct tool_piece *pieces;
    size_t bytes;
    bool done;

    for (size_t i = 0; i < sample->cache_count; i++) {
        uint64_t number = tool_live_value(cache_copy(sample, i), sample->root->cache.number, 0);
        if (number < thread->bins && number >= sample->bins_used)
            sample->bins_used = (size_t)number + 1;
    }
    bytes = sample->bins_used * thread->bin_bytes;
    sample->bins = tool_grow(NULL, sample->thread_count * bytes);
    pieces = tool_grow(NULL, sample->thread_count * sizeof *pieces);
    for (size_t i = 0; i < sample->thread_count; i++)
        pieces[i] = (struct tool_piece){sample->threads[i] + thread->bins_at, sample->bins + i * bytes, bytes};
    done = tool_live_read_many(live, pieces, sample->thread_count);
    free(pieces);
    return done;
}

/* Whether no thread and no cache came or went between two readings. */
static bool agree(const struct sample *a, const struct sample *b)
{
    const struct tarn_live_cache *cache = &a->root->cache;

    if (a->cache_count != b->cache_count || a->thread_count != b->thread_count ||
        memcmp(a->caches, b->caches, a->cache_count * sizeof *a->caches) != 0 ||
        (a->thread_count > 0 && memcmp(a->threads, b->threads, a->thread_count * sizeof *a->threads) != 0))
        return false;
    for (size_t i = 0; i < a->cache_count; i++)
        if (tool_live_value(cache_copy(a, i), cache->past_allocs, 0) !=
                tool_live_value(cache_copy(b, i), cache->past_allocs, 0) ||
            tool_live_value(cache_copy(a, i), cache->past_frees, 0) != tool_live_value(cache_copy(b, i), cache->past_frees, 0))
            return false;
    return true;
}

/*
 * Reads everything, and again until it agrees with a second look. False: it cannot be read. *settled: it did agree; if not, the last
 * reading is kept.
 */
static bool take(const struct tool_live *live, const struct tarn_live *root, struct sample *sample, bool *settled)
{
    const struct tarn_live_set *threads = &root->thread.set;
    bool done = false;

    *settled = false;
    for (int i = 0; i < TRIES && !*settled; i++) {
        struct sample now = {.root = root}, again = {.root = root};
        bool whole = tool_live_elements(live, threads, &now.threads, &now.thread_count) && read_caches(live, &now) &&
                     read_bins(live, &now);

        *settled = whole && tool_live_elements(live, threads, &again.threads, &again.thread_count) &&
                   read_caches(live, &again) && agree(&now, &again);
        if (whole) {
            drop(sample);
            *sample = now;
        } else {
            drop(&now);
        }
        drop(&again);
        done |= whole;
    }
    return done;
}

/* The sums of a cache's counters over all threads. */
static void add_up(const struct sample *sample, const char *copy, struct row *row)
{
    const struct tarn_live_cache *cache = &sample->root->cache;
    const struct tarn_live_thread *thread = &sample->root->thread;
    uint64_t number = tool_live_value(copy, cache->number, 0);

    row->allocations = tool_live_value(copy, cache->past_allocs, 0);
    row->frees = tool_live_value(copy, cache->past_frees, 0);
    for (size_t i = 0; i < sample->thread_count && number > 0 && number < sample->bins_used; i++) {
        const char *bin = sample->bins + (i * sample->bins_used + number) * thread->bin_bytes;
        row->allocations += tool_live_value(bin, thread->allocs, 0);
        row->frees += tool_live_value(bin, thread->frees, 0);
    }
}

static void fill(const struct tool_live *live, const struct sample *sample, size_t i, struct row *row)
{
    const struct tarn_live_cache *cache = &sample->root->cache;
    const char *copy = cache_copy(sample, i);
    uint64_t capacity = tool_live_value(copy, cache->number, 0) ? tool_live_value(copy, cache->capacity, 0) : 0;
    uint64_t room;

    *row = (struct row){
        .size = tool_live_value(copy, cache->size, 0),
        .object_size = tool_live_value(copy, cache->object_size, 0),
        .objects = tool_live_value(copy, cache->objects, 0),
        .pages = cache->pages.count ? tool_live_value(copy, cache->pages, 0) : sample->root->section.unit_pages,
        .slabs = tool_live_value(copy, cache->slabs, 0),
        .flags = tool_live_value(copy, cache->flags, 0),
        .references = cache->references.count ? tool_live_value(copy, cache->references, 0) : 1,
        .limit = 2 * capacity,
        .batch = capacity,
        .shared = capacity ? tool_live_value(copy, cache->depot_depth, 0) : 0,
        .depot_objects = tool_live_value(copy, cache->depot_objects, 0),
    };
    tool_live_name(live, copy, cache->name, row->name);
    add_up(sample, copy, row);
    /* Read a moment later, or earlier, than what they are compared with: kept to what can be. */
    room = row->slabs * row->objects;
    row->active = (int64_t)(row->allocations - row->frees) > 0 ? row->allocations - row->frees : 0;
    row->active = row->active < room ? row->active : room;
}

static void print_row(const struct row *row)
{
    printf("%-17s %6" PRIu64 " %6" PRIu64 " %6u %4u %4d : tunables %4u %4u %4u : slabdata %6" PRIu64 " %6" PRIu64 " %6" PRIu64
           "\n",
           row->name, row->active, row->slabs * row->objects, (unsigned)row->size, (unsigned)row->objects, (int)row->pages,
           (unsigned)row->limit, (unsigned)row->batch, (unsigned)row->shared, row->slabs, row->slabs, row->depot_objects);
}

static void emit_row(struct tool_emitter *e, const struct row *row)
{
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "name", row->name);
    tool_emit_count(e, "active_objects", row->active);
    tool_emit_count(e, "objects", row->slabs * row->objects);
    tool_emit_count(e, "size", row->size);
    tool_emit_count(e, "object_size", row->object_size);
    tool_emit_count(e, "objects_per_slab", row->objects);
    tool_emit_count(e, "pages_per_slab", row->pages);
    tool_emit_count(e, "limit", row->limit);
    tool_emit_count(e, "batchcount", row->batch);
    tool_emit_count(e, "sharedfactor", row->shared);
    tool_emit_count(e, "slabs", row->slabs);
    tool_emit_count(e, "depot_objects", row->depot_objects);
    tool_emit_count(e, "allocations", row->allocations);
    tool_emit_count(e, "frees", row->frees);
    tool_emit_count(e, "flags", row->flags);
    tool_emit_count(e, "references", row->references);
    tool_emit_close(e, '}');
}

static void emit_sample(struct tool_emitter *e, const struct tool_live *live, const struct sample *sample, unsigned root,
                        bool settled)
{
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "path", live->roots[root].path);
    tool_emit_string(e, "version", live->roots[root].root.library);
    tool_emit_count(e, "threads", sample->thread_count);
    tool_emit_bool(e, "settled", settled);
    tool_emit_open(e, "caches", '[');
    for (size_t i = 0; i < sample->cache_count; i++) {
        struct row row;
        fill(live, sample, i, &row);
        emit_row(e, &row);
    }
    tool_emit_close(e, ']');
    tool_emit_close(e, '}');
}

static void print_sample(const struct tool_live *live, const struct sample *sample)
{
    for (size_t i = 0; i < sample->cache_count; i++) {
        struct row row;
        fill(live, sample, i, &row);
        print_row(&row);
    }
}

static void print_all(const struct tool_live *live, const struct sample *samples)
{
    puts("slabinfo - version: 2.1");
    puts(
        "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> "
        "<sharedfactor>"
        " : slabdata <active_slabs> <num_slabs> <sharedavail>");
    for (unsigned i = 0; i < live->count; i++)
        print_sample(live, &samples[i]);
}

static void emit_all(const struct tool_live *live, const struct sample *samples, const bool *settled)
{
    struct tool_emitter e = {.out = stdout};

    tool_live_emit_head(&e, live);
    for (unsigned i = 0; i < live->count; i++)
        emit_sample(&e, live, &samples[i], i, settled[i]);
    tool_live_emit_tail(&e);
}

static int report(const struct tool_live *live, bool json)
{
    struct sample samples[TOOL_LIVE_ROOTS] = {{.root = NULL}};
    bool settled[TOOL_LIVE_ROOTS], done = true, all_settled = true;

    for (unsigned i = 0; i < live->count && done; i++) {
        done = take(live, &live->roots[i].root, &samples[i], &settled[i]);
        all_settled &= settled[i];
    }
    if (done && !all_settled)
        tool_complain("threads came and went all the time: what some of them did is not in the counts of active objects");
    if (done && json)
        emit_all(live, samples, settled);
    else if (done)
        print_all(live, samples);
    for (unsigned i = 0; i < live->count; i++)
        drop(&samples[i]);
    return done ? tool_live_finish() : tool_live_failed(live);
}

int tool_slabinfo(char **argv)
{
    struct tool_live_options options;
    struct tool_live live;
    int status;

    if (!tool_live_arguments("slabinfo", argv, false, &options))
        return TOOL_STATUS_USAGE;
    if (options.help)
        return tool_help_slabinfo();
    status = tool_live_open(&live, options.pid);
    if (status == 0) {
        status = report(&live, options.json);
        tool_live_close(&live);
    }
    return status;
}
