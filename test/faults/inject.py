#!/usr/bin/env python3
"""Makes each memory call of a program fail in its turn, by strace, and sees that the program bears it.

    inject.py [--short] PROGRAM LIBRARY [SYSCALL NUMBER HOW]

PROGRAM (failing.c) is run once to see which calls it makes where, in which thread and process; then once for each kind of call and each number of it, for
each way of failing: once; ten times in a row; from then on. --short: of each kind the first in each phase. With SYSCALL, NUMBER and HOW only that run,
whose output is shown. What the loader calls before the library is there is left out, by its numbers. Cases are printed (TAP).
"""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

SYSCALLS = ["mmap", "munmap", "mprotect", "madvise", "mremap", "brk", "memfd_create", "ftruncate"]
WAYS = {"once": "%d", "some": "%d..%d", "on": "%d+"}
IN_A_ROW = 10
LINE = re.compile(r"^(\d+) +(\w+)\((.*)$")
SECONDS = 120


def run(program, library, how, passed, options):
    """The outcome of one run under strace: (status, output)."""
    environment = {"LD_PRELOAD": library, "FAILING_HOW": how, "FAILING_PASS": str(passed), "TARN_PRESSURE": "0"}
    for name in ("TARN_DEBUG", "TARN_HARDEN", "TARN_SAMPLE", "TARN_BACKGROUND"):
        if name in os.environ:
            environment[name] = os.environ[name]
    command = ["strace", "-f", "-qq"] + options
    for name, value in environment.items():
        command += ["-E", "%s=%s" % (name, value)]
    try:
        result = subprocess.run(command + [program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=SECONDS, text=True, errors="replace")
    except subprocess.TimeoutExpired as late:
        return "no end", late.stdout or ""
    return result.returncode, result.stdout


def calls_made(program, library, passed):
    """(what the loader calls: {syscall: how many}, sites: {(syscall, number): phases in which a thread makes it})."""
    with tempfile.NamedTemporaryFile(mode="r") as log:
        status, output = run(program, library, "once", passed, ["-o", log.name, "-e", "trace=faccessat," + ",".join(SYSCALLS)])
        lines = log.read().splitlines()
    if status != 0:
        sys.exit("inject: the program fails when nothing else does: %s\n%s" % (status, output))
    first, loader, sites, counts, phase = None, {}, {}, {}, {}
    for match in filter(None, map(LINE.match, lines)):
        thread, call, rest = match.groups()
        first = first or thread
        if call == "faccessat":
            phase[thread] = re.search(r'"/failing/([\w-]+)"', rest)[1]
            continue
        number = counts[thread, call] = counts.get((thread, call), 0) + 1
        if thread in phase:
            sites.setdefault((call, number), set()).add(phase[thread])
        elif thread == first:
            loader[call] = number
            if call == "munmap":  # of the loader's cache: the last that it does
                phase[thread] = "library"
    return loader, sites


def few_of(sites):
    """Of each kind of call the first in each phase."""
    chosen, seen = set(), set()
    for (call, number), phases in sorted(sites.items()):
        if any((call, phase) not in seen for phase in phases):
            seen.update((call, phase) for phase in phases)
            chosen.add((call, number))
    return chosen


def options_for(call, number, how):
    when = WAYS[how] % ((number, number + IN_A_ROW - 1) if how == "some" else (number,))
    return ["-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=%s:error=ENOMEM:when=%s" % (call, when)]


def kinds_with_cases(program, library, short):
    passed = sum(calls_made(program, library, 0)[0].values())
    loader, sites = calls_made(program, library, passed)
    sites = {site: phases for site, phases in sites.items() if site[1] > loader.get(site[0], 0)}
    phases = set().union(*sites.values())
    chosen = few_of(sites) if short else set(sites)
    print("# %d kinds and numbers of calls, in the phases %s; %d of them fail" % (len(sites), ", ".join(sorted(phases)), len(chosen)))
    return passed, [(call, how, sorted(n for c, n in chosen if c == call)) for call in SYSCALLS for how in WAYS]


def main(arguments):
    short = "--short" in arguments
    program, library, *one = [a for a in arguments if a != "--short"]
    if not shutil.which("strace"):
        print("1..0 # SKIP no strace")
        return 0
    if one:
        passed = sum(calls_made(program, library, 0)[0].values())
        status, output = run(program, library, one[2], passed, options_for(one[0], int(one[1]), one[2]))
        print(output, "status", status)
        return status != 0
    passed, cases = kinds_with_cases(program, library, short)
    cases = [case for case in cases if case[2]]
    print("1..%d" % len(cases), flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for index, (call, how, numbers) in enumerate(cases, 1):
            outcomes = list(pool.map(lambda n: run(program, library, how, passed, options_for(call, n, how)), numbers))
            bad = [(n, outcome) for n, outcome in zip(numbers, outcomes) if outcome[0] != 0]
            for number, (status, output) in bad[:5]:
                print("# %s number %d fails, %s: status %s\n%s" % (call, number, how, status, re.sub("^", "#   ", output[:2000], flags=re.M)))
            print("%sok %d - %s fails %s: %d runs, %d not survived" % ("not " if bad else "", index, call, how, len(numbers), len(bad)), flush=True)
            failed += bool(bad)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
