/*
 * A caller's buffer as a source: first fit over a bitmap of 4 KiB pages.
 *
 *     memory                base                                   taken            memory + size
 *     | to the next page    | pages * 4096                         | one bit a page |
 *
 * No lock: bits are flipped word by word, so a fork in the middle leaves nothing held, at worst pages taken by a thread that the child does
 * not have. Wrong if: two threads get one page, or a range that is refused leaves bits behind.
 */
#include "base/bits.h"
#include "tarn/source.h"

#include <errno.h>
#include <string.h>

enum { PAGE = 4096 };

/*
 * Sets bits that are clear, or clears ones that are set, word by word. False: one of them was so already; nothing has changed then. The
 * acquire of who takes a page pairs with the release of who gave it back: what was written to it before is written.
 */
static bool flip(uint64_t *taken, size_t first, size_t count, bool set)
{
    for (size_t w = first / 64; w <= (first + count - 1) / 64; w++) {
        uint64_t mask = tarn__word_mask(w, first, count), was = __atomic_load_n(&taken[w], __ATOMIC_RELAXED);
        do {
            if ((set ? was : ~was) & mask) {
                if (w > first / 64)
                    flip(taken, first, w * 64 - first, !set);
                return false;
            }
        } while (!__atomic_compare_exchange_n(&taken[w], &was, was ^ mask, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    }
    return true;
}

static void *buffer_acquire(struct tarn_source *source, size_t size, size_t align)
{
    struct tarn_source_buffer *buffer = (struct tarn_source_buffer *)source;
    size_t count = tarn__align_up(size, PAGE) / PAGE;
    if (count == 0 || count > buffer->pages)
        return NULL;
    size_t bias = (uintptr_t)buffer->base / PAGE & (align / PAGE - 1), at;
    do /* again when another thread was faster */
        at = tarn__bits_find_clear_run(buffer->taken, buffer->pages, count, align / PAGE, bias);
    while (at < buffer->pages && !flip(buffer->taken, at, count, true));
    return at < buffer->pages ? memset(buffer->base + at * PAGE, 0, count * PAGE) : NULL;
}

static int buffer_release(struct tarn_source *source, void *p, size_t size)
{
    struct tarn_source_buffer *buffer = (struct tarn_source_buffer *)source;
    size_t first = (size_t)((char *)p - buffer->base) / PAGE, count = tarn__align_up(size, PAGE) / PAGE;
    if (count == 0 || (char *)p < buffer->base || first >= buffer->pages || count > buffer->pages - first)
        return -EINVAL;
    return flip(buffer->taken, first, count, false) ? 0 : -EINVAL;
}

int tarn_source_buffer_init(struct tarn_source_buffer *buffer, void *memory, size_t size)
{
    static const struct tarn_source_ops ops = {.acquire = buffer_acquire, .release = buffer_release};
    uintptr_t base = tarn__align_up((uintptr_t)memory, PAGE), end = (uintptr_t)memory + size;
    size_t pages = end > base ? (end - base) / PAGE : 0;
    while (pages > 0 && tarn__align_down(end - (pages + 63) / 64 * 8, 8) < base + pages * PAGE)
        pages--;
    if (pages == 0)
        return -EINVAL;
    *buffer = (struct tarn_source_buffer){.source = {&ops, NULL}, .base = (char *)base, .pages = pages};
    buffer->taken = (uint64_t *)tarn__align_down(end - (pages + 63) / 64 * 8, 8);
    memset(buffer->taken, 0, (pages + 63) / 64 * 8);
    return 0;
}
