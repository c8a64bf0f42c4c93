# The report: text, JSON, processes, programs that cannot be preloaded. Sourced by run.sh.

exact() {
    status_is 0 "$tarn" run -- true a b || return 1
    sed '/^  exit status/,/^$/d' err >got # the lines with times
    same "$source/report.expected" got || return 1
    sed -n '/^  exit status/,/^$/p' err | tr -s '\n ' ' ' >got
    time='[0-9.]+ m?s'
    grep -Eq "^ exit status 0; $time wall; $time user \+ $time system;? peak resident [0-9.]+ MiB;? pid [0-9]+ " got ||
        fail "heading: $(cat got)"
}
check "the report, to the letter" exact

blocks() {
    locale -a 2>/dev/null | grep -qi '^C\.utf-\?8$' || skip "no C.UTF-8 locale" || return
    LC_ALL=C.UTF-8 status_is 0 "$tarn" run -- true && has err "█" && has_not err "##"
}
check "bars of blocks in UTF-8" blocks

report_file() {
    status_is 0 "$tarn" run --report r -- true && lines_are err 0 && lines_are out 0 &&
        has r "1 000 000 requests, 212 system calls"
}
check "--report takes the whole report" report_file

escapes() {
    status_is 0 "$tarn" run -- true && has_not err "$(printf '\033')" || return 1
    script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1)" || return
    TERM=xterm script -qec "$tarn run -- true" /dev/null </dev/null >seen 2>&1
    has seen "$(printf '\033[')" || return 1
    NO_COLOR=1 TERM=xterm script -qec "$tarn run -- true" /dev/null </dev/null >seen 2>&1
    has_not seen "$(printf '\033[')"
}
check "colour on a terminal only, and not against NO_COLOR" escapes

narrow() {
    script -qec true /dev/null >/dev/null 2>&1 || skip "no script(1)" || return
    echo "stty cols 80; $tarn run -- true; $tarn run --compare --with tarn --rounds 1 true" >commands
    NO_COLOR=1 script -qec "sh commands" /dev/null </dev/null 2>&1 | tr -d '\r' >seen
    has seen "OBJS ACTIVE" && has seen "ALLOCATOR" || return 1
    sed -n '/^tarn; /,$p' seen | sed '/^tarn: /d' | awk 'length > 80 { print; exit 1 }' >long ||
        fail "too wide: $(cat long)"
}
check "on a terminal of 80 columns, lines keep to them" narrow

# Right-aligned columns end where their headings end; the one that is aligned left begins where its heading begins.
aligned() {
    awk '/^ *OBJS +ACTIVE/ {
            header = $0
            count = split("OBJS,ACTIVE,USE,OBJ SIZE,SLABS,OBJ/SLAB,CACHE SIZE,SHARE", headings, ",")
            next
        }
        header && ($0 == "" || /smaller classes/) { header = "" }
        header {
            rows++
            for (i = 1; i <= count; i++) {
                end = index(header, headings[i]) + length(headings[i]) - 1
                if (substr($0, end, 1) != " " && substr($0, end + 1, 1) ~ /^ ?$/)
                    continue
                print headings[i] ": " $0
                bad = 1
            }
            begin = index(header, "NAME")
            if (substr($0, begin - 1, 2) !~ /^ [^ ]/) { print "NAME: " $0; bad = 1 }
        }
        END { exit bad || !rows }' "$1" >misaligned || fail "columns do not line up: $(head -n 1 misaligned)"
}

columns() {
    status_is 0 "$tarn" run -- true && aligned err
}
check "columns line up with their headings" columns

json_document() {
    [ -n "$python" ] || skip "no python3 to read it with" || return
    status_is 3 "$tarn" run --json -- sh -c 'exit 3' &&
        json 'd["exit_status"] == 3 and d["run"]["exit_status"] == 3 and d["run"]["signal"] is None' &&
        json 'd["comparison"] is None and d["command"] == ["sh", "-c", "exit 3"]' || return 1
    status_is 0 "$tarn" run --json -- true &&
        json 'len(d["processes"]) == 1 and d["preload"]["published"]' || return 1
    json '(lambda p: p["requests"] == 1000000 and p["system_calls"] == 212 and len(p["classes"]) == 16
        and p["fragmentation"]["internal"] == 0.25 and p["fragmentation"]["external"] == 0.25 and p["fragmentation"]["external_peak"] == 0.125
        and p["calls"]["map"] == 150 and p["end"] == "exited" and p["launched"]
        and p["classes"][6]["name"] == "malloc-112" and p["classes"][6]["objects"] == 7 * 36)(d["processes"][0])' ||
        return 1
    status_is 137 "$tarn" run --json -- sh -c 'kill -9 $$' &&
        json 'd["run"]["signal"] == 9 and d["run"]["signal_name"] == "KILL" and d["run"]["exit_status"] is None' &&
        json 'd["processes"][0]["end"] == "killed" and d["processes"][0]["update_age_ns"] > 0'
}
check "--json is one document with everything" json_document

json_strings() {
    [ -n "$python" ] || skip "no python3 to read it with" || return
    blanks=$(printf 'tab\there\nline')
    wrong=$(printf '\377\300\200\355\240\200')
    status_is 0 "$tarn" run --json -- true 'a"b\c' "$blanks" "$wrong" 'ü€𝄞' &&
        json 'd["command"][1:] == ["a\"b\\c", "tab\there\nline", "\ufffd" * 6, "\u00fc\u20ac\U0001d11e"]' || return 1
    FAKE_MODE=wild status_is 0 "$tarn" run --json -- true && json 'd["processes"][0]["program"] == "\ufffd" * 63' &&
        json 'len(d["processes"][0]["classes"]) <= 96'
}
check "--json escapes what must be escaped" json_strings

