#!/bin/sh
# Kernel programs and libraries, unchanged, over tarn: compiled with tarn's headers first, linked with libtarn, run.
#
#   run.sh BUILD LINUX           all clients; BUILD has libtarn.so, LINUX is an unpacked kernel; works in BUILD/clients
#   run.sh --one NAME BUILD LINUX
#
# One line a client, and `N passed, M failed` last. A client passes when it ends with status 0 within its time, wrote what it writes when all is
# well, and nothing that means otherwise. Two sorts: programs of the kernel's tools, which bring their own surroundings and liburcu; and
# libraries and modules of the kernel, for which shim/ has small stand-ins and drivers/ has programs that use them.

set -eu

# name  seconds  what it exercises
clients='
radix-tree  400 radix tree and XArray, regressions, iteration beside writers, IDR, benchmark: object caches, constructor, RCU
idr         400 lib/idr.c, lib/test_ida.c: kmalloc, caches, failures without sleep
xarray      400 lib/xarray.c, lib/test_xarray.c: flags beside marks, allocation under failures
multiorder  100 entries of several orders in the XArray
maple       590 lib/maple_tree.c, lib/test_maple_tree.c: bulk allocation and free, aligned nodes, RCU
btree       100 lib/btree.c: mempool over a cache, min_nr 0, failures below it
mbcache     100 fs/mbcache.c: cache and shrinker, reclaim beside insertion
lru_cache   100 lib/lru_cache.c: many objects or none, failures
genradix    100 lib/generic-radix-tree.c: pages, failures
dmapool     100 mm/dmapool_test.c: dma_pool of six shapes
parman      100 lib/parman.c, lib/test_parman.c: kmalloc, krealloc, kcalloc
memcat      100 lib/memcat_p.c, lib/test_memcat_p.c: kmalloc_array
free_pages  300 lib/test_free_pages.c: two million blocks with a second reference
'

tools_objects='tools/hooks radix-tree idr shared/xarray-shared radix/xarray radix/maple radix/test lib/find_bit lib/bitmap lib/hweight lib/vsprintf'
main_objects='radix/regression1 radix/regression2 radix/regression3 radix/regression4 radix/tag_check radix/multiorder radix/idr-test
    radix/iteration_check radix/iteration_check_2 radix/benchmark'

