#!/bin/sh
# Tests of the command `tarn`.
#
#   run.sh TARN LIBRARY PUBLISHER DIRECTORY run|live|leaks
#
# TARN is the command, LIBRARY the real libtarn-malloc.so, PUBLISHER the shared object of fake_publisher.c, and
# DIRECTORY one for temporary files, in which the programs of live.c are. The last word says what is tested: `tarn run`, the
# reports of live processes, or the search for leaks. Prints a line for each check, and counts at the end; fails if one failed.
# What needs something that is not there (a compiler, Python, root) is skipped, with the reason.

case $0 in
*/*) source=$(cd "${0%/*}" && pwd) ;;
*) source=$PWD ;;
esac
[ $# -eq 5 ] || {
    echo "use: run.sh TARN LIBRARY PUBLISHER DIRECTORY run|live|leaks" >&2
    exit 2
}
absolute() {
    case $1 in
    /*) echo "$1" ;;
    *) echo "$PWD/$1" ;;
    esac
}
tarn=$(absolute "$1")
library=$(absolute "$2")
publisher=$(absolute "$3")
mkdir -p "$4" || exit 2
programs=$(cd "$4" && pwd)
scratch=$programs/cli.$$
mkdir "$scratch" || exit 2
trap 'rm -rf "$scratch"' EXIT
unset NO_COLOR TARN_SNAPSHOT LD_PRELOAD FAKE_MODE
LC_ALL=C
TARN_LIBRARY=$publisher
export LC_ALL TARN_LIBRARY

. "$source/lib.sh"

python=
python3 -c 'import json' 2>/dev/null && python=python3
tree=$scratch/tree
${CC:-cc} -o "$tree" "$source/tree.c" 2>/dev/null || tree=

needs_tree() {
    [ -n "$tree" ] || skip "no C compiler"
}

case $5 in
run)
    . "$source/check_run.sh"
    . "$source/check_report.sh"
    . "$source/check_compare.sh"
    . "$source/check_library.sh"
    ;;
live)
    . "$source/live.sh"
    . "$source/check_live.sh"
    ;;
leaks)
    . "$source/live.sh"
    . "$source/check_leaks.sh"
    ;;
esac

# shellcheck disable=SC2154 # set by lib.sh
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
