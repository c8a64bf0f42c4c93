# slabinfo, buddyinfo and maps of live processes. Sourced by run.sh.
# shellcheck disable=SC2154 # programs, library, tarn, python: set by run.sh

start_plain() { # preloaded; the shell in between would not be the process that is meant
    start env LD_PRELOAD="$library" "$programs/live_plain" "$1"
}

# json_out EXPRESSION: of the document in ./out, as `d`, must be true.
json_out() {
    [ -n "$python" ] || return 0
    "$python" -c '
import json, sys
d = json.load(open("out", encoding="utf-8"))
sys.exit(0 if eval("(" + sys.argv[1] + ")") else 1)' "$1" 2>parse || fail "not so: $1; $(tail -n 1 parse) $(head -c 300 out)"
}

# Every line is what the kernel's format would print of its fields; and what must add up does.
slabinfo_is_sound() { # FILE
    awk '
        function bad(why) { print why ": " $0; wrong = 1; exit }
        NR == 1 { if ($0 != "slabinfo - version: 2.1") bad("first line"); next }
        NR == 2 {
            if ($0 != "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>")
                bad("second line")
            next
        }
        {
            line = sprintf("%-17s %6d %6d %6d %4d %4d : tunables %4d %4d %4d : slabdata %6d %6d %6d", $1, $2, $3, $4, $5, $6,
                $9, $10, $11, $14, $15, $16)
            if (NF != 16 || line != $0) bad("layout")
            if (seen[$1]++) bad("twice")
            if ($2 > $3) bad("more active than there are")
            if ($3 != $5 * $15) bad("objects are not slabs times objects of a slab")
            if ($4 * $5 > $6 * 4096) bad("objects do not fit their slab")
            if ($14 != $15) bad("slabs that are not active")
            if ($9 != 2 * $10 || $16 > $10 * $11) bad("tunables")
        }
        END { exit wrong || NR < 3 }' "$1" >unsound || fail "$(cat unsound), of $(wc -l <"$1") lines"
}

buddyinfo_is_sound() { # FILE
    awk '
        {
            line = sprintf("Node %d, zone %8s ", substr($2, 1, length($2) - 1), $4)
            for (i = 5; i <= 15; i++) line = line sprintf("%6d ", $i)
            if (NF != 15 || line != $0) { print "layout: " $0; wrong = 1; exit }
        }
        END { exit wrong || NR < 1 }' "$1" >unsound || fail "$(cat unsound), of $(wc -l <"$1") lines"
}

# The layout of the kernel's pagetypeinfo; and the groups of each zone add up to what its row in the other file says.
groups_are_sound() { # FILE BUDDYINFO
    awk '
        function bad(why) { print why ": " $0; wrong = 1; exit }
        NR == FNR { for (i = 5; i <= 15; i++) blocks[$4, i - 5] = $i; zones++; next }
        FNR == 1 && $0 != "Page block order: 9" || FNR == 2 && $0 != "Pages per block:  512" || FNR == 3 && $0 != "" { bad("head") }
        FNR == 4 {
            line = sprintf("%-43s ", "Free pages count per migrate type at order")
            for (i = 0; i <= 10; i++) line = line sprintf("%6d ", i)
            if (line != $0) bad("orders")
        }
        FNR > 4 && FNR <= 4 + 3 * zones {
            split("Unmovable Movable Reclaimable", names)
            line = sprintf("Node %4d, zone %8s, type %12s ", 0, substr($4, 1, length($4) - 1), names[(FNR - 5) % 3 + 1])
            for (i = 7; i <= 17; i++) { line = line sprintf("%6d ", $i); sum[substr($4, 1, length($4) - 1), i - 7] += $i }
            if (NF != 17 || line != $0) bad("free blocks")
        }
        FNR == 6 + 3 * zones && $0 != sprintf("%-23s%12s %12s %12s ", "Number of blocks type ", "Unmovable", "Movable", "Reclaimable") { bad("groups") }
        FNR > 6 + 3 * zones {
            if (NF != 7 || $0 != sprintf("Node %d, zone %8s %12d %12d %12d ", 0, $4, $5, $6, $7)) bad("blocks")
            if ($5 + $6 + $7 < 1) bad("a zone without blocks")
        }
        END {
            for (i in blocks) if (!wrong && blocks[i] != sum[i]) { print "sums differ"; wrong = 1 }
            exit wrong || FNR != 6 + 4 * zones
        }' "$2" "$1" >unsound || fail "$(cat unsound), of $(wc -l <"$1") lines"
}

