#!/usr/bin/env python3
"""The kernel's stack beside the mallocs that are installed: bench_stack in rounds, one run under each malloc, medians.

    python3 bench/stack.py --build build [--rounds 7]

The figures of tarn's caches are taken from all runs, those of a malloc from its own. The last lines compare with what is to be reached.
"""
import argparse
import os
import statistics
import sys

sys.dont_write_bytecode = True  # the source directory stays as it is
import rounds  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    program = os.path.join(options.build, "bench", "bench_stack")
    runs = {peer: lambda library=library: rounds.run([program], library) for peer, library in rounds.mallocs().items()}
    show(rounds.measure(runs, options.rounds))


def show(samples):
    names = list(next(iter(samples.values())))
    own = {n: statistics.median(v for peer in samples.values() for v in peer[n]) for n in names if not n.startswith("malloc")}
    other = {n: {p: statistics.median(s[n]) for p, s in samples.items()} for n in names if n.startswith("malloc")}
    print(f"{'ns per object':24}{'tarn cache':>12}" + "".join(f"{p:>12}" for p in samples))
    for name, value in own.items():
        row = other.get(name.replace("cache", "malloc", 1), {}) if name.startswith("cache") else {}
        print(f"{name:24}{value:12.2f}" + "".join(f"{row[p]:12.2f}" if row else f"{'':12}" for p in samples))
    pair, best = own["cache-pair"], min(other["malloc-pair"].values())
    print()
    for text, value, most in [
        ("cache pair / glibc's pair", pair / other["malloc-pair"]["glibc"], 0.5),
        ("cache pair / best packaged pair", pair / best, 1.0),
        ("bulk of 64, ns an object (or half the pair)", own["cache-bulk-64"], max(3.0, pair / 2)),
        ("cross-thread / same-thread", own["cache-cross-thread"] / own["cache-same-thread"], 1.5),
        ("page pair / cache pair", own["page-pair"] / pair, 3.0),
        ("mempool pair / cache pair", own["mempool-pair"] / pair, 1.2),
        ("metadata of full slabs, per cent", own["cache-metadata-percent"], 3.0),
    ]:
        rounds.goal(text, value, most)


main()
