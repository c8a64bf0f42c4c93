/*
 * Misuse that is found with certainty: each crime is made in a child, which must end by SIGABRT with exactly one line on
 * standard error. %p stands for the address that the child names beforehand.
 */
#include "check.h"

#include <malloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

__attribute__((weak)) void free_sized(void *p, size_t size);

static int wire[2]; /* the address, from the child */

static void *named(void *p) { return write(wire[1], &p, sizeof p) == sizeof p ? p : NULL; }

static void free_stack(void)
{
    char here[64];
    free(named(here));
}

static char image[64];
static void free_image(void) { free(named(image + 16)); }
static void free_low(void) { free(named((void *)(uintptr_t)0x1000)); }
static void free_high(void) { free(named((void *)(uintptr_t)0xffffffffffff0000)); }

static void free_mapping(void) { free(named(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))); }

static void free_unmapped(void)
{
    char *p = malloc(200u << 20);
    free(p);
    free(named(p));
}

static char *large(void) { return malloc(200000); }
static void free_inside_page(void) { free(named(large() + 16)); }
static void free_inside_large(void) { free(named(large() + 4096)); }
static void free_inside_mapped(void) { free(named((char *)malloc(100u << 20) + (8u << 20))); }

static void free_large_twice(void)
{
    char *p = large(), *keep = large();
    free(p);
    free(named(p));
    free(keep);
}

static void realloc_stack(void)
{
    char here[64];
    free(realloc(named(here), 100));
}

static void realloc_freed_large(void)
{
    char *p = large(), *keep = large();
    free(p);
    free(realloc(named(p), 300000));
    free(keep);
}

static void usable_stack(void)
{
    char here[64];
    if (malloc_usable_size(named(here)))
        _exit(3);
}

static void sized_too_large(void) { free_sized(named(malloc(100)), 100000); }
static void sized_large_too_large(void) { free_sized(named(large()), 1 << 20); }

/* The program ends at the call: what follows would be seen in its status. */
static void free_inside_object(void)
{
    char *p = malloc(500);
    free(named(p + 32));
    _exit(3);
}

static void free_unaligned(void)
{
    char *p = malloc(500);
    free(named(p + 8));
    _exit(3);
}

static void free_small_twice(void)
{
    char *p = malloc(500);
    free(p);
    memset(p, 1, 500);
    free(named(p));
    _exit(3);
}

static void free_after_trim(void)
{
    char *p = malloc(500), *keep = malloc(500);
    free(p);
    malloc_trim(0);
    free(named(p));
    free(keep);
}

static void realloc_freed_small(void)
{
    char *p = malloc(500);
    free(p);
    free(realloc(named(p), 400));
}

static void usable_size_freed(void)
{
    char *p = malloc(500);
    free(p);
    if (malloc_usable_size(named(p)))
        _exit(3);
}

#define INVALID "tarn: invalid free: not the start of a live object "
#define DOUBLE "tarn: double free: the object is free already "
#define WRONG "tarn: wrong size: the object given to a sized free has another size "

static const struct crime {
    const char *name;
    void (*commit)(void);
    const char *before; /* of the address */
} crimes[] = {
    {"free of the stack", free_stack, INVALID "(free of "},
    {"free of a variable", free_image, INVALID "(free of "},
    {"free of address 0x1000", free_low, INVALID "(free of "},
    {"free of an address at the top", free_high, INVALID "(free of "},
    {"free of someone's mapping", free_mapping, INVALID "(free of "},
    {"free of a huge block twice", free_unmapped, NULL},
    {"free inside the first page of a large block", free_inside_page, INVALID "(free of "},
    {"free of a page inside a large block", free_inside_large, INVALID "(free of "},
    {"free of a page inside a huge block", free_inside_mapped, INVALID "(free of "},
    {"free of a large block twice", free_large_twice, DOUBLE "(free of "},
    {"realloc of the stack", realloc_stack, INVALID "(realloc of "},
    {"realloc of a large block that is free", realloc_freed_large, DOUBLE "(realloc of "},
    {"malloc_usable_size of the stack", usable_stack, INVALID "(usable_size of "},
    {"free_sized with too large a size", sized_too_large, WRONG "(free_sized of "},
    {"free_sized with too large a size, large", sized_large_too_large, WRONG "(free_sized of "},
    {"free inside a small object", free_inside_object, INVALID "(free of "},
    {"free of an unaligned address", free_unaligned, INVALID "(free of "},
    {"free of a small object twice", free_small_twice, DOUBLE "(free of "},
    {"free of a small object twice, after malloc_trim", free_after_trim, DOUBLE "(free of "},
    {"realloc of a small object that is free", realloc_freed_small, DOUBLE "(realloc of "},
    {"malloc_usable_size of a small object that is free", usable_size_freed, DOUBLE "(usable_size of "},
};

struct outcome {
    int status;
    void *address;
    char text[1024];
};

static void child(const struct crime *crime, int standard_error)
{
    dup2(standard_error, 2);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    alarm(20);
    crime->commit();
    _exit(0);
}

static struct outcome watch(const struct crime *crime)
{
    struct outcome outcome = {0};
    int text[2];
    if (pipe(wire) != 0 || pipe(text) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0)
        child(crime, text[1]);
    close(wire[1]), close(text[1]);
    ssize_t got = read(wire[0], &outcome.address, sizeof outcome.address);
    for (size_t length = 0; got > 0 && length < sizeof outcome.text - 1; length += (size_t)got)
        got = read(text[0], outcome.text + length, sizeof outcome.text - 1 - length);
    waitpid(pid, &outcome.status, 0);
    close(wire[0]), close(text[0]);
    return outcome;
}

/* A block that is free may be called either: it is not live, and it was freed. */
static bool says(const struct outcome *outcome, const char *before)
{
    char wanted[256];
    snprintf(wanted, sizeof wanted, "%s%p, thread 1)\n", before, outcome->address);
    return strncmp(outcome->text, wanted, strlen(wanted)) == 0;
}

static void judge(const struct crime *crime)
{
    struct outcome outcome = watch(crime);
    CHECK(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == SIGABRT, "status %#x, not SIGABRT", outcome.status);
    bool right = crime->before ? says(&outcome, crime->before)
                               : says(&outcome, INVALID "(free of ") || says(&outcome, DOUBLE "(free of ") ||
                                     says(&outcome, INVALID "(realloc of ") || says(&outcome, DOUBLE "(realloc of ");
    CHECK(right, "of %p: \"%s\"", outcome.address, outcome.text);
}

int main(void)
{
    check_preloaded();
    check_plan(sizeof crimes / sizeof *crimes);
    for (size_t i = 0; i < sizeof crimes / sizeof *crimes; i++) {
        judge(&crimes[i]);
        check_result(crimes[i].name);
    }
    return check_failed_cases != 0;
}
