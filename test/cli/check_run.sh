# Launching: exit status, streams, signals, lookup, usage. Sourced by run.sh.

exit_status() {
    status_is 0 "$tarn" run true &&
        status_is 1 "$tarn" run -- false &&
        status_is 42 "$tarn" run -- sh -c 'exit 42' &&
        has err "exit status 42"
}
check "exit status is the program's" exit_status

killed() {
    status_is 137 "$tarn" run -- sh -c 'kill -9 $$' &&
        has err "killed by signal 9 (KILL); figures as of the last update, " && has err " before the end"
}
check "killed by a signal: 128+N, and said" killed

streams() {
    head -c 3000000 /dev/urandom >in
    "$tarn" run -- cat <in >copy 2>err && same in copy || return 1
    cat in | "$tarn" run -- cat 2>err | cat >copy
    same in copy || return 1
    "$tarn" run --report r -- sh -c 'printf "a\0b"; printf "c\nd" >&2' >out 2>err
    printf 'a\0b' >want
    same want out || return 1
    printf 'c\nd' >want
    same want err
}
check "standard streams pass untouched" streams

closed_streams() {
    "$tarn" run --report r -- sh -c '[ -e /proc/self/fd/0 ] && echo open' <&- >out 2>err
    has_not out open || return 1
    "$tarn" run --report r true >&- 2>&- || fail "fails without standard streams"
    has r "exit status 0"
}
check "closed streams stay closed" closed_streams

nothing_inherited() {
    sh -c 'ls /proc/$$/fd' >want 2>err
    status_is 0 "$tarn" run --report r -- sh -c 'ls /proc/$$/fd' && same want out
}
check "no descriptor leaks into the program" nothing_inherited

environment() {
    LD_PRELOAD=libm.so.6 "$tarn" run -- sh -c 'echo "$LD_PRELOAD"' >out 2>err
    echo "$publisher:libm.so.6" >want
    same want out
}
check "LD_PRELOAD is kept behind the library" environment

# A program that waits for a signal: says when it is ready, and what it got.
waiting='trap "echo got; exit 7" USR1 TERM; echo ready $$; while :; do sleep 0.05; done'

forwarding() {
    for signal in USR1 TERM; do
        rm -f out
        "$tarn" run -- sh -c "$waiting" >out 2>err &
        until_true grep -qs ready out || fail "the program did not start" || return 1
        kill -"$signal" $!
        wait $!
        status=$?
        [ $status -eq 7 ] || fail "status $status after $signal" || return 1
        has out got && has err "exit status 7" || return 1
    done
}
check "signals are passed on" forwarding

forwarded_death() {
    "$tarn" run -- sh -c 'echo ready $$; exec sleep 60' >out 2>err &
    until_true grep -qs ready out || fail "the program did not start" || return 1
    kill -HUP $!
    wait $!
    status=$?
    [ $status -eq 129 ] || fail "status $status" || return 1
    read -r _ pid <out
    ! kill -0 "$pid" 2>/dev/null || fail "the program is left behind" || return 1
    has err "killed by signal 1 (HUP)"
}
check "a forwarded signal that kills: reported, nothing left behind" forwarded_death

group_signal() {
    needs_tree || return
    command -v setsid >/dev/null || skip "no setsid" || return
    setsid -w "$tarn" run -- "$tree" group >out 2>err
    status=$?
    [ $status -eq 130 ] || fail "status $status" || return 1
    has err "killed by signal 2 (INT)"
}
check "an interrupt of the group: the command survives it and reports" group_signal

terminal_interrupt() {
    script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1)" || return
    (until_true grep -qs ready seen && printf '\003'; sleep 1) |
        script -qefc "$tarn run -- sh -c 'echo ready; exec sleep 60'" seen >/dev/null 2>&1
    has seen "killed by signal 2 (INT)"
}
check "Ctrl-C on a terminal: the command survives it and reports" terminal_interrupt

ignored_children() {
    [ -n "$python" ] || skip "no python3" || return
    "$python" -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$tarn" run -- sh -c 'exit 9' 2>err
    status=$?
    [ $status -eq 9 ] || fail "status $status"
}
check "works where SIGCHLD is ignored" ignored_children

lookup() {
    status_is 127 "$tarn" run -- no-such-program-here && lines_are err 1 && has err "not found in PATH" &&
        status_is 127 "$tarn" run -- ./no-such-file && lines_are err 1 || return 1
    mkdir shut && chmod 0 shut && PATH=$PWD/shut:$PATH status_is 127 "$tarn" run -- no-such-program-here || return 1
    chmod 700 shut
    echo text >plain
    status_is 126 "$tarn" run -- ./plain && lines_are err 1 && has err "ermission denied" &&
        status_is 126 "$tarn" run -- . && lines_are err 1 || return 1
    printf '#!/no/such/interpreter\n' >script
    chmod +x script
    status_is 127 "$tarn" run -- ./script && lines_are err 1 && has err "/no/such/interpreter"
}
check "a program that is not there, or cannot be run" lookup

