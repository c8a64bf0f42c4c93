"""Turns samples into tables.

The measure of an allocator on a workload is its ratio to the best *peer* there. Every round is first divided by the
peers' geometric mean in that round, because the machine drifts between rounds (by half and more) and much less
within one; the median of the rounds is the allocator's score, and the ratio is that of two scores.
A peer is every allocator whose name does not begin with "tarn"; so a peer's ratio is 1 or more, and tarn's
may be less. What an allocator failed on has no ratio, and is listed.
"""
import math
import statistics

START = "(true)"  # the row of the smallest program
LARGE_KIB = 20 * 1024  # where the leanest peer needs less, start-up dominates the memory ratio


def is_peer(name):
    return not name.startswith("tarn")


def quartiles(values):
    """First and third; of few values the extremes."""
    if len(values) < 4:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def round_scores(good):
    """Median over the rounds of each allocator's value against the peers' geometric mean in the round."""
    peers = [values for name, values in good.items() if is_peer(name)]
    means = [math.exp(sum(math.log(max(v, 1e-6)) for v in values) / len(values)) for values in zip(*peers)]
    return {name: statistics.median(max(v, 1e-6) / mean for v, mean in zip(values, means))
            for name, values in good.items()} if means else {}


class Figures:
    """Medians and ratios of one metric over all workloads."""

    def __init__(self, samples, value, eligible=lambda _: True):
        self.medians, self.best, self.ratios, self.rounds = {}, {}, {}, {}
        for load, by_allocator in samples.items():
            good = {name: [value(s) for s in rounds] for name, rounds in by_allocator.items()
                    if rounds and not any("failure" in s for s in rounds)}
            medians = {name: statistics.median(values) for name, values in good.items()}
            scores = round_scores(good)
            peers = {name: score for name, score in scores.items() if is_peer(name)}
            best = min(peers, key=peers.get) if peers else None
            if best is None or not eligible(medians[best]):
                continue
            self.medians[load], self.best[load], self.rounds[load] = medians, best, good
            self.ratios[load] = {name: score / peers[best] for name, score in scores.items()}

    def spread(self, load, name):
        """Quartiles of the ratios round by round, each against the best peer in the same round."""
        pairs = zip(self.rounds[load][name], self.rounds[load][self.best[load]])
        return quartiles([mine / max(theirs, 1e-9) for mine, theirs in pairs])

    def round_spread(self, name):
        """Quartiles over the rounds of the geometric mean of one round's ratios: how much the whole figure moves by chance. None without rounds."""
        loads = [load for load, ratios in self.ratios.items() if name in ratios]
        count = min((len(self.rounds[load][name]) for load in loads), default=0)
        means = []
        for i in range(count):
            logs = [math.log(max(self.rounds[load][name][i], 1e-6) / max(self.rounds[load][self.best[load]][i], 1e-6)) for load in loads]
            means.append(math.exp(sum(logs) / len(logs)))
        return quartiles(means) if means else None

    def geomean(self, name, loads=None):
        """(mean, worst ratio, its load, count), or None."""
        rows = [(r[name], load) for load, r in self.ratios.items() if name in r and (loads is None or load in loads)]
        if not rows:
            return None
        mean = math.exp(sum(math.log(max(ratio, 1e-9)) for ratio, _ in rows) / len(rows))
        worst, load = max(rows)
        return mean, worst, load, len(rows)


def print_table(heads, rows):
    widths = [max(len(str(row[i])) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        print("  ".join(str(cell).ljust(w) if i == 0 else str(cell).rjust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))).rstrip())
    print()


def compare_rows(load, time, memory, tarn):
    """One line of the table that sets one allocator against the best and the leanest."""
    best, leanest = time.best[load], memory.best[load]
    row = [load, best, "%.3f" % time.medians[load][best]]
    if tarn in time.medians[load]:
        row += ["%.3f" % time.medians[load][tarn], "%.3f" % time.ratios[load][tarn],
                "%.2f-%.2f" % time.spread(load, tarn)]
    else:
        row += ["-", "-", "-"]
    row += [leanest, "%.1f" % (memory.medians[load][leanest] / 1024)]
    if tarn in memory.medians[load]:
        row += ["%.1f" % (memory.medians[load][tarn] / 1024), "%.3f" % memory.ratios[load][tarn]]
    else:
        row += ["-", "-"]
    return row


def print_comparison(samples, time, memory, tarn):
    print("%s against the best peer (time, seconds) and the leanest (peak memory, MiB);"
          " spread: quartiles of the rounds' ratios" % tarn)
    heads = ["workload", "best", "s", tarn, "ratio", "spread", "leanest", "MiB", tarn, "ratio"]
    print_table(heads, [compare_rows(load, time, memory, tarn) for load in samples if load in time.best])


def print_ratios(title, figures, names):
    print(title)
    rows = []
    for load, ratios in figures.ratios.items():
        rows.append([load, *("%.2f" % ratios[n] if n in ratios else "failed" for n in names)])
    print_table(["workload", *names], rows)


