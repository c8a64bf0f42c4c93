#!/bin/sh
# Runs correct programs in each mode: each must end with status 0 and say nothing.
#   correct.sh PRELOAD PROGRAM...
set -u
preload=$1
shift
modes='TARN_TEST=1 TARN_HARDEN=1 TARN_DEBUG=FZPUQ TARN_DEBUG=GU TARN_SAMPLE=100'
echo "1..$(($# * 5))"
number=0
for program in "$@"; do
    for mode in $modes; do
        number=$((number + 1))
        said=$(timeout -s KILL 100 env "LD_PRELOAD=$preload" "$mode" "$program" 2>&1 </dev/null)
        status=$?
        if [ $status -eq 0 ] && [ -z "$said" ]; then
            echo "ok $number - $(basename "$program") in $mode"
        else
            echo "not ok $number - $(basename "$program") in $mode"
            printf 'status %s\n%s\n' "$status" "$said" | head -20 | sed 's/^/# /'
        fi
    done
done
