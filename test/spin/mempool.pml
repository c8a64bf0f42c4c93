/*
 * The waiting, waking and refilling of src/mempool/mempool.c, for SPIN.
 *
 * Elements are counted, not named: one is in the reserve (`curr`), held by a thread, or lost to the allocator below, which under the
 * worst pressure never gives one back. Each thread takes NEEDn elements at once, SHARE times before it frees all of them, and does so for ever,
 * or ends after any round. Wake-ups are all there is: nobody wakes by its time, unless TIMEOUT is defined.
 *
 * Checked: no state in which all are stuck; no element is made or lost; whenever the lock is free, nobody waits while there is enough for
 * it; one element wakes one waiter. With LTL: who waits for one element gets it, under weak fairness.
 *
 * Each MUTANT_… plants an error that must be found; `run.sh` says with which numbers.
 */
#ifndef MIN
#define MIN 2
#endif
#ifndef NEED0
#define NEED0 1
#endif
#ifndef NEED1
#define NEED1 1
#endif
#ifndef NEED2
#define NEED2 1
#endif
#ifndef SHARE
#define SHARE 1
#endif
#define N 3
#define NOBODY 255

byte curr = MIN, min_nr = MIN;
byte lost = 0, made = 0; /* elements that went below, and that resizing brought */
byte held[N];
bool locked = false;

/* The queue: places[0 … waiting - 1] are threads, the first to come first. */
byte places[N], need[N], waiting = 0;
bool served[N], asleep[N];

inline lock() { atomic { !locked; locked = true } }

/* The invariants of the head of mempool.c. */
inline unlock()
{
    atomic {
        assert(curr + held[0] + held[1] + held[2] + lost == MIN + made);
        assert(waiting < 1 || need[places[0]] > curr);
        assert(waiting < 2 || need[places[1]] > curr);
        assert(waiting < 3 || need[places[2]] > curr);
        locked = false
    }
}

inline enqueue(me)
{
    d_step { places[waiting] = me; waiting++; served[me] = false }
}

inline dequeue(place)
{
    d_step {
        i = place;
        do
        :: i + 1 < waiting -> places[i] = places[i + 1]; i++
        :: else -> break
        od;
        waiting--;
        i = 0
    }
}

/* Under the lock: the first waiter there is enough for gets all that it needs. `wake` is who is to be woken after it. */
inline serve()
{
    wake = NOBODY;
    d_step {
        at = 0;
        do
        :: at < waiting && need[places[at]] > curr -> at++
        :: else -> break
        od
    }
#ifndef MUTANT_NO_SERVE
    atomic {
        if
        :: at < waiting ->
            wake = places[at];
            dequeue(at);
            curr = curr - need[wake];
            held[wake] = held[wake] + need[wake];
            served[wake] = true
        :: else
        fi
    }
#endif
}

/* tarn__mempool_give, for one element. */
inline give()
{
    /* read without the lock; `leave` and the fence here promise that it is no older than the element's leaving */
#ifdef MUTANT_STALE
    if
    :: is_short = (curr < min_nr)
    :: is_short = false
    fi;
#else
    is_short = (curr < min_nr);
#endif
    if
    :: is_short ->
        lock();
#ifdef MUTANT_NO_SECOND_LOOK
        curr++; held[me]--;
        assert(curr <= min_nr);
        serve();
#else
        wake = NOBODY;
        if
        :: curr < min_nr -> d_step { curr++; held[me]-- }; serve()
        :: else -> d_step { lost++; held[me]-- }
        fi;
#endif
        unlock();
        if
        :: wake != NOBODY ->
#ifndef MUTANT_NO_WAKE
            asleep[wake] = false;
#endif
            wake = NOBODY
        :: else
        fi
    :: else -> d_step { lost++; held[me]-- } /* the allocator below has it, and others there need it more */
    fi
}

/* tarn__os_wait_for: sleeps only while the word says so, which is seen at once with falling asleep. */
inline sleep()
{
    do
    :: served[me] -> break
    :: else ->
#ifdef MUTANT_BLIND_SLEEP
        asleep[me] = true;
#else
        atomic { if :: !served[me] -> asleep[me] = true :: else fi };
#endif
        if
        :: !asleep[me]
#ifdef TIMEOUT
        :: true -> asleep[me] = false; timed_out = true; break
#endif
        fi
    od
}

/* take, of a request that may sleep, until it has all that it needs. */
inline take(n)
{
    do
    :: true ->
        timed_out = false;
        lock();
        if
#ifdef MUTANT_PARTIAL
        :: need[me] > 0 && curr > 0 -> d_step { held[me]++; curr--; need[me]-- }; unlock();
            if :: need[me] == 0 -> need[me] = n; break :: else fi
#else
        :: curr >= n -> d_step { curr = curr - n; held[me] = held[me] + n }; unlock(); break
#endif
        :: else ->
#ifdef MUTANT_QUEUE_LATE
            unlock();
            lock();
#endif
            enqueue(me);
#ifdef MUTANT_QUEUE_LATE
            locked = false;
#else
            unlock();
#endif
            sleep();
            if
            :: timed_out ->
                lock();
                if
                :: served[me] -> unlock(); break
                :: else ->
                    d_step { at = 0; do :: places[at] != me -> at++ :: else -> break od };
#ifndef MUTANT_STAYS_QUEUED
                    dequeue(at);
#endif
                    unlock()
                fi
#ifdef MUTANT_PARTIAL
            :: else -> need[me] = n; break
#else
            :: else -> break
#endif
            fi
        fi
    od
}

proctype thread(byte me; byte n)
{
    byte i, at, wake = NOBODY, turn;
    bool is_short, timed_out;
    need[me] = n;
    do
#ifndef LTL
    :: break
#endif
    :: true ->
        turn = 0;
        do
        :: turn < SHARE -> take(n); turn++
        :: else -> break
        od;
        do
        :: held[me] > 0 -> give()
        :: else -> break
        od
    od
}

#ifdef RESIZE
/* tarn_mempool_resize to RESIZE and back again: elements from below to grow, for waiters first; the surplus below to shrink. */
proctype resizer()
{
    byte i, at, wake = NOBODY;
    lock(); min_nr = RESIZE; unlock();
    do
    :: lock();
        if
        :: curr < min_nr && made < RESIZE ->
            d_step { curr++; made++ };
            serve();
            unlock();
            if :: wake != NOBODY -> asleep[wake] = false :: else fi
        :: else -> unlock(); break
        fi
    od;
    lock(); min_nr = MIN; unlock();
    do
    :: lock();
        if
        :: curr > min_nr -> d_step { curr--; lost++ }; unlock()
        :: else -> unlock(); break
        fi
    od
}
#endif

init
{
    atomic {
        run thread(0, NEED0);
        run thread(1, NEED1);
#if NEED2
        run thread(2, NEED2);
#endif
#ifdef RESIZE
        run resizer()
#endif
    }
}

#ifdef LTL
/* Thread 2, once it is in the queue, gets what it waits for. */
#define queued ((waiting > 0 && places[0] == 2) || (waiting > 1 && places[1] == 2) || (waiting > 2 && places[2] == 2))
ltl served_at_last { [] (queued -> <> (held[2] > 0)) }
#endif
