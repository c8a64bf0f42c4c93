#!/bin/sh
# What the common calls cost in instructions is a checked-in list, and none may grow.
#
#   counts.sh PROGRAM LIBRARY LIST                  compares
#   counts.sh --update PROGRAM LIBRARY LIST README  writes the list, and the table in the README between its two marks
#   counts.sh --self-test PROGRAM LIBRARY LIST      checks that a call above its limit is found, and one without a limit
set -eu

counts() { # PROGRAM LIBRARY
    LD_PRELOAD=$2 "$1"
}

compare() { # COUNTS LIST
    awk -F '\t' '
        FNR == NR { limit[$1] = $2; next }
        { counted[$1] = 1 }
        !($1 in limit) { print "counts: " $1 " takes " $2 " instructions, and has no limit"; bad = 1; next }
        $2 > limit[$1] { print "counts: " $1 " takes " $2 " instructions, more than " limit[$1]; bad = 1; next }
        { printf "# %-26s %3d%s\n", $1, $2, $2 < limit[$1] ? ", less than its limit of " limit[$1] : "" }
        END {
            for (name in limit)
                if (!(name in counted)) { print "counts: " name " was not counted"; bad = 1 }
            exit bad
        }' "$2" "$1"
}

self_test() { # COUNTS LIST
    awk -F '\t' -v OFS='\t' 'NR == 1 { $2 = $2 - 1 } { print }' "$1" > "$scratch/lower"
    sed 1d "$1" > "$scratch/fewer"
    { cat "$1"; printf 'no such call\t1\n'; } > "$scratch/more"
    for list in lower fewer more; do
        ! compare "$1" "$scratch/$list" > "$scratch/said" || { echo "counts: self-test: a list that is $list passes" >&2; exit 1; }
        grep -q '^counts: ' "$scratch/said" || { echo "counts: self-test: nothing is said of a list that is $list" >&2; exit 1; }
    done
    compare "$1" "$1" > "$scratch/said"
}

# shellcheck disable=SC2016 # awk and sed look for these
update() { # COUNTS LIST README
    cp "$1" "$2"
    awk -F '\t' 'BEGIN { print "| call | instructions |\n| --- | ---: |" } { printf "| `%s` | %d |\n", $1, $2 }' "$1" \
        | sed 's/`\([^`(]*\), \([^`)]*\)`/`\1`, \2/' > "$scratch/table"
    awk -v table="$scratch/table" '
        /^<!-- end of counts -->$/ { inside = 0 }
        !inside { print }
        /^<!-- counts: / { inside = 1; while ((getline line < table) > 0) print line }' "$3" > "$scratch/readme"
    cat "$scratch/readme" > "$3"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
verb=compare
case $1 in
--*) verb=$1 && shift ;;
esac
status=0
counts "$1" "$2" > "$scratch/counts" || status=$?
[ $status -eq 0 ] || exit $status
case $verb in
--update) update "$scratch/counts" "$3" "$4" ;;
--self-test) self_test "$scratch/counts" ;;
*) compare "$scratch/counts" "$3" ;;
esac
