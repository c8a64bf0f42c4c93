/*
 * A library that publishes figures and does nothing else: what the tests of the command preload in the place of
 * libtarn-malloc.so, so that the report can be compared with what is known to the byte.
 *
 * Built as a shared object. FAKE_MODE in the environment chooses what it pretends:
 *   (unset)   a program of middling size; the last update comes with the end
 *   torn      the last update was left unfinished
 *   unseen    the end is not published
 *   empty     a slot is taken and nothing requested
 *   wild      figures that no process can have: more classes than there are, a name without end
 *   crowd     all slots but this one are said to be taken
 *   crash     no figures: every program but the command itself ends with status 3
 */
#define _GNU_SOURCE 1
#include "format/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static unsigned char *file;
static struct tarn_snapshot *slot;

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int pretends(const char *mode)
{
    const char *value = getenv("FAKE_MODE");

    return value && strcmp(value, mode) == 0;
}

/* Sizes 16, 32, 48 …: of the class of number n, n + 1 slabs. */
static void fill_classes(uint32_t classes)
{
    slot->classes = classes;
    for (uint32_t i = 0; i < classes; i++) {
        struct tarn_snapshot_class *class = &slot->class[i];

        class->size = 16 * (i + 1);
        class->slab_objects = 4096 / class->size;
        class->slabs = i + 1;
        class->allocations = 1000 * (i + 1);
        class->frees = class->allocations - 10 * (i + 1);
        class->sampled = 10;
        class->sampled_bytes = 10 * class->size * 3 / 4; /* a quarter is wasted, in every class */
    }
}

static void fill(void)
{
    fill_classes(16);
    slot->allocations = 600000;
    slot->frees = 398000;
    slot->reallocs_in_place = 2000; /* together: 1 000 000 requests */
    slot->reallocs_moved = 30;
    slot->live_objects = 202000;
    slot->live_bytes = 6 << 20;
    slot->peak_live_bytes = 42 << 20;
    slot->threads = 1;
    slot->large_allocations = 12;
    slot->large_frees = 10;
    slot->large_live_objects = 2;
    slot->large_live_bytes = 2 << 20;
    slot->large_requested_bytes = 9 << 20;
    slot->large_rounded_bytes = 12 << 20; /* a quarter here too */
    slot->system_bytes = 64 << 20;
    slot->returned_bytes = 16 << 20;
    slot->purged_bytes = 4 << 20;
    slot->held_bytes = 48 << 20;
    slot->used_bytes = 8 << 20;       /* of which 6 MiB are live: external fragmentation 25 % */
    slot->peak_used_bytes = 48 << 20; /* of which 42 MiB were live: 12.5 % */
    slot->dirty_bytes = 1 << 20;
    slot->metadata_bytes = 1 << 19;
    slot->calls[TARN_CALL_MAP] = 150;
    slot->calls[TARN_CALL_UNMAP] = 50;
    slot->calls[TARN_CALL_PURGE] = 12; /* together: 212 */
    if (pretends("empty"))
        slot->allocations = slot->frees = slot->classes = 0;
    if (pretends("wild")) {
        slot->classes = 4000000;
        memset(slot->program, '\377', sizeof slot->program);
        slot->live_bytes = UINT64_MAX;
        slot->class[0].frees = UINT64_MAX;
        slot->class[1].slabs = UINT64_MAX;
    }
}

static void take_slot(uint32_t origin)
{
    struct tarn_snapshot_header *header = (struct tarn_snapshot_header *)file;
    uint32_t number = __atomic_fetch_add(&header->slots_taken, 1, __ATOMIC_RELAXED);

    slot = NULL;
    if (number >= TARN_SNAPSHOT_SLOTS)
        return;
    slot = (struct tarn_snapshot *)(file + (size_t)TARN_SNAPSHOT_SLOT_BYTES * (number + 1));
    slot->sequence = 1;
    slot->origin = origin;
    slot->pid = getpid();
    slot->parent_pid = getppid();
    slot->begin_ns = slot->update_ns = now();
    strncpy(slot->program, program_invocation_short_name, sizeof slot->program - 1);
    fill();
    slot->state = TARN_SNAPSHOT_RUNNING;
    __atomic_store_n(&slot->sequence, pretends("torn") ? 3 : 2, __ATOMIC_RELEASE);
    if (pretends("crowd"))
        header->slots_taken = TARN_SNAPSHOT_SLOTS + 7;
}

static void take_slot_of_child(void) { take_slot(TARN_SNAPSHOT_FORK); }

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv(TARN_SNAPSHOT_ENV);
    struct tarn_snapshot_header *header;
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (pretends("crash") && strcmp(program_invocation_short_name, "exe") != 0)
        _exit(3);
    if (fd < 0)
        return;
    header = mmap(NULL, TARN_SNAPSHOT_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (header == MAP_FAILED || header->magic != TARN_SNAPSHOT_MAGIC || header->version != TARN_SNAPSHOT_VERSION)
        return;
    file = (unsigned char *)header;
    take_slot(TARN_SNAPSHOT_EXEC);
    pthread_atfork(NULL, NULL, take_slot_of_child);
}

__attribute__((destructor)) static void end(void)
{
    if (!slot || pretends("torn") || pretends("unseen"))
        return;
    slot->update_ns = now();
    slot->state = TARN_SNAPSHOT_EXITED;
}
