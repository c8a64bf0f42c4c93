/*
 * Misuses as programs make them, one a case: wrong NAME makes it, wrong alone lists the names, each with the modes in which it must be found: d default,
 * h hardened, f FZPUQ, g guard pages. Some end by the processor's own fault instead, which is as good: modes in capitals.
 */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
__attribute__((weak)) void free_sized(void *p, size_t size); /* the library that is tried has them */
__attribute__((weak)) void free_aligned_sized(void *p, size_t align, size_t size);

static char **arguments;
static void *kept;
static volatile char sink;

static void *hide(void *p)
{
    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

static void *new (size_t size) { return memset(hide(malloc(size)), 7, size); }

static void drop(void *p) { free(hide(p)); }

static void free_twice(void *p)
{
    drop(p);
    drop(p);
}

static void churn(size_t size)
{
    void *p[3000];
    for (int i = 0; i < 3000; i++)
        p[i] = malloc(size);
    for (int i = 0; i < 3000; i++)
        drop(p[i]);
}

/* Freed twice */

static void twice_strdup(void) { free_twice(strdup("some text")); }
static void twice_calloc(void) { free_twice(calloc(10, 10)); }
static void twice_zero(void) { free_twice(malloc(0)); }
static void twice_largest_small(void) { free_twice(new (32768)); }
static void twice_aligned_alloc(void) { free_twice(aligned_alloc(64, 640)); }
static void twice_memalign_page(void) { free_twice(memalign(4096, 100)); }
static void twice_valloc(void) { free_twice(valloc(100)); }
static void twice_memalign_large(void) { free_twice(memalign(1 << 16, 100000)); }
static void twice_megabytes(void) { free_twice(new (20 << 20)); }
static void twice_hundred_megabytes(void) { free_twice(malloc(100 << 20)); }
static void twice_reallocated(void) { free_twice(realloc(new (10), 5000)); }

static void twice_posix_memalign(void)
{
    void *p;
    if (posix_memalign(&p, 256, 1000) == 0)
        free_twice(p);
}

static void twice_getline(void)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (getline(&line, &room, file) > 0)
        free_twice(line);
}

static void twice_asprintf(void)
{
    char *text;
    if (asprintf(&text, "%d of %s", 12, "these") > 0)
        free_twice(text);
}

static void twice_memstream(void)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    fprintf(file, "text of a stream");
    fclose(file);
    free_twice(text);
}

static void twice_realpath(void) { free_twice(realpath("/proc/self", NULL)); }
static void twice_getcwd(void) { free_twice(getcwd(NULL, 0)); }

static void twice_file(void)
{
    FILE *file = hide(fopen("/dev/null", "r"));
    fclose(file);
    drop(file);
}

static void twice_far_apart(void)
{
    void *p = new (48);
    drop(p);
    churn(200);
    drop(p);
}

static void twice_reused(void)
{
    void *p = new (48);
    drop(p);
    kept = new (48);
    drop(p);
    drop(kept);
}

static void *drop_in_thread(void *p)
{
    drop(p);
    return NULL;
}

static void in_thread(void *(*act)(void *), void *p)
{
    pthread_t thread;
    pthread_create(&thread, NULL, act, p);
    pthread_join(thread, NULL);
}

static void twice_in_threads(void)
{
    void *p = new (100);
    in_thread(drop_in_thread, p);
    in_thread(drop_in_thread, p);
}

static pthread_barrier_t barrier;

static void *drop_together(void *p)
{
    for (int i = 0; i < 2000; i++) {
        pthread_barrier_wait(&barrier);
        drop(((void **)p)[i]);
    }
    return NULL;
}

static void twice_at_once(void)
{
    static void *all[2000];
    pthread_t thread[2];
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 2000; i++)
        all[i] = new (100);
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, drop_together, all);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
}

static void on_signal(int number)
{
    (void)number;
    drop(kept);
}

static void twice_in_handler(void)
{
    kept = new (100);
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    raise(SIGUSR1);
}

static void drop_kept(void) { drop(kept); }

static void twice_at_exit(void)
{
    kept = new (100);
    atexit(drop_kept);
    atexit(drop_kept);
}

static void end_as_child(pid_t child)
{
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
}

static void twice_in_child(void)
{
    void *p = new (100);
    pid_t child = fork();
    if (child == 0) {
        free_twice(p);
        _exit(0);
    }
    end_as_child(child);
}

