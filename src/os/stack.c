/*
 * Taking stacks; see stack.h. docs/decisions/0013-stacks.md has what was measured.
 *
 *     pc, sp, fp   --rule of pc-->   the caller's   --rule of pc-->   ...
 *
 * A rule (unwind.h) is looked for in a table first, that is shared by all threads and has no lock: an entry is two words, of which one
 * is mixed into the other, so that half of one entry with half of another is no entry.
 *
 * Words are read only between the stack pointer and the end of the stack, as far as that is known: where tables are wrong about the code, a stack ends.
 * On machines without rules the compiler's own library is asked, which is loaded at begin.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/stack.h"

#include "base/atomic.h"
#include "os/os.h"
#include "os/unwind.h"

#include <stdbool.h>
#include <string.h>

#if TARN__UNWIND

#include <stdatomic.h>

enum { KNOWN_BITS = 14, KNOWN = 1 << KNOWN_BITS, FRAME_MOST = 16 << 20 };

struct known {
    _Atomic uint64_t mixed, rule;
};

static struct known *_Atomic known;

extern void *__libc_stack_end; /* of the first thread: the C library's */
#pragma weak __libc_stack_end

struct place {
    uintptr_t pc, sp, fp, limit;
    bool exact; /* `pc` is an instruction's that was interrupted, not where one returns to */
};

/* An address that the stack of `sp` ends below: what a thread's library keeps of it lies above its stack. */
static uintptr_t stack_limit(uintptr_t sp)
{
    const uintptr_t most = (uintptr_t)1 << 30;
    uintptr_t limit = UINTPTR_MAX, end = &__libc_stack_end ? (uintptr_t)__libc_stack_end : 0, own;
#ifdef __x86_64__
    __asm__("mov %%fs:0, %0" : "=r"(own));
#else
    __asm__("mrs %0, tpidr_el0" : "=r"(own));
#endif
    if (end > sp && end - sp < most)
        limit = end;
    if (own > sp && own - sp < most && own < limit)
        limit = own;
    return limit;
}

static tarn__rule rule_of(uintptr_t pc)
{
    struct known *table = atomic_load_explicit(&known, memory_order_acquire);
    if (!table)
        return tarn__rule_find(pc);
    uint64_t salted = pc ^ tarn__rule_age() << 48;
    struct known *entry = &table[salted * 0x9e3779b97f4a7c15u >> (64 - KNOWN_BITS)];
    tarn__rule rule = atomic_load_explicit(&entry->rule, memory_order_relaxed);
    if (TARN__LIKELY((atomic_load_explicit(&entry->mixed, memory_order_relaxed) ^ rule) == salted))
        return rule;
    rule = tarn__rule_find(pc);
    if (rule != TARN__RULE_FOREIGN) {
        salted = pc ^ tarn__rule_age() << 48;
        atomic_store_explicit(&entry->rule, rule, memory_order_relaxed);
        atomic_store_explicit(&entry->mixed, salted ^ rule, memory_order_relaxed);
    }
    return rule;
}

__attribute__((no_sanitize_address, no_sanitize_thread)) static uintptr_t word_at(uintptr_t at)
{
    return *(const uintptr_t *)at;
}

/* What was interrupted by a signal; `sp` is what the kernel's return is called with. */
static bool step_signal(struct place *place)
{
#ifdef __x86_64__
    enum { FP = 120, SP = 160, PC = 168 }; /* of the registers in a ucontext */
    uintptr_t at = place->sp;
    if (at > place->limit - 256)
        return false;
    place->pc = word_at(at + PC);
    place->fp = word_at(at + FP);
    place->sp = word_at(at + SP);
    place->limit = stack_limit(place->sp);
    place->exact = true;
    return place->sp % 8 == 0;
#else
    return (void)place, false;
#endif
}

