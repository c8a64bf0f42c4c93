/*
 * Objects on their way between threads, for SPIN: bins and spare magazines (src/slab/local.c), the depot (depot.c), slabs (slab.c, put.c), reaping,
 * and what a thread hands back when it ends.
 *
 * Each of four objects is a bit; each place is a set of them. Any thread may free what any allocated: objects that users hold lie in one set, `live`, out of
 * which every thread takes. What one thread alone works on (its bin, its spare magazine, what it has in its hands) takes one step; what threads share is read
 * and written step by step, as the code does under its locks.
 *
 * Checked: whenever neither lock is held each object is in one place exactly, so none is lost, made or given out twice; the slabs' count is that of
 * their bits; when all threads have ended and the depot was reaped, all objects are in their slabs.
 *
 * With WHOLE what is done under a lock is one step: it touches nothing but what that lock guards and what is the thread's own, so no other order has another
 * end. And objects are numbered anew after each step, by where they are: what differs in numbers only is one state. That needs locks that do what they should,
 * so mutants without them are tried step by step.
 *
 * Each MUTANT_… plants an error that must be found; `run.sh` says with which numbers.
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef OBJECTS
#define OBJECTS 4
#endif
#ifndef CAPACITY
#define CAPACITY 1 /* of a magazine: a bin is full with so many */
#endif
#ifndef DEPTH
#define DEPTH 1 /* magazines that the depot takes */
#endif
#define ALL ((1 << OBJECTS) - 1)

byte live = 0;
byte bin[THREADS], spare[THREADS], hand[THREADS], keeping[THREADS]; /* a magazine between two places; an object that is being freed */
byte depot[DEPTH + 1], depth = 0, low = 0;
byte slab = ALL, slab_free = OBJECTS;
bool depot_locked = false, slabs_locked = false;
byte ended = 0;

#define COUNT(set) (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1) + (((set) >> 3) & 1))

/* The lowest object of a set. */
#define LOWEST(set) ((set) & (~(set) + 1) & ALL)

/* Every object in one place: the counts add up and the union is all. Where a lock is held its holder is half way. */
inline check()
{
    d_step {
        if
        :: !depot_locked && !slabs_locked ->
            sum = COUNT(live) + COUNT(slab);
            both = live | slab;
            at = 0;
            do
            :: at < THREADS ->
                sum = sum + COUNT(bin[at]) + COUNT(spare[at]) + COUNT(hand[at]) + COUNT(keeping[at]);
                both = both | bin[at] | spare[at] | hand[at] | keeping[at];
                at++
            :: else -> break
            od;
            at = 0;
            do
            :: at < depth -> sum = sum + COUNT(depot[at]); both = both | depot[at]; at++
            :: else -> break
            od;
            assert(sum == OBJECTS && both == ALL);
            assert(slab_free == COUNT(slab));
        :: else -> skip
        fi;
        sum = 0; both = 0; at = 0
    }
}

#ifdef WHOLE
#define OTHERS_RUN ;

/* The next COUNT(set) numbers, from `at` on. */
#define NUMBER(set) sum = COUNT(set); set = ((1 << sum) - 1) << at; at = at + sum

/* Numbers objects by place. Each is in one place only, as was checked before. */
inline renumber()
{
    d_step {
        at = 0;
        NUMBER(live); NUMBER(slab);
        both = 0;
        do
        :: both < THREADS -> NUMBER(bin[both]); NUMBER(spare[both]); NUMBER(hand[both]); NUMBER(keeping[both]); both++
        :: else -> break
        od;
        both = 0;
        do
        :: both < depth -> NUMBER(depot[both]); both++
        :: else -> break
        od;
        sum = 0; both = 0; at = 0
    }
}
#else
#define OTHERS_RUN }; atomic {
inline renumber() { skip }
#endif

/* A lock is taken together with the first reading under it, and let go of with the last writing: in between others run. */
#ifdef MUTANT_DEPOT_UNLOCKED
inline lock_depot() { skip }
inline unlock_depot() { check() }
#else
inline lock_depot() { !depot_locked -> depot_locked = true }
inline unlock_depot() { depot_locked = false; check(); renumber() }
#endif
#ifdef MUTANT_SLABS_UNLOCKED
inline lock_slabs() { skip }
inline unlock_slabs() { check() }
#else
inline lock_slabs() { !slabs_locked -> slabs_locked = true }
inline unlock_slabs() { slabs_locked = false; check(); renumber() }
#endif

/* tarn__cache_put_magazine: what is in the hand goes to its slab. */
inline put_to_slabs()
{
    if
    :: hand[me] != 0 ->
        atomic { lock_slabs(); seen = slab_free OTHERS_RUN slab = slab | hand[me]; slab_free = seen + COUNT(hand[me]); hand[me] = 0; seen = 0; unlock_slabs() }
    :: else -> skip
    fi
}

/* tarn__cache_take, of at most a magazine's worth. */
inline take_from_slabs()
{
    atomic { lock_slabs(); seen = slab
        OTHERS_RUN
        do
        :: COUNT(hand[me]) < CAPACITY && seen != 0 ->
            hand[me] = hand[me] | LOWEST(seen);
            seen = seen & ~LOWEST(seen)
        :: else -> break
        od;
        slab_free = slab_free - COUNT(hand[me]);
        slab = seen;
        seen = 0;
        unlock_slabs()
    }
}

