/*
 * Loads of several threads: who allocates and who frees are not the same, or are many, or do not live long.
 *
 * Every hand-over is one atomic exchange or a release store whose partner is the acquire load of the
 * taker, so that the loads themselves need no lock and a sanitizer sees the order.
 */
#include "harness.h"
#include "loads.h"

#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>

static void *take(_Atomic(void *) *slot, void *instead)
{
    return atomic_exchange_explicit(slot, instead, memory_order_acq_rel);
}

/* Producer and consumer: a ring of pointers; one thread fills, the other empties and frees. */

#define RING 4096u
#define RING_BATCH 32u /* positions are published by the batch: the ring shall not cost more than the objects */

static struct {
    void *slots[RING];
    _Alignas(128) _Atomic uint64_t written;
    _Alignas(128) _Atomic uint64_t read;
    uint64_t total;
} ring;

static void produce(void)
{
    struct bench_random random = bench_seed(101);

    for (uint64_t at = 0; at < ring.total; at += RING_BATCH) {
        while (at + RING_BATCH - atomic_load_explicit(&ring.read, memory_order_acquire) > RING)
            sched_yield();
        for (uint64_t i = at; i < at + RING_BATCH; i++)
            ring.slots[i % RING] = object_new(bench_small_size(&random), (uint32_t)i);
        atomic_store_explicit(&ring.written, at + RING_BATCH, memory_order_release);
    }
}

static void consume(void)
{
    for (uint64_t at = 0; at < ring.total; at += RING_BATCH) {
        while (atomic_load_explicit(&ring.written, memory_order_acquire) == at)
            sched_yield();
        for (uint64_t i = at; i < at + RING_BATCH; i++)
            object_drop(ring.slots[i % RING]);
        atomic_store_explicit(&ring.read, at + RING_BATCH, memory_order_release);
    }
}

static uint64_t producer_consumer_body(unsigned number, void *shared)
{
    (void)shared;
    if (number == 0)
        produce();
    else
        consume();
    return number == 0 ? ring.total : 0;
}

uint64_t load_producer_consumer(double scale)
{
    ring.total = (bench_scaled(6000000, scale) / RING_BATCH + 1) * RING_BATCH;
    return bench_run_threads(2, producer_consumer_body, NULL);
}

/* Exchange: some threads replace random slots of one array, and free what some thread had put there. */

#define EXCHANGE_SLOTS 8192u

static _Atomic(void *) exchange_slots[EXCHANGE_SLOTS];

static uint64_t exchange_body(unsigned number, void *shared)
{
    struct bench_random random = bench_seed(111 + number);
    uint64_t steps = *(uint64_t *)shared;

    for (uint64_t i = 0; i < steps; i++) {
        void *mine = object_new(bench_small_size(&random), (uint32_t)i);
        object_drop(take(&exchange_slots[bench_below(&random, EXCHANGE_SLOTS)], mine));
    }
    return steps;
}

uint64_t load_exchange_by(unsigned threads, uint64_t total)
{
    uint64_t steps = total / threads;
    uint64_t ops = bench_run_threads(threads, exchange_body, &steps);

    for (uint32_t i = 0; i < EXCHANGE_SLOTS; i++)
        object_drop(take(&exchange_slots[i], NULL));
    return ops;
}

uint64_t load_exchange(double scale) { return load_exchange_by(4, bench_scaled(8000000, scale)); }

/* Threads that come and go: each leaves one object in eight to whoever comes later. */

#define MAILBOX 2048u

static _Atomic(void *) mailbox[MAILBOX];

static uint64_t short_life(unsigned number, void *shared)
{
    enum { LIVE = 32, STEPS = 1600 };
    struct bench_random random = bench_seed(121 + number + *(uint64_t *)shared * 7);
    void *slots[LIVE] = {0};

    for (unsigned i = 0; i < STEPS; i++) {
        void **slot = &slots[bench_below(&random, LIVE)];
        if (i % 8 == 0)
            *slot = take(&mailbox[bench_below(&random, MAILBOX)], *slot);
        object_drop(*slot);
        *slot = object_new(bench_program_size(&random), i);
    }
    for (unsigned i = 0; i < LIVE; i++)
        object_drop(slots[i]);
    return STEPS;
}

uint64_t load_thread_churn(double scale)
{
    uint64_t generations = bench_scaled(700, scale), ops = 0;

    for (uint64_t generation = 0; generation < generations; generation++)
        ops += bench_run_threads(4, short_life, &generation);
    for (uint32_t i = 0; i < MAILBOX; i++)
        object_drop(take(&mailbox[i], NULL));
    return ops;
}

/*
 * Threads that end while others own what they allocated: each leaves all its objects, which a thread of sixteen generations later frees. What an
 * allocator kept for a thread has to outlive it, and to be of use to another.
 */

#define LEAK_OBJECTS 1000u
#define LEAK_GENERATIONS 16u
#define LEAK_THREADS 4u

static void *leaked[LEAK_GENERATIONS][LEAK_THREADS][LEAK_OBJECTS]; /* generations follow each other by join and create */