def print_floor(samples, names):
    """The pair load carries its own comparison: a list of free objects inlined in the same loop."""
    rows = []
    for name in names:
        good = [s for s in samples.get("pair", {}).get(name, []) if "floor_ratio" in s]
        if good:
            rows.append([name, *("%.2f" % statistics.median(s[key] for s in good)
                                 for key in ("pair_ns", "floor_ns", "floor_ratio"))])
    if rows:
        print("pair: malloc and free of one size, beside an inlined pop and push (ns)")
        print_table(["allocator", "pair", "floor", "ratio"], rows)


def print_start(start, names):
    print("start-up: the program `true` with the library preloaded")
    rows = []
    for name in names:
        good = [s for s in start[name] if "failure" not in s]
        if good:
            rows.append([name, "%.2f" % (1000 * statistics.median(s["wall"] for s in good)),
                         "%d" % statistics.median(s["peak"] for s in good),
                         "%d" % statistics.median(s["minor"] for s in good)])
    print_table(["allocator", "ms", "peak KiB", "faults"], rows)


def call_cell(calls, samples, load, name):
    """Calls for memory in one run, faults in the median run; "-" for what is not known."""
    counts = calls.get(load, {}).get(name)
    good = [s["minor"] for s in samples[load][name] if "failure" not in s]
    return "%s %s" % ("-" if counts is None else sum(counts.values()), "%d" % statistics.median(good) if good else "-")


def print_calls(calls, samples, names):
    print("system calls for memory (mmap, munmap, mremap, madvise, mprotect, brk; in one run, by strace), and page faults (medians); whole process,\n"
          "its start included, for which see the line %s" % START)
    rows = [[load, *(call_cell(calls, samples, load, name) for name in names)] for load in samples]
    if START in calls:
        rows.insert(0, [START, *(sum(calls[START].get(name, {}).values()) for name in names)])
    print_table(["workload", *names], rows)


def print_failures(samples):
    count = 0
    for load, by_allocator in samples.items():
        for name, rounds in by_allocator.items():
            reasons = [s["failure"] for s in rounds if "failure" in s]
            if reasons:
                count += 1
                print("FAILED %s %s: %s (%d of %d runs)" % (load, name, reasons[0], len(reasons), len(rounds)))
    return count


def print_quiet(samples, again):
    """How far the figures can be trusted: what was run again, and what stayed disturbed."""
    left = {}
    for load, by_allocator in samples.items():
        disturbed = sum(s.get("disturbance", 0) > 1 for rounds in by_allocator.values() for s in rounds)
        if disturbed:
            left[load] = disturbed
    total = sum(len(rounds) for by_allocator in samples.values() for rounds in by_allocator.values())
    print("machine: %d runs done again; disturbed all the same: %d of %d%s" % (
        again, sum(left.values()), total, "".join(" %s:%d" % item for item in left.items())))


def print_worst(time, memory, tarn, count=5):
    for title, figures in (("time", time), ("memory", memory)):
        rows = sorted(((r[tarn], load) for load, r in figures.ratios.items() if tarn in r), reverse=True)[:count]
        if rows:
            print("worst %s %s: %s" % (title, tarn, ", ".join("%s %.2f" % (load, ratio) for ratio, load in rows)))


def print_geomeans(metrics, kinds, names):
    """Lines for scripts too: geomean METRIC ALLOCATOR MEAN worst RATIO (LOAD) loads MEAN programs MEAN rows N rounds
    LOWER-UPPER (quartiles of the means of single rounds)."""
    for metric, figures in metrics:
        for name in names:
            whole = figures.geomean(name)
            if whole is None:
                continue
            line = "geomean %s %s %.3f worst %.2f (%s)" % (metric, name, *whole[:3])
            for kind in ("load", "program"):
                part = figures.geomean(name, {w for w, k in kinds.items() if k == kind})
                if part:
                    line += " %ss %.3f" % (kind, part[0])
            print("%s rows %d rounds %.3f-%.3f" % (line, whole[3], *figures.round_spread(name)))
        print()


def all_figures(samples):
    """The metrics by name, in the order of the lines `geomean`."""
    return {"time": Figures(samples, lambda s: s["wall"]), "cpu": Figures(samples, lambda s: s["user"] + s["system"]),
            "memory": Figures(samples, lambda s: s["peak"]),
            "memory-over-20-MiB": Figures(samples, lambda s: s["peak"], lambda least: least >= LARGE_KIB)}


def print_report(result):
    """Prints everything; returns the number of failed (workload, allocator) pairs."""
    machine, kinds, samples = result["machine"], result["kinds"], result["samples"]
    names = list(result["start"])
    metrics = all_figures(samples)
    time, memory = metrics["time"], metrics["memory"]
    print("%s, %d cores, kernel %s, load average %.2f" % (machine["cpu"], machine["cores"], machine["kernel"],
                                                         machine["load_average"][0]))
    print("  ".join("%s: %s" % item for item in machine["allocators"].items()) + "\n")
    tarns = [n for n in names if not is_peer(n)]
    for tarn in tarns or ["tarn"]:
        print_comparison(samples, time, memory, tarn)
    print_ratios("time, against the best peer of each workload", time, names)
    print_ratios("peak memory, against the leanest peer of each workload", memory, names)
    print_calls(result["calls"], samples, names)
    print_floor(samples, names)
    print_start(result["start"], names)
    print_geomeans(metrics.items(), kinds, names)
    for tarn in tarns:
        print_worst(time, memory, tarn)
    return print_failures(samples)
