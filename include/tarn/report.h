/**
 * @file report.h
 * Reports of misuse: what was done, to which object, by whom.
 *
 * A misuse that is proved (an object freed twice, bytes written behind one) is reported once, at the call that finds it, before that call has changed anything.
 * Without a handler the report is one message on standard error, and the end of the process by SIGABRT. A handler is told first, and decides.
 * tarn-report(7) describes the message.
 */
#ifndef TARN_REPORT_H
#define TARN_REPORT_H

#include "api.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tarn_report_kind {
    TARN_REPORT_INVALID_FREE,   /**< the address is not the start of a live object */
    TARN_REPORT_DOUBLE_FREE,    /**< the object is free already */
    TARN_REPORT_WRONG_SIZE,     /**< a sized free, or a release, with a size that the object does not have */
    TARN_REPORT_CORRUPT_LIST,   /**< a free object was overwritten, where tarn keeps its links */
    TARN_REPORT_WRONG_CACHE,    /**< the object belongs to another cache */
    TARN_REPORT_WRONG_ORDER,    /**< a block of pages given back with another order */
    TARN_REPORT_RED_ZONE,       /**< bytes around an object were overwritten */
    TARN_REPORT_POISONED,       /**< a free object was overwritten */
    TARN_REPORT_USE_AFTER_FREE, /**< an access to a freed object, found at the access */
    TARN_REPORT_OUT_OF_BOUNDS,  /**< an access beyond an object, found at the access */
    TARN_REPORT_DESTROYED_POOL, /**< a pool was used after its end */
    TARN_REPORT_LIVE_OBJECTS,   /**< a pool ended while objects of it were in use */
    TARN_REPORT_DATA_RACE,      /**< two threads at once in a pool that is meant for one */
    TARN_REPORT_CORRUPT_POOL,   /**< a pool's own words were overwritten */
    TARN_REPORT_NO_CACHE,       /**< a cache that had to be made could not be */
    TARN_REPORT_INTERNAL,       /**< tarn is wrong about itself */
};

/** Return addresses, innermost first. A count of 0: not known. */
struct tarn_report_stack {
    const uintptr_t *frames;
    size_t count;
    unsigned thread; /**< tarn's number of the thread, from 1; 0: not known */
};

/** All of it lives until the handler returns. What is not known is 0 or NULL. */
struct tarn_report {
    enum tarn_report_kind kind;
    bool final; /**< it cannot go on: the handler's answer is not asked for, and it must not call tarn */
    const char
        *text; /**< the message, with addresses and modules, but without functions and lines: tarn_report_text has those */
    const void *address;  /**< that the call was given, or that is wrong */
    const char *function; /**< in which it was found: "free", "cache_free" */
    const char *pool;     /**< a cache's name, "malloc-64", "region" */
    const void *object;   /**< where the object begins that `address` lies in or near */
    size_t size;          /**< of it in bytes, as asked for where that is kept, else as handed out */
    bool live;            /**< the object is in use */
    const void *bad;      /**< the first byte that is not as it should be */
    struct tarn_report_stack here, allocated, freed;
    const void *neighbour; /**< the object in front of it */
    size_t neighbour_size;
    bool neighbour_live;
    struct tarn_report_stack neighbour_allocated;
};

enum tarn_report_answer {
    TARN_REPORT_ABORT,    /**< as without a handler: the message, and SIGABRT */
    TARN_REPORT_CONTINUE, /**< the call that found it returns as if it had not been made, and nothing is written */
};

typedef enum tarn_report_answer (*tarn_report_handler)(const struct tarn_report *report, void *context);

/**
 * Sends reports to a handler; NULL: to none, as at first.
 *
 * It is called by the thread whose call found the misuse, with no lock of tarn held, and may call anything of tarn, unless `final` is set; it may also leave by
 * longjmp. Several threads may be in it at once. A misuse that is found within it ends the process with its own report.
 *
 * @param handler  what is called
 * @param context  given to it
 *
 * Any thread; not in a signal handler; not while another thread sets it. Cost: none until there is a report.
 */
TARN_API void tarn_report_to(tarn_report_handler handler, void *context);

/**
 * The message of a report with functions, files and lines, as far as they can be found.
 *
 * @param report  that a handler was given, within that handler
 * @return the text, which ends with a newline; it lives until the handler returns
 *
 * The command `tarn` is run to look them up. Cost: some milliseconds, more with large programs; at most ten seconds.
 */
TARN_API const char *tarn_report_text(const struct tarn_report *report);

#ifdef __cplusplus
}
#endif

#endif
