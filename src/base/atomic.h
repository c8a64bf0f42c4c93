/*
 * Counters with one writer and any number of readers.
 *
 * The owner adds with a plain read-modify-write (one instruction; a relaxed atomic load, add and store would be three),
 * readers on other threads take an aligned word. ThreadSanitizer is told the truth.
 *
 * A count has 64 bits everywhere, for in 32 it comes round within seconds. A machine of 32 bits adds in two halves, so there a reader may find
 * a count short by 2^32 between the two, once in 2^32 additions; the owner's differences and the low halves are right at all times.
 */
#ifndef TARN_BASE_ATOMIC_H
#define TARN_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define TARN__SANITIZE_THREAD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TARN__SANITIZE_THREAD 1
#endif
#endif
#ifndef TARN__SANITIZE_THREAD
#define TARN__SANITIZE_THREAD 0
#endif

/* Written by its owner only. */
typedef uint64_t tarn__counter __attribute__((aligned(8)));

#if TARN__SANITIZE_THREAD
static inline void tarn__counter_add(tarn__counter *c, unsigned long n)
{
    __atomic_store_n(c, __atomic_load_n(c, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
#else
static inline void tarn__counter_add(tarn__counter *c, unsigned long n) { *c += n; }
#endif

static inline uint64_t tarn__counter_read(const tarn__counter *c) { return __atomic_load_n(c, __ATOMIC_RELAXED); }

/*
 * A word or byte that others may change meanwhile, where any value it had is right. A plain read, as then it may be part of an instruction that
 * computes or compares, which compilers do not make of an atomic one.
 */
#define TARN__READ(x) (TARN__SANITIZE_THREAD ? __atomic_load_n(&(x), __ATOMIC_RELAXED) : (x))
#if TARN__SANITIZE_THREAD
#define TARN__WRITE(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELAXED)
#else
#define TARN__WRITE(x, value) ((x) = (value))
#endif

/* For counters that several threads write, off the fast path. */
static inline void tarn__atomic_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#define TARN__LIKELY(x) __builtin_expect(!!(x), 1)
#define TARN__UNLIKELY(x) __builtin_expect(!!(x), 0)
#define TARN__NOINLINE __attribute__((noinline))
#define TARN__COLD __attribute__((noinline, cold))
#define TARN__CACHE_LINE 64

/* Of a variable shared between files: it is in this library, so its address needs no load. */
#define TARN__HIDDEN __attribute__((visibility("hidden")))

/* Thread-local, one load away: the library is there from the start, or its place is set aside. */
#define TARN__TLS _Thread_local __attribute__((tls_model("initial-exec")))

#endif
