/*
 * Does memory follow what is live? A program that is large for a moment, and then waits.
 *
 * bench_idle idle LOWEST HIGHEST MIB KEEP: allocates MIB of objects of LOWEST to HIGHEST bytes, frees all but one in KEEP in random order, waits; frees the
 * rest, waits. At each step it writes a line and then waits in read(2) for a byte of the driver's, which meanwhile looks at /proc/PID; so nothing
 * of the allocator's runs in this program's threads unless it has threads of its own. Lines:
 *
 *      base                            nothing is allocated yet
 *      full objects N bytes N seconds S
 *      part objects N bytes N pages N seconds S     pages: those of 4 KiB that hold a byte of a live object
 *      none seconds S
 *
 * bench_idle again LOWEST HIGHEST MIB ROUNDS: the price of following. Each round allocates MIB and frees all; then each frees half, in random order, and
 * allocates as much again. Prints `whole S half S`, seconds.
 *
 * All that the program itself needs it takes by mmap; what it holds while the driver looks was there at `base`, too.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* MAP_ANONYMOUS */
#endif
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct shape {
    uint32_t lowest, highest; /* bytes, 8 at least */
    size_t bytes;
};

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        bench_fail("no memory for the program's own", NULL);
    return memory;
}

/* Writes a line without stdio, whose buffer would come from the allocator; then waits for a byte. */
static void report(const char *format, ...)
{
    char line[200], answer;
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(1, line, (size_t)length) != length || read(0, &answer, 1) != 1)
        _exit(1);
}

static size_t draw_size(const struct shape *shape, struct bench_random *random)
{
    return shape->lowest + bench_below(random, shape->highest - shape->lowest + 1);
}

static size_t most_objects(const struct shape *shape) { return shape->bytes / shape->lowest + 2; }

/* Allocates from `count` on until `bytes` are live; returns how many objects there are then. */
static size_t fill(const struct shape *shape, void **objects, size_t count, size_t live, struct bench_random *random)
{
    while (live < shape->bytes && count < most_objects(shape)) {
        size_t size = draw_size(shape, random);
        objects[count] = object_new(size, (uint32_t)count);
        live += size;
        count++;
    }
    return count;
}

static void shuffle(void **objects, size_t count, struct bench_random *random)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = bench_below(random, (uint32_t)i);
        void *kept = objects[i - 1];
        objects[i - 1] = objects[k];
        objects[k] = kept;
    }
}

static void sift(void **objects, size_t root, size_t count)
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && (uintptr_t)objects[child] < (uintptr_t)objects[child + 1])
            child++;
        if ((uintptr_t)objects[root] >= (uintptr_t)objects[child])
            return;
        void *kept = objects[root];
        objects[root] = objects[child];
        objects[child] = kept;
    }
}

/* By address, in place (Williams 1964): the C library's qsort may allocate. */
static void sort(void **objects, size_t count)
{
    for (size_t i = count / 2; i-- > 0;)
        sift(objects, i, count);
    for (size_t i = count; i-- > 1;) {
        void *kept = objects[0];
        objects[0] = objects[i];
        objects[i] = kept;
        sift(objects, 0, i);
    }
}

/* Pages of 4 KiB that hold a byte of one of the objects, which are sorted. */
static size_t count_pages(void **objects, size_t count)
{
    uintptr_t next = 0; /* the first page that is not counted yet */
    size_t pages = 0;

    for (size_t i = 0; i < count; i++) {
        uintptr_t first = (uintptr_t)objects[i] / BENCH_PAGE;
        uintptr_t last = ((uintptr_t)objects[i] + object_size(objects[i]) - 1) / BENCH_PAGE;
        if (first < next)
            first = next;
        if (last < first)
            continue;
        pages += last - first + 1;
        next = last + 1;
    }
    return pages;
}

static size_t sum_sizes(void **objects, size_t count)
{
    size_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += object_size(objects[i]);
    return sum;
}

static double drop_all(void **objects, size_t count)
{
    double begin = bench_seconds();

    for (size_t i = 0; i < count; i++)
        object_drop(objects[i]);
    return bench_seconds() - begin;
}

static int idle(const struct shape *shape, size_t keep)
{
    struct bench_random random = bench_seed(201);
    size_t most = most_objects(shape), room = (most / keep + 1) * sizeof(void *);
    void **kept = map(room);

    memset(kept, 1, room);
    report("base\n");
    void **objects = map(most * sizeof *objects);
    double begin = bench_seconds();
    size_t count = fill(shape, objects, 0, 0, &random);
    double seconds = bench_seconds() - begin;
    report("full objects %zu bytes %zu seconds %.4f\n", count, sum_sizes(objects, count), seconds);

    shuffle(objects, count, &random);
    size_t kept_count = count / keep;
    memcpy(kept, objects, kept_count * sizeof *kept);
    sort(kept, kept_count);
    size_t pages = count_pages(kept, kept_count), bytes = sum_sizes(kept, kept_count);
    seconds = drop_all(objects + kept_count, count - kept_count);
    munmap(objects, most * sizeof *objects);
    report("part objects %zu bytes %zu pages %zu seconds %.4f\n", kept_count, bytes, pages, seconds);

    shuffle(kept, kept_count, &random);
    seconds = drop_all(kept, kept_count);
    report("none seconds %.4f\n", seconds);
    return 0;
}

static int again(const struct shape *shape, size_t rounds)
{
    struct bench_random random = bench_seed(211);
    void **objects = map(most_objects(shape) * sizeof *objects);
    size_t count = 0;

    double begin = bench_seconds();
    for (size_t i = 0; i < rounds; i++) {
        count = fill(shape, objects, 0, 0, &random);
        drop_all(objects, count);
    }
    double whole = bench_seconds() - begin;

    count = fill(shape, objects, 0, 0, &random);
    double half = 0;
    for (size_t i = 0; i < rounds; i++) {
        shuffle(objects, count, &random);
        size_t live = sum_sizes(objects, count / 2);
        begin = bench_seconds();
        drop_all(objects + count / 2, count - count / 2);
        count = fill(shape, objects, count / 2, live, &random);
        half += bench_seconds() - begin;
    }
    printf("whole %.6f half %.6f\n", whole, half);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fputs("usage: bench_idle idle|again LOWEST HIGHEST MIB KEEP|ROUNDS\n", stderr);
        return 1;
    }
    struct shape shape = {(uint32_t)strtoul(argv[2], NULL, 10), (uint32_t)strtoul(argv[3], NULL, 10),
                          (size_t)strtoul(argv[4], NULL, 10) << 20};
    size_t number = strtoul(argv[5], NULL, 10);
    if (shape.lowest < 8 || shape.highest < shape.lowest || shape.bytes == 0 || number == 0)
        return 1;
    return strcmp(argv[1], "idle") == 0 ? idle(&shape, number) : again(&shape, number);
}
