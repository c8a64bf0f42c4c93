#!/usr/bin/env python3
"""Measures tarn beside the system's malloc and the packaged allocators, on bench_loads and on whole programs.

    bench/run.py --build build                      everything, five rounds, about a quarter of an hour
    bench/run.py --build build --readme             the same, and puts its table into README.md
    bench/run.py --build build --quick              a smoke test, under 40 s
    bench/run.py --build build --only 'churn*,server' --peers glibc,mimalloc
    bench/run.py --build build --variant tarn-old=old/libtarn-malloc.so --json result.json

In every round every workload is run once by every allocator, in an order that rotates, so that what else
the machine does falls on all alike; a run that fell into a disturbance is done again (--patience).
LD_PRELOAD is set for the measured program only (bench_spawn does it).
"""
import argparse
import ctypes.util
import glob
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source directory stays as it is
import curves  # noqa: E402
import page  # noqa: E402
import readme  # noqa: E402
import report  # noqa: E402
import rounds  # noqa: E402
import workloads  # noqa: E402

LIBRARY_PLACES = ["/usr/lib/%s-linux-gnu" % platform.machine(), "/usr/lib64", "/usr/lib", "/usr/local/lib",
                  "/usr/local/lib64"]
PEERS = {
    "mimalloc": ["libmimalloc.so.2", "libmimalloc.so"],
    "mimalloc3": ["libmimalloc.so.3"],
    "jemalloc": ["libjemalloc.so.2"],
    "tcmalloc": ["libtcmalloc_minimal.so.4"],
    "snmalloc": ["libsnmallocshim.so", "libsnmalloc.so"],
    "rpmalloc": ["librpmallocwrap.so", "librpmalloc.so"],
}


def find_library(names):
    for name in names:
        for place in LIBRARY_PLACES:
            found = sorted(glob.glob(os.path.join(place, name + "*")), key=len)
            if found:
                return os.path.realpath(found[0])
    return None


def find_libc():
    for place in ["/lib/%s-linux-gnu" % platform.machine(), "/lib64", "/usr/lib64", "/usr/lib"]:
        path = os.path.join(place, "libc.so.6")
        if os.path.exists(path):
            return path
    return ctypes.util.find_library("c")


def find_in_build(build, *names):
    for name in names:
        path = os.path.join(build, name)
        if os.path.exists(path):
            return os.path.abspath(path)
    return None


