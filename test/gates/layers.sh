#!/bin/sh
# Floors call only floors below them.
#
#   layers.sh COMPILER INCLUDE_ROOT base=LIB os=LIB …     the floors' static libraries, lowest first
#
# For each floor: all objects of it and of those below it link into a program, with nothing undefined. And the gate can fail: with one
# function of the next floor called, they do not, until that floor is added.
set -eu

cc=$1 root=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo 'int main(void) { return 0; }' > "$dir/main.c"

# A function of each floor, with its header.
call_of() {
    case $1 in
    os) echo '#include "os/os.h"'; call='tarn__os_page_size()' ;;
    source) echo '#include "source/window.h"'; call='tarn__window_source()' ;;
    pool) echo '#include "pool/host.h"'; call='tarn__host_source()' ;;
    page) echo '#include "page/zone.h"'; call='tarn__zone_check(0)' ;;
    slab) echo '#include "slab/cache.h"'; call='tarn__cache_check(0)' ;;
    mempool) echo '#include "mempool/mempool.h"'; call='tarn__mempool_check(0)' ;;
    alloc) echo '#include "alloc/heap.h"'; call='tarn__heap_ready()' ;;
    kernel) echo '#include "tarn/genpool.h"'; call='tarn_gen_pool_order(0)' ;;
    *) echo "layers: no function is known of floor $1" >&2; exit 1 ;;
    esac
    echo "void upward(void); void upward(void) { (void)$call; }"
}

# links OBJECT_OR_SOURCE LIBRARIES…
links() {
    "$cc" -I "$root/src" -I "$root/include" -o "$dir/program" "$dir/main.c" "$@" -pthread 2> "$dir/messages"
}

below='' previous=''
for floor in "$@"; do
    name=${floor%%=*} library=${floor#*=}
    if [ -n "$previous" ]; then
        call_of "$name" > "$dir/upward.c"
        # shellcheck disable=SC2086 # a list of words
        if links "$dir/upward.c" -Wl,--whole-archive $below -Wl,--no-whole-archive; then
            echo "layers: the gate is open: floors up to $previous link though they call $name" >&2
            exit 1
        fi
        if ! grep -q 'undefined reference' "$dir/messages"; then
            echo "layers: the probe of $name fails for another reason:" >&2
            cat "$dir/messages" >&2
            exit 1
        fi
        # shellcheck disable=SC2086
        if ! links "$dir/upward.c" -Wl,--whole-archive $below "$library" -Wl,--no-whole-archive; then
            echo "layers: a call of $name does not link with $name:" >&2
            cat "$dir/messages" >&2
            exit 1
        fi
    fi
    below="$below $library" previous=$name
    # shellcheck disable=SC2086
    if ! links -Wl,--whole-archive $below -Wl,--no-whole-archive; then
        echo "layers: floor $name calls upwards:" >&2
        cat "$dir/messages" >&2
        exit 1
    fi
done
echo "layers: $# floors, each closed over those below it"
