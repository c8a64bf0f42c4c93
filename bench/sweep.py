#!/usr/bin/env python3
"""The curves of run.py alone: cost by live objects and by threads, memory over time.

    python3 bench/sweep.py --build build [--rounds 5] [--peers NAME,...] [--variant NAME=FILE] [--long]

Writes BUILD/bench/curves.json and BUILD/bench/curves.html.
"""
import argparse
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # the source directory stays as it is
import curves  # noqa: E402
import page  # noqa: E402
import rounds  # noqa: E402
import run  # noqa: E402
import workloads  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--peers", default="", metavar="NAME|NAME=FILE,...")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=FILE", help="another build of tarn to measure beside")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--long", action="store_true", help="ten million live objects, too")
    options = parser.parse_args()
    allocators = run.choose_allocators(options)
    programs = [run.find_in_build(options.build, "bench/bench_" + name) for name in ("loads", "spawn")]
    result = {"machine": run.describe_machine(allocators, run.find_libc()), "rounds": options.rounds, "scale": options.scale}
    with tempfile.TemporaryDirectory(prefix="tarn-bench-", dir=run.scratch_place()) as scratch:
        place = workloads.Place(*programs, scratch, options.scale, 0)
        result["curves"] = curves.measure(place, allocators, options.rounds, options.long)
        result["traces"] = curves.traces(place, workloads.all_workloads(place, run.find_libc(), curves.TRACED), allocators)
    curves.show(result["curves"])
    path = os.path.join(options.build, "bench", "curves.json")
    rounds.write_json(path, result)
    page.write(options.build, "curves", page.describe_curves(result))
    return 1 if any(curves.summarise(p) is None for by in result["curves"].values() for line in by.values() for p in line) else 0


if __name__ == "__main__":
    sys.exit(main())
