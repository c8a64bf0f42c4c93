/*
 * How many instructions the common calls take: `name<TAB>count` for each, of the library's own instructions alone. Run with libtarn-malloc.so
 * preloaded.
 *
 * The processor's trap flag stops the program after each instruction; the handler counts those that are about to run in the library. So the
 * counts are exact and need no rights, and what the C library's memset takes, which differs by processor, is not among them. Exit status 77: not
 * on this machine.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tarn/tarn.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOT_HERE = 77, WARM = 40, CALLS = 3 };

#if defined(__x86_64__)
#include <ucontext.h>
#include <x86intrin.h>

static volatile unsigned long counted;
static uintptr_t begin, end; /* of the library's code */

static int find_code(struct dl_phdr_info *info, size_t size, void *within)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, after = at + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && (uintptr_t)within >= at && (uintptr_t)within < after) {
            begin = at;
            end = after;
            return 1;
        }
    }
    return 0;
}

static void trapped(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    uintptr_t next = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    counted += next >= begin && next < end;
}

typedef uintptr_t call(uintptr_t, uintptr_t, uintptr_t);

__attribute__((noinline)) static unsigned long count(call *function, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t *answer)
{
    const unsigned long long flags = __readeflags();
    counted = 0;
    __writeeflags(flags | 0x100);
    *answer = function(a, b, c);
    __writeeflags(flags);
    return counted;
}

/* What the preloaded library calls so. */
static call *named(const char *name)
{
    call *function = (call *)dlsym(RTLD_DEFAULT, name);
    if (!function) {
        fprintf(stderr, "counts: no %s\n", name);
        exit(1);
    }
    return function;
}

/* Prints the largest of several counts: all are of the fast path, so they are the same. */
static void report(const char *name, const unsigned long counts[CALLS])
{
    unsigned long most = 0;
    for (int i = 0; i < CALLS; i++)
        most = counts[i] > most ? counts[i] : most;
    printf("%s\t%lu\n", name, most);
}

static void nothing(const char *name, call *function, uintptr_t a, uintptr_t b)
{
    unsigned long counts[CALLS];
    uintptr_t answer;
    for (int i = 0; i < CALLS; i++)
        counts[i] = count(function, a, b, 0, &answer);
    report(name, counts);
}

/* An allocation by `alloc(a, b)`, and a free, in which the object is the first argument, or the second if `owner` is the first. */
static void pair(const char *alloc_name, const char *free_name, const char *alloc, const char *release, uintptr_t a,
                 uintptr_t b, uintptr_t owner)
{
    unsigned long allocs[CALLS], frees[CALLS];
    uintptr_t objects[WARM], answer;
    call *take = named(alloc), *give = named(release);
    for (int i = 0; i < WARM; i++)
        objects[i] = take(a, b, 0);
    for (int i = 0; i < WARM; i++)
        give(owner ? owner : objects[i], owner ? objects[i] : 0, 0);
    objects[0] = take(a, b, 0); /* from now on there is one, and room for it */
    give(owner ? owner : objects[0], owner ? objects[0] : 0, 0);
    for (int i = 0; i < CALLS; i++) {
        allocs[i] = count(take, a, b, 0, &objects[0]);
        frees[i] = count(give, owner ? owner : objects[0], owner ? objects[0] : 0, 0, &answer);
    }
    if (alloc_name)
        report(alloc_name, allocs);
    if (free_name)
        report(free_name, frees);
}

static void common_calls(void)
{
    uintptr_t object = (uintptr_t)malloc(64);
    pair("malloc(64)", "free, of 64 bytes", "malloc", "free", 64, 0, 0);
    pair("malloc(0)", NULL, "malloc", "free", 0, 0, 0);
    pair("malloc(1024)", NULL, "malloc", "free", 1024, 0, 0);
    pair("malloc(1025)", "free, of 1025 bytes", "malloc", "free", 1025, 0, 0);
    pair("malloc(4096)", NULL, "malloc", "free", 4096, 0, 0);
    nothing("free(NULL)", named("free"), 0, 0);
    pair("calloc(1, 64)", NULL, "calloc", "free", 1, 64, 0);
    nothing("realloc, 64 bytes to 50", named("realloc"), object, 50);
    nothing("malloc_usable_size", named("malloc_usable_size"), object, 0);
    pair("aligned_alloc(64, 64)", NULL, "aligned_alloc", "free", 64, 64, 0);
    pair("operator new(64)", "operator delete", "_Znwm", "_ZdlPv", 64, 0, 0);
    pair("tarn_malloc(64)", "tarn_free", "tarn_malloc", "tarn_free", 64, 0, 0);
    pair("tarn_kmalloc(64)", "tarn_kfree", "tarn_kmalloc", "tarn_kfree", 64, TARN_GFP_KERNEL, 0);
    pair("tarn_kmalloc(1024)", NULL, "tarn_kmalloc", "tarn_kfree", 1024, TARN_GFP_KERNEL, 0);
    struct tarn_cache *(*create)(const char *, size_t, size_t, unsigned, void (*)(void *), void (*)(void *)) =
        (void *)named("tarn_cache_create");
    uintptr_t cache = (uintptr_t)create("counted", 64, 0, 0, NULL, NULL);
    pair("tarn_cache_alloc", "tarn_cache_free", "tarn_cache_alloc", "tarn_cache_free", cache, TARN_GFP_KERNEL, cache);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    void *ours = dlsym(RTLD_DEFAULT, "tarn_malloc");
    if (!ours || !dl_iterate_phdr(find_code, ours)) {
        fputs("counts: libtarn-malloc.so is not preloaded\n", stderr);
        return 1;
    }
    sigaction(SIGTRAP, &action, NULL);
    uintptr_t p;
    if (count(named("malloc"), 64, 0, 0, &p) == 0)
        return NOT_HERE; /* an emulator that does not trap */
    named("free")(p, 0, 0);
    common_calls();
    return 0;
}
#else
int main(void) { return NOT_HERE; }
#endif
