/*
 * Taking stacks; see stack.h. docs/decisions/0013-stacks.md has what was measured.
 *
 *     pc, sp, fp   --rule of pc-->   the caller's   --rule of pc-->   ...
 *
 * A rule (unwind.h) is looked for in a table first, that is shared by all threads and has no lock: an entry is two words, of which one
 * is mixed into the other, so that half of one entry with half of another is no entry.
 *
 * Words are read only between the stack pointer and the end of the stack, as far as that is known: where tables are wrong about the code, a stack ends.
 * Who asks at each allocation mostly asks where he asked before. So the words that led from frame to frame are remembered, by stack pointer (`struct way`): as
 * long as they are what they were, so is the stack. They are compared in the order in which they were found: each says where the next one is, so nothing is read that going
 * from frame to frame would not read. A way is written by one thread at a time, and who meets one half written goes from frame to frame.
 *
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
enum { WAY_WORDS = 44, WAYS = 4, WAY_SETS_BITS = 10, WAY_SETS = 1 << WAY_SETS_BITS };

struct known {
    _Atomic uint64_t mixed, rule;
};

static struct known *_Atomic known;

/* From a stack pointer up: the words that were read, and what they held. */
struct way {
    _Atomic uint32_t turn; /* odd: it is being written */
    uint32_t number;       /* of the stack, kept; 0: there is no way here */
    uint16_t count, asked; /* words; frames that were asked for, and left out */
    bool by_fp;            /* the frame pointer counted, too */
    uintptr_t sp, fp, limit;
    uint64_t age;               /* of the rules */
    uint16_t offset[WAY_WORDS]; /* from the stack pointer, in words */
    uintptr_t value[WAY_WORDS];
};

struct way_set {
    struct way way[WAYS];
    _Atomic uint32_t next; /* to be written */
};

static struct way_set *_Atomic ways;

extern void *__libc_stack_end; /* of the first thread: the C library's */
#pragma weak __libc_stack_end

struct place {
    uintptr_t pc, sp, fp, limit;
    bool exact;       /* `pc` is an instruction's that was interrupted, not where one returns to */
    uintptr_t fp_at;  /* where `fp` was read; FP_IN_REGISTER; 0: that is noted already */
    struct way *note; /* what is read is noted there, if `sp` was its; NULL: nowhere */
};

enum { FP_IN_REGISTER = 1 };

/* Notes a word. A way that is too long, or reaches too far, is none. */
static inline void note_word(struct place *place, uintptr_t at, uintptr_t value)
{
    struct way *way = place->note;
    if (!way)
        return;
    uintptr_t offset = (at - way->sp) / sizeof(uintptr_t);
    if (way->count == WAY_WORDS || offset > UINT16_MAX) {
        place->note = NULL;
        return;
    }
    way->offset[way->count] = (uint16_t)offset;
    way->value[way->count++] = value;
}

/* The frame pointer is about to count. */
static inline void note_fp(struct place *place)
{
    if (place->note && place->fp_at == FP_IN_REGISTER)
        place->note->by_fp = true;
    else if (place->note && place->fp_at)
        note_word(place, place->fp_at, place->fp);
    place->fp_at = 0;
}

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
    place->note = NULL;
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
    if (tarn__rule_by_fp(rule))
        note_fp(place);
    uintptr_t base = tarn__rule_by_fp(rule) ? place->fp : place->sp, cfa = base + (uintptr_t)tarn__rule_offset(rule);
    uintptr_t fp_at = cfa + (uintptr_t)(tarn__rule_fp_slot(rule) * 8), ra_at = cfa + (uintptr_t)(tarn__rule_ra_slot(rule) * 8);
    if (TARN__UNLIKELY(kind == TARN__RULE_DEREF)) {
        if (cfa < place->sp || cfa % 8 != 0 || cfa >= place->limit || cfa - place->sp > FRAME_MOST)
            return false;
        uintptr_t at = cfa;
        cfa = word_at(at);
        note_word(place, at, cfa);
        ra_at = cfa + (uintptr_t)(tarn__rule_ra_slot(rule) * 8);
        fp_at = place->fp;
    }
    if (cfa < place->sp || cfa > place->limit || cfa - place->sp > FRAME_MOST || cfa % 8 != 0 || ra_at < place->sp ||
        fp_at < place->sp || fp_at > cfa)
        return false;
    if (fp_at != cfa) {
        place->fp = word_at(fp_at);
        place->fp_at = fp_at;
    }
    place->pc = ra_at != cfa ? word_at(ra_at) : *ra;
    if (ra_at != cfa)
        note_word(place, ra_at, place->pc);
    else
        place->note = NULL; /* in a register, which is not compared */
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

/* Where this is. */
static inline __attribute__((always_inline)) struct place here(uintptr_t *ra)
{
    struct place place = {.exact = true, .fp_at = FP_IN_REGISTER};
#ifdef __x86_64__
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2" : "=&r"(place.pc), "=&r"(place.sp), "=&r"(place.fp));
    *ra = 0;
#else
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29\n\tmov %3, x30"
                     : "=&r"(place.pc), "=&r"(place.sp), "=&r"(place.fp), "=&r"(*ra));
