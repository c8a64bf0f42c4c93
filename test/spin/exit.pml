/*
 * The end of a thread beside the end of a cache, for SPIN: detach, tarn__local_collect and tarn__local_forget of src/slab/local.c; pins, tarn__cache_withdraw
 * and tarn__cache_release of caches.c; tarn_cache_destroy of create.c.
 *
 * One number of a cache. Each of OBJECTS objects is a bit and lies in a thread's bin, the depot or the slabs; none is in use, so the cache may end. While one
 * thread ends it, others tend their bins (give them to the depot, take the depot's to the slabs, as they do of any cache), end, and begin on bins
 * that ended threads left. Then the number is another cache's, whose objects are others: GENERATIONS of them.
 *
 * Checked: when slabs are released all objects are in them; bins of a new cache hold nothing of the one before; nothing is done to a cache that was
 * released; nobody waits for ever.
 */
#ifndef THREADS
#define THREADS 2 /* beside the one that ends the cache */
#endif
#ifndef OBJECTS
#define OBJECTS 4
#endif
#define LOCALS THREADS
#define NONE 255
#define ALL ((1 << OBJECTS) - 1)
#define LEAVING 16

/* Of the number: which generation of cache the table leads to, 0 for none. */
byte table = 1, now = 1;
byte pins = 0;
byte slab = 0, depot = 0; /* the depot takes whatever comes */
bool released = false;

byte bin[LOCALS];
bool begun[LOCALS], registered[LOCALS], spare[LOCALS];
bool registry_locked = false;
byte ended = 0;
bool over = false;

inline lock_registry() { !registry_locked -> registry_locked = true }
inline unlock_registry() { registry_locked = false }

/* tarn__cache_pin and _unpin: what is done under the caches' lock, to what only that guards, is one step. */
inline pin() { atomic { pinned = table; pins = pins + (pinned -> 1 : 0) } }
inline unpin() { atomic { assert(pinned == now && !released); pins--; pinned = 0 } }

/* empty_bin, of a pinned cache. */
inline empty_bin()
{
    atomic { hand = bin[mine]; bin[mine] = 0; assert(pinned == now && !released && (now == 1 || hand == 0)) };
    atomic { depot = depot | hand; hand = 0 }
}

/* Maintenance: of the own bin, and of the depot. */
inline tend()
{
    pin();
    if
    :: pinned && mine != NONE && begun[mine] -> empty_bin(); unpin()
    :: pinned -> /* of the depot */
        atomic { hand = depot; depot = 0; assert(pinned == now && !released) };
        atomic { slab = slab | hand; hand = 0 };
        unpin()
    :: !pinned
    fi
}

/* detach */
inline detach()
{
#ifdef MUTANT_LEAVES_FIRST
    atomic { lock_registry(); registered[mine] = false; unlock_registry() };
#endif
#ifdef MUTANT_LOOKS_FIRST
    hand = bin[mine];
    pin();
    if
    :: pinned -> atomic { bin[mine] = 0; assert(now == 1 || hand == 0); depot = depot | hand; hand = 0 }; unpin()
    :: else -> hand = 0
    fi;
#else
    pin();
    if
    :: pinned ->
        if :: begun[mine] -> empty_bin() :: else -> skip fi;
        unpin()
    :: else -> skip
    fi;
#endif
    atomic {
        lock_registry();
        begun[mine] = begun[mine] && (table == 0 || bin[mine] != 0)
    };
    atomic { registered[mine] = false; spare[mine] = true; mine = NONE; unlock_registry() }
}

/* enrol_spare: a thread begins on what another left. */
inline attach()
{
    atomic {
        lock_registry();
        at = 0;
        do
        :: at < LOCALS && !spare[at] -> at++
        :: else -> break
        od;
        if
        :: at < LOCALS -> mine = at; spare[at] = false; registered[at] = true
        :: else -> skip
        fi;
        at = 0;
        unlock_registry()
    }
}

/* The thread has a bin, with some of the objects or none of them. It may tend it, and end; so may one that takes its place. */
proctype thread(byte mine)
{
    byte hand = 0, pinned = 0, at = 0;
    bool again = true;
    do
    :: true -> tend()
    :: true -> detach(); break
    od;
    if
    :: true -> attach();
        if
        :: mine != NONE ->
            /* the first operation on the cache that is there now, if there is one: its bin has nothing of another */
            atomic {
                if
                :: table == 2 -> assert(bin[mine] == 0); assert(!begun[mine]); begun[mine] = true
                :: else -> skip
                fi
            };
            if :: true -> tend() :: true -> skip fi;
            detach()
        :: else -> skip
        fi
    :: true -> skip
    fi;
    ended++
}

/* tarn__local_collect */
inline collect()
{
    do
    :: true ->
        atomic {
            lock_registry();
            do
#ifdef MUTANT_SPARE_UNSEEN
            :: at < LOCALS && (!registered[at] || bin[at] == 0) -> at++
#else
            :: at < LOCALS && ((!registered[at] && !spare[at]) || bin[at] == 0) -> at++
#endif
            :: else -> break
            od;
            hand = (at < LOCALS -> bin[at] : 0)
        };
        atomic { if :: at < LOCALS -> bin[at] = 0 :: else -> skip fi; at = 0; unlock_registry() };
        if
        :: hand -> atomic { slab = slab | hand; hand = 0 }
        :: else -> break
        fi
    od
}

active proctype destroyer()
{
    byte hand = 0, at = 0;
    over; /* set by init */
    /* tarn__cache_withdraw */
    atomic { table = 0; pins = pins + LEAVING };
#ifndef MUTANT_NO_WAIT
    pins == LEAVING; /* sleeps until then; whoever unpins last wakes it */
#endif
    collect();
    atomic { hand = depot; depot = 0 };
    atomic { slab = slab | hand; hand = 0 };
    /* all objects are back: nothing is in use, so nothing may be anywhere else */
    assert(slab == ALL && depot == 0);
    atomic { released = true; slab = 0 };
    /* tarn__local_forget */
#ifndef MUTANT_NOT_FORGOTTEN
    atomic { lock_registry(); at = 0 };
    atomic {
        do
        :: at < LOCALS ->
            if :: registered[at] || spare[at] -> assert(bin[at] == 0); begun[at] = false :: else -> skip fi;
            at++
        :: else -> break
        od;
        at = 0;
        unlock_registry()
    };
#endif
    /* tarn__cache_release; then another cache gets the number */
    atomic { now = 2; pins = 0; released = false; table = 2 }
}

init
{
    /* objects lie anywhere; those that come first in a place no later than the next, as they differ in nothing */
    byte i = 0, place = 0;
    atomic {
        do
        :: i < OBJECTS ->
            do
            :: place < THREADS + 1 -> place++
            :: break
            od;
            if
            :: place < THREADS -> bin[place] = bin[place] | (1 << i)
            :: place == THREADS -> depot = depot | (1 << i)
            :: else -> slab = slab | (1 << i)
            fi;
            i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < THREADS -> registered[i] = true; begun[i] = true; run thread(i); i++
        :: else -> break
        od;
        over = true
    }
}
