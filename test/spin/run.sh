#!/bin/sh
# Checks the model in all its variants: the right ones have no error, the mutants have one.
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

# check EXPECTED NAME DEFINES…: EXPECTED is right or wrong; with -DLTL among them, liveness under weak fairness
check() {
    expected=$1 name=$2
    shift 2
    kind='-DSAFETY' options='-m500000'
    case " $* " in *' -DLTL '*) kind='' options='-a -f -m500000' ;; esac
    cd "$dir"
    rm -f pan*
    # shellcheck disable=SC2086
    { spin -a "$@" "$here/mempool.pml" && ${CC:-cc} -O2 -w -DCOLLAPSE -DMEMLIM=1500 $kind -o pan pan.c && ./pan $options; } > log 2>&1 ||
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

check right 'two threads, one element' -DMIN=1 -DNEED2=0
check wrong 'mutant: takes its place after it let go of the lock' -DMIN=1 -DMUTANT_QUEUE_LATE
check wrong 'mutant: frees may see an old count and skip the refill' -DMIN=1 -DMUTANT_STALE
[ "$quick" = --quick ] || {
    check right 'three threads, one element' -DMIN=1
    check right 'three threads, two elements' -DMIN=2
    check wrong 'mutant: frees do not serve the queue' -DMIN=1 -DMUTANT_NO_SERVE
    check wrong 'mutant: who is served is not woken' -DMIN=1 -DMUTANT_NO_WAKE
    check wrong 'mutant: falls asleep without looking at the word' -DMIN=1 -DMUTANT_BLIND_SLEEP
    check right 'requests of one, two and three of three elements' -DMIN=3 -DNEED1=2 -DNEED2=3
    check right 'requests of one, two and three of four elements' -DMIN=4 -DNEED1=2 -DNEED2=3
    check right 'sleeps that end by their time' -DMIN=1 -DTIMEOUT
    check right 'sleeps that end by their time, and bulk requests' -DMIN=2 -DNEED1=2 -DNEED2=0 -DTIMEOUT
    check right 'each within its share of six' -DMIN=6 -DSHARE=2
    check right 'a pool that grows by one and shrinks again' -DMIN=1 -DNEED2=0 -DRESIZE=2
    check right 'a pool that grows by two, with bulk requests' -DMIN=2 -DNEED1=2 -DNEED2=0 -DRESIZE=4
    check right 'who waits for one element gets it' -DMIN=1 -DLTL
    check wrong 'mutant: parts of bulk requests are held' -DMIN=3 -DNEED0=2 -DNEED1=2 -DNEED2=2 -DMUTANT_PARTIAL
    check wrong 'mutant: refills without a second look under the lock' -DMIN=2 -DNEED1=2 -DNEED2=0 -DRESIZE=3 -DMUTANT_NO_SECOND_LOOK
    check wrong 'mutant: who gives up stays in the queue' -DMIN=1 -DTIMEOUT -DMUTANT_STAYS_QUEUED
    check wrong 'mutant: two of each from three, one after another' -DMIN=3 -DSHARE=2
}
echo "spin: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
