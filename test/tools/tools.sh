#!/bin/sh
# Planted errors in pools, caches, mempools and tarn_malloc: found by the letters of TARN_DEBUG, by AddressSanitizer and by memcheck; and nothing is found where there is none.
#
#   tools.sh letters|asan|memcheck PROGRAM
set -u
what=$1 program=$2
kinds='region classpool levelpool blockpool'
others='malloc objects elements'
number=0
failures=0

skip() {
    echo "1..0 # SKIP $1"
    exit 0
}

# case_of NAME OUTPUT PATTERN: one case: what was said has the pattern.
case_of() {
    number=$((number + 1))
    if printf '%s\n' "$2" | grep -q -E -e "$3"; then
        echo "ok $number $1"
    else
        printf '%s\n' "$2" | head -20 | sed 's/^/# /'
        echo "not ok $number $1"
        failures=$((failures + 1))
    fi
}

# letters LETTERS ERROR PATTERN [KIND...]: in each kind of pool.
letters() {
    with=$1 crime=$2 pattern=$3
    shift 3
    for kind in "${@:-}"; do
        for one in ${kind:-$kinds}; do
            case_of "$with: $crime in a $one" "$( (TARN_DEBUG=$with "$program" "$one" "$crime") 2>&1)" "$pattern"
        done
    done
}

all_letters() {
    for with in F FZ FZP FZPUQ FZPUQG; do letters $with none '^end 0'; done
    for with in F U Q FZPUQ; do
        letters $with double 'double free.*_free of'
        letters $with inside 'invalid free.*_free of'
        letters $with foreign 'invalid free.*_free of'
        letters $with busy 'live objects'
    done
    letters Z overflow 'red zone overwritten'
    letters Z underflow 'red zone overwritten'
    letters F overflow 'red zone overwritten' classpool
    letters FZPQ after-free 'poison overwritten'
    letters G overflow 'red zone overwritten|out of bounds'
    letters G after-free 'use after free'
    letters FZ ended 'destroyed pool'
    letters FZPU none '^end 0' arena
    letters Z overflow 'red zone overwritten.*_rewind of' arena
    letters Z underflow 'red zone overwritten.*|corrupt pool' arena
    letters P reused 'poison overwritten.*bump|corrupt' arena
    letters F ended 'destroyed pool' arena
    letters F race 'data race' region
    letters 'F,blockpool' double '^-114' region
    letters 'F,region' double 'double free' region
}

asan() {
    for kind in $kinds $others; do
        case_of "asan: nothing in a $kind" "$("$program" "$kind" none 2>&1)" '^end 0'
        for crime in overflow underflow after-free read-after-free; do
            case_of "asan: $crime in a $kind" "$("$program" "$kind" $crime 2>&1)" 'AddressSanitizer: use-after-poison'
        done
    done
    case_of 'asan: resized in a malloc' "$("$program" malloc resized 2>&1)" 'AddressSanitizer: use-after-poison'
    case_of 'asan: nothing in whole pages' "$("$program" whole none 2>&1)" '^end 0'
    for crime in overflow underflow; do
        case_of "asan: $crime in whole pages" "$("$program" whole $crime 2>&1)" 'AddressSanitizer: use-after-poison'
    done
    case_of 'asan: nothing in an arena' "$("$program" arena none 2>&1)" '^end 0'
    for crime in overflow after-free read-after-free; do
        case_of "asan: $crime in an arena" "$("$program" arena $crime 2>&1)" 'AddressSanitizer: use-after-poison'
    done
}

# under KIND CRIME PATTERN
under() { case_of "memcheck: $2 in a $1" "$(valgrind --leak-check=full "$program" "$1" "$2" 2>&1)" "$3"; }

# What differs from pool to pool in all of them, the rest in one: valgrind takes its time.
memcheck() {
    command -v valgrind >/dev/null 2>&1 || skip 'no valgrind'
    for kind in $kinds $others; do
        under "$kind" none 'ERROR SUMMARY: 0 errors'
        under "$kind" overflow 'Invalid write'
        under "$kind" after-free 'Invalid write'
    done
    under arena none 'ERROR SUMMARY: 0 errors'
    under arena overflow 'Invalid write'
    under arena after-free 'Invalid write'
    under whole none 'ERROR SUMMARY: 0 errors'
    under whole overflow 'Invalid write'
    under malloc resized '0 bytes after a block of size 44 alloc'
    under malloc read-after-free 'Invalid read'
    under malloc leak 'definitely lost: 80 bytes in 2 blocks'
    under objects leak 'definitely lost: 80 bytes in 2 blocks'
    for kind in malloc objects elements whole; do under $kind uninitialised 'uninitialised value'; done
    under region underflow 'Invalid write'
    under region read-after-free 'Invalid read'
    under region uninitialised 'uninitialised value'
    under classpool leak 'definitely lost: 80 bytes in 2 blocks'
}

case $what in
letters) all_letters ;;
asan) asan ;;
memcheck) memcheck ;;
esac
echo "1..$number"
[ "$failures" -eq 0 ]
