#!/bin/sh
# What a shared library exports is a checked-in list.
#
#   symbols.sh LIBRARY LIST              compares
#   symbols.sh --update LIBRARY LIST     writes the list
#   symbols.sh --self-test LIBRARY LIST  checks that a wrong list is found
set -eu

exported() { nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $NF); print $NF }' | LC_ALL=C sort -u; }

compare() { # LIBRARY LIST
    if ! difference=$(exported "$1" | diff "$2" -); then
        echo "symbols: $1 does not export what $2 says ('>': exported, not listed):" >&2
        printf '%s\n' "$difference" >&2
        return 1
    fi
}

self_test() { # LIBRARY LIST
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    sed 1d "$2" > "$list"
    if compare "$1" "$list" 2> /dev/null; then
        echo "symbols: self-test: a symbol that is not listed passes" >&2
        exit 1
    fi
    { cat "$2"; echo zz_not_exported; } > "$list"
    if compare "$1" "$list" 2> /dev/null; then
        echo "symbols: self-test: a listed symbol that is not exported passes" >&2
        exit 1
    fi
    echo "symbols: self-test: both wrong lists found"
}

case $1 in
--update) exported "$2" > "$3" ;;
--self-test) self_test "$2" "$3" ;;
*) compare "$1" "$2" && echo "symbols: $(wc -l < "$2") as listed" ;;
esac
