#!/bin/sh
# What pools take of a Cortex-M4's code memory: linked from tarn-pools.c by themselves, with all that they call, -Os.
#
#   sizes.sh DIST              a table, in bytes of code and constants: all functions of a pool; those that programs call, without what looks at a pool
#                              (statistics, visits, checker), trims it or moves blocks; the same with TARN_POOLS_UNCHECKED and
#                              TARN_REGION_ONLY_TLSF
#   sizes.sh DIST MOST OBJECT  fails when the second figure of region, block pool and class pool together is above MOST; OBJECT is
#                              tarn-pools.c, compiled for this
set -eu
dist=$1
most=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags='-mcpu=cortex-m4 -mthumb'
usual='(create|create_in|destroy|open|close|reset|alloc|free|alloc_aligned|realloc|usable_size|mark|rewind|cleanup|cleanup_cancel)$'

compile() { # OBJECT OPTION...
    object=$1
    shift
    # shellcheck disable=SC2086
    arm-none-eabi-gcc $flags -std=c11 -ffreestanding -Os -ffunction-sections -fdata-sections "$@" -c "$dist/tarn-pools.c" -o "$work/$object"
}

size_of() { # OBJECT PATTERN: of public functions that match it, with all that they call
    object=$work/$1
    # shellcheck disable=SC2046
    set -- $(arm-none-eabi-nm --defined-only "$object" | awk '$2 == "T" { print $3 }' | grep -E "^tarn_$2" | sed 's/^/-Wl,-u,/')
    [ $# -gt 0 ] || {
        echo 0
        return
    }
    # shellcheck disable=SC2086
    arm-none-eabi-gcc $flags -nostdlib -Wl,--gc-sections,-e,"${1#-Wl,-u,}" "$@" "$object" -lgcc -o "$work/linked"
    arm-none-eabi-size -A "$work/linked" | awk '$1 ~ /^\.(text|rodata|data)/ { sum += $2 } END { print sum + 0 }'
}

if [ -n "$most" ]; then
    cp "$3" "$work/whole"
    size=$(size_of whole "(region|blockpool|classpool)_$usual")
    if [ "$size" -eq 0 ] || [ "$size" -gt "$most" ]; then
        echo "sizes: region, block pool and class pool take $size bytes; they may take $most" >&2
        exit 1
    fi
    echo "# region, block pool and class pool: $size bytes"
    exit 0
fi
compile whole
compile least -DTARN_POOLS_UNCHECKED -DTARN_REGION_ONLY_TLSF
printf '%-36s%9s%9s%9s\n' '' all usual least
while IFS=: read -r name pools; do
    all=$(size_of whole "($pools)_")
    some=$(size_of whole "($pools)_$usual")
    less=$(size_of least "($pools)_$usual")
    printf '%-36s%9d%9d%9d\n' "$name" "$all" "$some" "$less"
done <<'END'
region:region
class pool:classpool
level pool:levelpool
block pool:blockpool
bump arena:bump
region, class pool, block pool:region|classpool|blockpool
all:region|classpool|levelpool|blockpool|bump
END
