/*
 * The one failure exit. It is taken in two cases only: a caller's misuse or a corruption that is proved (a pointer freed
 * twice), or an invariant of tarn itself that does not hold. What cannot be proved is never reported here;
 * running out of memory is not a failure but an answer (NULL).
 */
#ifndef TARN_BASE_FAIL_H
#define TARN_BASE_FAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was proved. The texts that users see are in fail.c. */
enum tarn__crime {
    TARN__INVALID_FREE,     /* the address is not the start of a live object of tarn */
    TARN__DOUBLE_FREE,      /* the object is free already */
    TARN__WRONG_SIZE,       /* sized free with a size that its object cannot have */
    TARN__CORRUPT_LIST,     /* a free object's link leads out of its class: written after free */
    TARN__WRONG_CACHE,      /* the object belongs to another cache than the one named */
    TARN__WRONG_ORDER,      /* a block of pages given back with another order than its own */
    TARN__RED_ZONE,         /* the bytes around an object were overwritten */
    TARN__POISONED,         /* a free object's fill was overwritten */
    TARN__USE_AFTER_FREE,   /* an access to a freed object, at the access */
    TARN__OUT_OF_BOUNDS,    /* an access beyond an object's bounds, at the access */
    TARN__DESTROYED_POOL,   /* a pool that has ended */
    TARN__LIVE_OBJECTS,     /* a pool that ends while something of it is in use */
    TARN__DATA_RACE,        /* two threads at once in a pool that is meant for one */
    TARN__CORRUPT_POOL,     /* a pool's own words were overwritten */
    TARN__NO_CACHE,         /* a cache that was to be made or the process ended */
    TARN__BROKEN_INVARIANT, /* tarn is wrong about itself */
};

/* What is known of the object that a crime was done to. Zeros: it is not known. */
struct tarn__suspect {
    const char *pool; /* its name, of a cache, a class, a region ... */
    const void *object;
    size_t size; /* as asked for */
    bool live;
    const void *bad;                  /* the first byte that is not as it should be */
    uint32_t alloc_stack, free_stack; /* os/stack.h */
    uint32_t alloc_thread, free_thread;
    const void *neighbour; /* the object in front */
    size_t neighbour_size;
    bool neighbour_live;
    uint32_t neighbour_stack; /* of its allocation */
    uint16_t expected;        /* what `*bad` should be, and 256; 0: it is not one value, or not known */
};

/*
 * Fills in what is known of the object that `address` lies in or near; set by the floors that know. Takes no lock that the caller may hold, and
 * trusts nothing: it is called when memory is corrupt.
 */
extern void (*tarn__fail_describe)(const void *address, struct tarn__suspect *suspect);

/*
 * Reports a misuse that is found before anything was changed. Ends the process, unless the user's handler (tarn/report.h) says to carry on: then it
 * returns, and the caller leaves everything as it was. `suspect` is what the caller knows better than tarn__fail_describe; NULL: nothing. Called with
 * no lock held.
 */
void tarn__report(enum tarn__crime crime, const char *where, const void *address, const struct tarn__suspect *suspect);

/*
 * Who writes reports: os/report.c. Returns when the process is to go on, never if it is `final`. Until there is one, a report is its first line.
 */
typedef void (*tarn__reporter)(enum tarn__crime crime, const char *where, const void *address,
                               const struct tarn__suspect *suspect, bool final);
void tarn__set_reporter(tarn__reporter reporter);

/* What users read of a crime. */
const char *tarn__crime_text(enum tarn__crime crime);

/* Called with the finished message (lines, each with its newline); must not return. */
typedef void (*tarn__fail_exit)(const char *message, size_t length);

/* Sets how the process ends. Until it is set, the end is a trap instruction. */
void tarn__set_fail_exit(tarn__fail_exit exit);

/* Whether that is how it ends. */
bool tarn__fail_exit_is(tarn__fail_exit exit);

/* Ends the process with a finished message. */
_Noreturn void tarn__fail_end(const char *message, size_t length);

/* Reports `crime` against the object or address `address`, seen in `where` (the public function), and ends the process. Any
 * lock may be held. */
_Noreturn void tarn__fail(enum tarn__crime crime, const char *where, const void *address);

_Noreturn void tarn__assert_failed(const char *sentence);

/* An invariant of tarn, checked always: for slow paths. The sentence says what holds. */
#define TARN__ASSERT(condition, sentence)                                                                                      \
    do {                                                                                                                       \
        if (__builtin_expect(!(condition), 0))                                                                                 \
            tarn__assert_failed(sentence);                                                                                     \
    } while (0)

/* The same, in builds for development only. */
#ifdef TARN_DEBUG_BUILD
#define TARN__DEBUG_ASSERT(condition, sentence) TARN__ASSERT(condition, sentence)
#else
#define TARN__DEBUG_ASSERT(condition, sentence) ((void)0)
#endif

#endif
