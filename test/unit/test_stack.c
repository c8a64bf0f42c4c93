/* Floor 2: stacks are those that the compiler's own unwinder finds, from wherever they are taken; each is kept once. */
#include "test/unit/check.h"

#include "os/kept.h"
#include "os/os.h"
#include "os/stack.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

enum { MOST = TARN__STACK_MOST, THREADS = 4 };

static _Thread_local volatile size_t sink; /* each thread its own: no race of the test itself */
static size_t least;                       /* frames that a look must have found */

struct list {
    uintptr_t frames[MOST + 1];
    size_t count;
};

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *to)
{
    struct list *list = to;
    if (list->count == MOST + 1)
        return _URC_END_OF_STACK;
    list->frames[list->count++] = _Unwind_GetIP(context);
    return _URC_NO_REASON;
}

/* The last frame of all is the first code of a thread: the other unwinder may name what is in front of it. */
__attribute__((noinline)) static void look(void)
{
    struct list other = {.count = 0};
    uintptr_t mine[MOST];
    _Unwind_Backtrace(note, &other);
    size_t count = tarn__stack_take(mine, MOST, 0), common = other.count - 1 < count ? other.count - 1 : count;
    assert_true(count >= least && count + 2 >= other.count && count <= other.count);
    assert_memory_equal(mine, other.frames + 1, common * sizeof *mine);
    for (int i = 0; i < 3; i++) { /* the way is not known, and is */
        size_t again;
        const uintptr_t *frames = tarn__stack_frames(tarn__stack_again(MOST, 0), &again);
        assert_int_equal(again, count);
        assert_memory_equal(mine, frames, count * sizeof *mine);
    }
    sink++;
}

__attribute__((noinline)) static void down(unsigned depth, size_t room)
{
    volatile char some[64];
    char *more = __builtin_alloca(room * depth + 16);
    memset(more, (int)depth, room * depth + 16);
    some[depth % 64] = more[depth % 16];
    if (depth > 0)
        down(depth - 1, room);
    else
        look();
    sink += (size_t)some[depth % 64];
}

/* With room of a length that is not known either, the frame's place is kept in memory. */
__attribute__((noinline)) static void aligned(size_t room)
{
    __attribute__((aligned(128))) volatile char line[128];
    volatile char *more = __builtin_alloca(room);
    line[0] = more[0] = 1;
    look();
    sink += (size_t)line[0] + (size_t)more[0];
}

static int compare(const void *a, const void *b)
{
    if (sink % 8 == 0)
        look();
    sink++;
    return *(const int *)a - *(const int *)b;
}

static void look_around(void)
{
    int numbers[32];
    look();
    for (unsigned depth = 0; depth < 20; depth++) {
        down(depth, 0);
        down(depth, 40);
    }
    aligned(sink % 64 + 16);
    for (size_t i = 0; i < 32; i++)
        numbers[i] = (int)(i * 7 % 32);
    qsort(numbers, 32, sizeof *numbers, compare);
}

static void finds_callers_without_preparation(void **state)
{
    (void)state;
#ifdef __x86_64__
    least = 1;
    look_around();
#endif
}

static void finds_callers(void **state)
{
    (void)state;
    tarn__stack_begin();
    tarn__stack_begin();
    least = 1;
    for (int i = 0; i < 3; i++)
        look_around();
}

/* One place of the stack, another caller each time, or another length. */
__attribute__((noinline)) static uint32_t again(size_t most)
{
    uint32_t number = tarn__stack_again(most, 0);
    sink++; /* not the last thing that is done is the call */
    return number;
}

__attribute__((noinline)) static uint32_t once(size_t most)
{
    uint32_t number = again(most);
    sink++;
    return number;
}

