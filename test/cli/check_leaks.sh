# tarn leaks and tarn run --leaks. Sourced by run.sh, after check_live.sh's functions.
# shellcheck disable=SC2154 # programs, library, tarn, python: set by run.sh

# Where objects are reached by registers alone is known on this machine only.
machine=$(uname -m)

start_leaks() { # WORD=VALUE...: the program of known leaks, waiting
    start env LD_PRELOAD="$library" "$@" "$programs/leaks" hold
}

# groups FILE: of a report without stacks, "kind size objects indirect-objects" for each group, sorted.
groups() {
    sed -n 's/^[0-9]* bytes\{0,1\} in \([0-9]*\) objects\{0,1\} of \([0-9]*\) \([a-z]*\) [a-z]*\( (and [0-9]* in \([0-9]*\) indirectly)\)\{0,1\}:$/\3 \2 \1 \5/p' "$1" |
        sed 's/ $/ 0/' | sort -k1,1 -k2,2n
}

# Still reachable: lengths.
reached="300 310 330 334 340 350 360 248 264 256 280 296"
[ "$machine" != x86_64 ] || reached="$reached 370"

# by_size EXPRESSION: of the document in FILE, as `d`, and {(kind, bytes, objects, indirect objects)} as `g`, with sizes of single objects.
by_size() { # FILE EXPRESSION
    [ -n "$python" ] || return 0
    "$python" -c '
import json, sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
g = sorted((l["kind"], l["bytes"] // l["objects"], l["objects"], l["indirect_objects"]) for l in d["leaks"])
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' "$1" "$2" 2>parse || fail "not so: $2; $(tail -n 1 parse) $(head -c 300 "$1")"
}

all_known='[x for x in g if x[0] != "reachable"] == [("definite", 72, 1, 2), ("definite", 120, 1, 1), ("definite", 136, 1, 2),
    ("definite", 384, 1, 0), ("definite", 390, 1, 0), ("definite", 400, 1, 0), ("definite", 1000, 3, 0), ("definite", 100000, 1, 0),
    ("definite", 5000000, 1, 0), ("indirect", 80, 1, 0), ("indirect", 88, 1, 0), ("indirect", 120, 1, 0), ("indirect", 136, 1, 0), ("indirect", 136, 1, 0),
    ("possible", 200, 1, 0)]'
all_reached="all(any(x[1] == size and x[0] == 'reachable' for x in g) for size in [$(echo "$reached" | tr ' ' ',')])"

leaks_usage() {
    status_is 2 "$tarn" leaks && has err "no process is named" || return 1
    status_is 2 "$tarn" leaks --what 1 && has err "unknown option '--what'" || return 1
    status_is 2 "$tarn" leaks 1 2 && has err "one process at a time" || return 1
    status_is 2 "$tarn" leaks 12x && lines_are err 1 || return 1
    status_is 2 "$tarn" leaks --suppressions && has err "needs a value" || return 1
    status_is 2 "$tarn" leaks --error-exitcode=256 1 && has err "from 0 to 255" || return 1
    status_is 2 "$tarn" leaks --suppressions=./none 1 && has err "cannot read the suppressions in ./none" || return 1
    status_is 0 "$tarn" leaks --help && has out "tarn leaks [OPTIONS] PID" && lines_are err 0 || return 1
    ! awk 'length > 80' out | grep -q . || fail "help is too wide" || return 1
    status_is 2 "$tarn" run --children -- true && has err "goes with --leaks" || return 1
    status_is 2 "$tarn" run --leaks --compare -- true && has err "does not go with --compare"
}
check "leaks: command lines that are wrong, and help" leaks_usage

wrong_suppressions() {
    for text in 'at f' 'suppress a\n  only never' 'suppress a\n  at' 'suppress a\n  to f' 'suppress a\n at f in'; do
        printf '# known\n%b\n' "$text" >wrong
        status_is 2 "$tarn" leaks --suppressions wrong 1 && grep -q '^tarn: wrong:[23]: ' err || fail "accepted: $text" || return 1
    done
}
check "leaks: suppressions that are wrong" wrong_suppressions

leaks_unreadable() {
    status_is 125 "$tarn" leaks 4194305 && has err "there is no process 4194305" || return 1
    status_is 125 "$tarn" leaks $$ && has err "does not run on tarn" && lines_are out 0 || return 1
    [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null || return 0
    start_leaks TARN_DEBUG=U || return
    setpriv --reuid 65534 --clear-groups "$tarn" leaks "$pid" >out 2>err
    status=$?
    { [ $status -eq 125 ] && grep -q "may not be read\|cannot be read" err && lines_are err 1; } || fail "no clear word: $(cat err)"
}
check "leaks: processes that cannot be read" leaks_unreadable

of_process() {
    start_leaks TARN_DEBUG=U || return
    for _ in 1 2 3; do # and again: nothing is left behind
        status_is 0 "$tarn" leaks --json --show-reachable --show-indirect "$pid" && lines_are err 0 &&
            by_size out "$all_known" && by_size out "$all_reached" && by_size out 'd["threads"] == 3 and d["exact"]' || return 1
    done
    status_is 7 "$tarn" leaks --error-exitcode 7 "$pid" && has out ", 3 threads, stopped for " || return 1
    # What is only an address behind a count of elements is good enough, but not with --strict.
    status_is 0 "$tarn" leaks --json --strict "$pid" && by_size out '[x[1] for x in g if x[0] == "possible"] == [200, 248, 256, 264, 280, 296]' || return 1
    { grep -q '^State:.*[SR]' "/proc/$pid/status" && grep -q '^TracerPid:.*	0$' "/proc/$pid/status"; } ||
        fail "the process was not let go on"
}
check "leaks: what is lost and what is reached in a process" of_process

of_plain_process() { # no lengths and stacks, but the same objects
    start_leaks A=1 || return
    status_is 0 "$tarn" leaks --show-indirect "$pid" || return 1
    has_not out "count as allocated" || return 1
    has out "shows where they were allocated" || return 1
    groups out | awk '{ n[$1] += $3; i[$1] += $4 } END { print n["definitely"], i["definitely"], n["indirectly"], n["possibly"] }' >got
    echo "11 5 5 1" >want
    same want got
}
check "leaks: without anything noted" of_plain_process

all_sums='[d[k] for k in ("definite", "indirect", "possible")] == [{"bytes": 5104502, "objects": 11}, {"bytes": 560, "objects": 5}, {"bytes": 200, "objects": 1}]'

in_other_places() { # hardened and guarded objects lie elsewhere, and are objects all the same
    [ "$machine" = x86_64 ] || [ "$machine" = aarch64 ] || skip "not on this machine" || return
    start_leaks TARN_HARDEN=1 || return
    status_is 0 "$tarn" leaks --json --show-reachable --show-indirect "$pid" && by_size out "$all_sums" && by_size out "$all_reached" || return 1
    start_leaks TARN_DEBUG=G || return
    status_is 0 "$tarn" leaks --json --show-reachable --show-indirect "$pid" && by_size out "$all_known" && by_size out "$all_reached" || return 1
    # Sampled ones take the place of others that were freed, so that an address of those may lead to them.
    start_leaks TARN_SAMPLE=1 TARN_DEBUG=L || return
    status_is 0 "$tarn" leaks --json --show-reachable --show-indirect "$pid" && by_size out "$all_reached" &&
        by_size out 'all(any(x[1] == size for x in g) for size in [72, 80, 88, 120, 136, 384, 390, 400, 1000, 100000, 5000000])'
}
check "leaks: hardened, guarded and sampled objects" in_other_places

stopped_process() {
    start_leaks TARN_DEBUG=U || return
    kill -STOP "$pid"
    until_true grep -q '^State:.*T' "/proc/$pid/status" || fail "not stopped" || return 1
    status_is 0 "$tarn" leaks --json --show-indirect "$pid" && by_size out "$all_known" || return 1
    grep -q '^State:.*T' "/proc/$pid/status" || fail "no longer stopped" || return 1
    kill -CONT "$pid"
    until_true grep -q '^State:.*S' "/proc/$pid/status" || fail "does not go on"
}
check "leaks: a process that is stopped stays so" stopped_process

# Processor time of $pid, in ticks; and whether that is more than $before.
spent() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }
spends_more() { [ "$(spent)" -gt "$before" ]; }

restless_process() { # threads and processes begin and end meanwhile
    start env LD_PRELOAD="$library" TARN_DEBUG=L "$programs/leaks" churn || return
    for _ in 1 2 3 4 5 6; do
        status_is 0 "$tarn" leaks --json "$pid" && lines_are err 0 && by_size out 'd["threads"] >= 9' &&
            by_size out 'all(x in g for x in [("definite", 72, 1, 2), ("definite", 1000, 3, 0), ("definite", 5000000, 1, 0)])' || return 1
        grep -q '^TracerPid:.*	0$' "/proc/$pid/status" || fail "still traced" || return 1
    done
    before=$(spent)
    until_true spends_more ||
        fail "its threads do not go on"
}
check "leaks: a process whose threads and children come and go" restless_process

shut_process() {
    [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null || skip "not root" || return
    setpriv --reuid 65534 --clear-groups test -x "$programs/leaks" -a -r "$library" || skip "others may not read the build" || return
    start setpriv --reuid 65534 --clear-groups env LD_PRELOAD="$library" "$programs/leaks" shut || return
    setpriv --reuid 65534 --clear-groups "$tarn" leaks "$pid" >out 2>err
    status=$?
    { [ $status -eq 125 ] && grep -q "may not be read\|cannot be read" err && lines_are err 1; } || fail "status $status, no clear word: $(cat err)"
}
check "leaks: a process that may not be looked at" shut_process

killed_command() { # the process goes on, whatever becomes of the command
    start_leaks TARN_DEBUG=U || return
    for i in 1 2 3 4 5 6 7 8; do
        "$tarn" leaks "$pid" >/dev/null 2>&1 &
        victim=$!
        sleep "0.00$i"
        kill -KILL "$victim" 2>/dev/null
        wait "$victim" 2>/dev/null
        until_true grep -q '^State:.*[SR]' "/proc/$pid/status" || fail "left stopped" || return 1
    done
    status_is 0 "$tarn" leaks --json --show-indirect "$pid" && by_size out "$all_known"
}
check "leaks: a command that is killed leaves the process running" killed_command

traced_process() {
    command -v strace >/dev/null || skip "no strace" || return
    start_leaks TARN_DEBUG=U || return
    strace -qq -f -o /dev/null -p "$pid" 2>strace.err &
    tracer=$!
    pids="$pids $tracer"
    until_true grep -q "^TracerPid:.*$tracer" "/proc/$pid/status" || skip "strace cannot trace here" || return
    status_is 125 "$tarn" leaks "$pid" && has err "cannot be stopped: process $tracer traces it" && lines_are err 1
}
check "leaks: a process that is traced already" traced_process

ending_process() {
    start env LD_PRELOAD="$library" sh -c 'echo ready; sleep 0.2; exit 3' || return
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        "$tarn" leaks "$pid" >out 2>err
        case $? in
        0) lines_are err 0 || return 1 ;;
        125) grep -q "ended\|there is no process\|just ending\|became another program" err && lines_are err 1 || fail "no clear word: $(cat err)" || return 1 ;;
        *) fail "status" || return 1 ;;
        esac
    done
    wait "$pid"
    [ $? -eq 3 ] || fail "the process did not end as it would have"
}
check "leaks: a process that ends meanwhile" ending_process

