/*
 * A program over liburcu: tarn's grace periods wait for that library's readers as well. Linked with libtarn.so, with libtarn.a,
 * and with libtarn-malloc.so preloaded.
 */
#include "check.h"

#include "tarn/rcu.h"

#include <pthread.h>
#include <time.h>
#include <urcu/urcu-memb.h>

static _Atomic int wanted, inside, synchronized, called;

static void pause_ms(long ms) { nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL); }

static void *read_urcu(void *unused)
{
    urcu_memb_register_thread();
    urcu_memb_read_lock();
    inside = 1;
    while (wanted)
        pause_ms(1);
    inside = 0;
    urcu_memb_read_unlock();
    urcu_memb_unregister_thread();
    return unused;
}

static void *read_tarn(void *unused)
{
    tarn_rcu_read_lock();
    inside = 1;
    while (wanted)
        pause_ms(1);
    inside = 0;
    tarn_rcu_read_unlock();
    return unused;
}

static void *synchronize(void *unused)
{
    tarn_rcu_synchronize();
    synchronized = 1;
    return unused;
}

static void call(struct tarn_rcu_head *head)
{
    (void)head;
    called = 1;
}

static void wait_for(void *(*reader)(void *))
{
    pthread_t threads[2];
    struct tarn_rcu_head head;
    synchronized = called = inside = 0;
    wanted = 1;
    pthread_create(&threads[0], NULL, reader, NULL);
    while (!inside)
        pause_ms(1);
    pthread_create(&threads[1], NULL, synchronize, NULL);
    tarn_rcu_call(&head, call);
    pause_ms(50);
    CHECK(!synchronized, "a grace period passed under a reader");
    CHECK(!called, "a call was made under a reader");
    wanted = 0;
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    tarn_rcu_barrier();
    CHECK(called, "no call was made");
}

static void liburcus_readers(void) { wait_for(read_urcu); }
static void own_readers(void) { wait_for(read_tarn); }

int main(void)
{
    static const struct check_case cases[] = {
        {"readers of liburcu are waited for", liburcus_readers},
        {"and tarn's own", own_readers},
    };
    alarm(60);
    return CASES(cases);
}
