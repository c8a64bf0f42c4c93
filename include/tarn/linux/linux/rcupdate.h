/*
 * What the surroundings give under this name (liburcu's shim in the kernel's tools); where they give nothing, and where TARN_LINUX_RCU is
 * defined, grace periods by tarn (tarn/rcu.h).
 */
#ifndef TARN_LINUX_RCUPDATE_H
#define TARN_LINUX_RCUPDATE_H
#pragma GCC system_header

#include "../fill/types.h"

#if __has_include_next(<linux/rcupdate.h>) && !defined(TARN_LINUX_RCU)
#include_next <linux/rcupdate.h>
#elif !defined(_URCU_CALL_RCU_H)

#include "../../rcu.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef __rcu
#define __rcu
#endif

static inline void rcu_read_lock(void) { tarn_rcu_read_lock(); }

static inline void rcu_read_unlock(void) { tarn_rcu_read_unlock(); }

/* In the kernel's tools this is a macro that does nothing. */
#undef synchronize_rcu
static inline void synchronize_rcu(void) { tarn_rcu_synchronize(); }

static inline void rcu_barrier(void) { tarn_rcu_barrier(); }

static inline void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
    tarn_rcu_call((struct tarn_rcu_head *)head, (void (*)(struct tarn_rcu_head *))func);
}

/* The load pairs with the store's release: who sees the pointer sees what was written before it. */
#define rcu_dereference(p) __atomic_load_n(&(p), __ATOMIC_CONSUME)
#define rcu_dereference_raw(p) rcu_dereference(p)
#define rcu_dereference_check(p, condition) ((void)(condition), rcu_dereference(p))
#define rcu_dereference_protected(p, condition) ((void)(condition), (p))
#define rcu_access_pointer(p) __atomic_load_n(&(p), __ATOMIC_RELAXED)
#define rcu_assign_pointer(p, value) __atomic_store_n(&(p), value, __ATOMIC_RELEASE)
#define RCU_INIT_POINTER(p, value) __atomic_store_n(&(p), value, __ATOMIC_RELAXED)

#ifdef __cplusplus
}
#endif

#endif
#endif
