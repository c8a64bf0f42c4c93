# --compare. Sourced by run.sh.

compare() {
    status_is 0 "$tarn" run --compare --with tarn --rounds 2 -- sh -c 'echo hello' || return 1
    lines_are out 1 && has err "ALLOCATOR" && has err "tarn: round 2 of 2 done" || return 1
    has err "1 000 000 requests" || return 1
    grep -Eq '^  system +[0-9.]+ m?s .* 1\.00' err || fail "no row of the system's malloc" || return 1
    grep -Eq '^  tarn +[0-9.]+ m?s .* [0-9]+\.[0-9][0-9]' err || fail "no row of tarn" || return 1
    [ "$(grep -c '\*$' err)" -ge 1 ] || fail "no best is marked" || return 1
    has_not err "$(printf '\033')" && has_not err "$(printf '\r')"
}
check "a comparison of two: table, report, output once" compare

compare_columns() {
    status_is 0 "$tarn" run --compare --with tarn,"$publisher" --rounds 1 -- true || return 1
    awk '/^  ALLOCATOR/ {
            header = $0
            count = split("WALL TIME,MIN,MAX,RATIO,USER,SYSTEM,PEAK RSS", headings, ",")
            next
        }
        header && /best/ { exit }
        header {
            rows++
            for (i = 1; i <= count; i++) {
                end = index(header, headings[i]) + length(headings[i]) - 1
                if (substr($0, end, 1) != " " && substr($0, end + 1, 1) ~ /^ ?$/)
                    continue
                print headings[i] ": " $0
                bad = 1
            }
        }
        END { exit bad || rows != 2 }' err >misaligned || fail "columns do not line up: $(head -n 1 misaligned)"
}
check "the columns of the comparison line up" compare_columns

turns() {
    status_is 0 "$tarn" run --compare --with system,tarn --rounds 3 -- sh -c 'echo "${LD_PRELOAD:-none}" >>log' ||
        return 1
    sed "s|$publisher|tarn|" log | tr '\n' ' ' >got
    printf 'none none tarn tarn none none tarn ' >want
    same want got
}
check "allocators take turns, and each round begins with another" turns

one_input() {
    head -c 300000 /dev/urandom >in
    cat in | status_is 0 "$tarn" run --compare --with tarn --rounds 2 -- sh -c 'cksum >>log' || return 1
    lines_are log 5 && [ "$(sort -u log | wc -l)" -eq 1 ] || fail "inputs differ: $(tr '\n' '|' <log)" || return 1
    cksum <in >want && head -n 1 log >got && same want got || return 1
    rm log
    # A file is not read from its beginning but from where the caller has read it to.
    {
        dd bs=1000 count=1 2>/dev/null >/dev/null
        status_is 0 "$tarn" run --compare --with tarn --rounds 1 -- sh -c 'wc -c >>log' || return 1
    } <in
    [ "$(sort -u log | tr -d ' ')" = 299000 ] || fail "a file is read from the wrong place: $(tr '\n' '|' <log)"
}
check "every run reads the same input" one_input

compare_status() {
    status_is 9 "$tarn" run --compare --with tarn --rounds 1 -- sh -c 'exit 9' && has_not err "no measure" || return 1
    FAKE_MODE=crash status_is 0 "$tarn" run --compare --with tarn --rounds 1 -- true &&
        has err "tarn: exit status 3, not 0 as under the system's malloc; no measure"
}
check "the status is the system's; who differs is marked" compare_status

compare_unstartable() {
    status_is 127 "$tarn" run --compare --with tarn -- ./no-such-file && has err "no such file"
}
check "comparing a program that is not there" compare_unstartable

compare_unloadable() {
    printf '%s\n' 'int nobody_defines_this(void);' 'int (*keep)(void) = nobody_defines_this;' >u.c
    ${CC:-cc} -shared -fPIC -o u.so u.c 2>/dev/null || skip "no C compiler" || return
    status_is 2 "$tarn" run --compare --with ./u.so -- true && lines_are err 1 && has err "the loader does not accept"
}
check "a library that cannot be loaded is not measured" compare_unloadable

compare_json() {
    [ -n "$python" ] || skip "no python3 to read it with" || return
    status_is 0 "$tarn" run --compare --with tarn --rounds 2 --json -- true &&
        json '[a["name"] for a in d["comparison"]["allocators"]] == ["system", "tarn"]' &&
        json 'all(len(a["runs"]) == 2 and a["wall_ns"]["min"] <= a["wall_ns"]["median"] <= a["wall_ns"]["max"]
            for a in d["comparison"]["allocators"])' &&
        json 'd["processes"][0]["requests"] == 1000000' || return 1
    status_is 0 "$tarn" run --compare --with system --rounds 1 --json -- true && json 'd["run"] is None'
}
check "the comparison is in the JSON" compare_json

compare_interrupted() {
    "$tarn" run --compare --with tarn --rounds 50 -- sh -c 'echo x >>log; exec sleep 0.2' >out 2>err &
    until_true grep -q "round 1 of 50" err || fail "no first round: $(cat err)" || return 1
    kill -TERM $!
    wait $!
    status=$?
    [ $status -eq 143 ] || fail "status $status" || return 1
    has err "interrupted in round" && has err "ALLOCATOR"
}
check "an interrupted comparison shows what it has" compare_interrupted

progress() {
    script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1)" || return
    TERM=xterm script -qec "$tarn run --compare --with tarn --rounds 1 -- true" /dev/null </dev/null >seen 2>&1
    has seen "round 1 of 1: tarn" && has seen "$(printf '\r\033[K')"
}
check "progress is one line on a terminal" progress