wild() {
    FAKE_MODE=wild status_is 0 "$tarn" run -- true && has err "exit status 0"
}
check "figures that cannot be do no harm" wild

names() {
    needs_tree || return
    long=$(printf '%0200d' 7)
    cp "$tree" "$long" && status_is 0 "$tarn" run -- "./$long" "$long" "$long" || return 1
    awk 'length > 120 { exit 1 }' err || fail "a line is longer than 120 columns" || return 1
    escape=$(printf 'evil\033[31mname')
    cp "$tree" "$escape" && status_is 0 "$tarn" run -- "./$escape" && has_not err "$(printf '\033')" &&
        has err "evil?[31mname"
}
check "very long names, and names with escapes in them" names

torn() {
    FAKE_MODE=torn status_is 137 "$tarn" run -- sh -c 'kill -9 $$' && has err "last update torn"
}
check "an update that was never finished is used, and said to be torn" torn

unseen() {
    needs_tree || return
    status_is 0 "$tarn" run -- "$tree" leave && has err "before the end, which was not seen"
}
check "an end that was not published is said so" unseen

forks() {
    needs_tree || return
    status_is 0 "$tarn" run -- "$tree" fork 2 && has err "2 other processes" &&
        has err "forked: counts go on" || return 1
    awk '/^tarn/ { first = NR } /other processes/ { others = NR } END { exit !(first && others > first) }' err ||
        fail "the children do not come after the parent" || return 1
    [ "$(grep -c 'forked' err)" -eq 2 ] || fail "not two children"
}
check "forked children follow their parent" forks

many() {
    needs_tree || return
    status_is 0 "$tarn" run -- "$tree" fork 30 && has err "30 other processes; by peak live memory" &&
        has err "... and 10 smaller: tree x 10" && has err "1 program in all  1 000 000 requests, 212 system calls" &&
        has err "not added: 30 forked without exec"
}
check "many processes make a table" many

execs() {
    needs_tree || return
    status_is 5 "$tarn" run -- "$tree" exec "$tree" exec "$(command -v sh)" -c 'exit 5' &&
        has err ", which tree became by exec" && has_not err "other process"
    [ -z "$python" ] || {
        status_is 0 "$tarn" run --json -- "$tree" exec "$tree" &&
            json '[p["end"] for p in d["processes"]] == ["exited", "replaced"]'
    }
}
check "of a chain of execs the last image is reported" execs

lingering() {
    needs_tree || return
    mkfifo hold
    exec 9<>hold
    status_is 0 "$tarn" run -- "$tree" linger <hold || return 1
    read -r pid <out
    kill -0 "$pid" || fail "the background process is gone" || return 1
    has err "pid $pid; still running, figures so far" || return 1
    echo >&9
    exec 9>&-
    until_true sh -c "! kill -0 $pid 2>/dev/null" || fail "the background process stays"
}
check "a process that still runs is shown so far" lingering

crowd() {
    FAKE_MODE=crowd status_is 0 "$tarn" run -- true && has err "8 further processes are not shown" ||
        FAKE_MODE=crowd status_is 0 "$tarn" run -- true && has err "7 further processes are not shown"
}
check "processes without a slot are counted" crowd

silent() {
    FAKE_MODE=empty status_is 0 "$tarn" run -- true && has err "0 requests, 212 system calls" || return 1
    TARN_LIBRARY=$(find /lib* /usr/lib* -name 'libm.so.6' 2>/dev/null | head -n 1)
    [ -n "$TARN_LIBRARY" ] || skip "no library to stand in" || return
    export TARN_LIBRARY
    status_is 0 "$tarn" run -- true && has err "Not on tarn: the program published no figures"
}
check "a program that published nothing is said so" silent

static_program() {
    echo 'int main(void) { return 6; }' >s.c
    ${CC:-cc} -static -o s s.c 2>/dev/null || skip "no static linking here" || return
    status_is 6 "$tarn" run -- ./s && has err "Not on tarn: ./s is statically linked" &&
        has err "peak resident" || return 1
    ${CC:-cc} -static-pie -o p s.c 2>/dev/null && {
        status_is 6 "$tarn" run -- ./p && has err "./p is statically linked" || return 1
    }
    printf '#!%s\n' "$PWD/s" >script
    chmod +x script
    status_is 6 "$tarn" run -- ./script && has err "which runs this script, is statically linked" || return 1
    status_is 6 "$tarn" run --compare -- ./s && has err "nothing to compare" || return 1
    status_is 6 "$tarn" run --json -- ./s && json 'd["preload"]["obstacle"] == "static" and d["processes"] == []'
}
check "a static program runs, and the report says why it says little" static_program

set_id_program() {
    [ "$(id -u)" -eq 0 ] || skip "not root" || return
    cp "$(command -v id)" identity && chown 65534 identity && chmod u+s identity || skip "cannot make one" || return
    [ "$(./identity -u)" -eq 65534 ] || skip "mounted nosuid" || return
    status_is 0 "$tarn" run -- ./identity -u && has err "./identity is set-user-ID" && has out 65534
}
check "a set-user-ID program runs, and the report says so" set_id_program

foreign_program() {
    # The head of a 32-bit program for a processor that this is not: enough to be recognized, not to be run.
    printf '\177ELF\001\001\001\000\000\000\000\000\000\000\000\000\002\000\377\177\001\000\000\000' >f
    head -c 64 /dev/zero >>f
    chmod +x f
    status_is 126 "$tarn" run -- ./f && lines_are err 1
}
check "a program for another processor is refused in one line" foreign_program