static void freed_before_fork(void)
{
    void *p = new (100);
    drop(p);
    pid_t child = fork();
    if (child == 0) {
        drop(p);
        _exit(0);
    }
    end_as_child(child);
}

static void twice_by_realloc_to_nothing(void)
{
    void *p = new (100), *none = realloc(p, 0);
    kept = none;
    drop(p);
}

/* Freed, and never allocated so */

static void free_plus_8(void) { drop((char *)new (100) + 8); }
static void free_plus_16(void) { drop((char *)new (100) + 16); }
static void free_minus_16(void) { drop((char *)new (100) - 16); }
static void free_past(void) { drop((char *)new (112) + 112); }
static void free_page_inside(void) { drop((char *)new (300000) + 4096); }
static void free_page_inside_mapped(void) { drop((char *)new (20 << 20) + (4 << 20)); }
static void free_inside_aligned(void) { drop((char *)memalign(4096, 8192) + 64); }
static void free_argument(void) { drop(arguments[0]); }
static void free_arguments(void) { drop(arguments); }
static void free_environment(void) { drop(environ[0]); }
static void free_getenv(void) { drop(getenv("PATH")); }
static void free_literal(void) { drop((void *)(uintptr_t) "literal"); }
static void free_code(void) { drop((void *)(uintptr_t)churn); }
static void free_odd(void) { drop((char *)new (100) + 1); }
static void free_small_number(void) { drop((void *)16); }
static void free_minus_one(void) { drop((void *)UINTPTR_MAX); }
static void free_high_bit(void) { drop((void *)((uintptr_t) new (100) | (uintptr_t)1 << 63)); }
static void free_tagged(void) { drop((void *)((uintptr_t) new (100) | (uintptr_t)0x5a << 56)); }
static void free_stream_buffer(void)
{
    static char buffer[BUFSIZ];
    setvbuf(stdin, buffer, _IOFBF, sizeof buffer);
    drop(buffer);
}

static void free_thread_local(void)
{
    static _Thread_local char mine[64];
    drop(mine);
}

static void free_mapped(void) { drop(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }

static void free_unmapped(void)
{
    char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p, 8192);
    drop(p);
}

static void *keep_stack(void *unused)
{
    char here[64];
    kept = hide(here);
    return unused;
}

static void free_stack_of_ended_thread(void)
{
    in_thread(keep_stack, NULL);
    drop(kept);
}

static void free_stack_in_thread(void)
{
    char here[64];
    in_thread(drop_in_thread, hide(here));
}

static void free_alloca(void) { drop(__builtin_alloca(100)); }

static void free_library_data(void)
{
    void *library = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL), *p = library ? dlsym(library, "signgam") : NULL;
    drop(p ? p : (void *)16);
}

/* Size and reallocation of what is none */

static void realloc_freed(void)
{
    void *p = new (100);
    drop(p);
    kept = realloc(p, 200);
}

static void realloc_freed_smaller(void)
{
    void *p = new (100);
    drop(p);
    kept = realloc(p, 90);
}

static void realloc_freed_large(void)
{
    void *p = new (200000);
    drop(p);
    kept = realloc(p, 300000);
}

static void realloc_inside(void) { kept = realloc((char *)new (100) + 16, 200); }

static void realloc_stack(void)
{
    char here[64];
    kept = realloc(hide(here), 200);
}

static void realloc_static(void)
{
    static char there[64];
    kept = realloc(hide(there), 20);
}

static void reallocarray_freed(void)
{
    void *p = new (100);
    drop(p);
    kept = reallocarray(p, 10, 20);
}

static void usable_size_freed(void)
{
    void *p = new (100);
    drop(p);
    sink = (char)malloc_usable_size(p);
}

static void usable_size_inside(void) { sink = (char)malloc_usable_size((char *)new (100) + 16); }

static void sized_too_large(void) { free_sized(new (100), 1000); }
static void sized_other(void) { free_sized(new (100), 90); }
static void sized_aligned_other(void) { free_aligned_sized(memset(aligned_alloc(64, 640), 0, 640), 64, 320); }

static void sized_twice(void)
{
    void *p = new (100);
    free_sized(p, 100);
    free_sized(p, 100);
}

/* Written beyond the end, or in front */

static void past_end(size_t size, size_t first, size_t count)
{
    char *before = new (size), *p = new (size), *behind = new (size);
    memset((char *)hide(p) + first, 1, count);
    drop(before);
    drop(p);
    drop(behind);
}

