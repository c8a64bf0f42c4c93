/*
 * What correct programs do that a nervous allocator would stop: right NAME does it, and ends with status 0; right alone lists the names.
 */
#include <assert.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <regex.h>
#include <search.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#define REQUIRE(condition)                                                                                                     \
    do {                                                                                                                       \
        if (!(condition)) {                                                                                                    \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                                            \
            _exit(1);                                                                                                          \
        }                                                                                                                      \
    } while (0)

static void *kept;

static void *hide(void *p)
{
    __asm__ volatile("" : "+r"(p)::"memory");
    return p;
}

static void texts_of_the_library(void)
{
    char *line = NULL, *text, *stream;
    size_t room = 0, size;
    FILE *file = fopen("/proc/self/maps", "r");
    while (getline(&line, &room, file) > 0)
        REQUIRE(strlen(line) < room);
    fclose(file);
    free(line);
    REQUIRE(asprintf(&text, "%s %d", "text", 12) == 7);
    free(text);
    free(strndup("abcdef", 3));
    free(wcsdup(L"wide"));
    file = open_memstream(&stream, &size);
    for (int i = 0; i < 10000; i++)
        fprintf(file, "%d ", i);
    fclose(file);
    REQUIRE(strlen(stream) == size);
    free(stream);
    free(realpath("/", NULL));
    free(getcwd(NULL, 0));
    setenv("TARN_DEATH_NAME", "a value", 1);
    setenv("TARN_DEATH_NAME", "a longer value than it was before", 1);
    unsetenv("TARN_DEATH_NAME");
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static void structures_of_the_library(void)
{
    struct dirent **names;
    int count = scandir("/", &names, NULL, alphasort);
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    glob_t found;
    if (glob("/proc/self/*", 0, NULL, &found) == 0)
        globfree(&found);
    regex_t pattern;
    REQUIRE(regcomp(&pattern, "^(a|b)*c[0-9]{1,3}$", REG_EXTENDED) == 0);
    REQUIRE(regexec(&pattern, "ababc123", 0, NULL, 0) == 0);
    regfree(&pattern);
    void *root = NULL;
    for (int i = 0; i < 100; i++) {
        char name[20];
        snprintf(name, sizeof name, "%d", i * 7 % 100);
        tsearch(strdup(name), &root, by_name);
    }
    tdestroy(root, free);
    locale_t locale = newlocale(LC_ALL_MASK, "C", NULL);
    freelocale(locale);
    DIR *directory = opendir("/proc/self");
    while (readdir(directory))
        ;
    closedir(directory);
}

static void buffer_of_a_stream(void)
{
    char *buffer = malloc(8192);
    FILE *file = fopen("/dev/null", "w");
    setvbuf(file, buffer, _IOFBF, 8192);
    for (int i = 0; i < 10000; i++)
        fprintf(file, "line %d\n", i);
    fclose(file);
    free(buffer);
}

static void limits_of_requests(void)
{
    volatile size_t huge = PTRDIFF_MAX, half = SIZE_MAX / 2 + 2;
    char *p = malloc(100);
    memset(p, 5, 100);
    errno = 0;
    REQUIRE(!malloc(huge + 1) && errno == ENOMEM);
    REQUIRE(!calloc(half, 2) && !reallocarray(p, half, 2) && !realloc(p, huge + 1));
    REQUIRE(p[0] == 5 && p[99] == 5);
    void *q = (void *)1;
    REQUIRE(posix_memalign(&q, 3, 10) == EINVAL && q == (void *)1);
    REQUIRE(posix_memalign(&q, 4, 10) == EINVAL && posix_memalign(&q, 0, 10) == EINVAL);
    REQUIRE(posix_memalign(&q, 64, huge) == ENOMEM);
    REQUIRE(!aligned_alloc(48, 96) && errno == EINVAL);
    q = memalign(48, 100);
    REQUIRE((uintptr_t)q % 64 == 0);
    free(q);
    free(p);
    free(NULL);
}

static void alignments(void)
{
    for (size_t align = 8; align <= (1 << 22); align *= 2)
        for (size_t size = 1; size <= 300000; size = size * 3 + 1) {
            void *p;
            REQUIRE(posix_memalign(&p, align, size) == 0);
            REQUIRE((uintptr_t)p % align == 0);
            memset(p, 9, size);
            REQUIRE(malloc_usable_size(p) >= size);
            void *q = realloc(p, size + 100);
            REQUIRE(((char *)q)[size - 1] == 9);
            free(q);
        }
}

static void usable_to_the_end(void)
{
    for (size_t size = 0; size < 200000; size += size / 3 + 1) {
        char *p = malloc(size);
        size_t usable = malloc_usable_size(p);
        REQUIRE(usable >= size);
        memset(hide(p), 1, usable);
        p = realloc(p, usable + 1);
        memset(hide(p), 2, usable + 1);
        free(p);
    }
}

static void realloc_in_steps(void)
{
    char *p = NULL;
    for (size_t size = 1; size < 300000; size += size / 7 + 1) {
        p = realloc(p, size);
        p[size - 1] = (char)size;
        if (size > 1)
            REQUIRE(p[0] == 1);
        else
            p[0] = 1;
    }
    for (size_t size = 300000; size > 1; size -= size / 5 + 1) {
        p = realloc(p, size);
        REQUIRE(p[0] == 1);
    }
    REQUIRE(!realloc(p, 0));
}

static void *give_back(void *p)
{
    free(p);
    return malloc(50);
}

static void threads_exchange(void)
{
    pthread_t thread[8];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 8; i++)
            pthread_create(&thread[i], NULL, give_back, calloc(1, (size_t)(1 << i) * 50));
        for (int i = 0; i < 8; i++) {
            void *p;
            pthread_join(thread[i], &p);
            free(p);
        }
    }
}

