"""How cost grows: with the number of live objects, with the number of threads; and what memory does while a program runs.

Each point of a curve is a run of bench_loads with a parameter (loads.c), in interleaved rounds. Curves have no part in the means.
"""
import os
import subprocess
import time

import rounds

CURVES = {
    "live": ("replacing one of N live objects", "live objects", [1000, 10000, 100000, 1000000]),
    "threads": ("threads, each with its own objects", "threads", [1, 2, 4, 8, 16]),
    "exchange": ("threads that free each other's objects", "threads", [1, 2, 4, 8, 16]),
}
MANY = 10000000  # live objects: a GiB, and 10 s
TRACED = ["kv_grow_delete", "fragment", "interpreter", "sqlite"]  # whose memory over time is shown
STEP = 0.004  # seconds between two looks at a program's memory


def points(kind, scale, long):
    numbers = CURVES[kind][2] + ([MANY] if long and kind == "live" else [])
    return [n for n in numbers if kind != "live" or n <= max(10000, MANY * min(scale, 1))]


def measure_point(place, lib, kind, number):
    """Nanoseconds of an operation, by the clock, and the peak of memory in KiB."""
    warm = number // 8000 if kind == "live" else 0
    sample, output = place.measure(lib, [place.loads, "%s:%d" % (kind, number), "%g" % place.scale], warm)
    if "failure" in sample:
        return {"failure": sample["failure"]}
    words = output.decode().split()
    return {"ns": float(words[3]) * 1e9 / float(words[1]), "peak": sample["peak"]}


def measure(place, allocators, turns, long=False):
    """Kind -> allocator -> list over the points of {number, samples}."""
    found = {kind: {name: [{"number": n, "samples": []} for n in points(kind, place.scale, long)] for name in allocators} for kind in CURVES}
    names = list(allocators)
    for turn in range(turns):
        for kind, by in found.items():
            for at in range(len(by[names[0]])):
                shift = (turn + at) % len(names)
                for name in names[shift:] + names[:shift]:
                    point = by[name][at]
                    if not any("failure" in s for s in point["samples"]):
                        point["samples"].append(measure_point(place, allocators[name], kind, point["number"]))
    return found


def summarise(point, key="ns"):
    """Median and quartiles, or None where a run failed."""
    if any("failure" in s for s in point["samples"]):
        return None
    return rounds.summary([s[key] for s in point["samples"]])


def show(found):
    for kind, by in found.items():
        numbers = [p["number"] for p in next(iter(by.values()))]
        print("%s: ns (quartiles)" % CURVES[kind][0])
        print("%-14s" % CURVES[kind][1] + "".join("%22d" % n for n in numbers))
        for name, line in by.items():
            cells = [summarise(point) for point in line]
            print("%-14s" % name + "".join("%22s" % ("%.1f (%.1f-%.1f)" % (c["median"], c["low"], c["high"]) if c else "failed") for c in cells))
        print()


def trace(place, lib, command):
    """Resident MiB over seconds, looked at from outside."""
    environment = dict(place.environment, LD_PRELOAD=lib) if lib else place.environment
    page, series = os.sysconf("SC_PAGE_SIZE"), []
    begin = time.monotonic()
    with subprocess.Popen(command, env=environment, cwd=place.scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            try:
                with open("/proc/%d/statm" % process.pid, encoding="ascii") as file:
                    words = file.read().split()
            except OSError:
                break
            if int(words[1]) > 0:
                series.append([round(time.monotonic() - begin, 4), round(int(words[1]) * page / 2**20, 2)])
            time.sleep(STEP)
    return series


def traces(place, workloads, allocators):
    """Workload -> allocator -> series; of those that are there."""
    chosen = [w for name in TRACED for w in workloads if w.name == name]
    return {w.name: {name: trace(place, lib, w.command()) for name, lib in allocators.items()} for w in chosen}