at_exit() {
    for how in exit quick _exit thread; do
        status_is 3 "$tarn" run --leaks --json --report report --show-reachable --show-indirect -- "$programs/leaks" $how 3 &&
            lines_are err 0 && by_size report "$all_known" && by_size report "$all_reached" || return 1
    done
    status_is 9 "$tarn" run --leaks --error-exitcode=9 -- "$programs/leaks" exit 3 && has err "definitely lost" || return 1
    status_is 0 "$tarn" run --leaks --error-exitcode=9 -- true && has err "definitely lost              0 bytes in 0 objects"
}
at_exit_real() {
    TARN_LIBRARY=$library at_exit
}
check "run --leaks: at every way to the exit" at_exit_real

stacks_of() {
    TARN_LIBRARY=$library status_is 3 "$tarn" run --leaks --gen-suppressions -- "$programs/leaks" exit 3 || return 1
    grep -A 2 '^72 bytes in 1 object definitely lost (and 168 in 2 indirectly), allocated at:' err >part
    has part "#0 0x" && grep -q '#0 0x[0-9a-f]* get' part && grep -q '#1 0x[0-9a-f]* leak_chain' part || fail "no stack: $(cat part)" || return 1
    has err "suppress leak-1" && has err "    at get in leaks" || return 1
    sed -n '/^suppress/,$p' err >known
    TARN_LIBRARY=$library status_is 3 "$tarn" run --leaks --suppressions known --error-exitcode=9 -- "$programs/leaks" exit 3 || return 1
    has err "definitely lost              0 bytes in 0 objects" && has err "suppressed" || return 1
    printf 'suppress chains\n only definite\n ...\n at leak_[c]hain in leaks\n ...\n at main\n' >known
    TARN_LIBRARY=$library status_is 3 "$tarn" run --leaks --json --report report --suppressions known -- "$programs/leaks" exit 3 || return 1
    by_size report 'd["suppressed"] == {"bytes": 240, "objects": 3} and [l["bytes"] for l in d["leaks"] if l["suppressed_by"] == "chains"] == [72]' || return 1
    printf 'suppress chains\n ...\n at leak_chain in other\nsuppress x\n at leak_chain\nsuppress y\n only possible\n ...\n at leak_chain\n' >known
    TARN_LIBRARY=$library status_is 3 "$tarn" run --leaks --json --report report --suppressions known -- "$programs/leaks" exit 3 || return 1
    by_size report 'd["suppressed"]["objects"] == 0 and d["unused_suppressions"] == ["chains", "x", "y"]' || return 1
    # By file and with wildcards, where there are lines; each that fits nothing is named.
    printf 'suppress by-file\n ...\n at leak_c* in leak* from *leaks.c\n...\nsuppress by-object\n ...\n at * in none.so*\n' >known
    TARN_LIBRARY=$library status_is 3 "$tarn" run --leaks --suppressions known -- "$programs/leaks" exit 3 || return 1
    has err "Suppressions that fitted nothing:" && has err "    by-object" || return 1
    grep -q 'leaks.c:' err || return 0
    has err "by by-file" && ! grep -q '^    by-file$' err || fail "by-file is told to be unused: $(cat err)"
}
check "run --leaks: where they were allocated, and suppressions" stacks_of

