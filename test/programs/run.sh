#!/bin/sh
# Real programs under libtarn-malloc.so.
#
#   run.sh LIBRARY DIRECTORY [CASE...]
#
# Each case is a function that runs a program and leaves what it said; it is run under the system's malloc and with LIBRARY
# preloaded, each time in an empty directory, and standard output, standard error and exit status must be the same. The
# programs only have the library preloaded: this shell and its helpers do not. Prints a line for each case (TAP).

case $0 in
*/*) source=$(cd "${0%/*}" && pwd) ;;
*) source=$PWD ;;
esac
[ $# -ge 2 ] || {
    echo "use: run.sh LIBRARY DIRECTORY [CASE...]" >&2
    exit 2
}
case $1 in
/*) library=$1 ;;
*) library=$PWD/$1 ;;
esac
mkdir -p "$2" || exit 2
scratch=$(cd "$2" && pwd)/programs.$$
shift 2
mkdir "$scratch" || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
unset LD_PRELOAD
LC_ALL=C
TZ=UTC
export LC_ALL TZ

number=0
failures=0

# on PROGRAM ARGUMENT...: the one way to run what is tested. A library that cannot be preloaded is reported by the loader on
# standard error, so it shows as a difference.
on() {
    if [ -n "$preload" ]; then
        LD_PRELOAD=$preload timeout 120 "$@"
    else
        timeout 120 "$@"
    fi
}

# run_one FUNCTION DIRECTORY PRELOAD
run_one() {
    preload=$3
    rm -rf "$scratch/work"
    mkdir -p "$scratch/work" "$2"
    (cd "$scratch/work" && HOME=$scratch/work && export HOME && "$1") >"$2/out" 2>"$2/err" </dev/null
    echo $? >"$2/status"
}

# check CASE PROGRAMS FUNCTION
check() {
    [ -z "$only" ] || case " $only " in
    *" $1 "*) ;;
    *) return 0 ;;
    esac
    number=$((number + 1))
    for program in $2; do
        command -v "$program" >/dev/null || {
            echo "ok $number - $1 # SKIP $program is not installed"
            return
        }
    done
    run_one "$3" "$scratch/without" ""
    run_one "$3" "$scratch/with" "$library"
    reason=
    [ "$(cat "$scratch/without/status")" = 0 ] || reason="the program fails without the library too: $(tail -n 2 "$scratch/without/err")"
    for part in status out err; do
        cmp -s "$scratch/without/$part" "$scratch/with/$part" ||
            reason="$part differs: $(diff "$scratch/without/$part" "$scratch/with/$part" | head -n 8 | tr '\n' '|')"
    done
    if [ -z "$reason" ]; then
        echo "ok $number - $1"
    else
        failures=$((failures + 1))
        printf '# %s\nnot ok %s - %s\n' "$reason" "$number" "$1"
    fi
}

only=$*
# shellcheck source=SCRIPTDIR/cases.sh
. "$source/cases.sh"

echo "1..$number"
[ "$failures" -eq 0 ]
