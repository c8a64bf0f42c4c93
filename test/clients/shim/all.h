/*
 * What kernel source needs of other parts than the allocator, in a process: small stand-ins over pthreads and the C library. The kernel's tools
 * have lists, bit operations and the like; those come from there, behind this.
 */
#ifndef TARN_CLIENTS_SHIM_H
#define TARN_CLIENTS_SHIM_H

/* Several threads: locks in the lowest bit of lists' heads are real. */
#define CONFIG_SMP 1

#include <linux/rcupdate.h>

#include <linux/kernel.h>

#include <asm/barrier.h>
#include <errno.h>
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/export.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Printing */

#ifndef KBUILD_MODNAME
#define KBUILD_MODNAME "client"
#endif
#define KERN_ERR
#define KERN_ALERT
#define KERN_WARNING
#define KERN_INFO
#define printk(...) printf(__VA_ARGS__)
#define pr_err(...) printf(__VA_ARGS__)
#define pr_warn(...) printf(__VA_ARGS__)
#define pr_info(...) printf(__VA_ARGS__)
#define pr_notice(...) printf(__VA_ARGS__)
#define pr_debug(...) ((void)0)

/* Modules: client_module_init is called by main, client_module_exit after it. */

#define THIS_MODULE NULL
#undef EXPORT_SYMBOL
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL(name)
#define EXPORT_SYMBOL_GPL(name)
#define MODULE_AUTHOR(text)
#define MODULE_DESCRIPTION(text)
#define MODULE_LICENSE(text)
#define MODULE_PARM_DESC(name, text)
#undef module_param
#define module_param(name, type, mode)
#define module_init(function)                                                                                                  \
    int client_module_init(void);                                                                                              \
    int client_module_init(void) { return function(); }
#define module_exit(function)                                                                                                  \
    void client_module_exit(void);                                                                                             \
    void client_module_exit(void) { function(); }
#ifndef __init
#define __init
#define __exit
#endif
#ifndef __initconst
#define __initconst
#endif

#define client_warn(condition)                                                                                                 \
    __extension__({                                                                                                            \
        bool client_wrong = (condition) ? true : false;                                                                        \
        if (client_wrong)                                                                                                      \
            fprintf(stderr, "warning: %s:%d: %s\n", __FILE__, __LINE__, #condition);                                           \
        client_wrong;                                                                                                          \
    })
#undef WARN_ON
#undef WARN_ON_ONCE
#define WARN_ON(condition) client_warn(condition)
#define WARN_ON_ONCE(condition) client_warn(condition)

/* Small words */

#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define swap(a, b)                                                                                                             \
    do {                                                                                                                       \
        __typeof__(a) client_kept = (a);                                                                                       \
        (a) = (b);                                                                                                             \
        (b) = client_kept;                                                                                                     \
    } while (0)
#undef xchg
#define xchg(p, value) __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST)
#define list_for_each_entry_from_reverse(at, head, member) for (; &at->member != (head); at = list_prev_entry(at, member))
void **__memcat_p(void **a, void **b);
#define memcat_p(a, b) ((__typeof__(a))__memcat_p((void **)(a), (void **)(b)))

/* Time, chance, other processes */

typedef s64 ktime_t;

static inline ktime_t ktime_get(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

#define ktime_us_delta(later, earlier) ((unsigned long long)((later) - (earlier)) / 1000)
#define need_resched() 0
#define cond_resched() ((void)0)
#define might_sleep() ((void)0)
#define cpu_relax() sched_yield()

struct rnd_state {
    u64 state;
};

static inline void prandom_seed_state(struct rnd_state *random, u64 seed) { random->state = seed | 1; }

/* xorshift64*, after Vigna. */
static inline u32 prandom_u32_state(struct rnd_state *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return (u32)((random->state * 0x2545f4914f6cdd1dull) >> 32);
}

/* Bits that lock, and counters */

static inline void bit_spin_lock(int bit, unsigned long *word)
{
    while (__atomic_fetch_or(word, 1ul << bit, __ATOMIC_ACQUIRE) & 1ul << bit)
        sched_yield();
}

static inline void __bit_spin_unlock(int bit, unsigned long *word)
{
    __atomic_fetch_and(word, ~(1ul << bit), __ATOMIC_RELEASE);
}

#define bit_spin_unlock(bit, word) __bit_spin_unlock(bit, word)
#define bit_spin_is_locked(bit, word) ((int)(*(volatile unsigned long *)(word) >> (bit)) & 1)
/* The tools' version of this for x86 turns the bit over. */
#define test_and_clear_bit(bit, word) (!!(__atomic_fetch_and(word, ~(1ul << (bit)), __ATOMIC_SEQ_CST) & 1ul << (bit)))
#define clear_bit_unlock(bit, word) ((void)__atomic_fetch_and(word, ~(1ul << (bit)), __ATOMIC_RELEASE))
#define atomic_dec_return(v) __atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST)
#define atomic_inc_not_zero(v) client_inc_not_zero(&(v)->counter)
#undef cmpxchg
#define cmpxchg(p, old, new) __sync_val_compare_and_swap(p, old, new)
#define cmpxchg_release(p, old, new) __sync_val_compare_and_swap(p, old, new)

static inline bool client_inc_not_zero(int *counter)
{
    int seen = __atomic_load_n(counter, __ATOMIC_RELAXED);

    while (seen != 0 && !__atomic_compare_exchange_n(counter, &seen, seen + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        ;
    return seen != 0;
}

/* Waiting for a variable: whoever waits looks again and again. */
#define wake_up_var(variable) ((void)(variable))
#define wait_var_event(variable, condition)                                                                                    \
    do {                                                                                                                       \
        (void)(variable);                                                                                                      \
        while (!(condition))                                                                                                   \
            sched_yield();                                                                                                     \
    } while (0)

/* Work that is put off is done at once: callers hold no lock then. */
struct work_struct {
    void (*func)(struct work_struct *work);
};
#define INIT_WORK(work, function) ((work)->func = (function))
#define schedule_work(work) ((work)->func(work))
#define cancel_work_sync(work) ((void)(work))
#define flush_work(work) ((void)(work))

/* A device, as far as a pool for one asks for it */

struct device {
    void (*release)(struct device *device);
    u64 *dma_mask;
};
#define dev_set_name(device, ...) 0
#define device_register(device) 0
#define device_del(device) ((void)(device))
#define put_device(device) ((void)(device))
#define set_dma_ops(device, operations) ((void)(device))
#define dma_set_mask_and_coherent(device, mask) 0
#define DMA_BIT_MASK(bits) (~0ull >> (64 - (bits)))

#ifndef clamp_t
#define clamp_t(type, value, low, high)                                                                                        \
    ((type)(value) < (type)(low) ? (type)(low) : (type)(value) > (type)(high) ? (type)(high) : (type)(value))
#endif
#ifndef kmemleak_alloc
#define kmemleak_alloc(...) ((void)0)
#define kmemleak_free(...) ((void)0)
#endif

#endif
