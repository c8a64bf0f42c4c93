/*
 * What a program holds of memory that it has freed, as the system sees it: after most of its objects are freed, scattered, little more than the pages that
 * are still needed; after all are, nearly nothing. No call but free tells tarn of it.
 */
#include "check.h"

#include <pthread.h>
#include <time.h>

enum { PAGE = 4096, THREADS = 4, SHARE = 200 };
static const size_t mib = 1 << 20, all = 60 << 20;

/* Of the process, in bytes. */
static size_t resident(void)
{
    char text[100] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    size_t pages = 0;
    if (file && fgets(text, sizeof text, file))
        sscanf(text, "%*u %zu", &pages);
    if (file)
        fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What a new heap expects of a program, that it will soon need again what it frees, is forgotten after half a second. */
static void settle(void) { nanosleep(&(struct timespec){2, 0}, NULL); }

/* The objects of one thread. */
struct share {
    pthread_t thread;
    char **object;
    size_t size, count;
};

static void take(struct share *share)
{
    for (size_t i = 0; i < share->count; i++)
        memset(share->object[i] = malloc(share->size), (int)(i & 127) + 1, share->size);
}

/* Of the objects one in 200 stays. */
static void free_most(struct share *share)
{
    uint32_t state = 77;
    size_t kept = 0;
    for (size_t i = 0; i < share->count; i++)
        if (next_random(&state) % SHARE == 0)
            share->object[kept++] = share->object[i];
        else
            free(share->object[i]);
    share->count = kept;
}

static void free_rest(struct share *share)
{
    for (size_t i = 0; i < share->count; i++) {
        unsigned char first = (unsigned char)share->object[i][0];
        bool same = first != 0;
        for (size_t k = 1; k < share->size; k++)
            same &= (unsigned char)share->object[i][k] == first;
        CHECK(same, "an object is not what it was");
        free(share->object[i]);
    }
}

static int by_number(const void *a, const void *b)
{
    uintptr_t p = *(const uintptr_t *)a, q = *(const uintptr_t *)b;
    return (p > q) - (p < q);
}

/* Pages that objects lie in. They are sorted by that, of no one else's memory. */
static size_t pages_of(struct share *shares, size_t count)
{
    static uintptr_t numbers[4 << 20];
    size_t n = 0, pages = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < shares[s].count; i++) {
            uintptr_t first = (uintptr_t)shares[s].object[i] / PAGE,
                      last = ((uintptr_t)shares[s].object[i] + shares[s].size - 1) / PAGE;
            for (uintptr_t page = first; page <= last; page++)
                numbers[n++] = page;
        }
    qsort(numbers, n, sizeof *numbers, by_number);
    for (size_t i = 0; i < n; i++)
        pages += i == 0 || numbers[i] != numbers[i - 1];
    memset(numbers, 0, n * sizeof *numbers);
    return pages;
}

static void check_kept(size_t start, struct share *shares, size_t count, size_t slack)
{
    size_t now = resident(), needed = pages_of(shares, count) * PAGE;
    CHECK(needed < all / 2, "%zu bytes are needed", needed);
    CHECK(now <= start + needed * 5 / 4 + slack, "%zu KiB resident, %zu are needed, %zu were there before", now >> 10,
          needed >> 10, start >> 10);
}

static char *room[1 << 20];

static void one_size(size_t size)
{
    struct share share = {.object = room, .size = size, .count = all / size};
    memset(room, 1, sizeof room);
    free(malloc(size));
    size_t start = resident();
    take(&share);
    settle();
    free_most(&share);
    check_kept(start, &share, 1, 3 * mib);
    free_rest(&share);
    size_t left = resident();
    CHECK(left <= start + 3 * mib, "%zu KiB resident, %zu were there before", left >> 10, start >> 10);
}

static void small(void) { one_size(100); }
static void middle(void) { one_size(700); }
static void large(void) { one_size(5000); }

static pthread_barrier_t barrier;

static void *work(void *value)
{
    struct share *share = value;
    take(share);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free_most(share);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    free_rest(share);
    pthread_barrier_wait(&barrier); /* the thread has what it has */
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void pass(void) { pthread_barrier_wait(&barrier); }

/* The same in threads at once, which live on. */
static void threads(void)
{
    struct share shares[THREADS];
    memset(room, 1, sizeof room);
    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    size_t start = resident(), count = all / 300 / THREADS, stack = mib / 8, most = 256 << 10; /* of its magazines */
    for (size_t i = 0; i < THREADS; i++) {
        shares[i] = (struct share){.object = room + i * count, .size = 300, .count = count};
        ENOUGH(pthread_create(&shares[i].thread, NULL, work, &shares[i]) == 0, "no thread");
    }
    pass();
    settle();
    pass();
    pass();
    check_kept(start, shares, THREADS, 3 * mib + THREADS * (stack + most));
    pass();
    pass();
    size_t left = resident();
    CHECK(left <= start + 2 * mib + THREADS * (stack + most), "%zu KiB resident, %zu were there before", left >> 10,
          start >> 10);
    pass();
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(shares[i].thread, NULL);
    left = resident();
    CHECK(left <= start + 3 * mib, "%zu KiB resident after the threads, %zu were there before", left >> 10, start >> 10);
}

static void *free_for_another(void *value)
{
    free_most(value);
    return NULL;
}

/* One thread allocates, another frees and ends. */
static void freed_elsewhere(void)
{
    struct share share = {.object = room, .size = 200, .count = all / 200};
    pthread_t thread;
    memset(room, 1, sizeof room);
    size_t start = resident();
    take(&share);
    settle();
    ENOUGH(pthread_create(&thread, NULL, free_for_another, &share) == 0, "no thread");
    pthread_join(thread, NULL);
    check_kept(start, &share, 1, 3 * mib);
    free_rest(&share);
    size_t left = resident();
    CHECK(left <= start + 3 * mib, "%zu KiB resident, %zu were there before", left >> 10, start >> 10);
}

int main(void)
{
    static const struct check_case cases[] = {{"small objects", small},
                                              {"middle-sized objects", middle},
                                              {"large objects", large},
                                              {"threads", threads},
                                              {"freed elsewhere", freed_elsewhere}};
    check_preloaded();
    return CASES(cases);
}
