#!/bin/sh
# The pools on a Cortex-M4 without an operating system: builds an image with the self test and runs it in QEMU.
#
#   run.sh ROOT [DIST]     DIST: where tarn-pools.c is; else it is made
set -eu
root=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null 2>&1 || {
        echo "1..0 # SKIP no $tool"
        exit 77
    }
done
dist=${2:-$work}
[ -n "${2:-}" ] || python3 "$root/scripts/amalgamate.py" "$dist"

# A Cortex-M4 runs a Cortex-M0's code, which has fewer instructions: no division, no atomics, no counting of zeros.
for core in cortex-m4 cortex-m0; do
    flags="-mcpu=$core -mthumb -std=c11 -ffreestanding -Os -ffunction-sections -fdata-sections -Wall -Wextra -Werror"
    # shellcheck disable=SC2086
    arm-none-eabi-gcc $flags -nostdlib -Wl,--gc-sections -I "$dist" -I "$root/test/bare" -T "$root/test/bare/cortex-m.ld" \
        "$dist/tarn-pools.c" "$root/test/bare/selftest.c" "$root/test/bare/cortex-m.c" -lgcc -o "$work/image.elf"
    timeout 90 qemu-system-arm -M mps2-an386 -display none -serial none -monitor none \
        -semihosting-config enable=on,target=native -kernel "$work/image.elf" </dev/null >"$work/said" 2>&1 || {
        cat "$work/said"
        exit 1
    }
    sed "s/$/, $core/" "$work/said"
done
