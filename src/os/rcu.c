/*
 * Grace periods by numbered periods (tarn/rcu.h).
 *
 * Each thread that reads has a word. It holds the number of the period in which its outermost read_lock fell, and how deep
 * readers nest:
 *
 *     word   | period, 48 bits | depth, 16 bits |     depth 0: outside; what the period says then means nothing
 *
 * A grace period makes the period one more, and waits until each word's depth is 0 or its period is the new one or later. Since
 * numbers do not come again, one phase is enough: a reader that took a number and was stopped before it wrote it looks older
 * than it is, and is waited for too long at worst. Depth and period are in one word so that a signal handler that reads,
 * between any two instructions of one, leaves it as it was.
 *
 * Fences. A reader writes its word and then reads what it protects; a grace period follows a removal, and then reads the words.
 * One of both must see the other's write: each needs a full fence between its two steps. A reader's is the compiler's only, and
 * the grace period has the kernel put one into every running thread (membarrier(2), private expedited; Desnoyers et al.,
 * "User-level implementations of read-copy update", 2012, do the same). Without membarrier readers make their own. The same
 * holds for leaving: a reader writes its word and then reads `waiting`; a sleeper writes `waiting` and then reads the words.
 *
 * A thread that cannot have a call at its end, or has had it, is not listed: it counts itself in `crowd`, and grace periods
 * wait until nobody is counted.
 *
 * Calls: a stack of heads, taken whole by the background thread. It is pushed to under the lock, though it need not be among
 * threads: a fork copies memory page by page while others write, and only what is guarded by a lock that the fork takes is the
 * same in all of its pages. Links are written before, and never after: no user's memory is touched under the lock.
 *
 * Wrong if: a reader sees memory that was reused after a grace period (test/model/readers.c), or a grace period does not end
 * though all readers have left.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/rcu.h"

#include "base/fail.h"
#include "base/list.h"
#include "base/warn.h"
#include "os/sleep.h"
#include "os/worker.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PERIOD (UINT64_C(1) << 16)
#define DEPTH (PERIOD - 1)

enum { YIELDS = 8 };

/* Commands of membarrier(2), which older headers lack. */
enum { PRIVATE_EXPEDITED = 8, REGISTER_PRIVATE_EXPEDITED = 16 };

enum kind { NEW, LISTED, CROWD };

struct reader {
    _Atomic uint64_t word;
    enum kind kind;
    struct tarn__list link;
    struct tarn__thread_exit exit;
};

static TARN__TLS struct reader self;

static struct tarn__lock lock = TARN__LOCK_INIT(TARN__RANK_RCU);
static struct tarn__list readers = {&readers, &readers};
static struct tarn__sleeper *sleepers; /* grace periods that wait for readers */
static struct tarn_rcu_head *pending;  /* calls whose grace period has not begun */
static struct tarn_rcu_head *batch;    /* calls that the background thread is at */

static _Atomic uint64_t period = PERIOD;
static _Atomic uint64_t crowd;
static _Atomic uint32_t waiting; /* 1: `sleepers` may not be empty */

enum fences { UNDECIDED, IN_READERS, BY_MEMBARRIER };
static _Atomic int fences;

/* Fences */

static int membarrier(int command)
{
    int saved = errno, result = (int)syscall(SYS_membarrier, command, 0, 0);
    errno = saved;
    return result;
}

/* Before the first reader and the first grace period: who makes the fences. */
static void decide_fences(void)
{
    if (atomic_load_explicit(&fences, memory_order_relaxed) == UNDECIDED)
        atomic_store_explicit(&fences, membarrier(REGISTER_PRIVATE_EXPEDITED) == 0 ? BY_MEMBARRIER : IN_READERS,
                              memory_order_relaxed);
}

/* A reader's, after it wrote its word. Partner: `heavy_fence`. */
static inline void light_fence(void)
{
    if (TARN__LIKELY(atomic_load_explicit(&fences, memory_order_relaxed) == BY_MEMBARRIER))
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_thread_fence(memory_order_seq_cst);
}