static pthread_key_t key;
static void end_key(void *p)
{
    free(p);
    static _Thread_local int again;
    if (again++ < 2)
        pthread_setspecific(key, malloc(30));
}

static void *use_key(void *unused)
{
    pthread_setspecific(key, malloc(20));
    return unused;
}

static void keys_of_threads(void)
{
    pthread_key_create(&key, end_key);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, use_key, NULL);
        pthread_join(thread, NULL);
    }
}

static void end_kept(void)
{
    free(kept);
    free(malloc(10));
}

static void freed_at_exit(void)
{
    kept = malloc(1000);
    atexit(end_kept);
}

__attribute__((destructor)) static void freed_in_destructor(void)
{
    char *p = strdup("the end");
    free(p);
}

static int wait_for(pid_t child)
{
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static void children(void)
{
    void *p[100];
    for (int i = 0; i < 100; i++)
        p[i] = malloc((size_t)i * 400);
    for (int round = 0; round < 3; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 100; i++)
                free(p[i]);
            for (int i = 0; i < 1000; i++)
                free(malloc((size_t)i));
            exit(0);
        }
        REQUIRE(wait_for(child) == 0);
    }
    for (int i = 0; i < 100; i++)
        free(p[i]);
}

static void spawned(void)
{
    pid_t child;
    char *arguments[] = {(char *)(uintptr_t) "true", NULL};
    extern char **environ;
    if (posix_spawnp(&child, "true", NULL, NULL, arguments, environ) == 0)
        REQUIRE(wait_for(child) == 0);
    REQUIRE(system("exit 0") == 0);
    FILE *file = popen("echo hello", "r");
    char line[20];
    REQUIRE(fgets(line, sizeof line, file));
    pclose(file);
}

static void libraries_come_and_go(void)
{
    for (int i = 0; i < 5; i++) {
        void *library = dlopen("libm.so.6", RTLD_NOW), *none = dlopen("there-is-no-such-library.so", RTLD_NOW);
        REQUIRE(!none && dlerror());
        char *copy = strdup("kept over the end of the library");
        if (library)
            dlclose(library);
        free(copy);
    }
}

static jmp_buf back;
static sigjmp_buf from_fault;

static void leaves(void)
{
    kept = malloc(100);
    longjmp(back, 1);
}

static void jumps(void)
{
    for (volatile int i = 0; i < 100; i++)
        if (setjmp(back) == 0)
            leaves();
        else
            free(kept);
}

static void on_fault(int number)
{
    (void)number;
    siglongjmp(from_fault, 1);
}

/* A program that has a handler of its own for faults gets those that are its own. */
static void own_faults(void)
{
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    free(malloc(10));
    char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (volatile int i = 0; i < 10; i++) {
        if (sigsetjmp(from_fault, 1) == 0) {
            *(volatile char *)p = 1;
            REQUIRE(!"a fault");
        }
        free(malloc(10));
    }
    munmap(p, 4096);
    signal(SIGSEGV, SIG_DFL);
}

static volatile sig_atomic_t mapped_at_fault;
static void *lazy;

static void map_lazily(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (info->si_addr >= lazy && (char *)info->si_addr < (char *)lazy + 65536) {
        mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE);
        mapped_at_fault++;
    } else {
        _exit(3);
    }
}

