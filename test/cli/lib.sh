# What the tests of the command have in common. Sourced by run.sh, not run.
#
# A check is a function; `check NAME FUNCTION` runs it in a directory of its own and prints `ok NAME` or
# `not ok NAME: why`, `why` being what the function said last by `fail`; `skip` says why it could not be made.

passed=0
failed=0
skipped=0

fail() {
    echo "$*" >"$why"
    return 1
}

skip() {
    echo "$*" >"$why"
    return 77
}

check() {
    name=$1
    why=$scratch/why
    : >"$why"
    rm -rf "$scratch/here"
    mkdir "$scratch/here"
    # Started as an asynchronous job, a check could not see the terminal's signals; so it is not.
    (cd "$scratch/here" && "$2")
    case $? in
    0)
        passed=$((passed + 1))
        echo "ok $name"
        ;;
    77)
        skipped=$((skipped + 1))
        echo "ok $name # skipped: $(cat "$why")"
        ;;
    *)
        failed=$((failed + 1))
        echo "not ok $name: $(cat "$why")"
        ;;
    esac
}

# status_is WANTED COMMAND...: streams go to ./out and ./err.
status_is() {
    wanted=$1
    shift
    "$@" >out 2>err
    got=$?
    [ "$got" = "$wanted" ] || fail "exit status $got, not $wanted, of: $*; $(head -n 3 err | tr '\n' ' ')"
}

# has FILE TEXT: a fixed string, somewhere in the file.
has() {
    grep -qF -- "$2" "$1" || fail "no \"$2\" in $1: $(head -n 5 "$1" | tr '\n' '|')"
}

has_not() {
    ! grep -qF -- "$2" "$1" || fail "\"$2\" in $1"
}

lines_are() {
    lines=$(wc -l <"$1")
    [ "$lines" -eq "$2" ] || fail "$lines lines, not $2, in $1: $(head -n 5 "$1" | tr '\n' '|')"
}

same() {
    cmp -s "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2" | head -n 6 | tr '\n' '|')"
}

# until_true COMMAND...: for at most five seconds.
until_true() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return 1
        sleep 0.05
    done
}

# json EXPRESSION: of the document in ./err, as `d`, must be true.
json() {
    [ -n "$python" ] || return 0
    "$python" -c '
import json, sys
d = json.load(open("err", encoding="utf-8"))
sys.exit(0 if eval(sys.argv[1]) else 1)' "$1" 2>parse || fail "not so: $1; $(tail -n 1 parse) $(head -c 300 err)"
}
