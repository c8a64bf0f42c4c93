#!/usr/bin/env python3
"""Counts what `meson test` ran: each case of a test that prints its cases, and a test as one that prints none.

    scripts/count.py LOG.json...

Prints why cases were skipped, which failed, and last the one line `N passed, M failed[, K skipped]`. Exit status 1 if one failed.
"""
import json
import re
import sys

CASE = re.compile(r"^(not ok|ok)\b\s*(?:\d+\b)?\s*(?:-\s*)?([^#]*?)\s*(?:#\s*skip\w*:?\s*(.*))?$", re.IGNORECASE)
NO_CASES = re.compile(r"^1\.\.0\s*#\s*skip\w*:?\s*(.*)$", re.IGNORECASE)


def cases_of(test):
    """(name, "passed", "failed" or "skipped", reason) of each case."""
    lines = [line.rstrip() for line in test.get("stdout", "").splitlines()]
    matches = [m for m in map(CASE.match, lines) if m]
    found = []
    for match in matches:
        verdict = "failed" if match[1].lower() == "not ok" else "passed" if match[3] is None else "skipped"
        found.append((match[2], verdict, match[3]))
    for match in filter(None, map(NO_CASES.match, lines)):
        found.append(("all", "skipped", match[1]))
    result = test["result"]
    if not found:
        verdict = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}.get(result, "failed")
        reason = lines[-1] if lines else test.get("stderr", "").strip().splitlines()[-1:] or "no reason given"
        found.append(("", verdict, reason))
    elif result not in ("OK", "SKIP", "EXPECTEDFAIL") and not any(verdict == "failed" for _, verdict, _ in found):
        found.append(("the program itself (%s, status %s)" % (result, test.get("returncode")), "failed", None))
    return [(" / ".join(filter(None, [test["name"].partition(":")[2] or test["name"], name])), verdict, reason)
            for name, verdict, reason in found]


def main(logs):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    lines = []
    for log in logs:
        with open(log, encoding="utf-8") as file:
            for line in file:
                for name, verdict, reason in cases_of(json.loads(line)):
                    counts[verdict] += 1
                    if verdict == "skipped":
                        lines.append("skipped: %s: %s" % (name, reason))
                    elif verdict == "failed":
                        lines.append("failed: %s" % name)
    print("\n".join(sorted(lines, reverse=True)), end="\n\n" if lines else "")
    skipped = ", %d skipped" % counts["skipped"] if counts["skipped"] else ""
    print("%d passed, %d failed%s" % (counts["passed"], counts["failed"], skipped))
    return 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
