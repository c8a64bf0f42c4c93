/*
 * AddressSanitizer and Valgrind's memcheck, where a program runs under one: they are told which bytes of a pool may be used.
 *
 * Nothing of them is linked. AddressSanitizer's functions are found by weak names, in programs that were built with it; memcheck is spoken to by
 * instructions that do nothing elsewhere. Until tarn__tools_begin, and without either, tarn__tools is 0, and nothing here may be called.
 */
#ifndef TARN_BASE_TOOLS_H
#define TARN_BASE_TOOLS_H

#include <stdbool.h>
#include <stddef.h>

enum { TARN__TOOL_ASAN = 1 << 0, TARN__TOOL_MEMCHECK = 1 << 1 };

/* Those that watch this process. Changed at the start only. */
extern unsigned tarn__tools;

void tarn__tools_begin(void);

/* The letters (modes.h) that caches and size classes have besides their own where a tool watches; 0: none does, or tarn is sanitized itself: then
 * its own looks at what nobody may use would be reported. */
unsigned tarn__tools_letters(void);

/* A pool begins and ends: what it hands out, and what the leak search reports, is known by an address that stands for it, which no other has meanwhile. */
void tarn__tools_pool(const void *pool);
void tarn__tools_pool_end(const void *pool);

/* Bytes are handed out by a pool: they may be written, and, if they are `zero`, read. */
void tarn__tools_hand_out(const void *pool, const void *p, size_t size, bool zero);

/* They are taken back: no longer used by anybody. */
void tarn__tools_take_back(const void *pool, const void *p, size_t size);

/* Bytes that nobody may use; that anybody may, and what they hold counts. */
void tarn__tools_deny(const void *p, size_t size);
void tarn__tools_allow(const void *p, size_t size);

/* That anybody may use, and what they hold does not count. */
void tarn__tools_fresh(const void *p, size_t size);

/* A block of no pool: as malloc's; what it holds counts if it is `zero`. AddressSanitizer is told by tarn__tools_allow and _deny. */
void tarn__tools_block(const void *p, size_t size, bool zero);
void tarn__tools_block_resize(const void *p, size_t had, size_t size);
void tarn__tools_block_end(const void *p);

/* What this thread reads until it is on again is not reported. Such pairs may lie in each other. */
void tarn__tools_hear(bool on);

#endif
