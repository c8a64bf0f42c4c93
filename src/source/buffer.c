/*
 * A caller's buffer as a source: first fit over a bitmap of 4 KiB pages.
 *
 *     memory                base                                   taken            memory + size
 *     | to the next page    | pages * 4096                         | one bit a page |
 */
#include "base/bits.h"
#include "tarn/source.h"

#include <errno.h>
#include <string.h>

enum { PAGE = 4096 };

static void lock(struct tarn_source_buffer *buffer)
{
    while (__atomic_exchange_n(&buffer->busy, 1, __ATOMIC_ACQUIRE))
        ;
}

static void unlock(struct tarn_source_buffer *buffer) { __atomic_store_n(&buffer->busy, 0, __ATOMIC_RELEASE); }

static void *buffer_acquire(struct tarn_source *source, size_t size, size_t align)
{
    struct tarn_source_buffer *buffer = (struct tarn_source_buffer *)source;
    size_t count = tarn__align_up(size, PAGE) / PAGE;
    if (count == 0 || count > buffer->pages)
        return NULL;
    lock(buffer);
    size_t bias = (uintptr_t)buffer->base / PAGE & (align / PAGE - 1);
    size_t at = tarn__bits_find_clear_run(buffer->taken, buffer->pages, count, align / PAGE, bias);
    bool found = at < buffer->pages;
    if (found)
        tarn__bits_set(buffer->taken, at, count);
    unlock(buffer);
    return found ? memset(buffer->base + at * PAGE, 0, count * PAGE) : NULL;
}

static int buffer_release(struct tarn_source *source, void *p, size_t size)
{
    struct tarn_source_buffer *buffer = (struct tarn_source_buffer *)source;
    size_t first = (size_t)((char *)p - buffer->base) / PAGE, count = tarn__align_up(size, PAGE) / PAGE;
    if (count == 0 || (char *)p < buffer->base || first >= buffer->pages || count > buffer->pages - first)
        return -EINVAL;
    lock(buffer);
    bool all_taken = tarn__bits_count(buffer->taken, first, count) == count;
    if (all_taken)
        tarn__bits_clear(buffer->taken, first, count);
    unlock(buffer);
    return all_taken ? 0 : -EINVAL;
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
