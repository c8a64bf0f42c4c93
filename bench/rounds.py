"""What drivers of short benchmarks share: the mallocs that are installed, rounds in which everything runs once, medians, JSON.

A program prints one line a figure: name, value. Rounds are interleaved, and their order rotates, so what else the machine does falls on all alike.
"""
import glob
import json
import os
import platform
import statistics
import subprocess

MALLOCS = {
    "glibc": "",
    "mimalloc": "/usr/lib/*/libmimalloc.so.2*",
    "jemalloc": "/usr/lib/*/libjemalloc.so.2",
    "tcmalloc": "/usr/lib/*/libtcmalloc_minimal.so.4",
}


def mallocs():
    """Name and library of each malloc that is installed; the system's has none."""
    found = {}
    for name, pattern in MALLOCS.items():
        files = sorted(glob.glob(pattern)) if pattern else [""]
        if files:
            found[name] = files[0]
    return found


def run(command, preload=""):
    """Figures by name, of one run."""
    environment = dict(os.environ)
    if preload:
        environment["LD_PRELOAD"] = preload
    out = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}


def measure(runs, rounds):
    """`runs`: by label, what returns figures by name. Answers samples: label, name, values."""
    samples = {label: {} for label in runs}
    labels = list(runs)
    for turn in range(rounds):
        at = turn % len(labels)
        for label in labels[at:] + labels[:at]:
            for name, value in runs[label]().items():
                samples[label].setdefault(name, []).append(value)
    return samples


def summary(values):
    """Median, quartiles, and how many."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return {"median": statistics.median(values), "low": low, "high": high, "count": len(values)}


def machine():
    model = ""
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return {"machine": platform.machine(), "processor": model, "processors": os.cpu_count(), "kernel": platform.release()}


def write_json(path, content):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def goal(text, value, most):
    """One line: what was reached, and what was to be. Answers whether it was."""
    print(f"{text:60}{value:10.2f}  at most {most:.2f}{'' if value <= most else '   MISSED'}")
    return value <= most
