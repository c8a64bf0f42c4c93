/*
 * A program whose memory calls inject.py makes fail, each in its turn:  failing [once|on|some]
 *
 * It allocates in all phases of a process: in a constructor, in steady state, in threads, in a forked child, in destructors of threads, in exit
 * handlers and in a destructor. It says where it is by a call that a tracer sees. Each request ends with memory or with NULL and ENOMEM; every
 * object keeps its contents; a realloc that fails leaves its object; free changes no errno; when all is freed, nothing is counted any more.
 *
 *     once   one call of each thread fails: what was refused is had when it is asked for again
 *     some   several in a row fail: the same, after a number of attempts
 *     on     all that follow fail
 *
 * Exit status: 0, or 1 after saying what did not hold.
 */
#include "../door/check.h"

#include "tarn/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MIB ((size_t)1 << 20)
enum { OBJECTS = 600, THREADS = 3, ATTEMPTS = 60 };

static enum { ONCE, SOME, ON } failing;
static unsigned attempts; /* after which a request must be served */
static bool moves_all;    /* debugged: each realloc takes another object, so a smaller one may be refused too */
static void (*read_stats)(struct tarn_stats *stats);

static void say_where(const char *where) { syscall(SYS_faccessat, AT_FDCWD, where, F_OK); }

struct object {
    unsigned char *p;
    size_t size;
    unsigned seed;
};

struct set {
    struct object object[OBJECTS];
    unsigned count;
};

static size_t edge(size_t size) { return size < 4096 ? size : 4096; }

static void mark(struct object *object)
{
    stamp(object->p, edge(object->size), object->seed);
    object->p[object->size - 1] = (unsigned char)object->seed;
}

static void verify(const struct object *object)
{
    bool same = stamped(object->p, edge(object->size) - 1, object->seed) && object->p[object->size - 1] == object->seed;
    CHECK(same, "an object of %zu bytes was changed", object->size);
}

enum way { MALLOC, CALLOC, ALIGNED };

static void *ask(enum way way, size_t size)
{
    void *p = NULL;
    int error = 0;
    errno = 4711;
    switch (way) {
    case MALLOC:
        p = malloc(size);
        break;
    case CALLOC:
        p = calloc(1, size);
        break;
    case ALIGNED:
        error = posix_memalign(&p, 4096, size);
        break;
    }
    if (way == ALIGNED)
        CHECK(errno == 4711 && error == (p ? 0 : ENOMEM), "posix_memalign(%zu) gave %d", size, error);
    else
        CHECK(errno == (p ? 4711 : ENOMEM), "a request of %zu bytes gave %p, errno %d", size, p, errno);
    return p;
}

static void *get(struct set *set, enum way way, size_t size)
{
    void *p = NULL;
    for (unsigned i = 0; i < attempts && !p; i++)
        p = ask(way, size);
    CHECK(p || failing == ON, "%zu bytes are refused again", size);
    if (!p || set->count == OBJECTS)
        return free(p), NULL;
    if (way == CALLOC)
        for (size_t at = 0; at<size; at += size> 4096 ? 509 : 1)
            CHECK(((char *)p)[at] == 0, "calloc(%zu) gave no zeros", size);
    struct object *object = &set->object[set->count++];
    *object = (struct object){p, size, set->count & 127};
    mark(object);
    return p;
}

static void resize(struct object *object, size_t size)
{
    unsigned char *p = NULL;
    for (unsigned i = 0; i < attempts && !p; i++) {
        errno = 4711;
        p = realloc(object->p, size);
        CHECK(errno == (p ? 4711 : ENOMEM), "realloc to %zu bytes: errno %d", size, errno);
        CHECK(p || size > object->size || moves_all, "realloc from %zu to %zu bytes failed", object->size, size);
        if (!p)
            verify(object);
    }
    CHECK(p || failing == ON, "realloc to %zu bytes is refused again", size);
    if (!p)
        return;
    size_t least = edge(size < object->size ? size : object->size);
    CHECK(stamped(p, least - 1, object->seed), "realloc from %zu to %zu lost contents", object->size, size);
    object->p = p;
    object->size = size;
    mark(object);
}

static void drop(struct object *object)
{
    if (!object->p)
        return;
    verify(object);
    errno = 4711;
    free(object->p);
    CHECK(errno == 4711, "free changed errno to %d", errno);
    object->p = NULL;
}

static void drop_all(struct set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        drop(&set->object[i]);
    set->count = 0;
}

static void small_ones(struct set *set)
{
    for (size_t size = 1; size <= 32768; size = size * 3 + 5)
        for (int i = 0; i < 6; i++)
            get(set, i % 2 ? CALLOC : MALLOC, size);
    for (size_t size = 24; size <= 20000; size *= 9)
        get(set, ALIGNED, size);
}

static void large_ones(struct set *set)
{
    static const size_t sizes[] = {40000, 300000, 3 * MIB, 700000};
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
        get(set, (enum way)(i % 3), sizes[i]);
    unsigned first = set->count;
    if (get(set, MALLOC, 33 * MIB)) {
        get(set, MALLOC, 30 * MIB); /* in the way, perhaps: then the next moves pages */
        resize(&set->object[first], 75 * MIB);
        resize(&set->object[first], 9 * MIB);
        drop(&set->object[first]);
    }
    get(set, CALLOC, 20 * MIB);
}

static void growing(struct set *set)
{
    unsigned first = set->count;
    if (get(set, MALLOC, 10))
        for (size_t size = 90; size < 12 * MIB; size *= 7)
            resize(&set->object[first], size);
    if (first < set->count)
        resize(&set->object[first], 100);
}