static void past_by_one(void) { past_end(100, 100, 1); }
static void past_by_one_full(void) { past_end(112, 112, 1); }
static void past_by_one_24(void) { past_end(24, 24, 1); }
static void past_by_one_1(void) { past_end(1, 1, 1); }
static void past_by_one_0(void) { past_end(0, 0, 1); }
static void past_by_one_4096(void) { past_end(4096, 4096, 1); }
static void past_by_one_32768(void) { past_end(32768, 32768, 1); }
static void past_by_one_100001(void) { past_end(100001, 100001, 1); }
static void past_by_one_200000(void) { past_end(200000, 200000, 1); }
static void past_by_eight(void) { past_end(100, 100, 8); }
static void past_by_64(void) { past_end(100, 100, 64); }
static void past_by_1000(void) { past_end(100, 100, 1000); }
static void past_by_nothing_but_zero(void)
{
    char *p = new (100), *next = new (100);
    p[100] = 0;
    drop(p);
    drop(next);
}

static void past_strcpy(void)
{
    char *p = new (16), *next = new (16);
    strcpy(hide(p), hide((void *)(uintptr_t) "this is a text of more than sixteen bytes"));
    drop(next);
    drop(p);
}

static void past_strcat(void)
{
    char *p = hide(strdup("four")), *next = hide(strdup("five"));
    strcat(p, "teen");
    drop(p);
    drop(next);
}

static void past_terminator(void)
{
    static const char text[] = "text of exactly thirty-two bytes";
    char *p = new (sizeof text - 1);
    memcpy(hide(p), text, sizeof text);
    drop(p);
}

static void past_struct(void)
{
    struct {
        char name[20];
        long value;
    } *p = new (20);
    p->value = 5;
    drop(p);
}

static void past_loop(void)
{
    int *p = new (10 * sizeof *p);
    for (int i = 0; i <= 10; i++)
        ((int *)hide(p))[i] = i;
    drop(p);
}

static void past_calloc(void)
{
    char *p = hide(calloc(3, 11));
    p[33] = 1;
    drop(p);
}

static void past_aligned(void)
{
    char *p = hide(aligned_alloc(64, 100));
    memset(p, 3, 101);
    drop(p);
}

static void past_memalign_page(void)
{
    char *p = hide(memalign(4096, 4096));
    memset(p, 3, 4097);
    drop(p);
}

static void past_shrunk(void)
{
    char *p = hide(realloc(new (100), 60));
    p[60] = 1;
    drop(p);
}

static void past_grown(void)
{
    char *p = hide(realloc(new (100), 105));
    p[105] = 1;
    drop(p);
}

static void past_shrunk_large(void)
{
    char *p = hide(realloc(new (300000), 200001));
    p[200001] = 1;
    drop(p);
}

static void past_grown_large(void)
{
    char *p = hide(realloc(new (100000), 300001));
    p[300001] = 1;
    drop(p);
}

static void past_then_realloc(void)
{
    char *p = new (100);
    ((char *)hide(p))[100] = 1;
    kept = realloc(p, 5000);
}

static void past_never_freed(void)
{
    kept = new (100);
    ((char *)hide(kept))[100] = 1;
}

static void past_never_freed_large(void)
{
    kept = new (100000);
    ((char *)hide(kept))[100000] = 1;
}

static void *write_past(void *p)
{
    ((char *)p)[100] = 1;
    return NULL;
}

static void past_in_thread(void)
{
    void *p = new (100);
    in_thread(write_past, p);
    drop(p);
}

static void past_in_child(void)
{
    void *p = new (100);
    pid_t child = fork();
    if (child == 0) {
        write_past(hide(p));
        drop(p);
        _exit(0);
    }
    end_as_child(child);
}

static void in_front(size_t size, size_t count)
{
    char *before = new (size), *p = new (size), *behind = new (size);
    memset((char *)hide(p) - count, 1, count);
    drop(before);
    drop(p);
    drop(behind);
}

static void front_by_one(void) { in_front(112, 1); }
static void front_by_one_100(void) { in_front(100, 1); }
static void front_by_eight(void) { in_front(64, 8); }
static void front_by_sixteen(void) { in_front(1000, 16); }
static void front_by_one_large(void) { in_front(200000, 1); }
static void front_by_one_32768(void) { in_front(32768, 1); }

/* Used after it was freed */

static void written_after(size_t size, size_t at)
{
    char *p = new (size);
    drop(p);
    ((char *)hide(p))[at] = 1;
    churn(size);
}

