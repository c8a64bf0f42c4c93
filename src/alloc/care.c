#include "alloc/care.h"

#include "alloc/care_large.h"
#include "alloc/fast.h"
#include "alloc/guard.h"
#include "alloc/hard.h"
#include "alloc/heap.h"
#include "alloc/heaps.h"
#include "alloc/realloc.h"
#include "alloc/sample.h"
#include "base/fail.h"
#include "base/tools.h"
#include "os/stack.h"
#include "page/letters.h"
#include "slab/create.h"
#include "slab/debug.h"
#include "slab/local.h"
#include "slab/notes.h"
#include "tarn/alloc.h"
#include "tarn/debug.h"

#include <string.h>

enum { LEAST_ALIGN_LOG = 4, KINDS = TARN__PAGE_BITS - LEAST_ALIGN_LOG + 1 };

/* Of a class: its letters, and its debugged caches by alignment, 16 … 4096; those above 16 are made at their first use. */
struct cared {
    unsigned letters;
    bool noted; /* it has L, and no others */
    _Atomic(struct tarn_cache *) cache[KINDS];
};

static struct cared cared[TARN__CLASSES + 1]; /* [0]: the letters of "large" */
bool tarn__only_hardened, tarn__only_noted;

static bool is_cared(unsigned class) { return (cared[class].letters | (unsigned)tarn__hardened) != 0; }

/* Of a class and kind, made now unless another thread just has. NULL: no memory. */
static struct tarn_cache *make_cache(unsigned class, unsigned kind)
{
    struct tarn_cache *none = NULL, *made;
    char name[TARN_CACHE_NAME_MOST + 1];
    tarn__class_name(name, class);
    made = tarn__cache_make_exact(name, tarn__class_size(class), (size_t)16 << kind, &tarn__heap.zone,
                                  tarn__debug_flags(cared[class].letters));
    if (made && !atomic_compare_exchange_strong(&cared[class].cache[kind], &none, made))
        return none; /* what was made has no slabs, and serves nobody */
    return made;
}

static struct tarn_cache *cache_for(unsigned class, unsigned kind)
{
    struct tarn_cache *cache = atomic_load_explicit(&cared[class].cache[kind], memory_order_acquire);
    return cache ? cache : make_cache(class, kind);
}

/* The ordinary cache of a class: what threads have of it goes to its slabs, and from now on they have nothing. */
static void empty_bins(unsigned class)
{
    struct tarn_cache *cache = tarn__heap_class_made(class);
    if (!cache)
        return;
    tarn__local_collect(cache);
    tarn__depot_reap(cache, true);
    tarn__local_forget(cache);
}

/* Returns the letters of a class, or of what is large, with what else bears on it. */
static unsigned set_letters(unsigned class, const char *name)
{
    bool noted = tarn__noted_for(name);
    cared[class].letters = tarn__letters_for(name) | tarn__tools_letters();
    if (noted && cared[class].letters)
        cared[class].letters |= TARN__LETTER_U;
    cared[class].noted = noted && tarn__notes && !is_cared(class) && (class == 0 || tarn__alloc_slowly(class));
    return cared[class].letters;
}

void tarn__care_begin(void)
{
    bool noted = tarn__letters_anywhere() & TARN__LETTER_L && tarn__notes_begin();
    tarn__heap_ready();
    if (tarn__letters_anywhere())
        tarn__stack_begin();
    tarn__pages_letters_begin(tarn__letters_for("pages"));
    if (tarn__pages_letters & TARN__LETTER_G)
        tarn__guard_begin();
    unsigned others = set_letters(0, "large") | (unsigned)tarn__hardened | tarn__sample_rate;
    for (unsigned class = 1; class <= TARN__CLASSES; class ++) {
        char name[TARN_CACHE_NAME_MOST + 1];
        tarn__class_name(name, class);
        others |= set_letters(class, name);
        noted = noted && cared[class].noted;
        if (is_cared(class))
            empty_bins(class);
    }
    tarn__only_hardened = tarn__hardened && !tarn__sample_rate && !tarn__letters_anywhere();
    tarn__only_noted = noted && cared[0].noted && !others;
    tarn__only_sampled = tarn__sample_rate && !tarn__hardened && !tarn__letters_anywhere() && !tarn__tools_letters();
    if (tarn__only_sampled)
        tarn__units_shut();
}

/* By how many more than at the last look the thread has allocated than was counted that it freed. */
static size_t growth(const struct tarn__bin *bin, struct tarn__rear *rear)
{
    uint32_t now = (uint32_t)(bin->allocs - bin->frees);
    int32_t more = (int32_t)(now - rear->looked_at);
    if (more <= 0) {
        rear->looked_at -= tarn__sample_uncounted((uint32_t)-more);
        return 0;
    }
    rear->looked_at = now;
    return (size_t)more;
}