/*
 * A grace period's, before it reads the words; partner: `light_fence`. Should membarrier have been forbidden since (a sandbox
 * that came later), time does it: no processor holds a write back for so long.
 */
static void heavy_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&fences, memory_order_relaxed) == BY_MEMBARRIER && membarrier(PRIVATE_EXPEDITED) != 0) {
        int saved = errno;
        nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);
        errno = saved;
    }
    atomic_thread_fence(memory_order_seq_cst);
}

/* Readers */

static void wake_sleepers(void)
{
    tarn__lock(&lock);
    atomic_store_explicit(&waiting, 0, memory_order_relaxed);
    struct tarn__sleeper *taken = tarn__sleepers_take(&sleepers);
    tarn__unlock(&lock);
    tarn__wake_all(taken);
}

static inline void wake_if_waited_for(void)
{
    light_fence();
    if (TARN__UNLIKELY(atomic_load_explicit(&waiting, memory_order_relaxed)))
        wake_sleepers();
}

/* The thread ends. What it may still read is counted; a reader that it never left is ended. */
static void leave_list(struct tarn__thread_exit *exit)
{
    (void)exit;
    tarn__lock(&lock);
    tarn__list_remove(&self.link);
    tarn__unlock(&lock);
    self.kind = CROWD;
    atomic_store_explicit(&self.word, 0, memory_order_relaxed);
    wake_if_waited_for();
}

static void join_list(void)
{
    decide_fences();
    self.exit.at_exit = leave_list;
    if (tarn__thread_at_exit(&self.exit) != 0) {
        self.kind = CROWD;
        return;
    }
    tarn__lock(&lock);
    tarn__list_push_back(&readers, &self.link);
    tarn__unlock(&lock);
    self.kind = LISTED;
}

static TARN__COLD void first_lock(void)
{
    if (self.kind == NEW)
        join_list();
    if (self.kind == CROWD)
        atomic_fetch_add_explicit(&crowd, 1, memory_order_seq_cst);
}

/* The word is released even on entering: who reads it then has seen all that the thread's former readers did. */
void tarn_rcu_read_lock(void)
{
    uint64_t word = atomic_load_explicit(&self.word, memory_order_relaxed);
    if (word & DEPTH) {
        atomic_store_explicit(&self.word, word + 1, memory_order_relaxed);
        return;
    }
    if (TARN__UNLIKELY(self.kind != LISTED))
        first_lock();
    atomic_store_explicit(&self.word, atomic_load_explicit(&period, memory_order_acquire) + 1, memory_order_release);
    light_fence();
}

void tarn_rcu_read_unlock(void)
{
    uint64_t word = atomic_load_explicit(&self.word, memory_order_relaxed);
    TARN__DEBUG_ASSERT(word & DEPTH, "tarn_rcu_read_unlock follows a tarn_rcu_read_lock of the same thread");
    atomic_store_explicit(&self.word, word - 1, memory_order_release);
    if ((word & DEPTH) > 1)
        return;
    if (TARN__UNLIKELY(self.kind == CROWD))
        atomic_fetch_sub_explicit(&crowd, 1, memory_order_release);
    wake_if_waited_for();
}

static bool inside(void) { return atomic_load_explicit(&self.word, memory_order_relaxed) & DEPTH; }

/* Grace periods */

/* Whether another thread is in a reader that began before the period `now`. */
static bool readers_before(uint64_t now)
{
    uint64_t mine = self.kind == CROWD && inside();
    bool found = atomic_load_explicit(&crowd, memory_order_acquire) > mine;
    tarn__lock(&lock);
    for (struct tarn__list *link = readers.next; link != &readers && !found; link = link->next) {
        struct reader *reader = TARN__CONTAINER(link, struct reader, link);
        uint64_t word = atomic_load_explicit(&reader->word, memory_order_acquire);
        found = (word & DEPTH) && word < now && reader != &self;
    }
    tarn__unlock(&lock);
    return found;
}

