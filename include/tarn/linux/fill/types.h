/*
 * The types that the kernel's names are spelled with, as far as nobody else gives them.
 *
 * Three surroundings are told apart by what <linux/types.h> left behind: the system's own header, which knows none of these types; that of the
 * kernel's tools or of the kernel itself, which know nearly all; and one that the user wrote. A typedef that is repeated with the same
 * type is allowed; where another type is meant, TARN_LINUX_NO_TYPES keeps tarn's away.
 */
#ifndef TARN_LINUX_FILL_TYPES_H
#define TARN_LINUX_FILL_TYPES_H

#include <linux/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_TOOLS_LINUX_TYPES_H_)
#define TARN_LINUX_TOOLS 1
typedef unsigned long long dma_addr_t;
typedef unsigned int slab_flags_t;
#elif defined(_UAPI_LINUX_TYPES_H) || defined(TARN_LINUX_NO_TYPES)
/* The kernel's own header, or the user's word: all is there. */
#else
typedef unsigned int gfp_t;
typedef unsigned int slab_flags_t;
typedef unsigned long long dma_addr_t;
typedef unsigned long long phys_addr_t;
/* The system's header, and no other, defines the first two of these. */
#if !defined(_LINUX_TYPES_H) || defined(__aligned_le64)
#define TARN_LINUX_PLAIN 1
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef long long s64;
#endif
#endif

#ifdef TARN_LINUX_PLAIN
#if !defined(_LINUX_LIST_H) && !defined(LIST_HEAD_INIT)
struct list_head {
    struct list_head *next, *prev;
};
#endif
#endif

/* liburcu has an rcu_head of its own; what includes it after this says TARN_LINUX_NO_RCU_HEAD. TARN_LINUX_RCU asks for tarn's in any surroundings. */
#if (defined(TARN_LINUX_PLAIN) || defined(TARN_LINUX_RCU)) && !defined(_URCU_CALL_RCU_H) && !defined(TARN_LINUX_NO_RCU_HEAD)
struct callback_head {
    struct callback_head *next;
    void (*func)(struct callback_head *head);
};
#define rcu_head callback_head
#endif

#ifndef __force
#define __force
#endif
#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE (-1)
#endif

#endif
