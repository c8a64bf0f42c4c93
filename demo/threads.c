/*
 * A server in small: four workers take requests from each other, answer them, and pass the answers on. So most objects are
 * freed by another thread than made them, and some stay for long.
 *
 *     demo_threads [REQUESTS]
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 4, RING = 512, BEHIND = RING / 2, REMEMBERED = 4096 };

struct message {
    struct message *next; /* of one request */
    size_t length;
    char text[];
};

/* From each worker to the next. */
static struct {
    _Atomic(struct message *) slot[RING];
} rings[WORKERS];

static unsigned long requests = 800000;

static struct message *make(size_t length, unsigned long number)
{
    struct message *m = malloc(sizeof *m + length);
    if (!m)
        abort();
    m->next = NULL;
    m->length = length;
    memset(m->text, (int)(number & 127), length);
    return m;
}

/* Half of the lengths below 64, few above a thousand. */
static size_t length_of(unsigned long number)
{
    unsigned long mixed = number * 2654435761u >> 7;
    return mixed % 100 == 0 ? mixed % 16000 : mixed % (mixed % 2 ? 64 : 600);
}

/* A request of one to four parts. */
static struct message *ask(unsigned long number)
{
    struct message *all = NULL;
    for (unsigned long part = 0; part <= number % 4; part++) {
        struct message *m = make(length_of(number * 5 + part), number);
        m->next = all;
        all = m;
    }
    return all;
}

/* Its parts become one, which its sender may remember. */
static struct message *answer(struct message *request, unsigned long number)
{
    size_t length = 0;
    for (struct message *m = request; m; m = m->next)
        length += m->length;
    struct message *reply = make(length, number);
    while (request) {
        struct message *next = request->next;
        free(request);
        request = next;
    }
    return reply;
}

/* The ring has room again when the next worker has taken what was asked a round before. */
static void put(unsigned worker, unsigned long i)
{
    _Atomic(struct message *) *to = &rings[worker].slot[i % RING];
    struct message *m = ask(i + worker);
    while (atomic_load(to))
        sched_yield();
    atomic_store(to, m);
}

static struct message *take(unsigned worker, unsigned long i)
{
    _Atomic(struct message *) *from = &rings[worker].slot[i % RING];
    struct message *m;
    while (!(m = atomic_exchange(from, NULL)))
        sched_yield();
    return m;
}

/* Asks the next worker, and answers what the one before asked half a ring ago. */
static void *work(void *argument)
{
    unsigned self = (unsigned)(size_t)argument, before = (self + WORKERS - 1) % WORKERS;
    struct message **remembered = calloc(REMEMBERED, sizeof *remembered);
    size_t bytes = 0;
    if (!remembered)
        abort();
    for (unsigned long i = 0; i < requests + BEHIND; i++) {
        if (i < requests)
            put(self, i);
        if (i < BEHIND)
            continue;
        unsigned long place = i * 40503 % REMEMBERED;
        free(remembered[place]);
        remembered[place] = answer(take(before, i - BEHIND), i);
        bytes += remembered[place]->length;
    }
    for (unsigned long i = 0; i < REMEMBERED; i++)
        free(remembered[i]);
    free(remembered);
    return (void *)bytes;
}

int main(int argc, char **argv)
{
    pthread_t workers[WORKERS];
    size_t bytes = 0;
    if (argc > 1)
        requests = strtoul(argv[1], NULL, 10);
    for (size_t i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i], NULL, work, (void *)i) != 0)
            return 1;
    for (size_t i = 0; i < WORKERS; i++) {
        void *result;
        pthread_join(workers[i], &result);
        bytes += (size_t)result;
    }
    printf("%d workers answered %lu requests with %zu bytes\n", WORKERS, requests * WORKERS, bytes);
    return 0;
}