/* Requests that this one stands for: see sample.h. */
static size_t requests(unsigned class)
{
    tarn__local_unpoke();
    struct tarn__rear *rear = &tarn__self->rear[class];
    const struct tarn__bin *bin = &tarn__self->bin[class];
    if (class == 0 || !rear->begun || is_cared(class))
        return !tarn__only_sampled;
    if (tarn__only_sampled)
        return growth(bin, rear);
    uint32_t seen = rear->looked_at;
    rear->looked_at = (uint32_t)bin->allocs;
    return rear->looked_at - seen;
}

/* NULL: no letters that ask for it, nor its turn, or it cannot be had. */
static void *guarded(size_t size, size_t align, unsigned class)
{
    char name[TARN_CACHE_NAME_MOST + 1] = "large";
    bool small = tarn__align_up(size, align) <= TARN__PAGE_SIZE && align <= TARN__PAGE_SIZE;
    bool picked = tarn__sample_rate && tarn__sample_turn(requests(class), small);
    bool always = cared[class].letters & TARN__LETTER_G;
    if (!picked && !always)
        return NULL;
    if (class)
        tarn__class_name(name, class);
    return always ? tarn__guard_alloc(size, align, name) : tarn__sample_alloc(size, align, name);
}

static void *debugged(size_t size, size_t align, unsigned class)
{
    struct tarn_cache *cache = cache_for(class, tarn__log2_floor(tarn__max(align, 16)) - LEAST_ALIGN_LOG);
    return cache ? tarn__debug_alloc_exact(cache, size, TARN_GFP_KERNEL | TARN_GFP_NOWARN, NULL) : NULL;
}

/* As it would be without modes. */
static void *ordinary(size_t size, size_t align, bool *zeroed)
{
    size_t rounded = tarn__align_up(tarn__max(size, 1), align);
    if (rounded > TARN__SMALL_MOST)
        return tarn__large_alloc(size, tarn__max(align, TARN__PAGE_SIZE), 0, zeroed);
    return tarn__local_alloc(tarn__heap_class(tarn__class_of(rounded)), size, TARN_GFP_KERNEL | TARN_GFP_NOWARN);
}

/* Whole pages are served as ever when the system has no mappings left; and all is, where addresses are short. */
static void *hardened(size_t size, size_t align, bool *zeroed)
{
    void *p = tarn__hard_alloc(size, align);
    *zeroed = p != NULL;
    return TARN__LIKELY(p != NULL) || (size <= TARN__SMALL_MOST && tarn__hard_begun()) ? p : ordinary(size, align, zeroed);
}

/* What of an object's place the note is for. */
static size_t room_of(const void *p)
{
    unsigned class = tarn__class_at(p);
    return class ? tarn__class_size(class) : TARN__PAGE_SIZE;
}

/* Inlined as often as not: so the same stack may be taken from two depths, and the command leaves out what is tarn's. */
static void *note(void *p, size_t size)
{
    if (p)
        tarn__note(p, room_of(p), size, 0);
    return p;
}

static void *noted_refill(size_t size)
{
    return tarn__local_alloc(tarn__heap_class(tarn__class_of(size)), size, TARN_GFP_KERNEL | TARN_GFP_NOWARN);
}

void *tarn__noted_alloc(size_t size)
{
    if (TARN__UNLIKELY(size > TARN__SMALL_MOST))
        return note(tarn__large_alloc(size, TARN__PAGE_SIZE, 0, NULL), size);
    unsigned class = tarn__class_of(size);
    void *p = tarn__pop_or(&tarn__self->bin[class], size, noted_refill);
    if (TARN__LIKELY(p != NULL))
        tarn__note(p, tarn__class_size(class), size, 0);
    return p;
}

void tarn__care_note(void *p, size_t size)
{
    unsigned class = tarn__notes && p ? tarn__class_at(p) : 0;
    if (tarn__notes && p && (class ? cared[class].noted : cared[0].noted && tarn__run_at(p)))
        note(p, size);
}

static void *pages_of_heap(const struct tarn__care_want *want, size_t size, size_t align, bool *zeroed)
{
    (void)want;
    return tarn__large_alloc(size, align, 0, zeroed);
}

static void *cared_alloc(size_t size, size_t align, bool *zeroed)
{
    bool ignored, fresh = !zeroed;
    if (!zeroed)
        zeroed = &ignored;
    *zeroed = false;
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX)
        return NULL;
    if (TARN__LIKELY(tarn__only_hardened))
        return hardened(size, align, zeroed);
    size_t least = tarn__max(size, 1);
    unsigned class = least <= TARN__SMALL_MOST && align <= TARN__PAGE_SIZE ? tarn__class_of(least) : 0;
    void *p = guarded(size, align, class);
    if (p || tarn__hardened)
        return p ? p : hardened(size, align, zeroed);
    unsigned letters = cared[class].letters & ~(unsigned)TARN__LETTER_G;
    if (!letters)
        return cared[class].noted ? note(ordinary(size, align, zeroed), size) : ordinary(size, align, zeroed);
    if (class)
        return debugged(size, align, class);
    struct tarn__care_want want = {.pool = "large", .letters = letters, .size = size, .align = align, .fresh = fresh};
    return tarn__care_large_alloc(&want, pages_of_heap, zeroed);
}

