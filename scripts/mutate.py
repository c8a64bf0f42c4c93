#!/usr/bin/env python3
"""Plants bugs, one at a time, and counts how many the tests catch.

    scripts/mutate.py [--seed N] [--count N] [--seconds N] [--list] [--only TEXT] [PATH...]

A bug is a comparison turned or moved by one, + for -, && for ||, a number one larger, a condition negated, a statement left out. Of all places where one
can be planted, `count` are drawn by `seed`. Each is built in a copy of the sources, and the tests of its floor run, quickest first, until one fails;
if none does, those of the floors above. A test that fails must do so twice. A bug that hangs a test is caught. One that does not compile does not count.

Bugs that change nothing that anyone could see are listed in test/mutants/equivalent.list, each with its reason; they do not count either. What
assertions say is not tried, nor what the check functions look at: that they fail is not what they are tested for.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "build-mutate")
TREE = os.path.join(WORK, "tree")
BUILD = os.path.join(TREE, "build")
EQUIVALENT = "test/mutants/equivalent.list"
PATHS = ["src/page", "src/slab", "src/pool"]
LEFT_OUT = {"src/page/check.c"}  # walks structures for the tests

# Tests by floor: those at home, whose failure is likely, and those above.
HOME = {
    "src/page": ["page", "page_blocks", "zones", "request", "mobility", "mapped", "shelf", "far", "shrinker", "low", "reclaim", "pages", "blocks"],
    "src/slab": ["slab", "idle", "local", "cache", "cache_ctor", "cache_fail", "cache_fork", "cache_many", "cache_report", "cache_share",
                 "cache_threads", "cache_zone", "debug", "keep", "caches", "sheaf"],
    "src/pool": ["region", "blockpool", "bump", "classpool", "levelpool", "classpool_race", "blockpool_threads", "bump_threads"],
}
SUITES = {"unit", "model", "fuzz"}
SLOWEST = 8.0  # seconds; slower tests are left out

TURNS = [
    (r"(?<![<>=!\-])<=(?!=)", "<"), (r"(?<![<>=!\-])>=(?!=)", ">"), (r"(?<= )<(?= )", "<="), (r"(?<= )>(?= )", ">="),
    (r"(?<= )<(?= )", ">="), (r"(?<= )>(?= )", "<="), (r"(?<= )==(?= )", "!="), (r"(?<= )!=(?= )", "=="),
    (r"&&", "||"), (r"\|\|", "&&"), (r"(?<= )\+(?= )", "-"), (r"(?<= )-(?= )", "+"), (r"(?<= )<<(?= )", ">>"), (r"(?<= )>>(?= )", "<<"),
    (r"\+\+", "--"), (r"(?<!-)--(?!-)", "++"), (r"(?<= )\+=(?= )", "-="), (r"(?<= )-=(?= )", "+="), (r"(?<= )&(?= )", "|"),
    (r"(?<= )\|(?= )", "&"), (r"(?<= )\|=(?= )", "&="), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
]
NUMBER = re.compile(r"(?<![\w.\"'])(\d{1,4})(?![\w.\"'])")
CONDITION = re.compile(r"^(\s*(?:\} else )?(?:if|while) )\((.*)\)( \{)?$")
STATEMENT = re.compile(r"^\s*(?:[\w>\-.\[\]*()&+ ]+ (?:=|\+=|-=|\|=|&=) .*|[\w>\-.\[\]]+(?:\+\+|--)|\w+\(.*\));$")
DECLARATION = re.compile(r"^\s*(?:const |static |unsigned |struct |size_t |bool |int |void |char |long |u?int\d+_t |return\b|enum |else\b)")
NOT_CODE = re.compile(r"ASSERT|tarn__warn|tarn__fail|^\s*(?:#|/\*|\*|//)|\bcase\b|\benum\b|_Alignas|memory_order_\w+\)?;$ ^|__attribute__")


def code_lines(path):
    """(number, line) of lines inside functions, without comments."""
    inside = comment = False
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        for number, line in enumerate(file):
            line = line.rstrip("\n")
            bare = line
            if comment:
                comment = "*/" not in bare
                continue
            if bare.lstrip().startswith("/*"):
                comment = "*/" not in bare
                continue
            if not inside:
                inside = bare == "{"
                one_line = re.match(r"^(?:static |[\w_ *]+\()[^;]*\{ .* \}$", bare)
                if one_line:
                    yield number, line
                continue
            if bare == "}":
                inside = False
                continue
            if not NOT_CODE.search(bare):
                yield number, line


def changes(line):
    """Each way to plant a bug in a line."""
    code = line.split("/*")[0]
    begin = code.index("{") if re.match(r"^\S.*\{ .* \}", code) else 0
    for pattern, new in TURNS:
        for match in re.finditer(pattern, code):
            if match.start() >= begin and code.count('"', 0, match.start()) % 2 == 0:
                yield line[:match.start()] + new + line[match.end():]
    for match in NUMBER.finditer(code):
        if match.start() >= begin and code.count('"', 0, match.start()) % 2 == 0:
            yield line[:match.start()] + str(int(match[1]) + 1) + line[match.end():]
    match = CONDITION.match(code.rstrip())
    if match and match[2].count("(") == match[2].count(")"):
        yield "%s(!(%s))%s" % (match[1], match[2], match[3] or "")
    if STATEMENT.match(code.rstrip()) and not DECLARATION.match(code):
        yield re.match(r"\s*", line)[0] + ";"


def mutants_of(paths):
    for path in paths:
        full = os.path.join(ROOT, path)
        names = [path] if os.path.isfile(full) else sorted(os.path.join(path, n) for n in os.listdir(full) if n.endswith((".c", ".h")))
        for name in names:
            if name in LEFT_OUT:
                continue
            for number, line in code_lines(name):
                for new in dict.fromkeys(changes(line)):
                    yield name, number, line, new


def equivalents():
    """{(file, old, new)}: lines `file ¦ old ¦ new ¦ reason`."""
    known = set()
    path = os.path.join(ROOT, EQUIVALENT)
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for line in file:
                parts = [part.strip() for part in line.split(" ¦ ")]
                if len(parts) == 4:
                    known.add(tuple(parts[:3]))
    return known


def run(command, seconds, **options):
    """True, False, or None: it took too long."""
    process = None
    while not process:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True, **options)
        except BlockingIOError:  # the machine has too many processes
            time.sleep(1)
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        return None
    finally:
        try:
            os.killpg(process.pid, 9)
        except ProcessLookupError:
            pass
        process.wait()


def prepare():
    os.makedirs(WORK, exist_ok=True)
    os.makedirs(TREE, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        source, target = os.path.join(ROOT, name), os.path.join(TREE, name)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copy(source, target)
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        subprocess.run(["meson", "setup", BUILD, TREE, "-Doptimization=1", "-Ddebug=false", "-Dchecks=true", "-Dnear=false"],
                       stdout=subprocess.DEVNULL, check=True)
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", BUILD], capture_output=True, text=True, check=True).stdout)
    return [test for test in tests if SUITES & {suite.partition(":")[2] or suite for suite in test["suite"]}]


def environment(test):
    return dict(os.environ, **{k: v for k, v in test["env"].items()})


def baseline(tests):
    """Builds what is right; the tests that pass and are quick, with the time that they take."""
    targets = sorted({os.path.relpath(test["cmd"][0], BUILD) for test in tests})
    subprocess.run(["ninja", "-C", BUILD] + targets, stdout=subprocess.DEVNULL, check=True)
    for test in tests:
        begin = time.monotonic()
        fine = run(test["cmd"], 4 * SLOWEST, cwd=test.get("workdir") or BUILD, env=environment(test))
        test["seconds"] = time.monotonic() - begin
        test["target"] = os.path.relpath(test["cmd"][0], BUILD)
        if not fine:
            print("# left out, as it fails or is slow without a bug: %s" % test["name"], flush=True)
            test["seconds"] = 2 * SLOWEST
    return sorted((test for test in tests if test["seconds"] < SLOWEST), key=lambda test: test["seconds"])


def try_tests(tests):
    """The name of the first test that fails, "compiler", or None."""
    ninja = ["ninja", "-C", BUILD] + sorted({test["target"] for test in tests})
    if not run(ninja, 900) and not run(ninja + ["-j1"], 900):
        return "compiler"
    for test in tests:
        seconds = 10 + 10 * test["seconds"]
        fine = run(test["cmd"], seconds, cwd=test.get("workdir") or BUILD, env=environment(test))
        if fine is False:  # a machine with too many processes fails tests, too: what is seen but once may be that
            fine = run(test["cmd"], seconds, cwd=test.get("workdir") or BUILD, env=environment(test))
        if not fine:
            return test["name"] + (" (hangs)" if fine is None else "")
    return None


def try_mutant(mutant, tests):
    name, number, old, new = mutant
    path = os.path.join(TREE, name)
    with open(path, encoding="utf-8") as file:
        right = file.read()
    lines = right.split("\n")
    assert lines[number] == old
    lines[number] = new
    home = HOME.get(os.path.dirname(name), [])
    near = [test for test in tests if test["name"] in home or test["name"].replace("fuzz-", "") in home]
    far = [test for test in tests if test not in near]
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        caught = try_tests(near) if near else None
        return caught or try_tests(far)
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(right)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=0, help="no new bug is tried after that")
    parser.add_argument("--list", action="store_true", help="shows what would be planted")
    parser.add_argument("--only", help="bugs whose line, old or new, has this text")
    parser.add_argument("paths", nargs="*", default=PATHS)
    options = parser.parse_args()
    every = list(mutants_of(options.paths))
    drawn = random.Random(options.seed).sample(every, len(every))
    if options.only:
        drawn = [m for m in drawn if options.only in m[2] or options.only in m[3]]
    known = equivalents()
    drawn = [m for m in drawn if (m[0], m[2].strip(), m[3].strip()) not in known][:options.count]
    print("# %d places for a bug, %d of them drawn" % (len(every), len(drawn)), flush=True)
    if options.list:
        for name, number, old, new in drawn:
            print("%s:%d ¦ %s ¦ %s" % (name, number + 1, old.strip(), new.strip()))
        return 0
    tests = baseline(prepare())
    counts = {"caught": 0, "survived": 0, "compiler": 0}
    begin = time.monotonic()
    for name, number, old, new in drawn:
        if options.seconds and time.monotonic() - begin > options.seconds:
            break
        caught = try_mutant((name, number, old, new), tests)
        verdict = "survived" if caught is None else "compiler" if caught == "compiler" else "caught"
        counts[verdict] += 1
        if verdict != "compiler":
            print("%s %s:%d ¦ %s ¦ %s%s" % (verdict, name, number + 1, old.strip(), new.strip(), " ¦ " + caught if caught else ""), flush=True)
    tried = counts["caught"] + counts["survived"]
    share = 100.0 * counts["caught"] / tried if tried else 0.0
    print("%d of %d planted bugs caught, %.1f %%" % (counts["caught"], tried, share))
    return 0 if share >= 90 else 1


if __name__ == "__main__":
    sys.exit(main())
