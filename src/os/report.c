/*
 * Reports: what is known is gathered, the handler is asked, the message is composed (reporttext.c), written in one piece, and the process ends.
 *
 * The heap may be broken: nothing here allocates from it, takes a lock of tarn's or follows its pointers but by tarn__fail_describe. What a report needs lies in
 * memory that is kept for that, of a second one at the same time in a mapping.
 *
 * Threads that report at the same time write one after the other, and the first to end waits for those that are not yet written: both are seen.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/report.h"

#include "base/atomic.h"
#include "os/os.h"
#include "os/reporttext.h"
#include "os/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATIENCE = 12000 }; /* milliseconds that are waited for other threads' reports */

static tarn_report_handler handler;
static void *handler_context;
static TARN__TLS uintptr_t asking_frame; /* of the call below that has asked the handler last; 0: it has returned */
static const void *_Atomic asking_place; /* where in it that is */

static _Atomic uint32_t unwritten; /* reports that will end the process and are not yet written */
static _Atomic uint32_t writer;    /* whose message is being written */
static _Atomic int32_t reporting;  /* the process that both are of: a forked child has its own */

static struct tarn__report_work kept_back;
static _Atomic uint32_t kept_back_owner; /* a thread */

void tarn_report_to(tarn_report_handler to, void *context)
{
    handler_context = context;
    handler = to;
}

const char *tarn_report_text(const struct tarn_report *report)
{
    struct tarn__report_work *work = (struct tarn__report_work *)(uintptr_t)report; /* it begins with the report */
    tarn__report_compose(work, true);
    return work->text;
}

static size_t work_size(void)
{
    size_t page = tarn__os_page_size();
    return (sizeof(struct tarn__report_work) + page - 1) & ~(page - 1);
}

/*
 * Whether this is within a call of the handler. It may have been left by longjmp: then we are no deeper in the stack, or there is no such call in what was taken
 * of the stack.
 */
static bool is_nested(const uintptr_t *frames, size_t count, uintptr_t frame)
{
    if (!asking_frame || frame >= asking_frame)
        return false;
    for (size_t i = 0; i < count; i++)
        if (frames[i] == (uintptr_t)atomic_load_explicit(&asking_place, memory_order_relaxed))
            return true;
    return count == 0 || count == TARN__STACK_MOST;
}

/*
 * The kept one first: a new mapping might come to lie where the address that is reported was mapped before. What a longjmp out of the handler has left is taken
 * again.
 */
static struct tarn__report_work *take_work(bool nested)
{
    uint32_t mine = tarn__thread_id(), owner = 0;
    while (!atomic_compare_exchange_strong(&kept_back_owner, &owner, mine) && (owner != mine || nested)) {
        struct tarn__report_work *work = tarn__os_map(NULL, work_size(), TARN__OS_COMMITTED);
        if (work)
            return work;
        tarn__os_wait_for(&kept_back_owner, owner, 10);
        owner = 0;
    }
    return &kept_back;
}

static void leave_work(struct tarn__report_work *work)
{
    if (work == &kept_back)
        atomic_store(&kept_back_owner, 0);
    else
        tarn__os_unmap(work, work_size());
}

/* What the caller knows comes first; what it does not, the floors that know pools may. */
static void merge(struct tarn__suspect *known, const struct tarn__suspect *found)
{
    bool same = !known->object || known->object == found->object;
    if (!known->pool)
        known->pool = found->pool;
    if (!known->object) {
        known->object = found->object;
        known->live = found->live;
    }
    if (!same)
        return;
    known->size = known->size ? known->size : found->size;
    if (!known->alloc_stack && !known->alloc_thread) {
        known->alloc_stack = found->alloc_stack;
        known->alloc_thread = found->alloc_thread;
    }
    if (!known->free_stack && !known->free_thread) {
        known->free_stack = found->free_stack;
        known->free_thread = found->free_thread;
    }
    if (!known->neighbour) {
        known->neighbour = found->neighbour;
        known->neighbour_size = found->neighbour_size;
        known->neighbour_live = found->neighbour_live;
        known->neighbour_stack = found->neighbour_stack;
    }
}

static struct tarn_report_stack stack_of(uint32_t number, uint32_t thread)
{
    struct tarn_report_stack stack = {.thread = thread};
    stack.frames = tarn__stack_frames(number, &stack.count);
    return stack;
}

/* Whether the object of such a crime is free, whatever was found of it: it may lie in a thread's magazine, which counts as in use. */
static bool is_of_free(enum tarn__crime crime)
{
    return crime == TARN__DOUBLE_FREE || crime == TARN__CORRUPT_LIST || crime == TARN__POISONED ||
           crime == TARN__USE_AFTER_FREE;
}