# Indented rows add up to the row above them, the others to the total; in all three columns.
maps_is_sound() { # FILE
    awk '
        function bad(why) { print why ": " $0; wrong = 1; exit }
        function close_rows(depth,    d, i) {
            for (d = 2; d >= depth; d--) {
                if (open[d + 1])
                    for (i = 0; i < 3; i++)
                        if (sum[d + 1, i] != row[d, i]) bad("rows do not add up to " name[d])
                open[d + 1] = 0
                for (i = 0; i < 3; i++) sum[d + 1, i] = 0
            }
        }
        /^  WHAT +COUNT +BEGIN +END +SIZE +RESIDENT +FAULTED$/ { table = 1; next }
        table && $0 == "" { table = 2 }
        table == 1 {
            match($0, /^ */)
            depth = RLENGTH / 2 - 1
            close_rows(depth)
            for (i = 0; i < 3; i++) {
                row[depth, i] = $(NF - 2 + i)
                if (row[depth, i] !~ /^[0-9]+$/) bad("no number")
                if (i && row[depth, i] > row[depth, 0]) bad("more than there is")
            }
            name[depth] = $0
            if ($1 == "total") {
                for (i = 0; i < 3; i++) if (row[0, i] != sum[0, i]) bad("total")
                total = 1
                next
            }
            for (i = 0; i < 3; i++) sum[depth, i] += row[depth, i]
            open[depth] = 1
        }
        END { exit wrong || !total }' "$1" >unsound || fail "$(cat unsound)"
}

row_of() { # FILE CACHE: of its row, what comes before tunables, and its slabs
    awk -v name="$2" '$1 == name { print $2, $3, $4, $5, $6, "in", $15 }' "$1"
}

usage() {
    for verb in slabinfo buddyinfo maps; do
        status_is 2 "$tarn" $verb && has err "no process is named" || return 1
        status_is 2 "$tarn" $verb --what 1 && has err "unknown option '--what'" || return 1
        status_is 2 "$tarn" $verb 1 2 && has err "one process at a time" || return 1
        for wrong in 0 -1 x 12x '' ' 1' +1 99999999999999999999; do
            status_is 2 "$tarn" $verb "$wrong" && lines_are err 1 || return 1
        done
        status_is 0 "$tarn" $verb --help && has out "tarn $verb " && lines_are err 0 || return 1
        ! awk 'length > 80' out | grep -q . || fail "help of $verb is too wide" || return 1
    done
    status_is 2 "$tarn" slabinfo --groups 1
}
check "live: command lines that are wrong, and help" usage

unreadable() {
    for verb in slabinfo buddyinfo maps; do
        status_is 125 "$tarn" $verb 4194305 && has err "there is no process 4194305" || return 1
        status_is 125 "$tarn" $verb $$ && has err "does not run on tarn" && lines_are err 1 && lines_are out 0 || return 1
    done
    : >numbers
    sh -c 'sleep 0 & echo $!; exec sleep 5' >numbers &
    pids="$pids $!"
    trap 'kill -KILL $pids 2>/dev/null; wait 2>/dev/null' EXIT
    until_true sh -c 'read -r p <numbers && grep -q "^State:.*Z" "/proc/$p/status"' || fail "no zombie" || return 1
    status_is 125 "$tarn" slabinfo "$(cat numbers)" && has err "has ended and waits for its parent" || return 1
    [ ! -e /proc/2/exe ] || [ "$(cat /proc/2/comm)" != kthreadd ] ||
        { status_is 125 "$tarn" slabinfo 2 && has err "is a thread of the kernel"; }
}
check "live: processes that cannot be read" unreadable

