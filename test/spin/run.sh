#!/bin/sh
# Checks the models in all their variants: the right ones have no error, the mutants have one.
#
#   run.sh [--quick]    the last line counts; exit status 77 without spin
set -eu

here=$(cd "$(dirname "$0")" && pwd)
command -v spin > /dev/null || {
    echo "# not tested: spin is not installed"
    exit 77
}
quick=${1:-}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

# check EXPECTED MODEL NAME DEFINES…: EXPECTED is right or wrong; with -DLTL among them, liveness under weak fairness
check() {
    expected=$1 model=$2 name=$3
    shift 3
    kind='-DSAFETY' options='-m3000000'
    case " $* " in *' -DLTL '*) kind='' options='-a -f -m500000' ;; esac
    cd "$dir"
    rm -f pan*
    # shellcheck disable=SC2086
    { spin -a "$@" "$here/$model.pml" && ${CC:-cc} -O2 -w -DCOLLAPSE -DMEMLIM=4000 $kind -o pan pan.c && ./pan $options; } > log 2>&1 ||
        { cat log >&2 && exit 1; }
    states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
    if grep -q 'errors: 0' log; then found=right; else found=wrong; fi
    if grep -q -E 'Search not completed|max search depth|out of memory' log && [ "$found" = right ]; then found=unfinished; fi
    if [ "$found" = "$expected" ]; then
        passed=$((passed + 1))
        echo "ok $name ($states states)"
    else
        failed=$((failed + 1))
        echo "not ok $name: $found"
        cat log >&2
    fi
}

check right mempool 'two threads, one element' -DMIN=1 -DNEED2=0
check wrong mempool 'mutant: takes its place after it let go of the lock' -DMIN=1 -DMUTANT_QUEUE_LATE
check wrong mempool 'mutant: frees may see an old count and skip the refill' -DMIN=1 -DMUTANT_STALE
check right magazines 'objects between two threads' -DTHREADS=2 -DOBJECTS=3
check right magazines 'three threads and four objects, what is under a lock in one step' -DTHREADS=3 -DOBJECTS=4 -DWHOLE
check wrong magazines 'mutant: a thread that ends keeps its spare magazine, in one step' -DTHREADS=3 -DOBJECTS=4 -DWHOLE -DMUTANT_SPARE_STAYS
check wrong magazines 'mutant: the depot without its lock' -DTHREADS=2 -DOBJECTS=3 -DMUTANT_DEPOT_UNLOCKED
check wrong exit 'mutant: who ends a cache does not wait for those at work on it' -DMUTANT_NO_WAIT
[ "$quick" = --quick ] || {
    check right magazines 'objects between three threads' -DTHREADS=3 -DOBJECTS=2
    check right magazines 'the same, with magazines of two and room for two in the depot' -DTHREADS=2 -DOBJECTS=4 -DCAPACITY=2 -DDEPTH=2
    check right magazines 'three threads and four objects with such magazines' -DTHREADS=3 -DOBJECTS=4 -DWHOLE -DCAPACITY=2 -DDEPTH=2
    check wrong magazines 'mutant: slabs without their lock' -DTHREADS=2 -DOBJECTS=3 -DMUTANT_SLABS_UNLOCKED
    check wrong magazines 'mutant: reaping without the lock' -DTHREADS=2 -DOBJECTS=3 -DDEPTH=2 -DMUTANT_REAP_UNLOCKED
    check wrong magazines 'mutant: reaping leaves a hole in the stack' -DTHREADS=2 -DOBJECTS=3 -DDEPTH=2 -DMUTANT_REAP_HOLE
    check wrong magazines 'mutant: the same with three threads' -DTHREADS=3 -DOBJECTS=4 -DWHOLE -DDEPTH=2 -DMUTANT_REAP_HOLE
    check wrong magazines 'mutant: a full bin takes the place of the spare magazine' -DTHREADS=2 -DOBJECTS=3 -DMUTANT_SPARE_LOST
    check wrong magazines 'mutant: the same with three threads' -DTHREADS=3 -DOBJECTS=4 -DWHOLE -DMUTANT_SPARE_LOST
    check wrong magazines 'mutant: a thread that ends keeps its spare magazine' -DTHREADS=2 -DOBJECTS=3 -DMUTANT_SPARE_STAYS
    check right exit 'two threads that end while a third ends the cache'
    check wrong exit 'mutant: a bin is looked at before the cache is pinned' -DMUTANT_LOOKS_FIRST
    check wrong exit 'mutant: a thread leaves the registry before it gave back what it has' -DMUTANT_LEAVES_FIRST
    check wrong exit 'mutant: what ended threads left is not collected' -DMUTANT_SPARE_UNSEEN
    check wrong exit 'mutant: bins of the ended cache are not forgotten' -DMUTANT_NOT_FORGOTTEN
    check right mempool 'three threads, one element' -DMIN=1
    check right mempool 'three threads, two elements' -DMIN=2
    check wrong mempool 'mutant: frees do not serve the queue' -DMIN=1 -DMUTANT_NO_SERVE
    check wrong mempool 'mutant: who is served is not woken' -DMIN=1 -DMUTANT_NO_WAKE
    check wrong mempool 'mutant: falls asleep without looking at the word' -DMIN=1 -DMUTANT_BLIND_SLEEP
    check right mempool 'requests of one, two and three of three elements' -DMIN=3 -DNEED1=2 -DNEED2=3
    check right mempool 'requests of one, two and three of four elements' -DMIN=4 -DNEED1=2 -DNEED2=3
    check right mempool 'sleeps that end by their time' -DMIN=1 -DTIMEOUT
    check right mempool 'sleeps that end by their time, and bulk requests' -DMIN=2 -DNEED1=2 -DNEED2=0 -DTIMEOUT
    check right mempool 'each within its share of six' -DMIN=6 -DSHARE=2
    check right mempool 'a pool that grows by one and shrinks again' -DMIN=1 -DNEED2=0 -DRESIZE=2
    check right mempool 'a pool that grows by two, with bulk requests' -DMIN=2 -DNEED1=2 -DNEED2=0 -DRESIZE=4
    check right mempool 'who waits for one element gets it' -DMIN=1 -DLTL
    check wrong mempool 'mutant: parts of bulk requests are held' -DMIN=3 -DNEED0=2 -DNEED1=2 -DNEED2=2 -DMUTANT_PARTIAL
    check wrong mempool 'mutant: refills without a second look under the lock' -DMIN=2 -DNEED1=2 -DNEED2=0 -DRESIZE=3 -DMUTANT_NO_SECOND_LOOK
    check wrong mempool 'mutant: who gives up stays in the queue' -DMIN=1 -DTIMEOUT -DMUTANT_STAYS_QUEUED
    check wrong mempool 'mutant: two of each from three, one after another' -DMIN=3 -DSHARE=2
}
echo "spin: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