static uint64_t leak_body(unsigned number, void *shared)
{
    uint64_t generation = *(uint64_t *)shared;
    struct bench_random random = bench_seed(126 + number + generation * 7);
    void **row = leaked[generation % LEAK_GENERATIONS][number];

    for (unsigned i = 0; i < LEAK_OBJECTS; i++) {
        object_drop(row[i]);
        row[i] = object_new(bench_program_size(&random), i);
    }
    return LEAK_OBJECTS;
}

uint64_t load_thread_leak(double scale)
{
    uint64_t generations = bench_scaled(400, scale), ops = 0;

    for (uint64_t generation = 0; generation < generations; generation++)
        ops += bench_run_threads(LEAK_THREADS, leak_body, &generation);
    for (void **object = &leaked[0][0][0]; object != &leaked[0][0][0] + sizeof leaked / sizeof(void *); object++)
        object_drop(*object);
    return ops;
}

/*
 * Threads that sleep: many do a little, free it all, and wait, while one goes on. What the sleepers' caches keep is of no use to anybody: it shows in the
 * peak of memory.
 */

#define SLEEPERS 48u

static struct {
    sem_t asleep, wake;
    uint64_t steps;
} sleeping;

static uint64_t replace_some(uint64_t seed, unsigned live, uint64_t steps)
{
    struct bench_random random = bench_seed(seed);
    void **slots = calloc(live, sizeof *slots);

    if (slots == NULL)
        bench_fail("no memory for the slots", NULL);
    for (uint64_t i = 0; i < steps; i++) {
        uint32_t slot = bench_below(&random, live);
        object_drop(slots[slot]);
        slots[slot] = object_new(bench_program_size(&random), (uint32_t)i);
    }
    for (unsigned i = 0; i < live; i++)
        object_drop(slots[i]);
    free(slots);
    return steps;
}

/* Waits though signals may interrupt. */
static void await(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        ;
}

static uint64_t sleepers_body(unsigned number, void *shared)
{
    uint64_t round = *(uint64_t *)shared;

    if (number > 0) {
        uint64_t ops = replace_some(151 + number + round * 67, 1500, sleeping.steps / SLEEPERS);
        sem_post(&sleeping.asleep);
        await(&sleeping.wake);
        return ops + replace_some(152 + number + round * 67, 50, 200);
    }
    for (unsigned i = 0; i < SLEEPERS; i++)
        await(&sleeping.asleep);
    uint64_t ops = replace_some(151 + round * 67, 30000, sleeping.steps / 2);
    for (unsigned i = 0; i < SLEEPERS; i++)
        sem_post(&sleeping.wake);
    return ops;
}

uint64_t load_sleepers(double scale)
{
    uint64_t ops = 0;

    sem_init(&sleeping.asleep, 0, 0);
    sem_init(&sleeping.wake, 0, 0);
    sleeping.steps = bench_scaled(700000, scale);
    for (uint64_t round = 0; round < 4; round++)
        ops += bench_run_threads(SLEEPERS + 1, sleepers_body, &round);
    return ops;
}

/* Threads that have nothing to do with each other. */

static uint64_t private_body(unsigned number, void *shared) { return replace_some(131 + number, 4000, *(uint64_t *)shared); }

/* The same work however many do it. */
uint64_t load_threads_private_by(unsigned threads, uint64_t total)
{
    uint64_t steps = total / threads;

    return bench_run_threads(threads, private_body, &steps);
}

uint64_t load_threads_private_2(double scale) { return load_threads_private_by(2, bench_scaled(16000000, scale)); }
uint64_t load_threads_private_8(double scale) { return load_threads_private_by(8, bench_scaled(16000000, scale)); }

/*
 * Server: requests wander reader -> worker -> writer, each step on the next of four threads. A request is
 * its record, an input buffer, and a burst of strings; the worker frees the parse's temporaries, allocates
 * the response and now and then replaces the session of the connection; the writer frees the rest.
 * Inboxes are stacks that are taken whole, so there is no ABA. `in_flight` bounds what is under way.
 */

#define SERVER_THREADS 4u
#define SERVER_STRINGS 12u
#define SERVER_SESSIONS 3000u
#define SERVER_IN_FLIGHT 512

struct request {
    struct request *next;
    unsigned stage; /* 0: to be worked on; 1: to be written */
    uint32_t connection;
    void *input, *output;
    void *strings[SERVER_STRINGS];
};

static struct {
    struct {
        _Alignas(128) _Atomic(struct request *) inbox;
    } thread[SERVER_THREADS];
    _Alignas(128) _Atomic int64_t to_accept;
    _Alignas(128) _Atomic int64_t in_flight;
    _Alignas(128) _Atomic(void *) sessions[SERVER_SESSIONS];
} server;

static void server_send(unsigned thread, struct request *request)
{
    _Atomic(struct request *) *inbox = &server.thread[thread % SERVER_THREADS].inbox;
    struct request *head = atomic_load_explicit(inbox, memory_order_relaxed);

    do /* release: partner of the acquiring exchange in server_turn */
        request->next = head;
    while (!atomic_compare_exchange_weak_explicit(inbox, &head, request, memory_order_release, memory_order_relaxed));
}

