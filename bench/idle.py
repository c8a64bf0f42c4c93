#!/usr/bin/env python3
"""Does memory follow what is live? A program becomes large, frees all but one object in 200, and waits; then it frees the rest, and waits.

    python3 bench/idle.py --build build [--peers glibc,mimalloc] [--variant NAME=FILE] [--seconds 10] [--mib 400] [--keep 200]

What the program holds is read in /proc/PID/smaps_rollup, from outside, while it makes no call at all (idle.c). All allocators wait at the same time. Then,
one after the other, the price: 20 rounds of 100 MB allocated and freed, whole and by halves. All of it goes to BUILD/bench/idle.json, curves to BUILD/bench/idle.html.
"""
import argparse
import os
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the source directory stays as it is
import page  # noqa: E402
import rounds  # noqa: E402
import run  # noqa: E402

SHAPES = [("16..512", 16, 512), ("64", 64, 64), ("16..4096", 16, 4096)]
MIB = 1 << 20


def memory(pid):
    """Resident, given back but not taken yet (MADV_FREE), and in huge pages: bytes."""
    kept = {"Rss:": 0, "LazyFree:": 0, "AnonHugePages:": 0}
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0] in kept:
                kept[words[0]] = int(words[1]) * 1024
    return list(kept.values())


def environment(library):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LD_", "MALLOC_", "GLIBC_", "TARN_"))}
    return dict(kept, LD_PRELOAD=library) if library else kept


def next_line(process):
    """What the program says it has done: name, and figures by name."""
    words = process.stdout.readline().split()
    if not words:
        raise RuntimeError("ended early")
    return words[0], {k: float(v) for k, v in zip(words[1::2], words[2::2])}


def watch(pid, seconds):
    """Samples of (seconds since now, resident, lazy, huge): often at first, then four a second."""
    begin, series, step = time.monotonic(), [], 0
    while True:
        now = time.monotonic() - begin
        series.append([round(now, 3), *memory(pid)])
        if now >= seconds:
            return series
        step = min(0.25, step + 0.02)
        time.sleep(min(step, max(0.001, seconds - now)))


def observe(command, library, seconds):
    """One program from beginning to end."""
    result = {}
    with subprocess.Popen(command, env=environment(library), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for expected in ("base", "full", "part", "none"):
            name, figures = next_line(process)
            assert name == expected, name
            result[name] = figures
            result[name]["series"] = watch(process.pid, seconds if name in ("part", "none") else 0)
            process.stdin.write("\n")
            process.stdin.flush()
        process.stdin.close()
        if process.wait(timeout=60) != 0:
            raise RuntimeError("exit status %d" % process.returncode)
    return result


def observe_all(program, shape, allocators, options):
    """Every allocator at once: they only wait."""
    found = {}

    def one(name, library):
        command = [program, "idle", str(shape[1]), str(shape[2]), str(options.mib), str(options.keep)]
        try:
            found[name] = observe(command, library, options.seconds)
        except (RuntimeError, OSError, AssertionError) as error:
            found[name] = {"failure": str(error)}

    threads = [threading.Thread(target=one, args=item) for item in allocators.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: found[name] for name in allocators}


def at(series, moment):
    """Resident bytes at the sample that is nearest to a moment."""
    return min(series, key=lambda sample: abs(sample[0] - moment))[1]


def show_shape(shape, found, options):
    moments = [m for m in (0, 1, 2, 5) if m < options.seconds] + [options.seconds]
    times = "".join(f"{m:>6g} s" for m in moments)
    print(f"sizes {shape[0]}: resident MiB above the program's own; pages: those of 4 KiB that hold a live object")
    print(f"{'':14}{'live':>7}{'pages':>8}{'full':>8} | one in {options.keep}:{times}{'/ pages':>9}{'lazy':>7}{'huge':>7} | none:{times}")
    for name, of in found.items():
        if "failure" in of:
            print(f"{name:14} FAILED: {of['failure']}")
            continue
        base = of["base"]["series"][0][1]
        pages, part, none = of["part"]["pages"] * 4096, of["part"]["series"], of["none"]["series"]
        row = f"{name:14}{of['part']['bytes'] / MIB:7.1f}{pages / MIB:8.1f}{(of['full']['series'][0][1] - base - 8 * of['full']['objects']) / MIB:8.0f} |"
        row += " " * (9 + len(str(options.keep))) + "".join(f"{(at(part, m) - base) / MIB:8.1f}" for m in moments)
        row += f"{(part[-1][1] - base) / pages:9.2f}{part[-1][2] / MIB:7.1f}{part[-1][3] / MIB:7.1f} |{'':6}"
        print(row + "".join(f"{(at(none, m) - base) / MIB:8.1f}" for m in moments))
    print()


def again(program, shape, library, options):
    command = [program, "again", str(shape[1]), str(shape[2]), str(max(1, options.mib // 4)), "20"]
    before = os.times()
    out = subprocess.run(command, env=environment(library), check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    after = os.times()
    figures = {name: float(value) for name, value in zip(out[::2], out[1::2])}
    return {**figures, "system": after.children_system - before.children_system}


def show_again(samples):
    print("20 rounds, seconds: a quarter of the memory allocated and freed whole; half of it freed in random order and allocated again; (system: of both)")
    shapes = list(next(iter(samples.values())))
    print(f"{'':14}" + "".join(f"{shape + ' whole':>18}{'half':>9}{'system':>9}" for shape in shapes))
    for name, by_shape in samples.items():
        row = f"{name:14}"
        for shape in shapes:
            row += "".join(f"{statistics.median(s[key] for s in by_shape[shape]):{width}.3f}" for key, width in (("whole", 18), ("half", 9), ("system", 9)))
        print(row)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--peers", default="", metavar="NAME|NAME=FILE,...")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=FILE", help="another build of tarn to measure beside")
    parser.add_argument("--seconds", type=float, default=10, help="how long it waits, twice")
    parser.add_argument("--mib", type=int, default=400)
    parser.add_argument("--keep", type=int, default=200, help="one object in so many stays")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each that is timed; 0: none")
    parser.add_argument("--shape", default="", metavar="LOWEST..HIGHEST", help="only objects of these sizes")
    return parser.parse_args()


def choose_shapes(text):
    if not text:
        return SHAPES
    lowest, _, highest = text.partition("..")
    return [(text, int(lowest), int(highest or lowest))]


def main():
    options = parse_options()
    allocators = run.choose_allocators(options)
    place = os.path.join(options.build, "bench")
    program = os.path.join(place, "bench_idle")
    result = {"machine": run.describe_machine(allocators, run.find_libc()), "mib": options.mib, "keep": options.keep, "idle": {}, "again": {}}
    print(f"{options.mib} MiB of objects; all but one in {options.keep} freed in random order; {options.seconds:g} s without any call; the rest freed; "
          f"{options.seconds:g} s\nhuge pages: {result['machine']['huge_pages']}\n")
    shapes = choose_shapes(options.shape)
    for shape in shapes:
        result["idle"][shape[0]] = observe_all(program, shape, allocators, options)
        show_shape(shape, result["idle"][shape[0]], options)
    samples = {name: {shape[0]: [] for shape in shapes} for name in allocators}
    for turn in range(options.rounds):
        names = list(allocators)
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            for shape in shapes:
                samples[name][shape[0]].append(again(program, shape, allocators[name], options))
    result["again"] = samples
    if options.rounds > 0:
        show_again(samples)
    rounds.write_json(os.path.join(place, "idle.json"), result)
    page.write(options.build, "idle", page.describe_idle(result))
    failures = [name for of in result["idle"].values() for name, found in of.items() if "failure" in found]
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