/* put_away: to the depot, or to the slabs if that is full. */
inline put_away()
{
    if
    :: hand[me] != 0 ->
        atomic { lock_depot(); seen = depth
            OTHERS_RUN
            if
            :: seen < DEPTH -> depot[seen] = hand[me]; depth = seen + 1; hand[me] = 0
            :: else -> skip
            fi;
            seen = 0;
            unlock_depot()
        };
        put_to_slabs()
    :: else -> skip
    fi
}

/* tarn__depot_pop. */
inline pop_depot()
{
    atomic { lock_depot(); seen = depth
        OTHERS_RUN
        if
        :: seen > 0 ->
            hand[me] = depot[seen - 1];
            depot[seen - 1] = 0;
            depth = seen - 1;
            if :: low > seen - 1 -> low = seen - 1 :: else -> skip fi
        :: else -> low = 0
        fi;
        seen = 0;
        unlock_depot()
    }
}

#ifdef MUTANT_REAP_UNLOCKED
#define REAP_LOCK skip
#define REAP_UNLOCK check()
#else
#define REAP_LOCK lock_depot()
#define REAP_UNLOCK unlock_depot()
#endif

/* tarn__depot_reap: what was not needed since the last time, or all, the lowest magazine first. */
inline reap(everything)
{
    atomic {
        REAP_LOCK;
        if
        :: everything -> idle = DEPTH
        :: else -> idle = low
        fi;
        REAP_UNLOCK
    };
    do
    :: true ->
        atomic { REAP_LOCK; seen = depth
            OTHERS_RUN
            if :: idle > seen -> idle = seen :: else -> skip fi;
            if
            :: idle > 0 ->
                hand[me] = depot[0];
                idle--;
                depot[0] = depot[idle];
#ifndef MUTANT_REAP_HOLE
                depot[idle] = depot[seen - 1];
#endif
                depot[seen - 1] = 0;
                depth = seen - 1
            :: else -> low = seen
            fi;
            seen = 0;
            REAP_UNLOCK
        };
        if
        :: hand[me] != 0 -> put_to_slabs()
        :: else -> break
        fi
    od;
    idle = 0
}

/* The lowest object of the bin, if there is one, is a user's. */
inline pop()
{
    if
    :: bin[me] != 0 ->
        assert((live & LOWEST(bin[me])) == 0);
        live = live | LOWEST(bin[me]);
        bin[me] = bin[me] & ~LOWEST(bin[me])
    :: else -> skip
    fi
}

/* tarn__local_alloc: pops; an empty bin is filled from the spare magazine, the depot, or slabs. No object: there is no memory. */
inline alloc()
{
    if
    :: atomic { bin[me] != 0 || spare[me] != 0 ->
        if
        :: bin[me] == 0 -> bin[me] = spare[me]; spare[me] = 0
        :: else -> skip
        fi;
        pop(); renumber() }
    :: bin[me] == 0 && spare[me] == 0 ->
        pop_depot();
        if :: hand[me] == 0 -> take_from_slabs() :: else -> skip fi;
        atomic { bin[me] = hand[me]; hand[me] = 0; pop(); renumber() }
    fi
}

/* Takes an object that a user holds, if there is one, to free it: which does not matter, as objects differ in nothing but their number. */
inline choose()
{
    atomic { hand[me] = LOWEST(live); live = live & ~hand[me]; renumber() }
}

/* tarn__local_free: pushes; a full bin becomes the spare magazine, and that is put away. */
inline free()
{
    atomic {
        choose();
        if
        :: hand[me] != 0 && COUNT(bin[me]) >= CAPACITY -> keeping[me] = hand[me]; hand[me] = spare[me]; spare[me] = bin[me]; bin[me] = 0
        :: else -> keeping[me] = hand[me]; hand[me] = 0
        fi
#ifdef MUTANT_SPARE_LOST
        ;
        hand[me] = 0
#endif
        ;
        renumber()
    };
    put_away();
    atomic { bin[me] = bin[me] | keeping[me]; keeping[me] = 0; renumber() }
}

/* detach: what a thread has goes to others. */
inline detach()
{
    atomic { hand[me] = bin[me]; bin[me] = 0; renumber() };
    put_away();
#ifndef MUTANT_SPARE_STAYS
    atomic { hand[me] = spare[me]; spare[me] = 0; renumber() };
    put_away()
#endif
}

proctype thread(byte me)
{
    byte sum, both, at, seen, idle;
    do
    :: live != ALL -> alloc()
    :: live != 0 -> free()
#ifndef NO_REAP
    :: me == 0 && depth > 0 -> reap(false)
#endif
    :: break
    od;
    detach();
#ifndef NO_REAP
    /* an ended thread's destructors free, too: to the slab at once */
    if
    :: true -> choose(); put_to_slabs()
    :: true
    fi;
#endif
    ended++
}

init
{
    byte sum, both, at, seen, idle;
    byte me = 0;
    atomic {
        run thread(0);
        run thread(1);
#if THREADS > 2
        run thread(2)
#endif
    };
    ended == THREADS;
    reap(true);
    assert((slab | live) == ALL && (slab & live) == 0 && depth == 0 && slab_free == COUNT(slab))
}
