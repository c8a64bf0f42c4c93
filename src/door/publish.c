/*
 * Publishes the heap's counters to the command that started the program: format/snapshot.h says where and how.
 *
 * The slow paths' hook leads here. The first events publish at once, later ones at most every ten milliseconds, so the cost is one reading
 * of the clock in 64 events. One thread publishes at a time; another that comes meanwhile goes on.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "alloc/heap.h"
#include "door/door.h"
#include "format/snapshot.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { EARLY_EVENTS = 64, EVENTS_BETWEEN = 64 };
static const uint64_t interval_ns = 10 * 1000 * 1000;

static const char variable[] = TARN_SNAPSHOT_ENV;
static struct tarn_snapshot *slot; /* NULL: nobody asks */
static _Atomic uint32_t busy, events;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fill_classes(struct tarn_snapshot *to)
{
    to->classes = TARN_CLASSES;
    for (unsigned i = 0; i < TARN_CLASSES; i++) {
        struct tarn_class_stats c;
        tarn_class_stats(i, &c);
        to->class[i] = (struct tarn_snapshot_class){c.size,  c.slab_objects, c.allocations, c.frees,
                                                    c.slabs, c.cached,       c.sampled,     c.sampled_bytes};
    }
}

static void fill_calls(struct tarn_snapshot *to)
{
    static const enum tarn__os_call order[TARN_SNAPSHOT_CALLS] = {
        [TARN_CALL_MAP] = TARN__OS_MAP,     [TARN_CALL_UNMAP] = TARN__OS_UNMAP,       [TARN_CALL_PROTECT] = TARN__OS_COMMIT,
        [TARN_CALL_PURGE] = TARN__OS_PURGE, [TARN_CALL_POPULATE] = TARN__OS_POPULATE, [TARN_CALL_MOVE] = TARN__OS_MOVE,
        [TARN_CALL_WAIT] = TARN__OS_WAIT,   [TARN_CALL_WAKE] = TARN__OS_WAKE,
    };
    for (unsigned i = 0; i < TARN_SNAPSHOT_CALLS; i++)
        to->calls[i] = tarn__os_calls(order[i]);
}

static void fill(struct tarn_snapshot *to)
{
    struct tarn_stats s;
    tarn_stats(&s);
    to->allocations = s.allocations;
    to->frees = s.frees;
    to->failures = s.failures;
    to->live_objects = s.live_objects;
    to->live_bytes = s.live_bytes;
    to->peak_live_bytes = s.peak_bytes;
    to->threads = s.threads;
    to->large_allocations = s.large_allocations;
    to->large_frees = s.large_frees;
    to->large_live_objects = s.large_allocations - s.large_frees;
    to->large_live_bytes = s.large_live_bytes;
    to->large_requested_bytes = s.large_requested_bytes;
    to->large_rounded_bytes = s.large_rounded_bytes;
    to->reallocs_in_place = s.reallocs_in_place;
    to->reallocs_moved = s.reallocs_moved;
    to->reallocs_remapped = s.reallocs_remapped;
    to->system_bytes = s.system_bytes;
    to->returned_bytes = s.returned_bytes;
    to->purged_bytes = s.purged_bytes;
    to->held_bytes = s.held_bytes;
    to->used_bytes = s.used_bytes;
    to->peak_used_bytes = s.peak_used_bytes;
    to->dirty_bytes = s.dirty_bytes;
    to->metadata_bytes = s.metadata_bytes;
    fill_calls(to);
    fill_classes(to);
}

/* The seqlock of the format: odd while writing. The fences pair with those of the command's reader. */
static void publish(void)
{
    if (atomic_exchange_explicit(&busy, 1, memory_order_acquire))
        return;
    _Atomic uint32_t *sequence = (_Atomic uint32_t *)&slot->sequence;
    atomic_fetch_add_explicit(sequence, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    fill(slot);
    slot->update_ns = now_ns();
    atomic_fetch_add_explicit(sequence, 1, memory_order_release);
    atomic_store_explicit(&busy, 0, memory_order_release);
}

static void on_slow_path(void)
{
    uint32_t event = atomic_fetch_add_explicit(&events, 1, memory_order_relaxed) + 1;
    bool early = event <= EARLY_EVENTS && (event & (event - 1)) == 0;
    if (early || (event % EVENTS_BETWEEN == 0 && now_ns() - slot->update_ns >= interval_ns))
        publish();
}

/* Maps the next slot of the file that the environment names. Silently nothing when there is none: the program must run all the same. */
static struct tarn_snapshot *take_slot(const char *path)
{
    struct tarn_snapshot *taken = NULL;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return NULL;
    struct tarn_snapshot_header *header = mmap(NULL, sizeof *header, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (header != MAP_FAILED && header->magic == TARN_SNAPSHOT_MAGIC && header->version == TARN_SNAPSHOT_VERSION) {
        uint32_t index = atomic_fetch_add_explicit((_Atomic uint32_t *)&header->slots_taken, 1, memory_order_relaxed);
        off_t offset = (off_t)TARN_SNAPSHOT_SLOT_BYTES * (1 + (off_t)index);
        if (index < TARN_SNAPSHOT_SLOTS)
            taken = mmap(NULL, TARN_SNAPSHOT_SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);
    }
    if (header != MAP_FAILED)
        munmap(header, sizeof *header);
    close(file);
    return taken == MAP_FAILED ? NULL : taken;
}

static void begin(enum tarn_snapshot_origin origin)
{
    const char *path = getauxval(AT_SECURE) ? NULL : getenv(variable);
    int saved = errno;
    slot = path ? take_slot(path) : NULL;
    errno = saved;
    if (!slot)
        return;
    slot->pid = getpid();
    slot->parent_pid = getppid();
    slot->origin = origin;
    slot->state = TARN_SNAPSHOT_RUNNING;
    slot->begin_ns = now_ns();
    strncpy(slot->program, program_invocation_short_name, sizeof slot->program - 1);
    publish();
    tarn__slow_path_hook = on_slow_path;
}

/* Only the process that took the slot ends it: a vfork child runs in its parent's memory. */
static void end(void)
{
    if (slot && slot->pid == getpid()) {
        slot->state = TARN_SNAPSHOT_EXITED;
        publish();
    }
}

static void begin_in_child(void)
{
    if (!slot)
        return;
    tarn__slow_path_hook = NULL;
    munmap(slot, TARN_SNAPSHOT_SLOT_BYTES);
    atomic_store_explicit(&busy, 0, memory_order_relaxed);
    atomic_store_explicit(&events, 0, memory_order_relaxed);
    begin(TARN_SNAPSHOT_FORK);
}

/* After start.c's constructor, so that its fork hook has let go of the locks when begin_in_child runs. */
__attribute__((constructor(201))) static void publish_start(void)
{
    begin(TARN_SNAPSHOT_EXEC);
    if (slot) {
        tarn__thread_at_fork(NULL, NULL, begin_in_child);
        at_quick_exit(end);
    }
}

__attribute__((destructor)) static void publish_end(void) { end(); }

/* Programs that leave without running destructors. */
TARN__DOOR _Noreturn void _exit(int status)
{
    end();
    tarn__leaks_end();
    for (;;)
        syscall(SYS_exit_group, status);
}

TARN__DOOR _Noreturn void _Exit(int status) { _exit(status); }