#endif
    place.limit = stack_limit(place.sp);
    return place;
}

static inline size_t go_up(struct place *place, uintptr_t *ra, uintptr_t *frames, size_t most, size_t skip)
{
    size_t count = 0;
    if (!step(place, ra))
        return 0;
    for (; count < most && step(place, ra); skip > 0 ? skip-- : count++)
        frames[count] = place->pc;
    return count;
}

TARN__NOINLINE size_t tarn__stack_take(uintptr_t *frames, size_t most, size_t skip)
{
    uintptr_t ra;
    struct place place = here(&ra);
    return go_up(&place, &ra, frames, most, skip);
}

/* Ways */

#define GET(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define SET(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

/* The set for a stack pointer; NULL: there is no memory for any. */
static struct way_set *set_of(uintptr_t sp)
{
    struct way_set *all = atomic_load_explicit(&ways, memory_order_acquire), *none = NULL;
    if (TARN__UNLIKELY(!all)) {
        const size_t size = (WAY_SETS * sizeof *all + 65535) & ~(size_t)65535;
        all = tarn__os_map(NULL, size, TARN__OS_COMMITTED);
        if (all && !atomic_compare_exchange_strong_explicit(&ways, &none, all, memory_order_acq_rel, memory_order_acquire)) {
            tarn__os_unmap(all, size);
            all = none;
        }
    }
    return all ? &all[(uint64_t)sp * 0x9e3779b97f4a7c15u >> (64 - WAY_SETS_BITS)] : NULL;
}

/* The number of the stack, if the way leads from here and the words on it are what they were; else 0. */
static inline uint32_t follow(struct way *way, const struct place *from, uint16_t asked, uint64_t age)
{
    uint32_t turn = atomic_load_explicit(&way->turn, memory_order_acquire), number = GET(way->number);
    if (turn % 2 != 0 || number == 0 || GET(way->sp) != from->sp || GET(way->limit) != from->limit ||
        GET(way->asked) != asked || GET(way->age) != age || (GET(way->by_fp) && GET(way->fp) != from->fp))
        return 0;
    for (size_t i = 0, count = GET(way->count); i < count; i++)
        if (word_at(from->sp + GET(way->offset[i]) * sizeof(uintptr_t)) != GET(way->value[i]))
            return 0;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&way->turn, memory_order_relaxed) == turn ? number : 0;
}

/* In the place of the one that was written first. */
static void remember(struct way_set *set, const struct way *found)
{
    struct way *way = &set->way[atomic_fetch_add_explicit(&set->next, 1, memory_order_relaxed) % WAYS];
    uint32_t turn = atomic_load_explicit(&way->turn, memory_order_relaxed);
    if (turn % 2 != 0 ||
        !atomic_compare_exchange_strong_explicit(&way->turn, &turn, turn + 1, memory_order_acquire, memory_order_relaxed))
        return;
    atomic_thread_fence(memory_order_release); /* with the one in `follow` */
    SET(way->number, found->number);
    SET(way->count, found->count);
    SET(way->asked, found->asked);
    SET(way->by_fp, found->by_fp);
    SET(way->sp, found->sp);
    SET(way->fp, found->fp);
    SET(way->limit, found->limit);
    SET(way->age, found->age);
    for (size_t i = 0; i < found->count; i++) {
        SET(way->offset[i], found->offset[i]);
        SET(way->value[i], found->value[i]);
    }
    atomic_store_explicit(&way->turn, turn + 2, memory_order_release);
}

static TARN__NOINLINE uint32_t find_way(struct way_set *set, struct place *from, uintptr_t *ra, size_t most, size_t skip,
                                        uint64_t age)
{
    uintptr_t frames[TARN__STACK_MOST];
    struct way found;
    found.count = 0;
    found.asked = (uint16_t)(most | skip << 8);
    found.by_fp = false;
    found.sp = from->sp;
    found.fp = from->fp;
    found.limit = from->limit;
    from->note = &found;
    found.number = tarn__stack_keep(frames, go_up(from, ra, frames, most, skip));
    found.age = age;
    if (set && from->note && found.number)
        remember(set, &found);
    return found.number;
}

TARN__NOINLINE uint32_t tarn__stack_again(size_t most, size_t skip)
{
    uintptr_t ra;
    struct place place = here(&ra);
    struct way_set *set = set_of(place.sp);
    uint64_t age = tarn__rule_age();
    uint16_t asked = (uint16_t)(most | skip << 8);
    for (size_t i = 0; set && i < WAYS; i++) {
        uint32_t number = follow(&set->way[i], &place, asked, age);
        if (number)
            return number;
    }
    return find_way(set, &place, &ra, most, skip, age);
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

TARN__NOINLINE uint32_t tarn__stack_again(size_t most, size_t skip)
{
    uintptr_t frames[TARN__STACK_MOST];
    return tarn__stack_keep(frames, tarn__stack_take(frames, most, skip + 1));
}

#endif

TARN__NOINLINE uint32_t tarn__stack_here(size_t skip)
{
    uintptr_t frames[TARN__STACK_MOST];
    return tarn__stack_keep(frames, tarn__stack_take(frames, TARN__STACK_MOST, skip + 1));
}
