/*
 * The contract of os.h on Linux. Each function is one system call, but for the reading of a file.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os/os.h"

#include "base/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Values of the kernel's interface that the oldest libc headers tarn builds with lack. */
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* The futex call and its time, which is the kernel's and not the C library's: that may count in 64 bits where SYS_futex takes 32. */
#ifdef SYS_futex
enum { FUTEX = SYS_futex };
struct kernel_time {
    long seconds, nanoseconds;
};
#else /* 32-bit machines that came late, as RISC-V */
enum { FUTEX = SYS_futex_time64 };
struct kernel_time {
    int64_t seconds, nanoseconds;
};
#endif

static _Atomic uint64_t calls[TARN__OS_CALLS];

/* Counts a call and turns its outcome into 0 or -errno, with errno as it was before. */
static int outcome(enum tarn__os_call call, int result, int saved_errno)
{
    int error = result == 0 ? 0 : -errno;
    atomic_fetch_add_explicit(&calls[call], 1, memory_order_relaxed);
    errno = saved_errno;
    return error;
}

uint64_t tarn__os_calls(enum tarn__os_call call) { return atomic_load_explicit(&calls[call], memory_order_relaxed); }

size_t tarn__os_page_size(void)
{
    static _Atomic size_t known;
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (!size) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

void *tarn__os_map(void *at, size_t size, enum tarn__os_use use)
{
    int saved = errno;
    int protection = use == TARN__OS_COMMITTED ? PROT_READ | PROT_WRITE : PROT_NONE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : 0);
    void *p = mmap(at, size, protection, flags, -1, 0);
    outcome(TARN__OS_MAP, p == MAP_FAILED ? -1 : 0, saved);
    if (p == MAP_FAILED)
        return NULL;
    if (at && p != at) { /* kernels before 4.17 take the address for a hint */
        tarn__os_unmap(p, size);
        return NULL;
    }
    return p;
}

int tarn__os_commit(void *p, size_t size)
{
    int saved = errno;
    return outcome(TARN__OS_COMMIT, mprotect(p, size, PROT_READ | PROT_WRITE), saved);
}

int tarn__os_populate(void *p, size_t size)
{
    int saved = errno;
    return outcome(TARN__OS_POPULATE, madvise(p, size, MADV_POPULATE_WRITE), saved);
}

int tarn__os_purge(void *p, size_t size)
{
    int saved = errno;
    return outcome(TARN__OS_PURGE, madvise(p, size, MADV_DONTNEED), saved);
}

int tarn__os_unmap(void *p, size_t size)
{
    int saved = errno;
    return outcome(TARN__OS_UNMAP, munmap(p, size), saved);
}

int tarn__os_move(void *from, void *to, size_t size)
{
    int saved = errno;
    void *p = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
    int error = outcome(TARN__OS_MOVE, p == MAP_FAILED ? -1 : 0, saved);
    if (error) { /* kernels before 6.17 cannot move pieces of several mappings, and find that out after they have unmapped `to` */
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
        p = mmap(to, size, PROT_READ | PROT_WRITE, flags, -1, 0);
        bool there = p == MAP_FAILED ? errno == EEXIST : p != to; /* kernels before 4.17 take the address for a hint */
        if (p != MAP_FAILED && p != to)
            munmap(p, size);
        if (p == MAP_FAILED && !there) /* at its limit of mappings a process gets no other answer than that */
            there = msync(to, size, MS_ASYNC) == 0;
        errno = saved;
        TARN__ASSERT(p == to || there, "a range that pages could not be moved to is still there");
    }
    return error;
}

void tarn__os_wait(_Atomic uint32_t *word, uint32_t value)
{
    int saved = errno;
    outcome(TARN__OS_WAIT, (int)syscall(FUTEX, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0), saved);
}

void tarn__os_wait_for(_Atomic uint32_t *word, uint32_t value, uint32_t milliseconds)
{
    int saved = errno;
    struct kernel_time most = {(long)(milliseconds / 1000), (long)(milliseconds % 1000) * 1000000};
    outcome(TARN__OS_WAIT, (int)syscall(FUTEX, word, FUTEX_WAIT_PRIVATE, value, &most, NULL, 0), saved);
}

void tarn__os_wake(_Atomic uint32_t *word)
{
    int saved = errno;
    outcome(TARN__OS_WAKE, (int)syscall(FUTEX, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), saved);
}

uint64_t tarn__os_now(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/*
 * By number and not by the C library's functions: those are points where a thread may be cancelled, and are replaced by programs; the free of an
 * object is neither the place for the one nor for the other.
 */
int tarn__os_read(const char *path, bool (*take)(void *to, const char *bytes, size_t count), void *to)
{
    enum { PIECE = 1024, MOST = 1 << 20 };
    char piece[PIECE];
    int saved = errno, error = 0;
    size_t total = 0;
    bool more = true;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0)
        return outcome(TARN__OS_READ, file, saved);
    while (more) {
        ssize_t count = syscall(SYS_read, file, piece, sizeof piece);
        if (count == 0)
            break;
        if (count < 0 && errno == EINTR)
            continue;
        error = count < 0 ? -errno : total >= MOST ? -EFBIG : 0;
        if (error)
            break;
        total += (size_t)count;
        more = take(to, piece, (size_t)count);
    }
    syscall(SYS_close, file);
    outcome(TARN__OS_READ, 0, saved);
    return error;
}

bool tarn__os_filtered(void)
{
    int saved = errno, mode = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
    errno = saved;
    return mode > 0;
}

void tarn__os_die(const char *message, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, message, length);
        if (written <= 0 && errno != EINTR)
            break;
        if (written > 0) {
            message += written;
            length -= (size_t)written;
        }
    }
    abort();
}
