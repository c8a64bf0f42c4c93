#!/bin/sh
# What each pool takes of a Cortex-M4's code memory: linked alone from tarn-pools.c, with all that it calls, -Os.
#
#   sizes.sh DIST              a table, in bytes of code and constants
#   sizes.sh DIST MOST         fails when region, block pool and class pool together take more than MOST bytes
set -eu
dist=$1
most=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags='-mcpu=cortex-m4 -mthumb'

# shellcheck disable=SC2086
arm-none-eabi-gcc $flags -std=c11 -ffreestanding -Os -ffunction-sections -fdata-sections -c "$dist/tarn-pools.c" -o "$work/pools.o"
arm-none-eabi-nm --defined-only "$work/pools.o" | awk '$2 == "T" { print $3 }' >"$work/public"

size_of() { # PATTERN: what public functions that match it take, with all that they call
    # shellcheck disable=SC2046
    set -- $(grep -E "^tarn_($1)" "$work/public" | sed 's/^/-Wl,-u,/')
    [ $# -gt 0 ] || { echo 0 && return; }
    # shellcheck disable=SC2086
    arm-none-eabi-gcc $flags -nostdlib -Wl,--gc-sections,-e,"${1#-Wl,-u,}" "$@" "$work/pools.o" -lgcc -o "$work/linked"
    arm-none-eabi-size -A "$work/linked" | awk '$1 ~ /^\.(text|rodata|data)/ { sum += $2 } END { print sum + 0 }'
}

[ -n "$most" ] || while read -r name pattern; do
    size=$(size_of "$pattern")
    printf '%6d  %s\n' "$size" "$(echo "$name" | tr _ ' ')"
done <<'END'
region region_
class_pool classpool_
level_pool levelpool_
block_pool blockpool_
bump_arena bump_
region,_block_pool_and_class_pool (region|blockpool|classpool)_
all_pools [a-z]
END
[ -z "$most" ] || {
    size=$(size_of '(region|blockpool|classpool)_')
    if [ "$size" -eq 0 ] || [ "$size" -gt "$most" ]; then
        echo "sizes: region, block pool and class pool take $size bytes; they may take $most" >&2
        exit 1
    fi
    echo "# region, block pool and class pool: $size bytes"
}
