# What the tests of live processes have in common. Sourced by run.sh, not run.
# shellcheck disable=SC2034,SC2154 # pid is for the checks; programs and library are set by run.sh

# start COMMAND...: in the background, until the check ends; its number is in $pid. Waits until it has printed "ready".
pids=
start() {
    scope=$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)
    [ "$(id -u)" -eq 0 ] || [ "$scope" -eq 0 ] || skip "kernel.yama.ptrace_scope is $scope" || return
    : >started
    "$@" >started 2>&1 &
    pid=$!
    pids="$pids $pid"
    trap 'kill -KILL $pids 2>/dev/null; wait 2>/dev/null' EXIT
    until_true grep -q ready started || fail "not ready: $*: $(head -n 2 started)"
}
