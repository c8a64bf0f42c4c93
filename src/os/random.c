#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/random.h"

#include "base/atomic.h"
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALIGN ((uintptr_t)4 << 20)

uint64_t tarn__random_seed(void)
{
    uint64_t seed = 0;
    int saved = errno;
    if (syscall(SYS_getrandom, &seed, sizeof seed, 1 /* GRND_NONBLOCK */) != sizeof seed)
        seed = (tarn__os_now() << 32 ^ (uintptr_t)&seed ^ (uint64_t)getpid() << 20) * UINT64_C(0xbf58476d1ce4e5b9);
    errno = saved;
    return seed ? seed : 1;
}

#if UINTPTR_MAX > 0xffffffff
enum { MOST_PLACES = 8, TRIES = 32 };

/* Addresses among which is chosen. ThreadSanitizer admits few; those are below all that is mapped by itself. */
#define LOWEST ((uint64_t)(TARN__SANITIZE_THREAD ? 0x10 : 0x6000) << 32)
#define SPAN ((uint64_t)(TARN__SANITIZE_THREAD ? 0x48 : 0x1400) << 32)

/* What was decided already. Each is entered before it is looked at, so two threads never choose the same. */
static struct {
    _Atomic uintptr_t from, to;
} places[MOST_PLACES];
static _Atomic unsigned decided;

static bool is_taken(uintptr_t from, uintptr_t to, unsigned mine)
{
    for (unsigned i = 0; i < mine; i++)
        if (from < places[i].to && places[i].from < to)
            return true;
    return false;
}

static bool is_unmapped(uintptr_t page)
{
    size_t size = tarn__os_page_size();
    void *p = tarn__os_map((void *)page, size, TARN__OS_RESERVED);
    return p && tarn__os_unmap(p, size) == 0;
}

uintptr_t tarn__random_place(size_t size)
{
    unsigned mine = atomic_fetch_add(&decided, 1);
    for (int i = 0; i < TRIES && mine < MOST_PLACES; i++) {
        uintptr_t from = (uintptr_t)(LOWEST + (tarn__random_seed() >> 4) % SPAN) & ~(ALIGN - 1), to = from + size;
        places[mine].from = from;
        places[mine].to = to;
        if (!is_taken(from, to, mine) && is_unmapped(from) && is_unmapped(to - tarn__os_page_size()))
            return from;
    }
    return 0;
}
#else
uintptr_t tarn__random_place(size_t size)
{
    (void)size;
    return 0;
}
#endif