/* Fills in the report. Its text is without functions for now. */
static void gather(struct tarn__report_work *work, enum tarn__crime crime, const char *where, const void *address,
                   const struct tarn__suspect *suspect)
{
    struct tarn__suspect found = {.pool = NULL}, *known = &work->suspect;
    *known = suspect ? *suspect : found;
    if (tarn__fail_describe)
        tarn__fail_describe(address, &found);
    merge(known, &found);
    known->live &= !is_of_free(crime);
    work->crime = crime;
    work->report = (struct tarn_report){
        .kind = (enum tarn_report_kind)crime,
        .text = work->text,
        .address = address,
        .function = where,
        .pool = known->pool,
        .object = known->object,
        .size = known->size,
        .live = known->live,
        .bad = known->bad,
        .here = {work->here, work->here_count, tarn__thread_id()},
        .allocated = stack_of(known->alloc_stack, known->alloc_thread),
        .freed = stack_of(known->free_stack, known->free_thread),
        .neighbour = known->neighbour,
        .neighbour_size = known->neighbour_size,
        .neighbour_live = known->neighbour_live,
        .neighbour_allocated = stack_of(known->neighbour_stack, 0),
    };
}

/* Whether the word could be had in time. */
static bool take_turn(void)
{
    uint64_t end = tarn__os_now() + PATIENCE;
    uint32_t mine = tarn__thread_id(), free = 0;
    while (!atomic_compare_exchange_strong(&writer, &free, mine)) {
        if (tarn__os_now() > end)
            return false;
        tarn__os_wait_for(&writer, free, 10);
        free = 0;
    }
    return true;
}

static void enter(void)
{
    int32_t process = (int32_t)getpid();
    int32_t before = atomic_exchange(&reporting, process);
    if (before != process && before != 0) {
        atomic_store(&unwritten, 0);
        atomic_store(&writer, 0);
    }
    atomic_fetch_add(&unwritten, 1);
}

static void wait_for_others(void)
{
    uint64_t end = tarn__os_now() + PATIENCE;
    uint32_t others;
    while ((others = atomic_load(&unwritten)) != 0 && tarn__os_now() < end)
        tarn__os_wait_for(&unwritten, others, 10);
}

/* In one system call, where the system takes it so. By number: no point where a thread may be cancelled. */
static void write_text(const char *text, size_t length)
{
    while (length > 0) {
        long written = syscall(SYS_write, STDERR_FILENO, text, length);
        if (written <= 0 && errno != EINTR)
            break;
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
}

/* A closed reader's signal must not end the process before its time. */
static void forget_broken_pipe(void)
{
    sigset_t pipe;
    struct timespec none = {0, 0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (sigtimedwait(&pipe, NULL, &none) < 0 && errno == EINTR)
        ;
}

/*
 * The end. What is left to do once the text is written belongs to the exit that was installed, which is given nothing more to say where it is the system's.
 */
static _Noreturn void end(struct tarn__report_work *work)
{
    sigset_t all, before, waiting;
    int cancel;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    enter();
    tarn__report_compose(work, true);
    size_t length = strlen(work->text);
    if (tarn__fail_exit_is(tarn__os_die)) {
        bool pending = tarn__os_filtered() || (sigpending(&waiting) == 0 && sigismember(&waiting, SIGPIPE));
        bool mine = take_turn();
        write_text(work->text, length);
        if (mine)
            atomic_store(&writer, 0);
        if (!pending)
            forget_broken_pipe();
        length = 0;
    }
    atomic_fetch_sub(&unwritten, 1);
    if (!tarn__os_filtered())
        wait_for_others();
    pthread_setcancelstate(cancel, &cancel);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    asking_frame = 0;
    tarn__fail_end(work->text, length);
}

/* A call of its own, whose return address is the place that is_nested looks for. */
static TARN__NOINLINE enum tarn_report_answer ask(const struct tarn__report_work *work, uintptr_t frame)
{
    uintptr_t before = asking_frame;
    atomic_store_explicit(&asking_place, __builtin_return_address(0), memory_order_relaxed);
    asking_frame = frame;
    enum tarn_report_answer answer = handler(&work->report, handler_context);
    asking_frame = before;
    return answer;
}

TARN__NOINLINE void tarn__report_whole(enum tarn__crime crime, const char *where, const void *address,
                                       const struct tarn__suspect *suspect, bool final)
{
    int saved = errno;
    uintptr_t frames[TARN__STACK_MOST], frame = (uintptr_t)__builtin_frame_address(0);
    size_t count = tarn__stack_take(frames, TARN__STACK_MOST, 0);
    bool nested = is_nested(frames, count, frame);
    struct tarn__report_work *work = take_work(nested);
    memcpy(work->here, frames, count * sizeof *frames);
    work->here_count = count;
    gather(work, crime, where, address, suspect);
    work->report.final = final;
    work->places_known = false;
    work->looked = false;
    if (handler && !nested) {
        tarn__report_compose(work, false);
        enum tarn_report_answer answer = ask(work, frame);
        if (answer == TARN_REPORT_CONTINUE && !final) {
            leave_work(work);
            errno = saved;
            return;
        }
    }
    end(work);
}
