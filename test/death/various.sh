#!/bin/sh
# Runs all cases of a program that holds many, which lists them when it has no argument, in each mode.
#
#   various.sh wrong PRELOAD PROGRAM    each must end by a report in the modes that it names; in those that it names in capitals a fault will do
#   various.sh right PRELOAD PROGRAM    each must end with status 0 and say nothing
set -u
kind=$1
preload=$2
program=$3
TARN_COMMAND= # functions and lines are not looked at here
export TARN_COMMAND

settings_of() {
    case $1 in
    d) echo TARN_TEST=1 ;;
    h) echo TARN_HARDEN=1 ;;
    f) echo TARN_DEBUG=FZPUQ ;;
    g) echo TARN_DEBUG=GU ;;
    s) echo TARN_SAMPLE=100 ;;
    esac
}

# Runs a case in a mode, and says how it ended: report, fault, silent, or all that it said.
ending() {
    said=$(
        ulimit -c 0 # dash and bash have it
        timeout -s KILL 60 env "LD_PRELOAD=$preload" "$(settings_of "$2")" "$program" "$1" 2>&1 </dev/null
    )
    status=$?
    case $status/$said in
    134/tarn:*) echo report ;;
    139/* | 135/*) echo fault ;;
    0/) echo silent ;;
    *) echo "status $status, $said" | head -20 ;;
    esac
}

wanted() {
    case $1 in
    [DHFG]) echo "report fault" ;;
    *) [ "$kind" = wrong ] && echo report || echo silent ;;
    esac
}

number=0
"$program" >"${TMPDIR:-/tmp}/various.$$" || exit 99
trap 'rm -f "${TMPDIR:-/tmp}/various.$$"' EXIT
while read -r name modes; do
    [ "$kind" = wrong ] || modes=dhfgs
    for mode in $(echo "$modes" | sed 's/./& /g'); do
        number=$((number + 1))
        seen=$(ending "$name" "$(echo "$mode" | tr DHFG dhfg)")
        case " $(wanted "$mode") " in
        *" $seen "*) echo "ok $number - $name in $mode" ;;
        *)
            echo "not ok $number - $name in $mode"
            echo "$seen" | sed 's/^/# /'
            ;;
        esac
    done
done <"${TMPDIR:-/tmp}/various.$$"
echo "1..$number"