static void tells_ways_apart(void **state)
{
    (void)state;
    tarn__stack_begin();
    for (int round = 0; round < 4; round++) {
        size_t counts[3];
        const uintptr_t *frames[3];
        for (volatile size_t i = 0; i < 2; i++)
            frames[i] = tarn__stack_frames(once(i == 0 ? MOST : 2), &counts[i]);
        frames[2] = tarn__stack_frames(again(MOST), &counts[2]);
        assert_int_equal(counts[1], 2);
        assert_true(counts[0] > 2);
        assert_memory_equal(frames[0], frames[1], 2 * sizeof(uintptr_t));
        assert_int_not_equal(frames[0][0], frames[2][0]);
    }
}

/*
 * What calls lies elsewhere, but its stack pointer is where that of another caller was; and of that one's frame all words are still there.
 */
static uint32_t held;
static size_t held_count;
static uintptr_t held_frames[MOST];

__attribute__((noinline)) static void hold(void)
{
    held = tarn__stack_again(MOST, 0);
    held_count = tarn__stack_take(held_frames, MOST, 0);
}

__attribute__((noinline)) static void with_room(size_t room, void (*call)(void))
{
    volatile char *some = __builtin_alloca(room);
    call();
    sink += some[0] == 1;
}

__attribute__((noinline)) static void by_one(size_t room, size_t rest, void (*call)(void))
{
    volatile char *some = __builtin_alloca(room);
    with_room(rest, call);
    sink += some[0] == 2;
}

__attribute__((noinline)) static void by_other(size_t room, size_t rest, void (*call)(void))
{
    volatile char *some = __builtin_alloca(room);
    with_room(rest, call);
    sink += some[0] == 3;
}

static void follows_frame_pointers(void **state)
{
    (void)state;
    tarn__stack_begin();
    for (volatile int round = 0; round < 8; round++) {
        void (*volatile by)(size_t, size_t, void (*)(void)) = round % 2 ? by_other : by_one;
        volatile size_t much = 3072, little = 1024;
        by(round % 2 ? little : much, round % 2 ? much : little, round % 4 < 2 ? hold : look);
        size_t count;
        const uintptr_t *frames = tarn__stack_frames(held, &count);
        assert_int_equal(count, held_count);
        assert_memory_equal(frames, held_frames, count * sizeof *frames);
    }
}

static void *look_in_thread(void *argument)
{
    look_around();
    return argument;
}

static void finds_callers_in_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_in_thread, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

__attribute__((noinline)) static size_t skipping(uintptr_t *frames, size_t most, size_t skip)
{
    size_t count = tarn__stack_take(frames, most, skip);
    sink++;
    return count;
}

static void leaves_out_and_ends_in_time(void **state)
{
    (void)state;
    uintptr_t all[MOST], some[MOST];
    size_t counts[3], count = 0;
    memset(some, 0, sizeof some);
    for (size_t i = 0; i < 3; i++) /* all from one place in the code */
        counts[i] = skipping(i == 0 ? all : some, i == 2 ? 2 : MOST, i == 0 ? 0 : 1);
    count = counts[0];
    assert_true(count > 3);
    assert_int_equal(counts[1], count - 1);
    assert_int_equal(counts[2], 2);
    assert_memory_equal(some, all + 1, (count - 1) * sizeof *all);
    assert_int_equal(skipping(some, MOST, 1000), 0);
    assert_int_equal(skipping(some, 0, 0), 0);
}

#ifdef __x86_64__
static void handle(int number)
{
    (void)number;
    look();
}

__attribute__((noinline)) static void interrupted(int number)
{
    volatile int before = number;
    raise(number);
    sink += (size_t)before;
}

static char other_stack[65536];

static void sees_through_signals(void **state)
{
    (void)state;
    stack_t alternate = {.ss_sp = other_stack, .ss_size = sizeof other_stack};
    struct sigaction plain = {.sa_handler = handle}, apart = {.sa_handler = handle, .sa_flags = SA_ONSTACK};
    assert_int_equal(sigaltstack(&alternate, NULL), 0);
    sigaction(SIGUSR1, &plain, NULL);
    sigaction(SIGUSR2, &apart, NULL);
    least = 4;
    interrupted(SIGUSR1);
    interrupted(SIGUSR2);
    least = 1;
}
#endif

