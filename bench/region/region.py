#!/usr/bin/env python3
"""A region's three strategies: time, exact instructions, fragmentation; as text, JSON, a page and a picture.

    python3 bench/region/region.py --build build [--rounds 5] [--seeds 3] [--figure FILE]

Instructions are counted by QEMU where it is installed, for thousands of calls; else by single steps, for hundreds. The page and the picture are made by ECharts,
which npm installs into BUILD/npm; without it there is the text and BUILD/bench/region.json only. What is measured and how fragmentation is defined:
region.c.
"""
import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True  # the source directory stays as it is
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "worst"))
import rounds  # noqa: E402
from page import draw  # noqa: E402
import worst  # noqa: E402

STRATEGIES = ["tlsf", "best", "first"]
LIVE = [100, 10000, 1000000]
PATIENCE = 6  # seconds for one run; what takes longer has no figure


def attempt(command):
    """Figures of one run, or None."""
    try:
        out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE).stdout
    except subprocess.TimeoutExpired:
        return None
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}


def measure_time(program, turns):
    """Nanoseconds of a pair by strategy and live blocks, in interleaved rounds."""
    samples = {strategy: {live: [] for live in LIVE} for strategy in STRATEGIES}
    for _ in range(turns):
        for live in LIVE:
            for strategy in STRATEGIES:
                if samples[strategy][live] is None:
                    continue
                run = attempt([program, "time", strategy, str(live)])
                if run is None:
                    samples[strategy][live] = None
                else:
                    samples[strategy][live].append(run["pair"])
    return {strategy: {live: values and rounds.summary(values) for live, values in by.items()} for strategy, by in samples.items()}


def measure_counts(program, scratch):
    """Instructions by strategy and live blocks; and how they were counted."""
    emulator = shutil.which("qemu-" + platform.machine())
    prefix, budget, how = [], 30000, "single-stepped by the processor"
    if emulator:
        plugin = os.path.abspath(os.path.join(scratch, "plugin.so"))
        worst.compile_plugin(plugin)
        prefix, budget, how = [emulator, "-plugin", plugin], 30000000, "counted by QEMU"
    counts = {strategy: {live: attempt([*prefix, program, "count", strategy, str(live), str(budget)]) for live in LIVE}
              for strategy in STRATEGIES}
    return counts, how


def measure_room(program, seeds):
    """Fragmentation in per cent by strategy and load: a list each, by seed."""
    loads = [line.split(" ", 1) for line in subprocess.run([program, "loads"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()]
    room = {}
    for strategy in STRATEGIES:
        room[strategy] = {}
        for load, _ in loads:
            run = attempt([program, "room", strategy, load, str(seeds)])
            room[strategy][load] = run and {kind: [value for name, value in run.items() if name.startswith(kind + "-")]
                                            for kind in ("external", "all", "peak")}
    return room, dict(loads)


def cell(value, form):
    return "-" if value is None else format(value, form)


def show(result):
    times, counts, room = result["time"], result["instructions"], result["room"]
    print(f"{'':10}" + "".join(f"{live:>38} live" for live in LIVE))
    print(f"{'':10}" + f"{'pair, ns':>14}{'alloc mean':>11}{'most':>9}{'free mean':>10}{'most':>9}"[0:] * len(LIVE))
    for strategy in STRATEGIES:
        row = f"{strategy:10}"
        for live in LIVE:
            t, c = times[strategy][live], counts[strategy][live] or {}
            row += f"{cell(t and t['median'], '14.1f'):>14}"
            row += "".join(f"{cell(c.get(name), '.0f'):>{width}}"
                           for name, width in (("alloc-mean", 11), ("alloc-most", 9), ("free-mean", 10), ("free-most", 9)))
        print(row)
    print(f"instructions: {result['counted']}\n")
    print(f"{'fragmentation, %':16}" + "".join(f"{strategy + ' external':>18}{'all':>7}" for strategy in STRATEGIES))
    for load in result["loads"]:
        row = f"{load:16}"
        for strategy in STRATEGIES:
            of = room[strategy][load]
            row += f"{cell(of and statistics.mean(of['external']), '.1f'):>18}{cell(of and statistics.mean(of['all']), '.1f'):>7}"
        print(row)
    for name, function in (("mean", statistics.mean), ("most", max)):
        row = f"{name:16}"
        for strategy in STRATEGIES:
            row += f"{function(externals(room[strategy])):18.1f}{'':7}"
        print(row)


def externals(of):
    return [value for load in of.values() if load for value in load["external"]]


def compare(result):
    print()
    of = externals(result["room"]["tlsf"])
    rounds.goal("TLSF, external fragmentation in the mean, per cent", statistics.mean(of), 15)
    rounds.goal("the same at most", max(of), 25)
    means = [c["alloc-mean"] + c["free-mean"] for c in result["instructions"]["tlsf"].values() if c]
    rounds.goal("TLSF, instructions of a pair: most / least, 100 … 1000000 live", max(means) / min(means), 1.2)


def make_page(build, json_path, figure):
    """The page and the picture; a word why not, else None."""
    page = os.path.join(build, "bench", "region.html")
    problem = draw(build, os.path.join(HERE, "page.js"), json_path, page, figure)
    if problem:
        return problem
    print(f"\n{page}, {figure}")
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--figure", help="where the picture goes (BUILD/bench/region.svg); docs/figures/region.svg is the one in the manual")
    options = parser.parse_args()
    program, place = os.path.join(options.build, "bench", "bench_region"), os.path.join(options.build, "bench")
    result = {"machine": rounds.machine(), "rounds": options.rounds, "seeds": options.seeds, "live": LIVE}
    result["time"] = measure_time(program, options.rounds)
    result["instructions"], result["counted"] = measure_counts(program, place)
    result["room"], result["loads"] = measure_room(program, options.seeds)
    show(result)
    compare(result)
    path = os.path.join(place, "region.json")
    rounds.write_json(path, result)
    problem = make_page(options.build, path, options.figure or os.path.join(place, "region.svg"))
    if problem:
        print(f"no page, no picture: {problem}")


if __name__ == "__main__":
    main()
