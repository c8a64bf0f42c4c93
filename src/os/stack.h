/*
 * Stacks: of the caller, taken quickly, kept once each, known by a number.
 *
 * Taking one allocates nothing, takes no lock that anyone may hold, and may be done in any thread and with any tarn lock held. Symbols are looked for
 * outside of the process when a report is written, never here.
 */
#ifndef TARN_OS_STACK_H
#define TARN_OS_STACK_H

#include <stddef.h>
#include <stdint.h>

enum { TARN__STACK_MOST = 32 };

/* Makes ready what can allocate or take locks: at the start, when stacks are asked for. Without it only frames near the caller are found. */
void tarn__stack_begin(void);

/* Return addresses, innermost first, from the caller of the caller on, leaving `skip` more out. Returns how many. */
size_t tarn__stack_take(uintptr_t *frames, size_t most, size_t skip);

/* The number of a stack, the same each time it is kept; 0: none, or there is no memory for it. Kept for ever. */
uint32_t tarn__stack_keep(const uintptr_t *frames, size_t count);

/* Both of these. */
uint32_t tarn__stack_here(size_t skip);

/*
 * The same of at most `most` innermost frames, up to TARN__STACK_MOST: for who asks again and again. Where the stack is one that it was lately, that
 * costs a comparison for each frame.
 */
uint32_t tarn__stack_again(size_t most, size_t skip);

/* The frames of a number; *count is 0 for 0 and for what is no number. */
const uintptr_t *tarn__stack_frames(uint32_t number, size_t *count);

#endif
