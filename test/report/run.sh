#!/bin/sh
# Reports as their readers see them. Arguments: the command, libtarn-malloc.so, the program of crimes, and what is found of symbols: lines or functions.
set -u
command=$1
library=$2
crime=$3
source=$(cd "$(dirname "$0")" && pwd)/crime.c
symbols=$4
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
# shellcheck source=../cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
unset TARN_COMMAND TARN_DEBUG

# The shell says in which way a child of its own has ended; that is not to be in ./err.
commit() { (ulimit -c 0; LD_PRELOAD=$library exec "$crime" "$@"); }

# What is not the same each time is made so: addresses, offsets, places in the C library's own code.
plain() {
    sed -e 's/0x[0-9a-f]*/0x/g' -e 's| at [^ ]*/crime\.c:| at crime.c:|' -e 's/thread [1-9][0-9]*/thread N/' "$1" |
        grep -v -e '^Aborted' -e 'libc\.so' -e 'libpthread' -e ' _start ' -e 'ld-linux' -e ' start_thread ' -e ' _*clone3* ' >plain
}

# is_report NAME: the report is ./expected; it may be without lines of source.
is_report() {
    plain err
    if [ "$symbols" != lines ]; then
        sed 's/ at crime.c:[0-9]*//' expected >expected2 && mv expected2 expected
    fi
    line=$(grep -n 'the line that run.sh knows' "$source" | cut -d: -f1)
    sed -e "s/LINE/$line/" expected >wanted
    sed -e "s/\(main\|in_thread\|large\|stack\|mapping\|release_fixed\) at crime.c:[0-9]*/\1 at crime.c:N/" plain >got
    cmp -s wanted got || fail "$(diff wanted got | head -n 12 | tr '\n' '~')"
}

names_the_culprit() {
    cd "$scratch/here" || return
    status_is 134 commit large || return
    cat >expected <<END
tarn: invalid free: not the start of a live object (free of 0x, thread N)
  object 0x of 1048576 bytes, of large, in use
  address is 4096 bytes inside it
  first bytes 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 |aaaaaaaaaaaaaaaa|
  freed by thread N:
    #0 0x release at crime.c:LINE (report_crime+0x)
    #1 0x large at crime.c:N (report_crime+0x)
    #2 0x main at crime.c:N (report_crime+0x)
  TARN_DEBUG=U shows where it was allocated
END
    is_report
}

in_a_thread() {
    status_is 134 commit thread || return
    cat >expected <<END
tarn: invalid free: not the start of a live object (free of 0x, thread N)
  the address lies in the data of $crime
  freed by thread N:
    #0 0x release at crime.c:LINE (report_crime+0x)
    #1 0x release_fixed at crime.c:N (report_crime+0x)
    #2 0x in_thread at crime.c:N (report_crime+0x)
END
    is_report
}

says_where() {
    for place in "stack:lies in the stack of this thread" "mapping:lies in a mapping of the program's own" "unmapped:is not mapped" \
        "code:lies in the code of /" "low:is that of no memory" "data:lies in the data of $crime"; do
        status_is 134 commit "${place%%:*}" || return
        has err "  the address ${place#*:}" || return
    done
}

in_a_child() {
    status_is 0 commit child || return
    has err "release_fixed" && [ "$(grep -c '^tarn: ' err)" = 1 ] || fail "not one report: $(cat err)"
}

two_at_once() {
    for turn in 1 2 3 4 5; do
        status_is 134 commit two || return
        for thread in 2 3; do
            [ "$(grep -c "^tarn: .*thread $thread)" err)" = 1 ] || fail "turn $turn: not one report of thread $thread: $(cat err)" || return
        done
        # Lines of one are not among those of the other: each that begins is whole before the next.
        [ "$(grep -v -e '    #' -e '^Aborted' err | sed 's/0x[0-9a-f]*//;s/[0-9]//g' | uniq -c | wc -l)" = 6 ] || fail "mixed: $(cat err)" || return
    done
}

under_a_filter() {
    status_is 134 commit filtered
    [ "$got" = 77 ] && skip "no filters here" && return 77
    [ "$got" = 134 ] || return
    has err "tarn: invalid free: not the start of a live object (free of 0x" && has err "  freed by thread 1:" && has err "    #0 0x"
}

without_a_reader() {
    status_is 134 commit closed && status_is 134 commit broken-pipe
}

outlived() {
    status_is 0 commit handled || return
    [ "$(grep -c '^tarn: ' err)" = 3 ] || fail "not three reports: $(cat err)"
}

by_handlers() {
    status_is 0 commit continued || return
    [ ! -s err ] || fail "written all the same: $(cat err)" || return
    has out "(report_crime+0x" || return
    status_is 0 commit looked-up || return
    has out " release_fixed" || return
    status_is 0 commit jumped || return
    status_is 134 commit aborted || return
    has err " release_fixed" || return
    status_is 134 commit nested || return
    [ "$(grep -c '^tarn: ' err)" = 1 ] && has err " err_again" || fail "not the report of what the handler did: $(cat err)"
}

# Where the command is.
without_command() {
    TARN_COMMAND= status_is 134 commit data || return
    has err "    #0 0x" && has err " (report_crime+0x" && has_not err " release " || return
    TARN_COMMAND=/nowhere/tarn status_is 134 commit data || return
    has_not err " release " || return
    TARN_COMMAND=$command status_is 134 commit data || return
    has err " release "
}

by_path() {
    mkdir bin lib && cp "$library" lib/libtarn-malloc.so && cp "$command" bin/tarn || return
    (library=$scratch/here/lib/libtarn-malloc.so; status_is 134 commit data && has err " release ") || return
    mkdir elsewhere && mv bin/tarn elsewhere/tarn || return
    (library=$scratch/here/lib/libtarn-malloc.so; status_is 134 commit data && has_not err " release ") || return
    (library=$scratch/here/lib/libtarn-malloc.so; PATH=/nowhere:$scratch/here/elsewhere:$PATH; status_is 134 commit data && has err " release ")
}

# A command that does not end, ends badly, or writes nonsense without end.
bad_command() {
    printf '#!/bin/sh\nyes "    #0 nonsense"\n' >endless && printf '#!/bin/sh\nexit 3\n' >failing && chmod +x endless failing
    for name in endless failing; do
        TARN_COMMAND=$PWD/$name status_is 134 commit data || return
        has err "  freed by thread 1:" && has_not err nonsense && has err " (report_crime+0x" || return
    done
}

for check in names_the_culprit in_a_thread says_where in_a_child two_at_once under_a_filter without_a_reader outlived by_handlers \
    without_command by_path bad_command; do
    check "$check" "$check"
done
echo "# $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