/* Sleeps until some reader has left since. */
static void sleep_for_readers(uint64_t now)
{
    struct tarn__sleeper me;
    tarn__lock(&lock);
    tarn__sleeper_push(&sleepers, &me);
    atomic_store_explicit(&waiting, 1, memory_order_relaxed);
    tarn__unlock(&lock);
    heavy_fence(); /* partner: the light fence in `wake_if_waited_for` */
    if (!readers_before(now))
        wake_sleepers(); /* this one too */
    tarn__sleep(&me);
}

static void grace_period(void)
{
    decide_fences();
    uint64_t now = atomic_fetch_add_explicit(&period, PERIOD, memory_order_acq_rel) + PERIOD;
    heavy_fence();
    for (int i = 0; i < YIELDS; i++) {
        if (!readers_before(now))
            return;
        sched_yield();
    }
    while (readers_before(now))
        sleep_for_readers(now);
}

/* The program's liburcu, when it has one: another object's, also where all else is hidden. */
extern void urcu_memb_synchronize_rcu(void) __attribute__((weak, visibility("default")));

void tarn_rcu_synchronize(void)
{
    if (inside())
        tarn__warn("tarn_rcu_synchronize inside a reader: it does not wait for that one");
    grace_period();
    if (urcu_memb_synchronize_rcu)
        urcu_memb_synchronize_rcu();
}

/* Calls */

/* Each call is taken off before it is made, so that the child of a fork does not make it again. */
static void make_calls(void)
{
    struct tarn_rcu_head *head;
    while ((head = batch)) { /* written by this thread only */
        struct tarn_rcu_head *next = head->next;
        tarn__lock(&lock);
        batch = next;
        tarn__unlock(&lock);
        head->func(head);
    }
}

static bool take_batch(void)
{
    tarn__lock(&lock);
    batch = pending;
    pending = NULL;
    tarn__unlock(&lock);
    return batch != NULL;
}

/*
 * A run makes all the calls that were pending when it began. In the child of a fork a batch may be left over from the parent's.
 */
static void run_calls(struct tarn__job *job)
{
    (void)job;
    if (batch) {
        tarn_rcu_synchronize();
        make_calls();
    }
    if (take_batch()) {
        tarn_rcu_synchronize();
        make_calls();
    }
}

static struct tarn__job calls = {.run = run_calls};

/* The last asking found no thread: the next call asks again. */
static _Atomic bool unserved;

static void ask_for_calls(void) { atomic_store_explicit(&unserved, !tarn__worker_ask(&calls), memory_order_relaxed); }

void tarn_rcu_call(struct tarn_rcu_head *head, void (*func)(struct tarn_rcu_head *head))
{
    struct tarn_rcu_head *top = NULL;
    head->func = func;
    for (bool pushed = false; !pushed;) {
        head->next = top;
        tarn__lock(&lock);
        pushed = pending == top;
        if (pushed)
            pending = head;
        else
            top = pending;
        tarn__unlock(&lock);
    }
    if (!top || atomic_load_explicit(&unserved, memory_order_relaxed))
        ask_for_calls();
}

void tarn_rcu_barrier(void)
{
    tarn__lock(&lock);
    bool any = pending != NULL;
    tarn__unlock(&lock);
    if (any)
        ask_for_calls();
    tarn__worker_wait(&calls);
}

bool tarn__rcu_pending(void)
{
    tarn__lock(&lock);
    bool any = pending || batch;
    tarn__unlock(&lock);
    return any;
}

/* Forks */

void tarn__rcu_each_lock(void (*act)(struct tarn__lock *)) { act(&lock); }

/*
 * Only the forking thread's reader lives on. If it was interrupted while it changed the lists, only that one is on them soon.
 */
void tarn__rcu_child(void)
{
    sleepers = NULL;
    atomic_store_explicit(&waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&crowd, self.kind == CROWD && inside(), memory_order_relaxed);
    atomic_store_explicit(&unserved, pending || batch, memory_order_relaxed);
    if (!tarn__lock_is_mine(&lock)) {
        tarn__list_init(&readers);
        if (self.kind == LISTED)
            tarn__list_push_back(&readers, &self.link);
    }
    if (atomic_exchange_explicit(&fences, UNDECIDED, memory_order_relaxed) != UNDECIDED)
        decide_fences();
}
