#!/bin/sh
# Each public header that has functions says which of them a signal handler may call.
#
#   signals.sh ROOT              checks ROOT/include/tarn
#   signals.sh --self-test ROOT  checks that a header without such a sentence is found
set -eu

# Those of pools that stand alone say where the sentence is, which is one for all.
silent() { # ROOT
    for header in "$1"/include/tarn/*.h; do
        ! grep -q '^TARN_API [a-z]' "$header" || grep -q -i -E 'async-signal-safe|signal handler' "$header" ||
            echo "$header"
    done
}

self_test() { # ROOT
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    mkdir "$dir/include"
    cp -R "$1/include/tarn" "$dir/include"
    for name in alloc region pool; do
        sed -i '/signal/Id' "$dir/include/tarn/$name.h"
        [ "$(silent "$dir" | grep -c "/$name.h\$")" -eq 1 ] || {
            echo "signals: self-test: $name.h without the sentence passes" >&2
            exit 1
        }
    done
    echo "signals: self-test: three silent headers found"
}

case $1 in
--self-test) self_test "$2" ;;
*)
    found=$(silent "$1")
    [ -z "$found" ] || {
        printf 'signals: nothing is said of signal handlers in:\n%s\n' "$found" >&2
        exit 1
    }
    echo "signals: all headers speak of them"
    ;;
esac