def preload_failure(lib):
    """The loader only warns of a library it cannot preload; then the system's malloc would be measured."""
    environment = dict(os.environ, LD_PRELOAD=lib)
    true = shutil.which("true")
    done = subprocess.run([true], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        return "true ends with status %d under it" % done.returncode
    return "cannot be preloaded" if b"preload" in done.stderr else None


def choose_allocators(options):
    """Name -> library (None for the system's malloc), in the order of the report."""
    named = [p for p in options.peers.split(",") if p] if options.peers else []
    chosen = {"glibc": None}
    tarn = find_in_build(options.build, "libtarn-malloc.so", "src/libtarn-malloc.so", "src/door/libtarn-malloc.so")
    if tarn:
        chosen["tarn"] = tarn
    for entry in options.variant:
        name, _, path = entry.partition("=")
        chosen[name if name.startswith("tarn") else "tarn-" + name] = os.path.abspath(path)
    for name, files in PEERS.items():
        path = find_library(files)
        if path and path not in chosen.values():
            chosen[name] = path
    wanted = [n for n in named if "=" not in n]
    if wanted:
        chosen = {n: p for n, p in chosen.items() if n in wanted or n.startswith("tarn")}
    chosen.update((n, os.path.abspath(p)) for n, p in (e.split("=", 1) for e in named if "=" in e))
    for name in [n for n in wanted if n not in chosen]:
        print("%s: not found" % name)
    for name, path in list(chosen.items()):
        failure = preload_failure(path) if path else None
        if failure:
            print("%s: left out: %s %s" % (name, path, failure))
            del chosen[name]
    return chosen


def describe_machine(allocators, libc):
    def first_line(*command):
        if not shutil.which(command[0]):
            return None
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return done.stdout.decode(errors="replace").strip().split("\n")[0]

    cpu = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
    huge = "/sys/kernel/mm/transparent_hugepage/enabled"
    if os.path.exists(huge):
        with open(huge, encoding="ascii") as file:
            huge = file.read().strip()
    return {
        "cpu": cpu, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(), "machine": platform.machine(),
        "huge_pages": huge, "libc": "%s %s %s" % (*platform.libc_ver(), os.path.realpath(libc)),
        "allocators": {name: os.path.basename(path) if path else "libc" for name, path in allocators.items()},
        "programs": {"python": platform.python_version(), "sqlite": first_line("sqlite3", "--version"),
                     "lua": first_line("lua5.4", "-v"), "gcc": first_line("gcc", "--version"),
                     "clang": first_line(workloads.find_clang(), "--version"), "z3": first_line("z3", "--version"),
                     "ghostscript": first_line("gs", "--version"), "rocksdb": first_line("db_bench", "--version"),
                     "redis": first_line("redis-server", "--version")},
        "load_average": os.getloadavg(), "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
    }


def run_rounds(chosen, allocators, rounds):
    """Workload name -> allocator name -> list of samples, one a round."""
    samples = {w.name: {a: [] for a in allocators} for w in chosen}
    names = list(allocators)
    begin = time.monotonic()

    for number in range(rounds):
        for at, workload in enumerate(chosen):
            shift = (number + at) % len(names)
            for name in names[shift:] + names[:shift]:
                if sys.stderr.isatty():
                    print("\r\033[Kround %d/%d %s %s %.0f s" % (number + 1, rounds, workload.name, name,
                                                             time.monotonic() - begin), end="", file=sys.stderr)
                failed = sum("failure" in s for s in samples[workload.name][name])
                if failed < 2:  # a program that hangs shall not hang in every round
                    samples[workload.name][name].append(workload.run_settled(allocators[name]))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return samples


def measure_start(place, allocators):
    """The smallest program: what preloading itself costs."""
    true = shutil.which("true")
    return {name: [place.measure(lib, [true])[0] for _ in range(11)] for name, lib in allocators.items()}


TRACED_CALLS = "trace=%memory"


def strace_options(scratch):
    """How strace is called here, or None. By a filter in the kernel only what is counted stops the program."""
    if not shutil.which("strace"):
        return None
    for options in (["-f", "--seccomp-bpf"], ["-f"]):
        command = ["strace", *options, "-c", "-o", os.path.join(scratch, "strace"), "-e", TRACED_CALLS, shutil.which("true")]
        if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return ["strace", *options, "-c", "-o", os.path.join(scratch, "strace"), "-e", TRACED_CALLS]
    return None


def read_counts(path):
    """Calls by name, from strace's table."""
    with open(path, encoding="ascii", errors="replace") as file:
        rows = [line.split() for line in file]
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}


def count_calls(place, chosen, allocators):
    """System calls of memory: workload -> allocator -> call -> count, by strace, one run each."""
    strace, counts = strace_options(place.scratch), {}
    if strace is None:
        print("skipped: system calls: strace is not installed, or must not trace")
        return counts
    place.tracer = lambda lib: [*strace, *(["-E", "LD_PRELOAD=" + lib] if lib else [])]
    for workload in chosen:
        counts[workload.name] = {}
        for name, lib in allocators.items():
            if "failure" not in workload.run_once(lib):
                counts[workload.name][name] = read_counts(os.path.join(place.scratch, "strace"))
    true = [shutil.which("true")]
    counts[report.START] = {}
    for name, lib in allocators.items():
        place.measure(lib, true)
        counts[report.START][name] = read_counts(os.path.join(place.scratch, "strace"))
    place.tracer = None
    return counts


