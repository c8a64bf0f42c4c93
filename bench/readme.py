"""Rewrites the table of README.md between its two markers, from a run."""
import os
import platform
import re
import shutil
import statistics
import subprocess
import textwrap

import report

DEFAULT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")
BEGIN, END = "<!-- ./dev bench --readme: begin -->\n", "<!-- ./dev bench --readme: end -->\n"
FIGURE = "docs/figures/bench.svg"
BEHIND, MOST = 1.2, 8  # ratios that are named below the table, and how many


def package_version(path):
    """The upstream version of the package that has the file, as dpkg knows it; or nothing."""
    if not shutil.which("dpkg-query"):
        return ""
    for name in (path, path.replace("/usr/lib/", "/lib/")):
        done = subprocess.run(["dpkg-query", "-S", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        if done.returncode == 0:
            package = done.stdout.split(": ")[0].split(",")[0]
            version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdout=subprocess.PIPE, text=True, check=False).stdout
            return " " + re.sub(r"^\d+:|[-+~].*$", "", version)
    return ""


def heads(allocators):
    names = []
    for name, path in allocators.items():
        if not report.is_peer(name):
            names.append("**%s**" % name)
        else:
            names.append(name + (package_version(path) if path else " " + platform.libc_ver()[1]))
    return names


def row(title, values, form="%.2f", best=min):
    """Cells; the best of them is bold."""
    known = [v for v in values if v is not None]
    cells = ["-" if v is None else form % v for v in values]
    marked = ["**%s**" % c if v is not None and c == form % best(known) else c for v, c in zip(values, cells)]
    return [title, *marked]


def mean_rows(result, names):
    metrics, kinds = report.all_figures(result["samples"]), result["kinds"]
    of = {kind: {w for w, k in kinds.items() if k == kind} for kind in ("load", "program")}

    def means(title, metric, loads=None):
        found = [metrics[metric].geomean(name, loads) for name in names]
        return row(title, [m and m[0] for m in found])

    spreads = [metrics["time"].round_spread(name) for name in names]
    worst = [metrics["time"].geomean(name) for name in names]
    return [means("time, all", "time"), ["quartiles of the rounds", *("%.2f-%.2f" % s if s else "-" for s in spreads)],
            means("time, loads", "time", of["load"]), means("time, whole programs", "time", of["program"]), means("processor time, all", "cpu"),
            means("peak memory, all", "memory"), means("peak memory, whole programs", "memory", of["program"]),
            means("peak memory, where more than 20 MiB are needed", "memory-over-20-MiB"),
            row("worst workload, time", [w and w[1] for w in worst], "%.1f")]


def small_rows(result, names):
    start = [[s["peak"] for s in result["start"][name] if "failure" not in s] for name in names]
    rows = [row("`true` preloaded: peak KiB", [statistics.median(s) if s else None for s in start], "%d")]
    pairs = {name: [s for s in result["samples"].get("pair", {}).get(name, []) if "pair_ns" in s] for name in names}
    if any(pairs.values()):
        floor = statistics.median(s["floor_ns"] for found in pairs.values() for s in found)
        rows.append(row("malloc and free of one size, ns (an inlined pop and push: %.1f)" % floor,
                        [statistics.median(s["pair_ns"] for s in pairs[name]) if pairs[name] else None for name in names], "%.1f"))
    return rows


def system_name():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"].partition(" (")[0].replace("GNU/Linux ", "")
    except (OSError, AttributeError, KeyError):
        return platform.system()


def behind_line(result, title, metric):
    """The workloads on which tarn is behind, worst first."""
    figures = report.all_figures(result["samples"])[metric]
    found = sorted(((ratios["tarn"], load, figures.best[load]) for load, ratios in figures.ratios.items() if ratios.get("tarn", 0) > BEHIND), reverse=True)
    named = ", ".join("`%s` %.2f of %s's" % (load, ratio, best) for ratio, load, best in found[:MOST]) or "none"
    more = ", and %d more" % (len(found) - MOST) if len(found) > MOST else ""
    return textwrap.fill("%s %s%s." % (title, named, more), 120)


def figure_beside(path):
    return os.path.join(os.path.dirname(os.path.abspath(path)), FIGURE)


def table(result, allocators, figure):
    """What goes between the markers."""
    names, machine, kinds = list(allocators), result["machine"], list(result["kinds"].values())
    text = ("`./dev bench` on %d cores of an %s, %s, kernel %s; %d loads and %d whole programs, %d interleaved rounds, medians. Each ratio is "
            "against the best (time) or the leanest (peak memory) of the *other* allocators of each workload; so an allocator that is always the best "
            "has 1.00.")
    text %= (machine["cores"], machine["cpu"], system_name(), ".".join(machine["kernel"].split(".")[:2]), kinds.count("load"), kinds.count("program"),
             result["rounds"])
    lines = [textwrap.fill(text, 120), ""]
    for cells in (["", *heads(allocators)], ["---"] * (len(names) + 1), *mean_rows(result, names), *small_rows(result, names)):
        lines.append(("| " + " | ".join(cells) + " |").replace("|  |", "| |"))
    lines += ["", behind_line(result, "Behind the best by more than a fifth, time:", "time"),
              behind_line(result, "The same, peak memory where more than 20 MiB are needed:", "memory-over-20-MiB")]
    if figure:
        lines += ["", "![Time and memory by live objects, time by threads, tarn beside the others](%s)" % FIGURE]
    return "\n".join(lines) + "\n"


def rewrite(path, result, allocators, figure=False):
    """`figure`: the picture lies where it belongs."""
    with open(path, encoding="utf-8") as file:
        before, begin, rest = file.read().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit("%s has no markers %s" % (path, BEGIN.strip()))
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + table(result, allocators, figure) + END + after)
    print("rewritten: the table in " + path)