known() { # how it is linked
    start "$programs/live_$1" hold || return
    status_is 0 "$tarn" slabinfo "$pid" && lines_are err 0 && slabinfo_is_sound out || return 1
    for cache in frames checked zoned kmalloc-96 malloc-64; do row_of out $cache; done >got
    printf '%s\n' "700 1308 200 327 16 in 4" "10 585 112 585 16 in 1" "400 430 304 215 16 in 2" "3 682 96 682 16 in 1" \
        "500 1024 64 1024 16 in 1" >want
    same want got || return 1
    grep '^checked ' out | grep -q ' : tunables    0    0    0 : ' || fail "a cache without magazines has some" || return 1
    status_is 0 "$tarn" slabinfo --json "$pid" && lines_are err 0 &&
        json_out '[(c["active_objects"], c["frees"], c["object_size"], c["slabs"]) for c in d["copies"][0]["caches"]
            if c["name"] in ("frames", "checked")] == [(700, 300, 200, 4), (10, 0, 100, 1)]' &&
        json_out 'd["pid"] == '"$pid"' and d["copies"][0]["settled"] and d["copies"][0]["threads"] == 1' || return 1
    status_is 0 "$tarn" buddyinfo "$pid" && lines_are err 0 && buddyinfo_is_sound out && has out "zone   NORMAL " || return 1
    status_is 0 "$tarn" buddyinfo --json "$pid" &&
        json_out 'all(sum(n << k for k, n in enumerate(z["blocks"])) == z["free_pages"] for z in d["copies"][0]["zones"])' &&
        json_out '[(z["name"], z["pages"] - z["free_pages"]) for z in d["copies"][0]["zones"][1:]]
            == [("in-bss", 44), ("in-data", 4), ("in-stack", 8), ("in-block", 20), ("in-shared", 4), ("in-pages", 0)]' || return 1
    "$tarn" buddyinfo "$pid" >out && cp out plain && status_is 0 "$tarn" buddyinfo --groups "$pid" && lines_are err 0 &&
        groups_are_sound out plain
}
known_shared() { known shared; }
known_static() { known static; }
check "live: what a program with libtarn.so holds" known_shared
check "live: what a program with libtarn.a holds" known_static

# uses AREA: the pools of an area by use, (zone, use, cache): (count, bytes, resident).
uses='lambda area: {(p["zone"], u["use"], u["cache"]): (u["count"], u["bytes"], u["resident_bytes"])
    for a in d["areas"] if a["name"] == area for p in a["pools"] for u in p["uses"]}'

known_maps() {
    start "$programs/live_static" hold || return
    status_is 0 "$tarn" maps "$pid" && lines_are err 0 && maps_is_sound out || return 1
    has out "slabs frames" && has out "descriptors" && has out "users' heaps" || return 1
    [ -n "$python" ] || return 0
    status_is 0 "$tarn" maps --json "$pid" || return 1
    json_out "(lambda u: u['NORMAL', 'slabs', 'frames'][:2] == (4, 4 << 16) and u['NORMAL', 'slabs', 'malloc-64'][:2] == (1, 1 << 16)
        and 503 * 64 <= u['NORMAL', 'slabs', 'malloc-64'][2] <= 503 * 64 + (16 << 10) # and objects in a magazine
        and u['NORMAL', 'large', None] == (5, (92 << 20) - (512 << 10), (4 << 20) + 4096)
        and u['NORMAL', 'heaps', None] == (3, 27 << 12, 27 << 12)
        and u['NORMAL', 'pages', None][:2] == (2, 1504 << 12) and u['in-pages', 'free', None][1] == 4 << 12
         and u['in-block', 'pages', None] == (5, 20 << 12, 20 << 12)
        )(($uses)('pools'))" || return 1
    json_out "($uses)('data')['in-data', 'pages', None] == (1, 4 << 12, 4 << 12)
        and ($uses)('stack')['in-stack', 'pages', None] == (2, 8 << 12, 8 << 12)
        and ($uses)('shared')['in-shared', 'pages', None] == (1, 4 << 12, 4 << 12)
        and ($uses)('bss')['in-bss', 'pages', None] == (3, 12 << 12, 12 << 12)
        and ($uses)('bss')['in-bss', 'slabs', 'zoned'][:2] == (2, 2 << 16)" || return 1
    json_out '(lambda a: a["data"]["exact_bytes"] >= 1 << 19 and a["bss"]["exact_bytes"] >= 5 << 20
        and all(a[n]["end"] - a[n]["begin"] == a[n]["bytes"] > 0 for n in ("text", "data", "bss", "stack"))
        and a["text"]["end"] <= a["data"]["begin"] < a["data"]["end"] == a["bss"]["begin"])(
            {a["name"]: a for a in d["areas"]})' || return 1
    # By the kernel's own sums; its page of [vsyscall] is in the list and not in its sum.
    "$python" - "$pid" >sums 2>&1 <<'END' || fail "the kernel's sums: $(tail -n 1 sums)"