def parse_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build", help="the build directory (default: build)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="PATTERN,...",
                        help="names, shell patterns, 'loads' or 'programs'")
    parser.add_argument("--peers", default="", metavar="NAME|NAME=FILE,...",
                        help="only these of the peers; NAME=FILE adds one (alone: to all that were found)")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=FILE",
                        help="another build of tarn to measure beside; not a peer")
    parser.add_argument("--json", metavar="FILE", help="every sample and the machine's description (default: BUILD/bench/bench.json)")
    parser.add_argument("--quick", action="store_true", help="one round of small loads: does everything run?")
    parser.add_argument("--scale", type=float, default=None, help="length of the loads (default: 1)")
    parser.add_argument("--patience", type=float, default=150, metavar="SECONDS",
                        help="time for runs done again because the machine was busy (default: 150, with --quick 5)")
    parser.add_argument("--no-syscalls", action="store_true", help="do not count system calls (by strace, one run of each, afterwards)")
    parser.add_argument("--no-curves", action="store_true", help="no cost by live objects and threads, no memory over time; so it is with --only")
    parser.add_argument("--readme", nargs="?", const=readme.DEFAULT, metavar="FILE", help="rewrite the table in README.md, or in a copy")
    parser.add_argument("--loads", metavar="FILE", help="bench_loads (default: BUILD/bench/bench_loads)")
    parser.add_argument("--spawn", metavar="FILE", help="bench_spawn (default: BUILD/bench/bench_spawn)")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = 1
        options.patience = min(options.patience, 5)
    if options.scale is None:
        options.scale = 0.1 if options.quick else 1.0
    for name in ("loads", "spawn"):
        given = getattr(options, name)
        path = os.path.abspath(given) if given else find_in_build(options.build, "bench/bench_" + name)
        setattr(options, name, path)
    if not options.loads or not options.spawn:
        parser.error("no bench/bench_loads and bench/bench_spawn in %s; build them, or name them with --loads"
                     " and --spawn" % options.build)
    if options.readme == readme.DEFAULT and (options.quick or options.only or options.peers or options.scale != 1):
        parser.error("README.md is rewritten from a whole run only; name a copy of it")
    if options.rounds < 1 or not options.scale > 0:
        parser.error("--rounds and --scale must be positive")
    return options


def scratch_place():
    """In memory where there is room: what programs write to a disk is not asked for here."""
    if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 512 << 20:
        return "/dev/shm"
    return None


def choose_workloads(place, libc, options):
    """Those that are asked for and can be run; says what is missing."""
    patterns = [p for p in options.only.split(",") if p]
    found = workloads.all_workloads(place, libc, patterns)
    for pattern in patterns:
        if not any(workloads.matches(w.name, w.kind, [pattern]) for w in found):
            print("no workload is called %s" % pattern)
    for workload in [w for w in found if w.skipped]:
        print("skipped: %s: %s" % (workload.name, workload.skipped))
    chosen = [w for w in found if not w.skipped]
    for workload in chosen:
        workload.patience = options.patience * 2 / len(chosen)
    return chosen


def measure_all(options, allocators, libc):
    """Everything that goes into the JSON; None when there is nothing to measure."""
    result = {"machine": describe_machine(allocators, libc), "rounds": options.rounds, "scale": options.scale, "curves": {}, "traces": {}, "calls": {}}
    with tempfile.TemporaryDirectory(prefix="tarn-bench-", dir=scratch_place()) as scratch:
        place = workloads.Place(options.loads, options.spawn, scratch, options.scale, options.patience)
        chosen = choose_workloads(place, libc, options)
        if not chosen or not allocators:
            return None
        result["kinds"] = {w.name: w.kind for w in chosen}
        result["start"] = measure_start(place, allocators)
        result["samples"] = run_rounds(chosen, allocators, options.rounds)
        if not options.no_syscalls:
            result["calls"] = count_calls(place, chosen, allocators)
        if not options.no_curves and not options.only:
            result["curves"] = curves.measure(place, allocators, min(options.rounds, 3))
        if not options.no_curves:
            result["traces"] = curves.traces(place, chosen, allocators)
        result["again"] = place.again
    return result


def main(arguments):
    options = parse_options(arguments)
    begin = time.monotonic()
    libc = find_libc()
    allocators = choose_allocators(options)
    result = measure_all(options, allocators, libc)
    if result is None:
        print("nothing to measure")
        return 1
    failures = report.print_report(result)
    if result["curves"]:
        curves.show(result["curves"])
    report.print_quiet(result["samples"], result["again"])
    print("took %.0f s; %d rounds, scale %g" % (time.monotonic() - begin, options.rounds, options.scale))
    path = options.json or os.path.join(options.build, "bench", "bench.json")
    rounds.write_json(path, result)
    figure = readme.figure_beside(options.readme) if options.readme and result["curves"] else ""
    drawn = page.write(options.build, "bench", page.describe(result), figure)
    if options.readme:
        readme.rewrite(options.readme, result, allocators, bool(figure) and drawn)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