static struct request *server_accept(struct bench_random *random)
{
    struct request *request = malloc(sizeof *request);

    if (request == NULL)
        bench_fail("an allocation failed", request);
    *request = (struct request){.connection = bench_below(random, SERVER_SESSIONS)};
    request->input = object_new(512 + bench_below(random, 4096), 1);
    uint32_t strings = 4 + bench_below(random, SERVER_STRINGS - 3);
    for (uint32_t i = 0; i < strings; i++)
        request->strings[i] = object_new(bench_small_size(random), i);
    return request;
}

static void server_work(struct request *request, struct bench_random *random)
{
    object_drop(request->input);
    request->input = NULL;
    for (uint32_t i = 0; i < SERVER_STRINGS; i += 2) {
        object_drop(request->strings[i]);
        request->strings[i] = NULL;
    }
    void *scratch[6];
    for (unsigned i = 0; i < 6; i++)
        scratch[i] = object_new(bench_small_size(random), i);
    request->output = object_new(200 + bench_below(random, 8000), 3);
    if (bench_below(random, 4) == 0) {
        void *session = object_new(64 + bench_below(random, 1200), 4);
        object_drop(take(&server.sessions[request->connection], session));
    }
    for (unsigned i = 0; i < 6; i++)
        object_drop(scratch[i]);
    request->stage = 1;
}

static void server_write(struct request *request)
{
    object_drop(request->output);
    for (uint32_t i = 0; i < SERVER_STRINGS; i++)
        object_drop(request->strings[i]);
    free(request);
    atomic_fetch_sub_explicit(&server.in_flight, 1, memory_order_relaxed);
}

/* Takes all that arrived and moves it a step on; returns how many requests it touched. */
static uint64_t server_turn(unsigned number, struct bench_random *random)
{
    struct request *request = atomic_exchange_explicit(&server.thread[number].inbox, NULL, memory_order_acquire);
    uint64_t touched = 0;

    while (request != NULL) {
        struct request *next = request->next;
        if (request->stage == 0) {
            server_work(request, random);
            server_send(number + 1, request);
        } else {
            server_write(request);
        }
        request = next;
        touched++;
    }
    return touched;
}

static uint64_t server_body(unsigned number, void *shared)
{
    struct bench_random random = bench_seed(141 + number);
    uint64_t accepted = 0;

    (void)shared;
    for (;;) {
        uint64_t touched = server_turn(number, &random);
        for (unsigned burst = 0; burst < 16; burst++) {
            if (atomic_load_explicit(&server.in_flight, memory_order_relaxed) >= SERVER_IN_FLIGHT)
                break;
            if (atomic_fetch_sub_explicit(&server.to_accept, 1, memory_order_relaxed) <= 0)
                break;
            atomic_fetch_add_explicit(&server.in_flight, 1, memory_order_relaxed);
            server_send(number + 1, server_accept(&random));
            accepted++;
            touched++;
        }
        if (touched > 0)
            continue;
        if (atomic_load_explicit(&server.to_accept, memory_order_relaxed) <= 0 &&
            atomic_load_explicit(&server.in_flight, memory_order_relaxed) == 0)
            return accepted;
        sched_yield();
    }
}

/* An operation is a request: about 20 objects. */
uint64_t load_server(double scale)
{
    atomic_store(&server.to_accept, (int64_t)bench_scaled(400000, scale));
    uint64_t ops = bench_run_threads(SERVER_THREADS, server_body, NULL);

    for (uint32_t i = 0; i < SERVER_SESSIONS; i++)
        object_drop(take(&server.sessions[i], NULL));
    return ops;
}

/*
 * False sharing: small objects written a hundred times each by the thread that has them. Active: the
 * allocator gave neighbours of one cache line to two threads. Passive: the program did, and after the
 * thread frees its own, the allocator may give the same line's memory to it again.
 */

#define SHARING_THREADS 2u
#define SHARING_WRITES 100u

struct sharing {
    uint64_t steps;
    void *given[SHARING_THREADS];
};

static uint64_t sharing_body(unsigned number, void *shared)
{
    const struct sharing *sharing = shared;

    object_drop(sharing->given[number]);
    for (uint64_t i = 0; i < sharing->steps; i++) {
        volatile unsigned char *object = object_new(8 + 8 * (i & 1), (uint32_t)i);
        unsigned char kept = object[0];
        for (unsigned k = 0; k < SHARING_WRITES; k++)
            object[0]++;
        object[0] = kept;
        object_drop((void *)object);
    }
    return sharing->steps;
}

uint64_t load_false_sharing_active(double scale)
{
    struct sharing sharing = {.steps = bench_scaled(800000, scale)};

    return bench_run_threads(SHARING_THREADS, sharing_body, &sharing);
}

uint64_t load_false_sharing_passive(double scale)
{
    struct sharing sharing = {.steps = bench_scaled(800000, scale)};

    for (unsigned i = 0; i < SHARING_THREADS; i++)
        sharing.given[i] = object_new(8, i);
    return bench_run_threads(SHARING_THREADS, sharing_body, &sharing);
}