/* Frees so much that memory is given back from inside free, and asks for that again. */
static void falling(struct set *set)
{
    unsigned first = set->count;
    for (int i = 0; i < 6; i++)
        get(set, MALLOC, MIB + 300000);
    for (int i = 0; i < 200; i++)
        get(set, MALLOC, 3000);
    for (unsigned i = first; i < set->count; i++)
        drop(&set->object[i]);
    for (int i = 0; i < 2; i++)
        get(set, MALLOC, MIB);
    malloc_trim(0);
    for (unsigned i = first; i < set->count; i++)
        drop(&set->object[i]);
}

static void all_ways(struct set *set)
{
    small_ones(set);
    large_ones(set);
    growing(set);
    falling(set);
    for (unsigned i = 0; i < set->count; i++)
        if (set->object[i].p)
            verify(&set->object[i]);
}

/*
 * A tracer counts the calls of each thread from its own beginning, the first one's from the loader's on. Others make as many here beforehand, so
 * that no call of the loader's has the number of one of theirs.
 */
static void pass_numbers(void)
{
    static char page[2 * 4096] __attribute__((aligned(4096)));
    const char *count = getenv("FAILING_PASS");
    for (long i = count ? atol(count) : 0; i > 0; i--) {
        void *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mprotect(page, 4096, PROT_READ | PROT_WRITE);
        madvise(page, 4096, MADV_NORMAL);
        p = p == MAP_FAILED ? (void *)page : mremap(p, 4096, 4096, 0) == MAP_FAILED ? p : p;
        munmap(p == page ? (void *)4096 : p, 4096);
    }
}

static pthread_key_t key;

/* The thread's own cache may be gone: these requests are served without. */
static void at_end_of_thread(void *set)
{
    say_where("/failing/thread-ends");
    get(set, MALLOC, 200);
    get(set, MALLOC, 100000);
    drop_all(set);
    if (pthread_setspecific(key, NULL) != 0)
        abort();
}

static struct set sets[THREADS + 1];

static void *live(void *set)
{
    pass_numbers();
    say_where("/failing/thread");
    pthread_setspecific(key, set);
    all_ways(set);
    return NULL;
}

static bool start(pthread_t *thread, struct set *set)
{
    pthread_attr_t small;
    bool begun = false;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (unsigned i = 0; i < attempts && !begun; i++)
        begun = pthread_create(thread, &small, live, set) == 0;
    CHECK(begun || failing == ON, "no thread can be made");
    return begun;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    bool begun[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        begun[i] = start(&thread[i], &sets[i]);
    for (unsigned i = 0; i < THREADS; i++)
        if (begun[i])
            pthread_join(thread[i], NULL);
}

/* The child has what its parent had. */
static void fork_one(void)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        pass_numbers();
        say_where("/failing/child");
        drop_all(&sets[THREADS]);
        all_ways(&sets[THREADS]);
        threads();
        drop_all(&sets[THREADS]);
        exit(check_failures != 0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "the child %d ended with %#x, errno %d", (int)pid, status,
          errno);
}

static struct set first_set, last_set;

static void configure(void)
{
    const char *how = getenv("FAILING_HOW");
    failing = how && strcmp(how, "on") == 0 ? ON : how && strcmp(how, "some") == 0 ? SOME : ONCE;
    attempts = failing == SOME ? ATTEMPTS : 2;
    moves_all = getenv("TARN_DEBUG") != NULL;
    *(void **)&read_stats = dlsym(RTLD_DEFAULT, "tarn_stats");
}

__attribute__((constructor)) static void before_main(void)
{
    static char lines[BUFSIZ];
    setvbuf(stdout, lines, _IOLBF, sizeof lines);
    say_where("/failing/start");
    configure();
    small_ones(&first_set);
    get(&first_set, MALLOC, 3 * MIB);
}

__attribute__((destructor)) static void after_main(void)
{
    drop_all(&first_set);
    get(&first_set, MALLOC, 500);
    get(&first_set, MALLOC, 5 * MIB);
    drop_all(&first_set);
    if (check_failures)
        _exit(1);
}

static void at_end(void)
{
    say_where("/failing/exit");
    small_ones(&last_set);
    large_ones(&last_set);
    drop_all(&last_set);
}

/* Calls of others (the C library's for threads) may leave objects: those of threads that it keeps for later. */
static void nothing_lost(const struct tarn_stats *before)
{
    struct tarn_stats after;
    for (unsigned i = 0; i < attempts; i++) /* a trim ends at the first call that is refused, and of those as many may come */
        malloc_trim(0);
    read_stats(&after);
    CHECK(after.live_objects - before->live_objects <= THREADS * 2, "%ld objects are counted that nobody has",
          (long)(after.live_objects - before->live_objects));
    CHECK(failing == ON || after.dirty_bytes == 0, "%lu bytes cannot be given back", (unsigned long)after.dirty_bytes);
    CHECK(failing != ONCE || after.held_bytes <= before->held_bytes + 12 * MIB, "%lu bytes are held, before it were %lu",
          (unsigned long)after.held_bytes, (unsigned long)before->held_bytes);
}

int main(void)
{
    struct tarn_stats before;
    check_preloaded();
    alarm(60);
    atexit(at_end);
    pthread_key_create(&key, at_end_of_thread);
    read_stats(&before);
    say_where("/failing/steady");
    all_ways(&sets[THREADS]);
    say_where("/failing/threads");
    threads();
    say_where("/failing/fork");
    fork_one();
    say_where("/failing/drop");
    drop_all(&sets[THREADS]);
    nothing_lost(&before);
    return check_failures != 0;
}
