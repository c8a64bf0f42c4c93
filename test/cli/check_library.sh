# The command with the real library. Sourced by run.sh.

real() {
    [ -e "$library" ] || skip "$library is not built" || return
    TARN_LIBRARY=$library
    export TARN_LIBRARY
}

real_report() {
    real || return
    status_is 0 "$tarn" run -- ls -l / && has err "live at exit" && has err " requests, " && aligned err
}
check "the real library: a report" real_report

real_json() {
    real || return
    [ -n "$python" ] || skip "no python3 to read it with" || return
    status_is 0 "$tarn" run --json -- ls -l / &&
        json '(lambda p: p["end"] == "exited" and p["allocations"] >= p["frees"]
            and p["live_objects"] == p["allocations"] - p["frees"] and p["peak_live_bytes"] >= p["live_bytes"]
            and p["pages"]["held_bytes"] == p["pages"]["system_bytes"] - p["pages"]["returned_bytes"]
            and p["pages"]["used_bytes"] <= p["pages"]["held_bytes"])(d["processes"][0])' || return 1
    json '(lambda p: sum(c["allocations"] for c in p["classes"]) + p["large"]["allocations"] == p["allocations"]
        and sum(c["frees"] for c in p["classes"]) + p["large"]["frees"] == p["frees"])(d["processes"][0])'
}
check "the real library: figures that agree with each other" real_json

real_exact() {
    real || return
    cat >known.c <<'END'
#include <stdlib.h>
static void *volatile kept[1000];
int main(void)
{
    for (int i = 0; i < 1000; i++)
        kept[i] = malloc(100);
    for (int i = 0; i < 900; i++)
        free(kept[i]);
    return 0;
}
END
    ${CC:-cc} -O0 -o known known.c 2>/dev/null || skip "no C compiler" || return
    status_is 0 "$tarn" run --json -- ./known &&
        json '(lambda c: c["allocations"] >= 1000 and c["frees"] >= 900
            and 100 <= c["active_objects"] <= 110 and c["active_objects"] == c["allocations"] - c["frees"])(
            [c for c in d["processes"][0]["classes"] if c["object_bytes"] >= 100][0])'
}
check "the real library: a known program's figures" real_exact

real_compare() {
    real || return
    status_is 0 "$tarn" run --compare --with tarn --rounds 1 -- ls -l / && has err ALLOCATOR && has err "live at exit"
}
check "the real library: a comparison" real_compare
