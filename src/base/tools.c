#include "base/tools.h"

#include "base/modes.h"

#include <stdint.h>

#if __has_include(<valgrind/memcheck.h>) && !defined(TARN_NO_VALGRIND)
#include <valgrind/memcheck.h>
#define MEMCHECK(request)                                                                                                      \
    do {                                                                                                                       \
        if (tarn__tools & TARN__TOOL_MEMCHECK) {                                                                               \
            request;                                                                                                           \
        }                                                                                                                      \
    } while (0)
#define MEMCHECK_RUNS(byte) (VALGRIND_MAKE_MEM_DEFINED(&(byte), 1) != 0)
#else
#define MEMCHECK(request) ((void)0)
#define MEMCHECK_RUNS(byte) ((void)(byte), false)
#endif

extern void __asan_poison_memory_region(const volatile void *p, size_t size) __attribute__((weak));
extern void __asan_unpoison_memory_region(const volatile void *p, size_t size) __attribute__((weak));

unsigned tarn__tools;

void tarn__tools_begin(void)
{
    char byte = 0;
    tarn__tools = (__asan_poison_memory_region && __asan_unpoison_memory_region ? TARN__TOOL_ASAN : 0u) |
                  (MEMCHECK_RUNS(byte) ? TARN__TOOL_MEMCHECK : 0u);
}

#if defined(__SANITIZE_ADDRESS__)
unsigned tarn__tools_letters(void) { return 0; }
#else
unsigned tarn__tools_letters(void) { return tarn__tools ? TARN__LETTER_F | TARN__LETTER_Z : 0; }
#endif

void tarn__tools_pool(const void *pool)
{
    (void)pool;
    MEMCHECK(VALGRIND_CREATE_MEMPOOL(pool, 0, 0));
}

void tarn__tools_pool_end(const void *pool)
{
    (void)pool;
    MEMCHECK(VALGRIND_DESTROY_MEMPOOL(pool));
}

void tarn__tools_hand_out(const void *pool, const void *p, size_t size, bool zero)
{
    (void)pool;
    if (tarn__tools & TARN__TOOL_ASAN)
        __asan_unpoison_memory_region(p, size);
    MEMCHECK(VALGRIND_MEMPOOL_ALLOC(pool, p, size));
    if (zero)
        MEMCHECK(VALGRIND_MAKE_MEM_DEFINED(p, size));
}

void tarn__tools_take_back(const void *pool, const void *p, size_t size)
{
    (void)pool;
    if (tarn__tools & TARN__TOOL_ASAN)
        __asan_poison_memory_region(p, size);
    MEMCHECK(VALGRIND_MEMPOOL_FREE(pool, p));
}

void tarn__tools_deny(const void *p, size_t size)
{
    if (tarn__tools & TARN__TOOL_ASAN)
        __asan_poison_memory_region(p, size);
    MEMCHECK(VALGRIND_MAKE_MEM_NOACCESS(p, size));
}

void tarn__tools_allow(const void *p, size_t size)
{
    if (tarn__tools & TARN__TOOL_ASAN)
        __asan_unpoison_memory_region(p, size);
    MEMCHECK(VALGRIND_MAKE_MEM_DEFINED(p, size));
}

void tarn__tools_block(const void *p, size_t size, bool zero)
{
    (void)p, (void)size, (void)zero;
    MEMCHECK(VALGRIND_MALLOCLIKE_BLOCK(p, size, 0, zero));
}

void tarn__tools_block_resize(const void *p, size_t had, size_t size)
{
    (void)p, (void)had, (void)size;
    MEMCHECK(VALGRIND_RESIZEINPLACE_BLOCK(p, had, size, 0));
}

void tarn__tools_block_end(const void *p)
{
    (void)p;
    MEMCHECK(VALGRIND_FREELIKE_BLOCK(p, 0));
}

void tarn__tools_hear(bool on)
{
    if (on)
        MEMCHECK(VALGRIND_ENABLE_ERROR_REPORTING);
    else
        MEMCHECK(VALGRIND_DISABLE_ERROR_REPORTING);
}

void tarn__tools_fresh(const void *p, size_t size)
{
    tarn__tools_allow(p, size);
    MEMCHECK(VALGRIND_MAKE_MEM_UNDEFINED(p, size));
}
