/*
 * C++ operator new and delete, all forms, under the names that the Itanium C++ ABI gives them.
 *
 * Written in C so that preloading tarn brings no C++ library into programs that have none. A program that calls operator new has one:
 * its new-handler and its way to throw std::bad_alloc are looked up there, as weak symbols. This file is compiled with
 * -fexceptions, so that the exception passes through it.
 */
#include "alloc/fast.h"
#include "base/fail.h"
#include "door/door.h"
#include "os/os.h"
#include "tarn/alloc.h"

typedef void (*new_handler)(void);

/* std::get_new_handler(), std::__throw_bad_alloc() */
__attribute__((weak)) new_handler _ZSt15get_new_handlerv(void);
__attribute__((weak, noreturn)) void _ZSt17__throw_bad_allocv(void);

static _Noreturn void throw_bad_alloc(void)
{
    static const char message[] = "tarn: operator new: no memory, and no C++ library to throw std::bad_alloc\n";
    if (_ZSt17__throw_bad_allocv)
        _ZSt17__throw_bad_allocv();
    tarn__os_die(message, sizeof message - 1);
}

/* The standard's loop: as long as there is a new-handler it is called and the request tried again. */
TARN__COLD static void *new_slow(size_t size, size_t align, bool may_throw)
{
    for (;;) {
        void *p = tarn_aligned_alloc(align, size);
        if (p)
            return p;
        new_handler handler = _ZSt15get_new_handlerv ? _ZSt15get_new_handlerv() : NULL;
        if (!handler) {
            if (may_throw)
                throw_bad_alloc();
            return NULL;
        }
        handler();
    }
}

static inline void *new_object(size_t size, bool may_throw)
{
    void *p = tarn__alloc(size);
    return TARN__LIKELY(p != NULL) ? p : new_slow(size, 16, may_throw);
}

static inline void *new_aligned(size_t size, size_t align, bool may_throw)
{
    void *p = tarn_aligned_alloc(align, size);
    return TARN__LIKELY(p != NULL) ? p : new_slow(size, align, may_throw);
}

#if UINTPTR_MAX == SIZE_MAX && defined(__LP64__)
#define NAME(before, after) before##m##after
#else
#define NAME(before, after) before##j##after
#endif

/* new, new[]: throwing, nothrow, aligned, aligned nothrow */
TARN__DOOR void *NAME(_Znw, )(size_t size) { return new_object(size, true); }
TARN__DOOR void *NAME(_Zna, )(size_t size) { return new_object(size, true); }
TARN__DOOR void *NAME(_Znw, RKSt9nothrow_t)(size_t size, const void *tag) { return (void)tag, new_object(size, false); }
TARN__DOOR void *NAME(_Zna, RKSt9nothrow_t)(size_t size, const void *tag) { return (void)tag, new_object(size, false); }
TARN__DOOR void *NAME(_Znw, St11align_val_t)(size_t size, size_t align) { return new_aligned(size, align, true); }
TARN__DOOR void *NAME(_Zna, St11align_val_t)(size_t size, size_t align) { return new_aligned(size, align, true); }
TARN__DOOR void *NAME(_Znw, St11align_val_tRKSt9nothrow_t)(size_t size, size_t align, const void *tag)
{
    return (void)tag, new_aligned(size, align, false);
}
TARN__DOOR void *NAME(_Zna, St11align_val_tRKSt9nothrow_t)(size_t size, size_t align, const void *tag)
{
    return (void)tag, new_aligned(size, align, false);
}

/* delete, delete[]: plain, nothrow, sized, aligned, aligned nothrow, sized aligned */
TARN__DOOR void _ZdlPv(void *p) { tarn__free(p); }
TARN__DOOR void _ZdaPv(void *p) { tarn__free(p); }
TARN__DOOR void _ZdlPvRKSt9nothrow_t(void *p, const void *tag) { (void)tag, tarn__free(p); }
TARN__DOOR void _ZdaPvRKSt9nothrow_t(void *p, const void *tag) { (void)tag, tarn__free(p); }
TARN__DOOR void NAME(_ZdlPv, )(void *p, size_t size) { tarn__free_sized(p, size); }
TARN__DOOR void NAME(_ZdaPv, )(void *p, size_t size) { tarn__free_sized(p, size); }
TARN__DOOR void _ZdlPvSt11align_val_t(void *p, size_t align) { (void)align, tarn__free(p); }
TARN__DOOR void _ZdaPvSt11align_val_t(void *p, size_t align) { (void)align, tarn__free(p); }
TARN__DOOR void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, const void *tag)
{
    (void)align, (void)tag, tarn__free(p);
}
TARN__DOOR void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, const void *tag)
{
    (void)align, (void)tag, tarn__free(p);
}
TARN__DOOR void NAME(_ZdlPv, St11align_val_t)(void *p, size_t size, size_t align) { (void)align, tarn__free_sized(p, size); }
TARN__DOOR void NAME(_ZdaPv, St11align_val_t)(void *p, size_t size, size_t align) { (void)align, tarn__free_sized(p, size); }
