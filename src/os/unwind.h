/*
 * Frames: how the caller's registers are found from those of a function, by the tables that compilers write for exceptions (.eh_frame).
 *
 * What the tables say of one place in the code is boiled down to a rule of eight bytes: where the caller's frame is, and where in memory the return
 * address and the frame pointer were saved. Two registers are followed, the stack pointer and the frame pointer; a place whose rule needs others
 * is where a stack ends for us.
 *
 * (DWARF 4, 6.4; Linux Standard Base, 10.6, for .eh_frame and its index.)
 *
 * The tables are found by _dl_find_object of glibc 2.35, which takes no lock and allocates nothing; they are read, never changed. So a rule can be found
 * in any thread, in a signal handler, while another thread is within dlopen or forks. Where there is no such function, or on other machines than
 * x86-64 and AArch64, there are no rules (stack.c has another way).
 */
#ifndef TARN_OS_UNWIND_H
#define TARN_OS_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#if (defined(__x86_64__) && defined(__LP64__)) || (defined(__aarch64__) && defined(__LP64__) && !defined(__AARCH64EB__))
#define TARN__UNWIND 1
#else
#define TARN__UNWIND 0
#endif

enum tarn__rule_kind {
    TARN__RULE_NONE,   /* no frame can be found from here */
    TARN__RULE_PLAIN,  /* the caller's stack pointer is base + offset */
    TARN__RULE_DEREF,  /* it is kept at base + offset */
    TARN__RULE_SIGNAL, /* a signal handler's caller: the kernel has saved what was interrupted */
};

/*
 * A rule in a word, so that it can be read and written at once:
 *
 *     63       42 41       26 25       10 9      3 2    1 0
 *     | offset    | fp slot   | ra slot   | unused | fp | kind |       slots: in words from the caller's stack pointer, 0: it is still in its register
 */
typedef uint64_t tarn__rule;

/* Rules of the first kind: there is no code that is known; there is, and a stack ends with it. */
#define TARN__RULE_FOREIGN ((tarn__rule)0)
#define TARN__RULE_END ((tarn__rule)8)

static inline enum tarn__rule_kind tarn__rule_kind(tarn__rule rule) { return (enum tarn__rule_kind)(rule & 3); }
static inline bool tarn__rule_by_fp(tarn__rule rule) { return rule & 4; }
static inline intptr_t tarn__rule_offset(tarn__rule rule) { return (intptr_t)((int64_t)rule >> 42); }
static inline intptr_t tarn__rule_fp_slot(tarn__rule rule) { return (int16_t)(rule >> 26); }
static inline intptr_t tarn__rule_ra_slot(tarn__rule rule) { return (int16_t)(rule >> 10); }

/* Whether rules can be found here. */
bool tarn__rules_there(void);

/* The rule for the instruction at `pc`; of a return address that is the one in front of it, so one less. Takes about a microsecond. */
tarn__rule tarn__rule_find(uintptr_t pc);

/* A number that is another when modules were seen to have gone and others come in their place: rules found before are to be forgotten. */
uint64_t tarn__rule_age(void);

#endif
