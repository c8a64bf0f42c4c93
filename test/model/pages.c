/*
 * Random runs of pages in one zone with shelves, against an array of runs with their stamps: taken, freed, shortened, lengthened, moved, trimmed. What
 * is said to be zero is looked at; the zone is checked at each 64th step.
 */
#include "test/model/model.h"

#include "base/bits.h"
#include "base/fail.h"
#include "page/shelf.h"
#include "source/window.h"

#include <string.h>

enum { RUNS = 256, MOST_PAGES = 40000 };
#define PAGE TARN__PAGE_SIZE

struct run {
    struct tarn_page *page; /* NULL: none */
    size_t count;
    uint64_t stamp;
};

static struct tarn_zone zone;
static struct tarn__shelves shelves;
static struct run runs[RUNS];
static size_t live_pages;
static uint64_t random_state;

static size_t below(size_t bound) { return model_below(&random_state, bound); }

static size_t any_count(void)
{
    size_t kind = below(1000);
    return kind < 600   ? 1 + below(20)
           : kind < 900 ? 1 + below(300)
           : kind < 985 ? 1 + below(2500)
           : kind < 998 ? 1 + below(9000)
                        : 16384 + below(5000);
}

static size_t any_align(void)
{
    size_t kind = below(100);
    return kind < 75 ? PAGE : PAGE << below(kind < 99 ? 11 : 14);
}

static void verify(const struct run *run)
{
    MODEL_REQUIRE(run->page->count == run->count, "a run's length is what was asked for");
    MODEL_REQUIRE(tarn__run_at(tarn__page_address(run->page)) == run->page, "a run is found at its address");
    MODEL_REQUIRE(model_stamped(tarn__page_address(run->page), run->count * PAGE, run->stamp),
                  "a run's contents are its owner's");
}

static void stamp(struct run *run)
{
    run->stamp = model_random(&random_state);
    model_stamp(tarn__page_address(run->page), run->count * PAGE, run->stamp);
}

static void take(struct run *run)
{
    size_t count = any_count(), align = any_align();
    bool zeroed;
    if (live_pages + count > MOST_PAGES)
        return;
    run->page = align == PAGE && below(2) ? tarn__shelf_take(&zone, count) : NULL;
    if (run->page) {
        MODEL_REQUIRE(run->page->count >= count && run->page->count <= count + count / 8, "a shelf gives what was asked for");
        zeroed = false;
        count = run->page->count;
    } else {
        run->page = tarn__pages_alloc(&zone, count, align, &zeroed);
    }
    MODEL_REQUIRE(run->page, "there is memory");
    char *p = tarn__page_address(run->page);
    MODEL_REQUIRE((uintptr_t)p % align == 0, "a run is aligned");
    MODEL_REQUIRE(!zeroed || count > 3000 || model_zero(p, count * PAGE), "what is said to be zero is zero");
    run->count = count;
    live_pages += count;
    stamp(run);
}

static void give(struct run *run)
{
    verify(run);
    if (run->count < 2000 && below(8) == 0) {
        memset(tarn__page_address(run->page), 0, run->count * PAGE);
        tarn__pages_free_clean(run->page);
    } else if (below(2)) {
        tarn__shelf_free(run->page);
    } else {
        tarn__pages_free(run->page);
    }
    live_pages -= run->count;
    run->page = NULL;
}

static void shorten(struct run *run)
{
    verify(run);
    size_t count = 1 + below(run->count);
    tarn__pages_shrink(run->page, count);
    MODEL_REQUIRE(run->page->count == count, "a run can be shortened");
    live_pages -= run->count - count;
    run->count = count;
    verify(run);
}

static void lengthen(struct run *run)
{
    size_t count = run->count + 1 + below(below(4) ? 50 : 3000);
    if (live_pages + count - run->count > MOST_PAGES || !tarn__pages_extend(run->page, count))
        return;
    live_pages += count - run->count;
    MODEL_REQUIRE(model_stamped(tarn__page_address(run->page), run->count * PAGE, run->stamp),
                  "a longer run keeps its contents");
    run->count = count;
    stamp(run);
}

static void move(struct run *from)
{
    struct run *to = &runs[below(RUNS)];
    if (to == from || !to->page || to->count < from->count)
        return;
    verify(from);
    verify(to);
    if (tarn__pages_move(from->page, to->page, from->count) != 0) {
        verify(from);
        verify(to);
        return;
    }
    char *p = tarn__page_address(from->page), *q = tarn__page_address(to->page);
    MODEL_REQUIRE(model_stamped(q, from->count * PAGE, from->stamp), "moved pages keep their contents");
    MODEL_REQUIRE(from->count > 3000 || model_zero(p, from->count * PAGE), "pages that moved away read as zero");
    live_pages -= from->count;
    tarn__pages_free_clean(from->page);
    from->page = NULL;
    stamp(to);
}

static void step(void)
{
    struct run *run = &runs[below(RUNS)];
    size_t kind = below(100);
    if (!run->page)
        take(run);
    else if (kind < 60)
        give(run);
    else if (kind < 75)
        shorten(run);
    else if (kind < 95)
        lengthen(run);
    else
        move(run);
    if (below(400) == 0)
        tarn__zone_trim(&zone, below(2) ? SIZE_MAX : below(5000));
    if (below(2000) == 0)
        tarn__shelves_empty(&zone);
    MODEL_REQUIRE(zone.pages - zone.free_pages >= live_pages + tarn__shelves_pages(&zone), "the pages of runs are in use");
}

static void run(uint64_t seed)
{
    random_state = model_state(seed, 0);
    tarn__set_fail_exit(model_fail_exit);
    tarn__zone_init(&zone, "model", tarn__window_source());
    memset(&shelves, 0, sizeof shelves);
    tarn__shelves_init(&zone, &shelves);
    live_pages = 0;
    for (size_t i = 0; model_goes_on(); i++) {
        step();
        if (i % 64 == 0) {
            tarn__zone_check(&zone);
            tarn__shelves_check(&zone);
        }
    }
    for (size_t i = 0; i < RUNS; i++)
        if (runs[i].page)
            give(&runs[i]);
    tarn__shelves_empty(&zone);
    tarn__zone_check(&zone);
    MODEL_REQUIRE(zone.free_pages == zone.pages, "all pages are free at the end");
    tarn__zone_trim(&zone, 0);
    tarn__zone_check(&zone);
    MODEL_REQUIRE(zone.pages == 0, "a zone that is all free can be given back");
}

int main(int argc, char **argv) { return model_main(argc, argv, run); }
