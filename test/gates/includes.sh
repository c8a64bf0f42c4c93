#!/bin/sh
# A file of a floor includes headers of its own floor, of lower ones, and public ones.
#
#   includes.sh ROOT          checks ROOT/src and ROOT/include
#   includes.sh --self-test ROOT   checks that planted violations are found
set -eu

# Floors, lowest first; names on one line are neighbours that know nothing of each other.
rank_of() {
    case $1 in
    base) echo 1 ;;
    os) echo 2 ;;
    source) echo 3 ;;
    page | pool) echo 4 ;;
    slab | mempool) echo 5 ;;
    alloc) echo 6 ;;
    kernel) echo 7 ;;
    door) echo 8 ;;
    tarn) echo 0 ;;
    format) echo 8 ;; # the formats: for the door only
    *) echo 99 ;;
    esac
}

# quoted FILE: the headers that it includes with quotes, and those of tarn with brackets
quoted() {
    sed -n -e 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' \
        -e 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\(tarn\/[^>]*\)>.*/\1/p' "$1"
}

check_file() { # FILE FLOOR
    own=$(rank_of "$2")
    for header in $(quoted "$1"); do
        theirs=${header%%/*}
        if [ "$theirs" = "$header" ]; then
            echo "includes: $1: \"$header\" is not named by its floor"
        elif [ "$theirs" != "$2" ] && { [ "$(rank_of "$theirs")" -gt "$own" ] ||
            { [ "$(rank_of "$theirs")" -eq "$own" ] && [ "$theirs" != format ]; }; }; then
            echo "includes: $1: $2 may not include \"$header\""
        fi
    done
}

check_tree() { # ROOT
    for file in "$1"/src/*/*.[ch]; do
        floor=${file%/*} floor=${floor##*/}
        [ "$(rank_of "$floor")" -ne 99 ] || echo "includes: $file: $floor is no floor"
        check_file "$file" "$floor"
    done
    # Public headers name each other from where they lie, so that any of their directories may be the only one on the path.
    find "$1/include" -name '*.h' -o -name '*.hpp' | while read -r file; do
        for header in $(quoted "$file"); do
            [ -f "${file%/*}/$header" ] || echo "includes: $file: \"$header\" is not beside it"
        done
    done
}

self_test() { # ROOT
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    cp -R "$1/src" "$1/include" "$dir"
    planted=0
    while read -r file header; do
        echo "$header" >> "$dir/$file"
        echo "$file" >> "$dir/planted"
        planted=$((planted + 1))
    done << 'END'
src/base/bits.h #include "os/os.h"
src/os/lock.c   #  include "source/window.h"
src/page/zone.c #include "slab/cache.h"
src/slab/slab.c #include "alloc/heap.h"
src/pool/bump.c #include "page/zone.h"
src/mempool/mempool.c #include "slab/cache.h"
src/alloc/heap.h #include "door/door.h"
src/source/window.c #include "window.h"
src/page/zone.h #include "format/snapshot.h"
include/tarn/alloc.h #include "base/bits.h"
include/tarn/cache.h #include <tarn/gfp.h>
include/tarn/tarn.hpp #include <tarn/region.h>
include/tarn/linux/linux/slab.h #include "../../src/slab/cache.h"
END
    check_tree "$dir" > "$dir/found"
    while read -r file; do
        if [ "$(grep -c "/$file:" "$dir/found")" -ne 1 ]; then
            echo "includes: self-test: not found: what is planted in $file" >&2
            exit 1
        fi
    done < "$dir/planted"
    if [ "$(wc -l < "$dir/found")" -ne "$planted" ]; then
        echo "includes: self-test: found what was not planted:" >&2
        cat "$dir/found" >&2
        exit 1
    fi
    echo "includes: self-test: $planted planted violations found"
}

if [ "$1" = --self-test ]; then
    self_test "$2"
    exit 0
fi
found=$(check_tree "$1")
if [ -n "$found" ]; then
    printf '%s\n' "$found" >&2
    exit 1
fi
echo "includes: every file keeps to its floor"
