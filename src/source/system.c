/* The source at the end of most chains: anonymous memory of the system. */
#include "base/bits.h"
#include "os/os.h"
#include "source/links.h"
#include "tarn/source.h"

/* Maps too much and cuts both ends off, unless the first guess lies right. */
static void *map_aligned(size_t size, size_t align)
{
    char *p = tarn__os_map(NULL, size, TARN__OS_COMMITTED);
    if (!p || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    tarn__os_unmap(p, size);
    if (size + align < size || !(p = tarn__os_map(NULL, size + align, TARN__OS_COMMITTED)))
        return NULL;
    char *begin = (char *)tarn__align_up((uintptr_t)p, align);
    if (begin > p)
        tarn__os_unmap(p, (size_t)(begin - p));
    if (begin < p + align)
        tarn__os_unmap(begin + size, (size_t)(p + align - begin));
    return begin;
}

static void *system_acquire(struct tarn_source *source, size_t size, size_t align)
{
    (void)source;
    size_t page = tarn__os_page_size();
    return map_aligned(tarn__align_up(size, page), tarn__max(align, page));
}

static int system_release(struct tarn_source *source, void *p, size_t size)
{
    (void)source;
    return tarn__os_unmap(p, tarn__align_up(size, tarn__os_page_size()));
}

static int system_purge(struct tarn_source *source, void *p, size_t size)
{
    (void)source;
    return tarn__os_purge(p, size);
}

static int system_populate(struct tarn_source *source, void *p, size_t size)
{
    (void)source;
    return tarn__os_populate(p, size);
}

static int system_move(struct tarn_source *source, void *from, void *to, size_t size)
{
    (void)source;
    return tarn__os_move(from, to, size);
}

static const struct tarn_source_ops ops = {system_acquire, system_release, system_purge, system_populate, system_move};
struct tarn_source tarn__system_source = {&ops, NULL};

struct tarn_source *tarn_source_system(void) { return &tarn__system_source; }