import json, os, re, sys
d = json.load(open("out"))
status = open(f"/proc/{sys.argv[1]}/status").read()
rollup = open(f"/proc/{sys.argv[1]}/smaps_rollup").read()
def kib(text, name): return int(re.search(rf"^{name}:\s*(\d+) kB", text, re.M)[1]) * 1024
vsyscall = 4096 if "[vsyscall]" in open(f"/proc/{sys.argv[1]}/maps").read() else 0
total = d["total"]
assert total["bytes"] == kib(status, "VmSize") + vsyscall, "size"
resident, faulted = kib(rollup, "Rss"), kib(rollup, "Anonymous") + kib(rollup, "Swap")
if [int(n) for n in re.findall(r"\d+", os.uname().release)[:2]] >= [6, 7]:
    assert (total["resident_bytes"], total["faulted_bytes"]) == (resident, faulted), ("pages", total, resident, faulted)
else: # pages of zeros cannot be told from others
    assert total["resident_bytes"] >= resident and total["faulted_bytes"] >= faulted, ("pages", total, resident, faulted)
names = ("bytes", "resident_bytes", "faulted_bytes", "swapped_bytes")
for name in names:
    assert total[name] == sum(a[name] for a in d["areas"]), name
    for a in d["areas"]:
        assert a[name] == a["rest"][name] + sum(p[name] for p in a["pools"]), (a["name"], name)
        for p in a["pools"]:
            assert p[name] == sum(u[name] for u in p["uses"]), (a["name"], p["zone"], name)
stat = open(f"/proc/{sys.argv[1]}/stat").read().rpartition(")")[2].split()
assert d["faults"] == {"minor": int(stat[7]), "major": int(stat[9])}, "faults"
END
}
check "live: the segments of a program, and what the kernel says of them" known_maps

known_preloaded() {
    [ -e "$library" ] || skip "$library is not built" || return
    start_plain hold || return
    status_is 0 "$tarn" slabinfo "$pid" && lines_are err 0 && slabinfo_is_sound out || return 1
    active=$(row_of out malloc-64 | sed 's/ .*//')
    { [ "$active" -ge 500 ] && [ "$active" -le 520 ]; } || fail "$active of 500 objects" || return 1
    status_is 0 "$tarn" buddyinfo "$pid" && lines_are err 0 && buddyinfo_is_sound out || return 1
    status_is 0 "$tarn" maps "$pid" && lines_are err 0 && maps_is_sound out && has out "libtarn-malloc.so" || return 1
    status_is 0 env LD_PRELOAD="$library" sh -c 'exec "$0" slabinfo $$' "$tarn" && slabinfo_is_sound out || return 1
    status_is 0 env LD_PRELOAD="$library" sh -c 'exec "$0" maps $$' "$tarn" && maps_is_sound out
}
check "live: a preloaded program, and the command itself" known_preloaded

