#!/bin/sh
# Runs a program in each mode that its file of expectations names, and compares how it ends and what it says, to the letter.
#
#   run.sh [--update] EXPECTED PROGRAM [PRELOAD]
#
# EXPECTED:   in MODE                  "default", or settings of the environment
#               ended by SIGABRT       or: ended with status 0
#               tarn: double free ...  all that the program wrote; addresses stand as 0x..., and frames of other modules are left out
#
# With --update what was seen is written to EXPECTED, for the modes that it names, or for all; look at it before you keep it. That a program does not end is never
# expected, whatever the file says.
set -u
update=
if [ "$1" = --update ]; then
    update=1
    shift
fi
expected=$1
program=$2
preload=${3:-}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

all_modes() {
    printf '%s\n' default TARN_HARDEN=1 TARN_DEBUG=FZPUQ TARN_DEBUG=GU
}

modes() {
    if [ -s "$expected" ]; then sed -n 's/^in //p' "$expected"; else all_modes; fi
}

ending() {
    case $1 in
    134) echo "ended by SIGABRT" ;;
    139) echo "ended by SIGSEGV" ;;
    136) echo "ended by SIGFPE" ;;
    132) echo "ended by SIGILL" ;;
    135) echo "ended by SIGBUS" ;;
    124 | 137) echo "did not end" ;;
    *) echo "ended with status $1" ;;
    esac
}

# What differs from run to run goes.
normalised() {
    base=$(basename "$program")
    awk -v own="($base+" '/^ *#[0-9]+ / && index($0, own) == 0 { next } { print }' |
        sed -e 's/0x[0-9a-f][0-9a-f]*/0x.../g' -e 's| at [^ ]*/\([^/ ]*:[0-9]\)| at \1|' -e 's| of /[^ ]*/| of |' -e 's/^\( *first bytes\) .*/\1 .../' -e 's/ *[0-9][0-9]* ms\( ago\)*//'
}

seen_in() {
    settings=
    [ "$1" = default ] || settings=$1
    # shellcheck disable=SC2086 # settings are words
    (
        # shellcheck disable=SC3045 # dash and bash have it
        ulimit -c 0
        exec timeout -s KILL 60 env ${preload:+"LD_PRELOAD=$preload"} $settings "$program"
    ) >"$work/out" 2>&1 </dev/null
    ending $? >"$work/seen"
    normalised <"$work/out" >>"$work/seen"
}

wanted_in() {
    awk -v mode="in $1" '/^in / { on = $0 == mode; next } on { sub(/^  /, ""); print }' "$expected"
}

if [ -n "$update" ]; then
    modes >"$work/modes"
    : >"$work/new"
    while read -r mode; do
        seen_in "$mode"
        if grep -q '^did not end' "$work/seen"; then
            echo "$program does not end in $mode" >&2
            exit 1
        fi
        echo "in $mode" >>"$work/new"
        sed 's/^/  /' "$work/seen" >>"$work/new"
    done <"$work/modes"
    cp "$work/new" "$expected"
    exit 0
fi

# Who lies in front of a hardened object is chance: nobody, or one at whose own free the same write is found, at another line.
certain() {
    case $mode in
    *TARN_HARDEN*) sed -e '/^ *neighbour /d' -e '/^ *first wrong byte/d' -e 's/\.c:[0-9]*/.c/' "$1" ;;
    *) cat "$1" ;;
    esac
}

modes >"$work/modes"
number=0
echo "1..$(wc -l <"$work/modes")"
while read -r mode; do
    number=$((number + 1))
    seen_in "$mode"
    certain "$work/seen" >"$work/got"
    wanted_in "$mode" >"$work/all"
    certain "$work/all" >"$work/wanted"
    if cmp -s "$work/wanted" "$work/got" && ! grep -q '^did not end' "$work/got"; then
        echo "ok $number - in $mode"
    else
        echo "not ok $number - in $mode"
        diff -u "$work/wanted" "$work/got" | sed 's/^/# /'
    fi
done <"$work/modes"
