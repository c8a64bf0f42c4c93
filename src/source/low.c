/*
 * Low addresses: mapped at fixed places, from the highest candidate down, so that the lowest, which programs that are not position-independent
 * and their heap use, are touched last. A place that is taken costs one refused call.
 */
#include "source/low.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "os/os.h"
#include "source/links.h"

#define LOW_END (UINT64_C(1) << 32)
enum { PLACES = 240 };
static const uint64_t step = (uint64_t)16 << 20;

static void *low_acquire(struct tarn_source *source, size_t size, size_t align)
{
    (void)source;
    if (sizeof(uintptr_t) == 4)
        return tarn_source_acquire(tarn_source_system(), size, align);
    if (TARN__SANITIZE_THREAD || size > LOW_END / 2) /* that sanitizer admits few addresses */
        return NULL;
    uint64_t at = LOW_END - tarn__align_up(size, tarn__max(align, step));
    for (unsigned i = 0; i < PLACES && at >= step; i++, at -= step) {
        at &= ~((uint64_t)align - 1);
        void *p = tarn__os_map((void *)(uintptr_t)at, tarn__align_up(size, tarn__os_page_size()), TARN__OS_COMMITTED);
        if (p)
            return p;
    }
    return NULL;
}

static int low_release(struct tarn_source *source, void *p, size_t size)
{
    return tarn_source_release(source->parent, p, size);
}

struct tarn_source *tarn__low_source(void)
{
    static const struct tarn_source_ops ops = {low_acquire, low_release, tarn__pass_purge, tarn__pass_populate,
                                               tarn__pass_move};
    static struct tarn_source source = {&ops, &tarn__system_source};
    return &source;
}