children_of() {
    TARN_LIBRARY=$library
    export TARN_LIBRARY
    status_is 3 "$tarn" run --leaks --report report -- "$programs/leaks" fork 3 && [ "$(grep -c '^Leaks of' report)" -eq 1 ] || fail "one report" || return 1
    status_is 3 "$tarn" run --leaks --children --report report -- "$programs/leaks" fork 3 && [ "$(grep -c '^Leaks of' report)" -eq 2 ] ||
        fail "two reports" || return 1
    has report "7777 bytes in 1 object definitely lost"
}
check "run --leaks: children" children_of

not_looked_at() {
    TARN_LIBRARY=$library
    export TARN_LIBRARY
    status_is 134 "$tarn" run --leaks -- "$programs/leaks" abort 3 && has err "signal ABRT ended" || return 1
    status_is 3 "$tarn" run --leaks -- "$programs/leaks" filter 3 && has err "filters its system calls" || return 1
    status_is 5 env TARN_LEAKS=tarn-nobody-listens "LD_PRELOAD=$library" sh -c 'exit 5' || return 1
    # The command ends while the program waits for it.
    "$tarn" run --leaks -- sh -c 'echo $$ >number; sleep 0.3; exit 5' >/dev/null 2>&1 &
    victim=$!
    until_true test -s number
    kill -KILL "$victim"
    wait "$victim" 2>/dev/null
    # shellcheck disable=SC2016
    until_true sh -c '! kill -0 "$(cat number)" 2>/dev/null' || fail "the program waits for ever"
}
check "run --leaks: programs that are not looked at" not_looked_at