static void take_at_any_time(int number)
{
    uintptr_t frames[MOST];
    (void)number;
    sink += tarn__stack_take(frames, MOST, 0);
    tarn__stack_here(0);
}

static _Atomic bool over;

static void *load_and_unload(void *argument)
{
    while (!over) {
        void *library = dlopen("libm.so.6", RTLD_NOW);
        if (library)
            dlclose(library);
        sink++;
    }
    return argument;
}

/* Wherever the handler interrupts, and while modules come and go and processes fork, it comes back. */
static void bears_interruption(void **state)
{
    (void)state;
    struct sigaction act = {.sa_handler = take_at_any_time, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    pthread_t other;
    sigaction(SIGPROF, &act, NULL);
    assert_int_equal(pthread_create(&other, NULL, load_and_unload, NULL), 0);
    setitimer(ITIMER_PROF, &often, NULL);
    for (int i = 0; i < 300; i++) {
        down(12, 0);
        if (i % 30 == 0) {
            pid_t child = fork();
            if (child == 0) {
                take_at_any_time(0);
                _exit(tarn__stack_here(0) ? 0 : 1);
            }
            int status = 1;
            while (waitpid(child, &status, 0) < 0)
                ;
            assert_int_equal(status, 0);
        }
    }
    setitimer(ITIMER_PROF, &never, NULL);
    over = true;
    pthread_join(other, NULL);
}

static void keeps_each_once(void **state)
{
    (void)state;
    uintptr_t frames[MOST] = {1, 2, 3};
    size_t count = 9;
    assert_int_equal(tarn__stack_keep(frames, 0), 0);
    uint32_t first = tarn__stack_keep(frames, 3), shorter = tarn__stack_keep(frames, 2);
    assert_true(first != 0 && shorter != 0 && first != shorter);
    assert_int_equal(tarn__stack_keep(frames, 3), first);
    const uintptr_t *back = tarn__stack_frames(first, &count);
    assert_int_equal(count, 3);
    assert_memory_equal(back, frames, 3 * sizeof *frames);
    assert_null(tarn__stack_frames(0, &count));
    assert_int_equal(count, 0);
    assert_null(tarn__stack_frames(UINT32_MAX, &count));
    uint32_t twice[2];
    for (int i = 0; i < 2; i++)
        twice[i] = tarn__stack_here(0);
    assert_true(twice[0] != 0 && twice[0] == twice[1]);
}

enum { MANY = 60000 };
static uint32_t numbers[THREADS][MANY];

static void *keep_many(void *argument)
{
    uint32_t *mine = argument;
    uintptr_t frames[MOST];
    for (size_t i = 0; i < MANY; i++) {
        for (size_t k = 0; k < MOST; k++)
            frames[k] = (i + 1) * (k + 1);
        mine[i] = tarn__stack_keep(frames, 1 + i % MOST);
    }
    return NULL;
}

static void keeps_many_from_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_many, numbers[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < MANY; i++) {
        size_t count = 0;
        const uintptr_t *frames = tarn__stack_frames(numbers[0][i], &count);
        assert_int_equal(count, 1 + i % MOST);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(frames[k], (i + 1) * (k + 1));
        for (int t = 1; t < THREADS; t++)
            assert_int_equal(numbers[t][i], numbers[0][i]);
    }
    assert_true(tarn__kept->next > TARN__KEPT_CHUNK / TARN__KEPT_UNIT); /* more than one chunk */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_callers_without_preparation),
        cmocka_unit_test(finds_callers),
        cmocka_unit_test(finds_callers_in_threads),
        cmocka_unit_test(tells_ways_apart),
        cmocka_unit_test(follows_frame_pointers),
        cmocka_unit_test(leaves_out_and_ends_in_time),
#ifdef __x86_64__
        cmocka_unit_test(sees_through_signals),
#endif
        cmocka_unit_test(bears_interruption),
        cmocka_unit_test(keeps_each_once),
        cmocka_unit_test(keeps_many_from_threads),
    };
    return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