copies() {
    [ -e "$library" ] || skip "$library is not built" || return
    start env LD_PRELOAD="$library" "$programs/live_shared" hold || return
    status_is 0 "$tarn" slabinfo "$pid" && lines_are err 2 && has err "libtarn-malloc.so, reported" &&
        has err "without memory" && slabinfo_is_sound out || return 1
    start env LD_PRELOAD="$library" "$programs/live_static" hold || return
    status_is 0 "$tarn" slabinfo "$pid" && lines_are err 2 && has err "libtarn-malloc.so, reported" &&
        has err "live_static, reported" || return 1
    # its own copy's objects, and the buffer of standard output in the other's
    has out "malloc-64  " && has out "frames  " && has out "malloc-4096 " || fail "not both copies" || return 1
    status_is 0 "$tarn" buddyinfo "$pid" && buddyinfo_is_sound out && has out "Node 1, zone" || return 1
    status_is 0 "$tarn" maps "$pid" && maps_is_sound out
}
check "live: two copies of the library in one process" copies

# The parsers of others. Their input is always /proc/slabinfo; so it is put there, for them alone.
parsers() {
    start "$programs/live_shared" hold || return
    status_is 0 "$tarn" slabinfo "$pid" && cp out slabinfo || return 1
    unshare -m true 2>/dev/null && [ -e /proc/slabinfo ] || skip "no root, or no /proc/slabinfo to put it in the place of" || return
    command -v slabtop >/dev/null || skip "no slabtop" || return
    status_is 0 unshare -m sh -c 'mount --bind slabinfo /proc/slabinfo && slabtop -o -s o' || return 1
    awk '$8 == "frames" { $1 = $1; print }' out >got
    echo "1308 700 53% 0.20K 4 327 256K frames" >want
    same want got || return 1
    [ "$(grep -c ' malloc-' out)" -eq "$(grep -c '^malloc-' slabinfo)" ] && has out ' malloc-' ||
        fail "slabtop shows $(grep -c ' malloc-' out) size classes" || return 1
    command -v vmstat >/dev/null || return 0
    status_is 0 unshare -m sh -c 'mount --bind slabinfo /proc/slabinfo && vmstat -m' || return 1
    awk '$1 == "frames" { $1 = $1; print }' out >got
    echo "frames 700 1308 200 327" >want
    same want got
}
check "live: slabtop and vmstat read the report" parsers

# A thousand objects are there all the while, each of three threads has up to 16 more, and 200 go to a thread that frees them and ends.
traffic() { # program, how often each report
    start "$1" traffic || return
    for i in $(seq 1 "$2"); do
        status_is 0 "$tarn" slabinfo "$pid" && slabinfo_is_sound out || fail "reading $i: $(cat "$why")" || return 1
        active=$(row_of out malloc-4096 | sed 's/ .*//')
        { [ "$active" -ge 990 ] && [ "$active" -le 1260 ]; } || grep -q "came and went" err ||
            fail "$active objects, of 1000 to 1248" || return 1
        status_is 0 "$tarn" slabinfo --json "$pid" || return 1
        balance=$(awk '/"name": "malloc-4096"/ { on = 1 } on && /"allocations"/ { n = $2 + 0 } on && /"frees"/ { print n - $2; exit }' out)
        # what active_objs is before it is kept to what there is room for
        { [ "$balance" -ge 990 ] && [ "$balance" -le 1260 ]; } || has out '"settled": false' || fail "a balance of $balance" || return 1
        status_is 0 "$tarn" buddyinfo "$pid" && buddyinfo_is_sound out || fail "reading $i: $(cat "$why")" || return 1
        status_is 0 "$tarn" maps "$pid" && maps_is_sound out || fail "reading $i: $(cat "$why")" || return 1
    done
    kill -0 "$pid" || fail "the process did not survive"
}
traffic_shared() { traffic "$programs/live_shared" 67; }
traffic_preloaded() {
    [ -e "$library" ] || skip "$library is not built" || return
    LD_PRELOAD=$library "$programs/live_plain" brief || fail "the library cannot be preloaded" || return 1
    # shellcheck disable=SC2016 # for the shell that becomes the program
    printf '#!/bin/sh\nLD_PRELOAD=%s exec %s/live_plain "$@"\n' "$library" "$programs" >plain && chmod +x plain
    traffic ./plain 20
}
check "live: two hundred readings beside running threads" traffic_shared
check "live: sixty of a preloaded program" traffic_preloaded