static void memory_by_faults(void)
{
    static char stack[65536];
    free(malloc(100));
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&other, NULL);
    struct sigaction action = {.sa_sigaction = map_lazily, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    lazy = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t at = 0; at < 65536; at += 4096)
        ((volatile char *)lazy)[at] = 1;
    REQUIRE(mapped_at_fault == 16);
    munmap(lazy, 65536);
}

static void pointers_with_tags(void)
{
    uintptr_t tagged = (uintptr_t)malloc(100) | (uintptr_t)5 << 56 | 3;
    free((void *)(tagged & ~((uintptr_t)0xff << 56 | 15)));
    uintptr_t hidden = ~(uintptr_t)malloc(100);
    free((void *)~hidden);
}

static void same_patterns(void)
{
    static const unsigned char values[] = {0, 0x5a, 0x6b, 0xa5, 0xbb, 0xcc, 0xff};
    for (size_t v = 0; v < sizeof values; v++)
        for (size_t size = 1; size < 70000; size = size * 3 + 5) {
            unsigned char *p = malloc(size);
            memset(p, values[v], size);
            unsigned char *q = malloc(size);
            memset(q, values[v], size);
            free(p);
            for (size_t i = 0; i < size; i++)
                REQUIRE(q[i] == values[v]);
            free(q);
        }
}

static void zeroed_ones(void)
{
    for (size_t size = 1; size < 9000000; size = size * 3 + 1)
        for (int round = 0; round < 3; round++) {
            unsigned char *p = calloc(1, size);
            for (size_t i = 0; i < size; i++)
                REQUIRE(p[i] == 0);
            memset(p, 0xee, size);
            free(p);
        }
}

static void handler_frees_nothing(int number) { kept = (void *)(uintptr_t)number; }

static void many_signals(void)
{
    signal(SIGUSR1, handler_frees_nothing);
    for (int i = 0; i < 2000; i++) {
        void *p = malloc((size_t)i);
        raise(SIGUSR1);
        free(p);
    }
}

static void little_stack(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    for (int i = 0; i < 10; i++) {
        void *p;
        REQUIRE(pthread_create(&thread, &attributes, give_back, malloc(64)) == 0);
        pthread_join(thread, &p);
        free(p);
    }
    pthread_attr_destroy(&attributes);
}

static void own_mappings_beside(void)
{
    char *all[64];
    for (int i = 0; i < 64; i++) {
        all[i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        free(malloc((size_t)i * 5000));
        all[i][0] = 1;
    }
    for (int i = 0; i < 64; i++)
        munmap(all[i], 4096);
}

static void statistics(void)
{
    void *p = malloc(1000);
    (void)mallinfo2();
    malloc_trim(0);
    mallopt(M_MMAP_THRESHOLD, 100000);
    FILE *file = fopen("/dev/null", "w");
    malloc_info(0, file);
    fclose(file);
    free(p);
    malloc_trim(1 << 20);
}

static void in_fours(void)
{
    struct part {
        struct part *next;
        char text[12];
    } *list = NULL;
    for (int i = 0; i < 50000; i++) {
        struct part *part = malloc(sizeof *part);
        snprintf(part->text, sizeof part->text, "%d", i);
        part->next = list;
        list = part;
    }
    while (list) {
        struct part *next = list->next;
        free(list);
        list = next;
    }
}

static void closed_output(void)
{
    close(1);
    free(malloc(100));
    REQUIRE(open("/dev/null", O_WRONLY) == 1);
}

#define CASE(name)                                                                                                             \
    {                                                                                                                          \
#name, name                                                                                                            \
    }

static const struct {
    const char *name;
    void (*act)(void);
} cases[] = {CASE(texts_of_the_library),
             CASE(structures_of_the_library),
             CASE(buffer_of_a_stream),
             CASE(limits_of_requests),
             CASE(alignments),
             CASE(usable_to_the_end),
             CASE(realloc_in_steps),
             CASE(threads_exchange),
             CASE(keys_of_threads),
             CASE(freed_at_exit),
             CASE(children),
             CASE(spawned),
             CASE(libraries_come_and_go),
             CASE(jumps),
             CASE(own_faults),
             CASE(memory_by_faults),
             CASE(pointers_with_tags),
             CASE(same_patterns),
             CASE(zeroed_ones),
             CASE(many_signals),
             CASE(little_stack),
             CASE(own_mappings_beside),
             CASE(statistics),
             CASE(in_fours),
             CASE(closed_output)};

int main(int count, char **names)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (count < 2)
            puts(cases[i].name);
        else if (strcmp(cases[i].name, names[1]) == 0)
            cases[i].act();
    return 0;
}
