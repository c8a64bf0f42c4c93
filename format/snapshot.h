/*
 * The snapshot format: what a process on tarn tells the outside about its memory.
 *
 * `tarn run` makes a file of TARN_SNAPSHOT_FILE_BYTES bytes (sparse; usually a memfd) and names it to the
 * processes it starts in the environment variable TARN_SNAPSHOT. Every process image that loads
 * libtarn-malloc maps the file shared, takes the next free slot by an atomic addition to
 * `slots_taken`, and from then on publishes its counters there: often at the beginning, then
 * every few refills, and once more when it exits. So a process that is killed leaves what was last known.
 *
 *      offset 0                                  page 0: struct tarn_snapshot_header
 *      offset TARN_SNAPSHOT_SLOT_BYTES * (1+i)   slot i: struct tarn_snapshot
 *
 * Consistency: a slot is a sequence lock. `sequence` is odd while its owner writes; a reader copies
 * the slot and takes the copy only when `sequence` was even and the same before and after. A
 * process that is killed inside a write leaves it odd: the reader then uses what is there and says "last update torn".
 *
 * All integers are in the machine's byte order: the file never leaves the machine.
 * Units: bytes, unless a name says otherwise; counts since the process image began; times in nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TARN_FORMAT_SNAPSHOT_H
#define TARN_FORMAT_SNAPSHOT_H

#include <stdint.h>

#define TARN_SNAPSHOT_MAGIC UINT64_C(0x70616e736e726174) /* "tarnsnap" as bytes on a little-endian machine */
#define TARN_SNAPSHOT_VERSION 1u
#define TARN_SNAPSHOT_ENV "TARN_SNAPSHOT" /* the path of the file */
#define TARN_SNAPSHOT_SLOT_BYTES 16384u
#define TARN_SNAPSHOT_SLOTS 4095u /* processes beyond these run as usual and are not reported */
#define TARN_SNAPSHOT_FILE_BYTES ((uint64_t)TARN_SNAPSHOT_SLOT_BYTES * (TARN_SNAPSHOT_SLOTS + 1u))
#define TARN_SNAPSHOT_CLASSES 96u
#define TARN_SNAPSHOT_CALLS 8u

struct tarn_snapshot_header {
    uint64_t magic;       /* written by the command before the first process starts */
    uint32_t version;     /* TARN_SNAPSHOT_VERSION; a library of another version does not touch the file */
    uint32_t slots_taken; /* atomic; may exceed TARN_SNAPSHOT_SLOTS, then the excess had no slot */
};

enum tarn_snapshot_state {
    TARN_SNAPSHOT_EMPTY = 0,   /* slot not taken */
    TARN_SNAPSHOT_RUNNING = 1, /* figures as of the last update; the end of the process was not seen */
    TARN_SNAPSHOT_EXITED = 2,  /* figures are those of the end */
};

enum tarn_snapshot_origin {
    TARN_SNAPSHOT_EXEC = 0, /* counters began with the program */
    TARN_SNAPSHOT_FORK = 1, /* child of a fork: counters go on from the parent's at the fork */
};

/* One size class (an object cache of the malloc family). */
struct tarn_snapshot_class {
    uint32_t size;          /* bytes of one object */
    uint32_t slab_objects;  /* objects in one slab */
    uint64_t allocations;   /* requests served */
    uint64_t frees;         /* objects given back; active = allocations - frees */
    uint64_t slabs;         /* slabs held now; objects = slabs * slab_objects */
    uint64_t cached;        /* free objects kept in magazines and the depot */
    uint64_t sampled;       /* requests whose exact size was recorded (a sample, taken at refills) */
    uint64_t sampled_bytes; /* sum of the exact sizes of those */
};

/* System calls made by the allocator, by what they were for. */
enum tarn_snapshot_call {
    TARN_CALL_MAP,      /* mmap */
    TARN_CALL_UNMAP,    /* munmap */
    TARN_CALL_PROTECT,  /* mprotect */
    TARN_CALL_PURGE,    /* madvise, pages given back */
    TARN_CALL_POPULATE, /* madvise, pages asked for */
    TARN_CALL_MOVE,     /* mremap */
    TARN_CALL_WAIT,     /* futex wait */
    TARN_CALL_WAKE,     /* futex wake */
};

struct tarn_snapshot {
    uint32_t sequence; /* odd while being written */
    uint32_t state;    /* enum tarn_snapshot_state */
    uint32_t origin;   /* enum tarn_snapshot_origin */
    uint32_t classes;  /* entries used in class[] */
    int32_t pid;
    int32_t parent_pid;
    uint64_t begin_ns;  /* when the slot was taken */
    uint64_t update_ns; /* when it was last written */
    char program[64];   /* base name, cut, always ends in 0 */

    /* everything: size classes, all other object caches and users' heaps (which class[] does not list), and large requests together */
    uint64_t
        allocations; /* requests served (a realloc that moved, copied or remapped, counts as one allocation and one free; one in place as neither) */
    uint64_t frees;
    uint64_t failures;     /* requests that got NULL */
    uint64_t live_objects; /* allocations - frees */
    uint64_t live_bytes;   /* bytes of the live objects, as the classes round them */
    uint64_t
        peak_live_bytes; /* highest live_bytes seen; updated when magazines are exchanged, so exact to within what threads' magazines hold */
    uint64_t threads; /* thread caches alive */

    /* requests above the largest class, served by whole pages */
    uint64_t large_allocations;
    uint64_t large_frees;
    uint64_t large_live_objects;
    uint64_t large_live_bytes;      /* in whole pages */
    uint64_t large_requested_bytes; /* sum over all large requests ever: exact sizes asked for */
    uint64_t large_rounded_bytes;   /* sum over the same: sizes given, in whole pages */

    /* reallocations */
    uint64_t reallocs_in_place;
    uint64_t reallocs_moved;    /* copied */
    uint64_t reallocs_remapped; /* moved by the page table, nothing copied */

    /* pages: the page allocator's own view */
    uint64_t system_bytes;    /* obtained from the system, ever */
    uint64_t returned_bytes;  /* unmapped again, ever */
    uint64_t purged_bytes;    /* given back in place (madvise), ever */
    uint64_t held_bytes;      /* mapped now for objects: system_bytes - returned_bytes */
    uint64_t used_bytes;      /* of held: in slabs and large blocks */
    uint64_t peak_used_bytes; /* most used_bytes ever */
    uint64_t dirty_bytes;     /* of held: free, but kept resident for reuse */
    uint64_t metadata_bytes;  /* mapped for descriptors and thread caches */

    uint64_t calls[TARN_SNAPSHOT_CALLS]; /* system calls, by enum tarn_snapshot_call */

    struct tarn_snapshot_class class[TARN_SNAPSHOT_CLASSES];
};

_Static_assert(sizeof(struct tarn_snapshot) <= TARN_SNAPSHOT_SLOT_BYTES, "a snapshot fits its slot");

#endif
