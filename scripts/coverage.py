#!/usr/bin/env python3
"""What tests run of the sources, from gcovr's JSON: a line for each file, the worst first, and one for all.

    scripts/coverage.py COVERAGE.json LINES BRANCHES

Exit status 1 when less than LINES percent of all lines, or BRANCHES percent of all branches, were run.
"""
import json
import sys


def share(run, there):
    return 100.0 * run / there if there else 100.0


def count(file):
    lines = [line for line in file["lines"] if not line.get("gcovr/noncode") and not line.get("gcovr/excluded")]
    branches = [branch for line in lines for branch in line["branches"]]
    missed = [line["line_number"] for line in lines if line["count"] == 0]
    return (len(lines) - len(missed), len(lines), sum(branch["count"] > 0 for branch in branches), len(branches), missed)


def ranges(numbers, most):
    found = []
    for number in numbers:
        if found and found[-1][1] + 2 >= number:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [str(a) if a == b else "%d-%d" % (a, b) for a, b in found[:most]]
    return " ".join(texts + (["..."] if len(found) > most else []))


def main(path, least_lines, least_branches):
    with open(path, encoding="utf-8") as file:
        counts = {entry["file"]: count(entry) for entry in json.load(file)["files"]}
    total = [sum(c[i] for c in counts.values()) for i in range(4)]
    print("%-34s %12s %15s  lines that no test runs" % ("", "lines", "branches"))
    for name, c in sorted(counts.items(), key=lambda item: share(item[1][2], item[1][3])):
        print("%-34s %4d %5.1f %% %6d %6.1f %%  %s" % (name, c[1], share(c[0], c[1]), c[3], share(c[2], c[3]), ranges(c[4], 8)))
    lines, branches = share(total[0], total[1]), share(total[2], total[3])
    print("\n%d of %d lines, %.1f %%; %d of %d branches, %.1f %%" % (total[0], total[1], lines, total[2], total[3], branches))
    if lines < float(least_lines) or branches < float(least_branches):
        print("less than %s %% of lines and %s %% of branches" % (least_lines, least_branches))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
