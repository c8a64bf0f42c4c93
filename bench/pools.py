#!/usr/bin/env python3
"""The pools that stand alone, and heaps, beside their peers: mallocs, APR, talloc, GLib, Boost.Pool; rounds, medians, quartiles.

    python3 bench/pools.py --build build [--rounds 9] [--json build/bench/pools.json]

In each round each program of bench/ runs once. The last lines compare with what is to be reached; the exit status says nothing of that.
"""
import argparse
import os
import sys

sys.dont_write_bytecode = True  # the source directory stays as it is
import rounds  # noqa: E402

LIBRARIES = {"apr": "libapr1-dev", "talloc": "libtalloc-dev", "glib": "libglib2.0-dev", "boost": "libboost-dev"}
OWN = ["class", "level", "block", "block-next", "region", "region-sized", "region-best", "region-first", "heap", "bump"]
LOADS = ["pair", "batch-10", "batch-100", "batch-1000", "random-128", "random-1024", "arena-1000", "arena-10000"]


def programs(build):
    """By label, what runs one program once and answers its figures."""
    place = os.path.join(build, "bench")
    found = {"tarn": lambda: rounds.run([os.path.join(place, "bench_pools")])}
    for name, library in rounds.mallocs().items():
        found[name] = lambda library=library: rounds.run([os.path.join(place, "bench_peer_malloc")], library)
    for name, package in LIBRARIES.items():
        program = os.path.join(place, "bench_peer_" + name)
        if os.path.exists(program):
            found[name] = lambda program=program: rounds.run([program])
        else:
            print(f"without {name}: {package} was not installed when this was built")
    return found


def table(samples):
    """Figures by the allocator's and the load's name."""
    figures = {}
    for label, names in samples.items():
        for name, values in names.items():
            load = next((known for known in LOADS if name.endswith("-" + known)), None)
            who = name[:-len(load) - 1] if load else name
            if who == "malloc" or name.startswith("malloc-"):
                who = who.replace("malloc", label, 1)
            figures.setdefault(who, {})[load or ""] = rounds.summary(values)
    return figures


def show(figures):
    peers = [who for who in figures if who not in OWN and "pair" in figures[who] and not who.endswith("-locked")]
    peers += [who for who in figures if who not in OWN + peers and "arena-1000" in figures[who]]
    width = len(LOADS) * 23
    print(f"{'ns, median (quartiles)':16}" + "".join(f"{load:>23}" for load in LOADS))
    for group in (OWN, peers):
        for who in group:
            row = figures.get(who, {})
            cells = (f"{c['median']:.2f} ({c['low']:.2f}-{c['high']:.2f})" if c else "" for c in map(row.get, LOADS))
            print(f"{who:16}" + "".join(f"{cell:>23}" for cell in cells))
        print("-" * (16 + width))
    for who, row in sorted(figures.items()):
        if who.endswith("-locked"):
            print(f"{who + ', pair':28}{row['pair']['median']:12.2f} ns")
    for who, row in sorted(figures.items()):
        if "" in row:
            print(f"{who:28}{row['']['median'] / 1000:12.2f} us  ({row['']['low'] / 1000:.2f}-{row['']['high'] / 1000:.2f})")


def compare(figures, mallocs):
    def pair(who):
        return figures[who]["pair"]["median"]

    best = min(pair(who) for who in mallocs)
    print()
    for who in ["class", "level", "block"]:
        rounds.goal(f"{who} pool's pair, ns; at most the fastest malloc's", pair(who), best)
    rounds.goal("bump, ns a block with its share of the reset", figures["bump"]["arena-1000"]["median"], max(1.5, best / 3))
    rounds.goal("heap made and ended, us", figures["heap-create-destroy"][""]["median"] / 1000, 2.0)
    returned = figures["pages-million-end"][""]["median"]
    rounds.goal("end of a heap with a million objects / munmap of as much", figures["heap-million-end"][""]["median"] / returned, 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", default=None, help="where the figures go (BUILD/bench/pools.json)")
    options = parser.parse_args()
    runs = programs(options.build)
    figures = table(rounds.measure(runs, options.rounds))
    rounds.write_json(options.json or os.path.join(options.build, "bench", "pools.json"),
                      {"machine": rounds.machine(), "rounds": options.rounds, "unit": "ns", "figures": figures})
    show(figures)
    compare(figures, rounds.mallocs())


if __name__ == "__main__":
    main()
