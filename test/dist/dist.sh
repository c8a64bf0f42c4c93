#!/bin/sh
# What ./dev amalgamate makes is what it says: compiled without a warning in every way that a user may, linked, run.
# Time is what compilers take, so nothing is optimised of which only warnings are looked at a second time, and each object serves all that it can.
#
#   dist.sh ROOT     from the sources in ROOT; writes into a directory of its own. What a machine has no compiler for is skipped.
# shellcheck disable=SC2086
set -u
root=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dist=$work/dist
here=$root/test/dist
bare=$root/test/bare
m4='-mcpu=cortex-m4 -mthumb -ffreestanding -Os -ffunction-sections -fdata-sections'
strict='-Wall -Wextra -Wshadow -Werror'
number=0
failures=0

has() { command -v "$1" >/dev/null 2>&1; }

# case_of NAME COMMAND...: one case; what the command says is shown when it fails.
case_of() {
    name=$1
    shift
    number=$((number + 1))
    (
        set -e
        "$@"
    ) >"$work/log" 2>&1
    status=$? # not as a condition: the shell would go on after a command that fails
    if [ $status -eq 0 ]; then
        grep '^#' "$work/log"
        echo "ok $number $name"
    else
        sed 's/^/# /' "$work/log" | head -12
        echo "not ok $number $name"
        failures=$((failures + 1))
    fi
}

# case_with TOOL NAME COMMAND...: skipped where the tool is not.
case_with() {
    tool=$1
    shift
    if has "$tool"; then
        case_of "$@"
    else
        number=$((number + 1))
        echo "ok $number $1 # SKIP no $tool"
    fi
}

amalgamate() {
    python3 "$root/scripts/amalgamate.py" "$dist"
    PYTHONHASHSEED=1 python3 "$root/scripts/amalgamate.py" "$work/again"
    diff -r "$dist" "$work/again"
}

# whole COMPILER FLAG..., pools COMPILER FLAG...: `-o OBJECT` is among the flags, or -fsyntax-only.
whole() {
    compiler=$1
    shift
    "$compiler" -std=gnu11 $strict "$@" -c "$dist/tarn.c"
}
pools() {
    compiler=$1
    shift
    "$compiler" -std=c11 $strict -Wpedantic "$@" -c "$dist/tarn-pools.c"
}

as_plus() { # COMPILER
    for header in tarn tarn-pools; do
        echo "#include \"$header.h\"" >"$work/$header.cpp"
        "$1" -std=c++11 -Wall -Wextra -Werror -fsyntax-only -I "$dist" "$work/$header.cpp"
    done
}

# The functions that tarn.c exports are those of the shared library.
exports() { # OBJECT LIST
    nm --defined-only "$1" | awk '$2 ~ /[A-Z]/ && $3 !~ /^tarn__/ { print $3 }' | LC_ALL=C sort -u | diff "$2" -
}

# Nothing is asked of anybody; and nothing is exported but the interface.
alone() { # NM OBJECT
    ! "$1" -u "$2" | grep . || return 1
    ! "$1" --defined-only "$2" | awk '$2 == "T"' | grep -v ' tarn_[a-z]'
}

# That `alone` can fail.
not_alone() {
    printf 'int away(void);\nint tarn_here(void);\nint tarn_here(void) { return away(); }\n' >"$work/needs.c"
    gcc -c "$work/needs.c" -o "$work/needs.o"
    ! alone nm "$work/needs.o"
}

program() {
    gcc -std=gnu11 -O1 $strict -I "$dist" "$here/program.c" "$work/tarn.o" -o "$work/program" -pthread
    "$work/program"
}

selftest() { # COMPILER OBJECT FLAG...
    compiler=$1 object=$2
    shift 2
    "$compiler" -std=c11 -O1 -g $strict "$@" -I "$dist" "$bare/selftest.c" "$bare/hosted.c" "$object" -o "$work/selftest"
    "$work/selftest"
}

sanitized() {
    pools gcc -O1 -o "$work/sanitized.o" -g -fsanitize=undefined -fno-sanitize-recover=undefined
    selftest gcc "$work/sanitized.o" -fsanitize=undefined
}

unchecked() {
    pools gcc -O1 -o "$work/unchecked.o" -ffreestanding -DTARN_POOLS_UNCHECKED
    selftest gcc "$work/unchecked.o" -DTARN_POOLS_UNCHECKED
}

on_m4() { pools arm-none-eabi-gcc $m4 "$@"; }

case_of 'amalgamates, twice the same' amalgamate
for compiler in gcc clang; do
    object=$work/tarn.o optimised=-O1
    [ $compiler = gcc ] || object=$work/tarn-clang.o optimised=-O0 # not run; its warnings come without
    case_with $compiler "tarn.c, $compiler" whole $compiler $optimised -o "$object"
    case_with $compiler "tarn-pools.c, $compiler" pools $compiler -fsyntax-only
    case_with $compiler "tarn-pools.c, $compiler, freestanding" pools $compiler -O2 -ffreestanding -o "$work/pools-free.o"
    case_with $compiler "tarn-pools.c, $compiler, freestanding: asks for nothing" alone nm "$work/pools-free.o"
    case_with $compiler "the self test over tarn-pools.c, $compiler, freestanding" selftest $compiler "$work/pools-free.o"
done
case_with clang 'tarn-pools.c, clang, 32 bits' pools clang -fsyntax-only -m32 -ffreestanding
case_with g++ 'headers, g++' as_plus g++
case_with clang++ 'headers, clang++' as_plus clang++
case_with nm 'tarn.c has what libtarn exports' exports "$work/tarn.o" "$root/test/gates/libtarn.symbols"
case_with nm 'an object that asks for something is found' not_alone
case_of 'a program over tarn.c' program
case_of 'the self test over tarn.c' selftest gcc "$work/tarn.o" -DSELFTEST_WHOLE_LIBRARY -pthread
case_of 'the self test over tarn-pools.c, unchecked' unchecked
case_of 'the self test over tarn-pools.c, with undefined behaviour caught' sanitized
case_with arm-none-eabi-gcc 'tarn-pools.c, Cortex-M4' on_m4 -o "$work/m4.o"
case_with arm-none-eabi-gcc 'tarn-pools.c, Cortex-M4, as little as can be' on_m4 -o "$work/m4-least.o" -DTARN_POOLS_UNCHECKED -DTARN_REGION_ONLY_TLSF
case_with arm-none-eabi-gcc 'tarn-pools.c, Cortex-M4: asks for nothing' alone arm-none-eabi-nm "$work/m4.o"
case_with arm-none-eabi-gcc 'region, block pool and class pool: at most 16 KiB' "$here/sizes.sh" "$dist" 16384 "$work/m4.o"
echo "1..$number"
[ "$failures" -eq 0 ]