usage_line() {
    status_is 2 "$@" && lines_are err 1 && has err "tarn: "
}

usage() {
    usage_line "$tarn" &&
        usage_line "$tarn" frobnicate &&
        usage_line "$tarn" --frobnicate &&
        usage_line "$tarn" run &&
        usage_line "$tarn" run -- &&
        usage_line "$tarn" run --frobnicate true &&
        usage_line "$tarn" run --report &&
        usage_line "$tarn" run --report= true &&
        usage_line "$tarn" run --rounds 3 true &&
        usage_line "$tarn" run --with tarn true &&
        usage_line "$tarn" run --compare --rounds 0 true &&
        usage_line "$tarn" run --compare --rounds 3x true &&
        usage_line "$tarn" run --compare --rounds -1 true &&
        usage_line "$tarn" run --compare --with nonesuch true && has err "known are system, tarn, mimalloc" &&
        has err "found here: system, tarn" &&
        usage_line "$tarn" run --compare --with ./nonesuch.so true &&
        usage_line "$tarn" run --compare --with /dev/null true &&
        usage_line "$tarn" run "$(printf -- '--two\nlines')" true
}
check "wrong command lines: status 2 and one line" usage

help() {
    status_is 0 "$tarn" --help && has out "tarn run" && lines_are err 0 &&
        status_is 0 "$tarn" run --help && has out "--compare" && has out "ru_maxrss" && lines_are err 0 || return 1
    awk 'length > 80 { exit 1 }' out || fail "the help is wider than 80 columns" || return 1
    status_is 0 "$tarn" --version && grep -Eq '^tarn [0-9]+\.[0-9]+\.[0-9]+$' out ||
        fail "version: $(cat out)" || return 1
    status_is 125 sh -c '"$1" --help >/dev/full' - "$tarn"
}
check "help and version" help

options_end() {
    status_is 3 "$tarn" run sh -c 'exit 3' &&
        status_is 4 "$tarn" run --report r -- sh -c 'exit 4' && [ -s r ] &&
        status_is 5 "$tarn" run --report=s sh -c 'exit 5' --json && [ -s s ] && has s "exit status 5"
}
check "options end at the program" options_end

library_lookup() {
    TARN_LIBRARY=/no/such/file status_is 125 "$tarn" run true && lines_are err 1 && has err TARN_LIBRARY || return 1
    TARN_LIBRARY=/dev/null status_is 125 "$tarn" run true && lines_are err 1 || return 1
    mkdir -p alone tree/bin tree/lib "with space"
    cp "$tarn" alone/tarn && cp "$tarn" tree/bin/tarn
    (unset TARN_LIBRARY && status_is 125 alone/tarn run true && lines_are err 1) || return 1
    cp "$publisher" tree/lib/libtarn-malloc.so
    (unset TARN_LIBRARY && status_is 0 tree/bin/tarn run true && has err "1 000 000 requests") || return 1
    cp "$publisher" alone/libtarn-malloc.so
    (unset TARN_LIBRARY && status_is 0 alone/tarn run true && has err "1 000 000 requests") || return 1
    cp "$publisher" "with space/lib.so"
    TARN_LIBRARY="with space/lib.so" status_is 125 "$tarn" run true && lines_are err 1 && has err "space or colon"
}
check "the library is found where it should be" library_lookup

report_unwritable() {
    status_is 125 "$tarn" run --report /no/such/directory/r -- sh -c 'echo ran' && lines_are err 1 &&
        has_not out ran || return 1
    status_is 6 "$tarn" run --report /dev/full -- sh -c 'exit 6' && lines_are err 1 &&
        has err "cannot write the report"
}
check "a report that cannot be written" report_unwritable

modes() {
    "$tarn" run --debug=FZ,malloc-64 --harden --sample 1000 -- sh -c 'echo "$TARN_DEBUG $TARN_HARDEN $TARN_SAMPLE"' >out 2>err
    echo "FZ,malloc-64 1 1000" >want
    same want out || return 1
    for wrong in --debug=X --debug=,a --debug --sample=many --sample=99999999999; do
        status_is 2 "$tarn" run $wrong true || return 1
    done
}
check "--debug, --harden and --sample set what the library reads" modes