static void written_first(void) { written_after(100, 0); }
static void written_middle(void) { written_after(100, 50); }
static void written_last(void) { written_after(112, 111); }
static void written_small(void) { written_after(16, 9); }
static void written_page(void) { written_after(4096, 2000); }

static void written_and_ended(size_t size)
{
    char *p = new (size);
    drop(p);
    ((char *)hide(p))[size / 2] = 1;
}

static void written_at_end(void) { written_and_ended(100); }
static void written_at_end_8192(void) { written_and_ended(8192); }
static void written_at_end_32768(void) { written_and_ended(32768); }
static void written_at_end_large(void) { written_and_ended(100000); }
static void written_at_end_megabytes(void) { written_and_ended(3 << 20); }

static void written_through_old(void)
{
    char *p = new (100), *wall = new (100), *q = realloc(p, 10000);
    strcpy(hide(p), "old");
    drop(q);
    drop(wall);
    churn(100);
}

static void *write_into(void *p)
{
    ((char *)p)[40] = 1;
    return NULL;
}

static void written_in_thread(void)
{
    void *p = new (100);
    drop(p);
    in_thread(write_into, p);
    churn(100);
}

static void written_by_list(void)
{
    struct node {
        struct node *next;
        int value;
    } *first = new (sizeof *first), *second = new (sizeof *second);
    first->next = second;
    drop(second);
    ((struct node *)hide(first))->next->value = 3;
    churn(sizeof *first);
}

static void read_after(void)
{
    char *p = new (100);
    drop(p);
    sink = ((volatile char *)hide(p))[50];
}

static void read_after_large(void)
{
    char *p = new (100000);
    drop(p);
    sink = ((volatile char *)hide(p))[50000];
}

static void read_through_old(void)
{
    char *p = new (100), *q = realloc(p, 10000);
    sink = ((volatile char *)hide(p))[3];
    drop(q);
}

static void read_beyond(void)
{
    char *p = new (112);
    sink = ((volatile char *)hide(p))[112];
    drop(p);
}

static void read_beyond_large(void)
{
    char *p = new (200000);
    sink = ((volatile char *)hide(p))[200000];
    drop(p);
}

static void read_strlen(void)
{
    char *p = memset(new (64), 'a', 64);
    sink = (char)strlen(hide(p));
    drop(p);
}

static void call_after(void)
{
    struct {
        void (*act)(void *);
    } *p = new (sizeof *p);
    p->act = drop;
    drop(p);
    void (**table)(void *) = hide(p);
    (*table)(NULL);
}

#define CASE(name, modes)                                                                                                      \
    {                                                                                                                          \
#name, name, modes                                                                                                     \
    }