# Sources, by the short names above.
source_of() {
    case $1 in
    radix-tree | idr) echo "$work/$1.c" ;;
    radix/*) echo "$linux/tools/testing/radix-tree/${1#radix/}.c" ;;
    shared/*) echo "$linux/tools/testing/shared/${1#shared/}.c" ;;
    lib/*) echo "$linux/tools/lib/${1#lib/}.c" ;;
    tools/*) echo "$here/$1.c" ;;
    esac
}

# The tests' Makefile takes `static` and `inline` out of these two, and writes these three headers.
prepare_tools() {
    mkdir -p "$work/generated" "$work/objects"
    echo '#define XA_CHUNK_SHIFT 3' >"$work/generated/map-shift.h"
    echo "#define CONFIG_$(getconf LONG_BIT)BIT 1" >"$work/generated/bit-length.h"
    cp "$linux/tools/testing/shared/autoconf.h" "$work/generated/"
    for name in radix-tree idr; do
        sed -e 's/^static //' -e 's/__always_inline //' -e 's/inline //' <"$linux/lib/$name.c" >"$work/$name.c"
    done
}

compile_tools() {
    prepare_tools
    for name in $tools_objects $main_objects radix/main; do
        "$cc" -I"$here/tools" -I"$root/include/tarn/linux" -I"$root/include" -I"$work" -I"$linux/tools/testing/shared" \
            -I"$linux/tools/testing/radix-tree" -I"$linux/tools/include" -I"$linux/lib" -g -O2 -w -D_LGPL_SOURCE \
            -c "$(source_of "$name")" -o "$work/objects/$(echo "$name" | tr / _).o"
    done
}

# link_tools PROGRAM FIRST: all of the programs have a main, weak ones; the first is taken.
link_tools() {
    program=$1
    shift
    objects=
    for name in "$@" $tools_objects; do
        file="$work/objects/$(echo "$name" | tr / _).o"
        case " $objects " in
        *" $file "*) ;;
        *) objects="$objects $file" ;;
        esac
    done
    # shellcheck disable=SC2086
    "$cc" -o "$work/$program" $objects -L"$build" -Wl,-rpath,"$build" -ltarn -lurcu -pthread
}

# compile_kernel PROGRAM SOURCE...
compile_kernel() {
    program=$1
    shift
    "$cc" -I"$here/shim" -I"$root/include/tarn/linux" -I"$root/include" -I"$linux/tools/include" -I"$linux/tools/arch/x86/include" \
        -idirafter "$linux/include" -include "$here/shim/all.h" -DTARN_LINUX_RCU -std=gnu11 -g -O2 -w \
        -Werror=implicit-function-declaration -o "$work/$program" "$@" \
        -L"$build" -Wl,-rpath,"$build" -ltarn -pthread
}

# shellcheck disable=SC2086
make_client() {
    case $1 in
    radix-tree) link_tools "$1" radix/main $main_objects ;;
    idr) link_tools "$1" radix/idr-test ;;
    xarray | maple) link_tools "$1" "radix/$1" ;;
    multiorder) link_tools "$1" radix/multiorder ;;
    btree | lru_cache) compile_kernel "$1" "$here/drivers/$1.c" "$linux/lib/$1.c" ;;
    genradix) compile_kernel "$1" "$here/drivers/$1.c" "$linux/lib/generic-radix-tree.c" ;;
    mbcache) compile_kernel "$1" "$here/drivers/$1.c" "$linux/fs/$1.c" ;;
    dmapool) compile_kernel "$1" "$here/module.c" "$linux/mm/dmapool_test.c" ;;
    parman) compile_kernel "$1" "$here/module.c" "$linux/lib/parman.c" "$linux/lib/test_parman.c" ;;
    memcat) compile_kernel "$1" "$here/module.c" "$linux/lib/memcat_p.c" "$linux/lib/test_memcat_p.c" ;;
    free_pages) compile_kernel "$1" "$here/module.c" "$linux/lib/test_free_pages.c" ;;
    esac
}

# What a client writes when all is well, and what none may write.
promise() {
    case $1 in
    radix-tree) printf '%s\n' '^tests completed' ;;
    idr) printf '%s\n' '^IDA: ([0-9]+) of \1 tests passed' ;;
    xarray) printf '%s\n' '^XArray: ([0-9]+) of \1 tests passed' ;;
    maple) printf '%s\n' '^maple_tree: ([0-9]+) of \1 tests passed' ;;
    btree) printf '%s\n' '^btree: agrees' ;;
    mbcache) printf '%s\n' '^mbcache: shrank' ;;
    lru_cache) printf '%s\n' '^lru_cache: whole' ;;
    genradix) printf '%s\n' '^genradix: all' ;;
    dmapool) printf '%s\n' 'size:68 ' ;;
    memcat) printf '%s\n' 'test passed' ;;
    free_pages) printf '%s\n' 'Test completed' ;;
    *) ;; # its status says all
    esac
}
trouble='^tarn:|^nr_allocated = |not so:|^warning:|BUG at|AddressSanitizer'

# Runs the client once; sets the verdict.
run_client() {
    status=0 verdict=
    (cd "$work" && timeout "$seconds" "./$client") >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -ne 0 ]; then
        verdict="status $status"
    elif [ -n "$(promise "$client")" ] && ! grep -a -q -E "$(promise "$client")" "$log"; then
        verdict='its last words are missing'
    elif grep -a -q -E "$trouble" "$log"; then
        verdict=$(grep -a -E "$trouble" "$log" | head -n 1)
    fi
}

# The maple tree's slow readers must catch a writer at work, within microseconds; a busy machine does not always let them.
missed_its_moment() { [ -n "$verdict" ] && grep -a -q 'run_check_rcu_slowread: Assertion' "$log"; }

# The line of one client; status 1 when it fails.
one_client() {
    client=$1 seconds=$2 about=$3 log=$work/$1.log
    begun=$(date +%s)
    verdict=
    make_client "$client" >"$log" 2>&1 || verdict='does not build'
    if [ -z "$verdict" ]; then
        run_client
        for _ in 1 2; do
            ! missed_its_moment || run_client
        done
    fi
    printf '%-4s %-11s %4d s  %s\n' "$([ -z "$verdict" ] && echo ok || echo FAIL)" "$client" "$(($(date +%s) - begun))" "$about"
    [ -n "$verdict" ] || return 0
    printf '     %s: %s\n' "$verdict" "$log"
    tail -n 5 "$log" | cut -c 1-200 | sed 's/^/     | /'
    return 1
}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cc=${CC:-cc}
one=
if [ "$1" = --one ]; then
    one=$2
    shift 2
fi
build=$(cd "$1" && pwd)
linux=$(cd "$2" && pwd)
work=$build/clients
mkdir -p "$work"

if [ -n "$one" ]; then
    # Lines of the table: the first two words, and the rest.
    echo "$clients" | while read -r name seconds about; do
        [ "$name" != "$one" ] || one_client "$name" "$seconds" "$about" || exit 1
    done
    exit
fi

compile_tools >"$work/tools.log" 2>&1 || {
    tail -n 20 "$work/tools.log"
    echo "clients: the kernel's tools do not compile"
}
rm -f "$work"/failed-*
# The longest ones first, two at a time.
# shellcheck disable=SC2016
echo "$clients" | awk 'NF { print $2, $1 }' | sort -rn | cut -d' ' -f2 |
    xargs -P "${JOBS:-2}" -I NAME sh -c '"$0" --one NAME "$1" "$2" || : >"$1/clients/failed-NAME"' "$here/run.sh" "$build" "$linux"
all=$(echo "$clients" | grep -c .)
failed=$(find "$work" -maxdepth 1 -name 'failed-*' | wc -l)
echo "$((all - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