stopped() {
    start "$programs/live_shared" traffic || return
    kill -STOP "$pid"
    until_true grep -q '^State:.*T' "/proc/$pid/status" || fail "it does not stop" || return 1
    for verb in slabinfo buddyinfo maps; do
        status_is 0 "$tarn" $verb "$pid" && mv out first && status_is 0 "$tarn" $verb "$pid" && same first out || return 1
    done
    grep -q '^State:.*T' "/proc/$pid/status" || fail "it was let go on"
}
check "live: a stopped process stays stopped, and its figures stay" stopped

# Looked at at all points of its life.
ending() {
    for i in $(seq 1 15); do
        "$programs/live_shared" brief &
        brief=$!
        while kill -0 $brief 2>/dev/null; do
            for verb in slabinfo buddyinfo maps; do
                "$tarn" $verb $brief >out 2>err
                case $? in
                0) [ -s out ] || fail "nothing was printed" || return 1 ;;
                125) grep -Eq 'ended|ending|no process|does not run on tarn|could not be read' err || fail "$(cat err)" || return 1 ;;
                *) fail "status $? of $verb: $(cat err)" || return 1 ;;
                esac
            done
        done
        wait $brief
    done
}
check "live: processes that begin and end meanwhile" ending

others() {
    [ "$(id -u)" -eq 0 ] || skip "only root can be another user" || return
    setpriv --reuid 65534 --clear-groups test -x "$tarn" 2>/dev/null || skip "no setpriv, or nobody cannot reach $tarn" || return
    start "$programs/live_shared" hold || return
    for verb in slabinfo buddyinfo maps; do
        status_is 125 setpriv --reuid 65534 --clear-groups "$tarn" $verb "$pid" && lines_are err 1 && lines_are out 0 &&
            has err "it is user 0's; run tarn as that user or as root" || return 1
    done
    start setpriv --reuid 65534 --clear-groups "$programs/live_shared" hold || return
    status_is 0 "$tarn" slabinfo "$pid" && slabinfo_is_sound out || return 1
    [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" = 0 ] || return 0
    status_is 0 setpriv --reuid 65534 --clear-groups "$tarn" slabinfo "$pid" && slabinfo_is_sound out
}
check "live: other users' processes" others

lies() {
    start "$programs/fake_live" version || return
    status_is 125 "$tarn" slabinfo "$pid" && lines_are err 1 && has err "version 5 of the live format, and this command reads 4" || return 1
    start "$programs/fake_live" bounds || return
    status_is 125 "$tarn" maps "$pid" && lines_are err 1 && has err "its description of itself is damaged" || return 1
    for lie in wild loop broken; do
        start "$programs/fake_live" $lie || return
        for verb in slabinfo buddyinfo maps; do
            status_is 125 timeout 10 "$tarn" $verb "$pid" && lines_are err 1 && lines_are out 0 && has err "could not be read" ||
                return 1
        done
    done
    start "$programs/fake_live" chain || return
    for verb in slabinfo buddyinfo maps; do
        status_is 0 timeout 10 "$tarn" $verb "$pid" && ! tr -d '\n -~' <out | grep -q . || fail "$verb prints what is no text" ||
            return 1
    done
    start "$programs/fake_live" empty || return
    status_is 0 "$tarn" slabinfo "$pid" && lines_are out 2 && lines_are err 0 && status_is 0 "$tarn" buddyinfo "$pid" && lines_are out 0 &&
        status_is 0 "$tarn" maps "$pid" && maps_is_sound out
}
check "live: a process that lies" lies

full() {
    [ -e /dev/full ] || skip "no /dev/full" || return
    start "$programs/live_shared" hold || return
    for verb in slabinfo buddyinfo maps; do
        "$tarn" $verb "$pid" >/dev/full 2>err
        [ $? -eq 125 ] && has err "standard output" || fail "status $? of $verb" || return 1
    done
}
check "live: a full disk is told" full