static const struct {
    const char *name;
    void (*act)(void);
    const char *modes;
} cases[] = {
    CASE(twice_strdup, "dhfg"),
    CASE(twice_calloc, "dhfg"),
    CASE(twice_zero, "dhfg"),
    CASE(twice_largest_small, "dhfg"),
    CASE(twice_aligned_alloc, "dhfg"),
    CASE(twice_memalign_page, "dhfg"),
    CASE(twice_valloc, "dhfg"),
    CASE(twice_memalign_large, "dhfg"),
    CASE(twice_megabytes, "dhfg"),
    CASE(twice_hundred_megabytes, "dhfg"),
    CASE(twice_reallocated, "dhfg"),
    CASE(twice_posix_memalign, "dhfg"),
    CASE(twice_getline, "dhfg"),
    CASE(twice_asprintf, "dhfg"),
    CASE(twice_memstream, "dhfg"),
    CASE(twice_realpath, "dhfg"),
    CASE(twice_getcwd, "dhfg"),
    CASE(twice_file, "dhfg"),
    CASE(twice_far_apart, "dhfg"),
    CASE(twice_reused, "hfg"),
    CASE(twice_in_threads, "dhfg"),
    CASE(twice_at_once, "dhfg"),
    CASE(twice_in_handler, "dhfg"),
    CASE(twice_at_exit, "dhfg"),
    CASE(twice_in_child, "dhfg"),
    CASE(freed_before_fork, "dhfg"),
    CASE(twice_by_realloc_to_nothing, "dhfg"),
    CASE(free_plus_8, "dhfg"),
    CASE(free_plus_16, "dhfg"),
    CASE(free_minus_16, "dhfg"),
    CASE(free_past, "dhfg"),
    CASE(free_page_inside, "dhfg"),
    CASE(free_page_inside_mapped, "dhfg"),
    CASE(free_inside_aligned, "dhfg"),
    CASE(free_argument, "dhfg"),
    CASE(free_arguments, "dhfg"),
    CASE(free_environment, "dhfg"),
    CASE(free_getenv, "dhfg"),
    CASE(free_literal, "dhfg"),
    CASE(free_code, "dhfg"),
    CASE(free_odd, "dhfg"),
    CASE(free_small_number, "dhfg"),
    CASE(free_minus_one, "dhfg"),
    CASE(free_high_bit, "dhfg"),
    CASE(free_tagged, "dhfg"),
    CASE(free_stream_buffer, "dhfg"),
    CASE(free_thread_local, "dhfg"),
    CASE(free_mapped, "dhfg"),
    CASE(free_unmapped, "dhfg"),
    CASE(free_stack_of_ended_thread, "dhfg"),
    CASE(free_stack_in_thread, "dhfg"),
    CASE(free_alloca, "dhfg"),
    CASE(free_library_data, "dhfg"),
    CASE(realloc_freed, "dhfg"),
    CASE(realloc_freed_smaller, "dhfg"),
    CASE(realloc_freed_large, "dhfg"),
    CASE(realloc_inside, "dhfg"),
    CASE(realloc_stack, "dhfg"),
    CASE(realloc_static, "dhfg"),
    CASE(reallocarray_freed, "dhfg"),
    CASE(usable_size_freed, "dhfg"),
    CASE(usable_size_inside, "dhfg"),
    CASE(sized_too_large, "dhfg"),
    CASE(sized_other, "hfg"),
    CASE(sized_aligned_other, "hfg"),
    CASE(sized_twice, "dhfg"),
    CASE(past_by_one, "hfg"),
    CASE(past_by_one_full, "hfg"),
    CASE(past_by_one_24, "hfg"),
    CASE(past_by_one_1, "hfg"),
    CASE(past_by_one_0, "hfg"),
    CASE(past_by_one_4096, "hfg"),
    CASE(past_by_one_32768, "Hfg"),
    CASE(past_by_one_100001, "hfg"),
    CASE(past_by_one_200000, "Hfg"),
    CASE(past_by_eight, "hfg"),
    CASE(past_by_64, "hfg"),
    CASE(past_by_1000, "hfg"),
    CASE(past_by_nothing_but_zero, "hfg"),
    CASE(past_strcpy, "hfg"),
    CASE(past_strcat, "hfg"),
    CASE(past_terminator, "hfg"),
    CASE(past_struct, "hfg"),
    CASE(past_loop, "hfg"),
    CASE(past_calloc, "hfg"),
    CASE(past_aligned, "hfg"),
    CASE(past_memalign_page, "hfg"),
    CASE(past_shrunk, "hfg"),
    CASE(past_grown, "hfg"),
    CASE(past_shrunk_large, "hfg"),
    CASE(past_grown_large, "hfg"),
    CASE(past_then_realloc, "hfg"),
    CASE(past_never_freed, "hfg"),
    CASE(past_never_freed_large, "hfg"),
    CASE(past_in_thread, "hfg"),
    CASE(past_in_child, "hfg"),
    CASE(front_by_one, "fg"),
    CASE(front_by_one_100, "fg"),
    CASE(front_by_eight, "fg"),
    CASE(front_by_sixteen, "fg"),
    CASE(front_by_one_large, "hfg"),
    CASE(front_by_one_32768, "Hfg"),
    CASE(written_first, "hfg"),
    CASE(written_middle, "hfg"),
    CASE(written_last, "hfg"),
    CASE(written_small, "hfg"),
    CASE(written_page, "hfg"),
    CASE(written_at_end, "hfg"),
    CASE(written_at_end_8192, "hfg"),
    CASE(written_at_end_32768, "hfg"),
    CASE(written_at_end_large, "hfg"),
    CASE(written_at_end_megabytes, "Hg"),
    CASE(written_through_old, "hfg"),
    CASE(written_in_thread, "hfg"),
    CASE(written_by_list, "hfg"),
    CASE(read_after, "g"),
    CASE(read_after_large, "g"),
    CASE(read_through_old, "g"),
    CASE(read_beyond, "g"),
    CASE(read_beyond_large, "g"),
    CASE(read_strlen, "g"),
    CASE(call_after, "HFg"),
};

int main(int count, char **names)
{
    arguments = names;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (count < 2)
            printf("%s %s\n", cases[i].name, cases[i].modes);
        else if (strcmp(cases[i].name, names[1]) == 0)
            cases[i].act();
    return 0;
}