/* From a function to its caller. False: there is none that can be found. */
static inline bool step(struct place *place, uintptr_t *ra)
{
    tarn__rule rule = rule_of(place->exact ? place->pc : place->pc - 1);
    enum tarn__rule_kind kind = tarn__rule_kind(rule);
    if (TARN__UNLIKELY(kind == TARN__RULE_NONE))
        return false;
    if (TARN__UNLIKELY(kind == TARN__RULE_SIGNAL))
        return step_signal(place);
    uintptr_t base = tarn__rule_by_fp(rule) ? place->fp : place->sp, cfa = base + (uintptr_t)tarn__rule_offset(rule);
    uintptr_t fp_at = cfa + (uintptr_t)(tarn__rule_fp_slot(rule) * 8), ra_at = cfa + (uintptr_t)(tarn__rule_ra_slot(rule) * 8);
    if (TARN__UNLIKELY(kind == TARN__RULE_DEREF)) {
        if (cfa < place->sp || cfa % 8 != 0 || cfa >= place->limit || cfa - place->sp > FRAME_MOST)
            return false;
        cfa = word_at(cfa);
        ra_at = cfa + (uintptr_t)(tarn__rule_ra_slot(rule) * 8);
        fp_at = place->fp;
    }
    if (cfa < place->sp || cfa > place->limit || cfa - place->sp > FRAME_MOST || cfa % 8 != 0 || ra_at < place->sp ||
        fp_at < place->sp || fp_at > cfa)
        return false;
    if (fp_at != cfa)
        place->fp = word_at(fp_at);
    place->pc = ra_at != cfa ? word_at(ra_at) : *ra;
#ifdef __aarch64__
    register uintptr_t signed_ra __asm__("x30") = place->pc;
    __asm__("hint #7" : "+r"(signed_ra)); /* xpaclri: takes a signature off */
    place->pc = signed_ra;
    *ra = 0;
#endif
    place->sp = cfa;
    place->exact = false;
    return place->pc != 0;
}

void tarn__stack_begin(void)
{
    struct known *table = atomic_load_explicit(&known, memory_order_acquire), *none = NULL;
    if (table || !tarn__rules_there())
        return;
    table = tarn__os_map(NULL, KNOWN * sizeof *table, TARN__OS_COMMITTED);
    if (table && !atomic_compare_exchange_strong_explicit(&known, &none, table, memory_order_acq_rel, memory_order_acquire))
        tarn__os_unmap(table, KNOWN * sizeof *table);
}

TARN__NOINLINE size_t tarn__stack_take(uintptr_t *frames, size_t most, size_t skip)
{
    struct place place = {.exact = true};
    uintptr_t ra;
#ifdef __x86_64__
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2" : "=&r"(place.pc), "=&r"(place.sp), "=&r"(place.fp));
    ra = 0;
#else
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29\n\tmov %3, x30"
                     : "=&r"(place.pc), "=&r"(place.sp), "=&r"(place.fp), "=&r"(ra));
#endif
    place.limit = stack_limit(place.sp);
    size_t count = 0;
    if (!step(&place, &ra))
        return 0;
    for (; count < most && step(&place, &ra); skip > 0 ? skip-- : count++)
        frames[count] = place.pc;
    return count;
}

#else /* other machines */

#include <dlfcn.h>
#include <unwind.h>

static _Unwind_Reason_Code (*backtrace_by)(_Unwind_Trace_Fn, void *);
static uintptr_t (*ip_of)(struct _Unwind_Context *);
static TARN__TLS bool taking;

struct taken {
    uintptr_t *frames;
    size_t most, skip, count;
};

static _Unwind_Reason_Code take_one(struct _Unwind_Context *context, void *argument)
{
    struct taken *to = argument;
    if (to->count == to->most)
        return _URC_END_OF_STACK;
    if (to->skip > 0)
        to->skip--;
    else
        to->frames[to->count++] = ip_of(context);
    return _URC_NO_REASON;
}

void tarn__stack_begin(void)
{
    void *library = backtrace_by ? NULL : dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return;
    void *ip = dlsym(library, "_Unwind_GetIP"), *by = dlsym(library, "_Unwind_Backtrace");
    uintptr_t frames[4];
    memcpy(&ip_of, &ip, sizeof ip);
    if (ip && by)
        memcpy(&backtrace_by, &by, sizeof by);
    tarn__stack_take(frames, 4, 0); /* it makes ready what it needs */
}

TARN__NOINLINE size_t tarn__stack_take(uintptr_t *frames, size_t most, size_t skip)
{
    struct taken to = {frames, most, skip + 2, 0};
    if (!backtrace_by || taking)
        return 0;
    taking = true;
    backtrace_by(take_one, &to);
    taking = false;
    return to.count;
}

#endif

TARN__NOINLINE uint32_t tarn__stack_here(size_t skip)
{
    uintptr_t frames[TARN__STACK_MOST];
    return tarn__stack_keep(frames, tarn__stack_take(frames, TARN__STACK_MOST, skip + 1));
}