void *tarn__care_alloc(size_t size, size_t align, bool *zeroed)
{
    void *p = cared_alloc(size, align, zeroed);
    if (TARN__UNLIKELY(tarn__sample_rate))
        tarn__sample_rest();
    return p;
}

bool tarn__care_free(void *p, size_t size, const char *where)
{
    if (TARN__LIKELY(tarn__only_hardened) && tarn__hard_free(p, size, where))
        return true;
    const struct tarn__slab *slab = tarn__slab_of(p);
    if (slab && slab->cache->exact) {
        if (size == TARN__HARD_ANY || tarn__debug_has_size(slab->cache, p, size, where))
            tarn__debug_free(slab->cache, p, NULL);
        return true;
    }
    if (tarn__guard_free(p, size, where) || (tarn__hardened && tarn__hard_free(p, size, where)))
        return true;
    if (tarn__care_large_any && tarn__care_large_free(p, size, where))
        return true;
    if (size != TARN__HARD_ANY)
        return false;
    unsigned class = tarn__class_at(p);
    if (class == 0 || !is_cared(class))
        return false;
    tarn__direct_free(&tarn__heap.cache[class], p); /* allocated before the modes were known */
    return true;
}

bool tarn__care_free_pages(void *p, const char *where)
{
    return tarn__guard_free(p, TARN__HARD_ANY, where) ||
           (tarn__care_large_any && tarn__care_large_free(p, TARN__HARD_ANY, where));
}

bool tarn__care_size(const void *p, const char *where, size_t *size)
{
    if (tarn__guard_size(p, where, size) || (tarn__hardened && tarn__hard_size(p, where, size)))
        return true;
    const struct tarn__slab *slab = tarn__slab_of(p);
    if (slab && (slab->cache->flags & TARN__DEBUG_FLAGS))
        *size = tarn__debug_size(slab->cache, p, where);
    else if (tarn__care_large_any && tarn__care_large_has(p))
        *size = tarn__care_large_size(p, where);
    else
        return false;
    return true;
}

/* An object keeps its place as long as it fills half of it. */
static bool fits(const struct tarn_cache *cache, size_t size)
{
    return size <= cache->object_size && size >= cache->object_size / 2;
}

/* To another object. */
static void *move(void *p, size_t had, size_t size)
{
    void *to = tarn__alloc(size);
    if (!to)
        return NULL;
    memcpy(to, p, tarn__min(had, size));
    tarn__free(p);
    tarn__atomic_add(&tarn__heap.reallocs_moved, 1);
    return to;
}

/* In place. False: it cannot be, or `p` is no such object. */
static bool resize(void *p, size_t size)
{
    const struct tarn__slab *slab = tarn__slab_of(p);
    if (slab && slab->cache->exact)
        return fits(slab->cache, size) && tarn__debug_resize(slab->cache, p, size);
    return tarn__care_large_any && tarn__care_large_has(p) && tarn__care_large_resize(p, size);
}

bool tarn__care_realloc(void *p, size_t size, void **moved)
{
    size_t had;
    if (tarn__only_sampled && tarn__class_at(p) != 0)
        return false;
    if (tarn__hardened && tarn__hard_realloc(p, size, moved))
        return true;
    if (tarn__guard_size(p, "realloc", &had)) {
        const struct tarn__piece *piece = tarn__guard_owner(p, tarn__heap_guarded_gone);
        if (piece)
            *moved = tarn__heap_move(piece->heap, p, had, size);
        else
            *moved = had || tarn__guard_is_live(p) ? move(p, had, size) : NULL;
        return true;
    }
    *moved = NULL;
    if (!tarn__care_size(p, "realloc", &had))
        return false;
    if (had == SIZE_MAX) /* it was reported */
        return true;
    bool stays = resize(p, size);
    if (stays)
        tarn__atomic_add(&tarn__heap.reallocs_in_place, 1);
    *moved = stays ? p : move(p, had, size);
    return true;
}

/* Looking at all */

struct look {
    const char *where;
    size_t reports;
};

static void look_at(struct tarn_cache *cache, void *context)
{
    struct look *look = context;
    if (cache->flags & TARN__DEBUG_FLAGS)
        look->reports += tarn__debug_look(cache, look->where);
}

size_t tarn__care_look(const char *where)
{
    struct look look = {where, 0};
    tarn_cache_each(look_at, &look);
    return look.reports + tarn__care_large_look(where) + tarn__letters_look(where) + tarn__heaps_look(where) +
           tarn__hard_check() + tarn__guard_check();
}

size_t tarn_debug_check(void) { return tarn__care_look("debug_check"); }

void tarn__care_end(void)
{
    const unsigned letters = TARN__LETTER_F | TARN__LETTER_Z | TARN__LETTER_P | TARN__LETTER_Q | TARN__LETTER_G;
    if ((tarn__letters_anywhere() & letters) || tarn__hardened || tarn__sample_rate)
        tarn__care_look("exit");
}
