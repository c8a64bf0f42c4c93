#!/bin/sh
# The fences of mempools (mempool.c and reserve.h in src/mempool) are barriers in the machine's code, where they are to be, and are not
# when they are taken out.
#
#   fences.sh COMPILER ROOT    the compiler makes code for 64-bit ARM
set -eu

cc=$1 root=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# compile NAME EDIT: the code of mempool.c into NAME.s, with both files as the edit makes them
compile() {
    mkdir -p "$dir/$1/mempool"
    for file in mempool.c reserve.h; do
        sed "$2" "$root/src/mempool/$file" >"$dir/$1/mempool/$file"
    done
    "$cc" -std=gnu11 -O2 -I "$dir/$1" -I "$root/src" -I "$root/include" -S -o "$dir/$1.s" "$dir/$1/mempool/mempool.c"
}

# barriers NAME KIND: how many there are
barriers() { grep -c -E "dmb[[:space:]]+$2\$" "$dir/$1.s" || true; }

compile with ''
compile without 's/atomic_thread_fence(memory_order_[a-z]*);//'
failed=0
for kind in ish ishld; do
    with=$(barriers with "$kind") without=$(barriers without "$kind")
    if [ "$with" -gt 0 ] && [ "$without" -eq 0 ]; then
        echo "ok dmb $kind: $with"
    else
        echo "not ok dmb $kind: $with, and $without without the fences"
        failed=1
    fi
done
exit "$failed"
