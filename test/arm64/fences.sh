#!/bin/sh
# The fences of src/mempool/mempool.c are barriers in the machine's code, where they are to be, and are not when they are taken out.
#
#   fences.sh COMPILER ROOT    the compiler makes code for 64-bit ARM
set -eu

cc=$1 root=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# barriers SOURCE KIND: how many there are
barriers() {
    "$cc" -std=gnu11 -O2 -I "$root/src" -I "$root/include" -S -o "$dir/code.s" "$1"
    grep -c -E "dmb[[:space:]]+$2\$" "$dir/code.s" || true
}

sed '/atomic_thread_fence(/s/atomic_thread_fence(memory_order_[a-z]*);//' "$root/src/mempool/mempool.c" > "$dir/without.c"
failed=0
for kind in ish ishld; do
    with=$(barriers "$root/src/mempool/mempool.c" "$kind") without=$(barriers "$dir/without.c" "$kind")
    if [ "$with" -gt 0 ] && [ "$without" -eq 0 ]; then
        echo "ok dmb $kind: $with"
    else
        echo "not ok dmb $kind: $with, and $without without the fences"
        failed=1
    fi
done
exit "$failed"
