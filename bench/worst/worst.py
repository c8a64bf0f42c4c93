#!/usr/bin/env python3
"""The most instructions that one request to a region takes, by machine: searched for, counted exactly (worst.c).

    python3 bench/worst/worst.py [--every 499] [--steps 20000] [--machines x86-64,arm] [--save]

For each machine the region is compiled as for one without an operating system, gcc -O2, and the search runs under QEMU, whose plugin counts. Without QEMU
only x86-64 is searched, shorter, by single steps. What was found on x86-64 is counted a second time by single steps: both must agree.
--save keeps the programs that were found in bench/worst/found.txt, which the test replays. --json FILE writes the table.
"""
import argparse
import glob
import json
import os
import platform
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FOUND = os.path.join(HERE, "found.txt")
LIMIT = 168
KINDS = ["alloc", "free", "alloc_sized", "free_sized", "alloc_aligned", "alloc: NULL"]
MACHINES = {
    "x86-64": (os.environ.get("CC", "gcc"), [], ["qemu-x86_64"]),
    "arm": ("arm-linux-gnueabihf-gcc", ["-march=armv7-a+fp", "-mthumb"], ["qemu-arm"]),
    "arm64": ("aarch64-linux-gnu-gcc", [], ["qemu-aarch64"]),
    "riscv64": ("riscv64-linux-gnu-gcc", ["-march=rv64gc"], ["qemu-riscv64"]),
    "riscv64 zbb": ("riscv64-linux-gnu-gcc", ["-march=rv64gc_zba_zbb"], ["qemu-riscv64", "-cpu", "rv64,zba=true,zbb=true"]),
}


def compile_search(compiler, flags, out):
    pool = os.path.join(ROOT, "src", "pool")
    sources = sorted(glob.glob(os.path.join(pool, "region*.c")))
    sources += [os.path.join(pool, name + ".c") for name in ("spans", "bytes", "error", "bare")]
    sources += [os.path.join(HERE, name + ".c") for name in ("worst", "program", "count")]
    includes = ["-I" + ROOT, "-I" + os.path.join(ROOT, "src"), "-I" + os.path.join(ROOT, "include")]
    subprocess.run([compiler, "-std=gnu11", "-O2", "-ffreestanding", "-static", *flags, *includes, "-o", out, *sources], check=True)


def compile_plugin(out):
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-I" + ROOT,
                    "-o", out, os.path.join(HERE, "plugin.c")], check=True)


def search(command, options):
    """Answers by kind: count and program; and how it was counted. None: nothing counts."""
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or not lines[0].startswith("# ") or len(lines) != 1 + len(KINDS):
        return None, (lines or ["nothing was printed"])[0]
    words = [line.split("; ", 2) for line in lines[1:]]
    return {kind: (int(count), program) for kind, count, program in words}, lines[0][2:]


def agree(program, found, scratch):
    """Counts what was found again, by single steps."""
    path = os.path.join(scratch, "found.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(text + "\n" for _, text in found.values())
    again, how = search([program], ["-f", path])
    if again is None:
        return how
    different = [f"{kind} {found[kind][0]}, not {again[kind][0]}" for kind in KINDS if again[kind][0] != found[kind][0]]
    return "single-stepped by the processor: " + ("; ".join(different) or "the same")


def measure(name, options, scratch, plugin):
    compiler, flags, emulator = MACHINES[name]
    native = name == platform.machine().replace("x86_64", "x86-64")
    if not shutil.which(compiler):
        return None, f"no {compiler}"
    program = os.path.join(scratch, "worst-" + name.replace(" ", "-"))
    compile_search(compiler, flags, program)
    effort = ["-f", FOUND] if os.path.exists(FOUND) else []
    if shutil.which(emulator[0]):
        effort += ["-e", str(options.every), "-c", str(options.steps)]
        found, how = search([*emulator, "-plugin", plugin, program], effort)
        if found and native:
            how += "; " + agree(program, found, scratch)
    elif native:
        found, how = search([program], effort + ["-e", str(options.every * 1000), "-c", str(options.steps // 1000)])
    else:
        return None, f"no {emulator[0]}"
    version = subprocess.run([compiler, "-dumpfullversion"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return found, f"gcc {version} -O2 -ffreestanding {' '.join(flags)}".strip() + "; " + how


def save(results):
    programs = list(dict.fromkeys(found[kind][1] for found in results.values() for kind in KINDS if found[kind][0]))
    with open(FOUND, "w", encoding="utf-8") as file:
        file.write("# Written by worst.py --save: the programs that took most instructions, by machine and kind of request.\n")
        file.writelines(program + "\n" for program in programs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=499, help="of the states that are enumerated, one in so many")
    parser.add_argument("--steps", type=int, default=20000, help="of hill climbing, for each kind of request")
    parser.add_argument("--machines", default=",".join(MACHINES))
    parser.add_argument("--scratch", default=os.path.join(ROOT, "build", "worst"), help="where programs are built")
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    os.makedirs(options.scratch, exist_ok=True)
    plugin = os.path.join(os.path.abspath(options.scratch), "plugin.so")
    compile_plugin(plugin)
    results, notes = {}, {}
    for name in options.machines.split(","):
        found, notes[name] = measure(name, options, os.path.abspath(options.scratch), plugin)
        if found:
            results[name] = found
    print(f"{'instructions, at most':26}" + "".join(f"{name:>14}" for name in results))
    for kind in KINDS:
        print(f"{'tarn_region_' + kind:26}" + "".join(f"{found[kind][0]:14}" for found in results.values()))
    print()
    for name, note in notes.items():
        print(f"{name}: {note}")
    for name, found in results.items():
        for kind in KINDS:
            print(f"  {name} {kind} {found[kind][0]}: {found[kind][1]}")
    if options.save and results:
        save(results)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"limit": LIMIT, "results": results, "how": notes}, file, indent=1)
    over = [f"{name} {kind}" for name, found in results.items() for kind in ("alloc", "free") if found[kind][0] > LIMIT]
    print(f"\nat most {LIMIT}: " + (", ".join(over) + "   MISSED" if over else "all of alloc and free"))
    sys.exit(1 if over or not results else 0)


if __name__ == "__main__":
    main()
