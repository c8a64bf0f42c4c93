#!/usr/bin/env python3
"""Plants bugs, one at a time, and counts how many the tests catch.

    scripts/mutate.py [--seed N] [--count N] [--seconds N] [--list] [--only TEXT] [--again LOG] [PATH...]

A bug is a comparison turned or moved by one, + for -, && for ||, a number one larger, a condition negated, a statement left out (a store, a lock, a call), a
result that is 0. Of all places where one can be planted as many are drawn in each directory, by `seed`. Each is built in a copy of the sources, and the tests
that run its line, as gcov saw it, are tried, quickest first, until one fails. A test that fails must do so twice. A bug that hangs a test is caught. One that
does not compile does not count.

Bugs that change nothing that anyone could see are listed in test/mutants/equivalent.list, each with its reason; they do not count either. What
assertions say is not tried, nor what the check functions look at: that they fail is not what they are tested for. Nor is what is marked as out of reach.
"""
import argparse
import hashlib
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
LINES = os.path.join(TREE, "build-lines")
EQUIVALENT = "test/mutants/equivalent.list"
PATHS = ["src/page", "src/slab", "src/pool"]
LEFT_OUT = {"src/page/check.c"}  # walks structures for the tests
SUITES = {"unit", "model", "fuzz"}
SLOWEST = 5.0  # seconds; slower tests are left out
BATCHES = [2, 4, 8, 1000]  # tests that are built and tried together

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
RESULT = re.compile(r"^(.*\breturn )(?!(?:0|NULL|true|false);)(.+);(.*)$")
DECLARATION = re.compile(r"^\s*(?:const |static |unsigned |struct |size_t |bool |int |void |char |long |u?int\d+_t |return\b|enum |else\b)")
NOT_CODE = re.compile(r"ASSERT|GCOV_EXCL_LINE|tarn__warn|tarn__fail|^\s*(?:#|/\*|\*|//)|\bcase\b|\benum\b|_Alignas|__attribute__")


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
    match = RESULT.match(code.rstrip())
    if match:
        yield "%s0;%s" % (match[1], match[3])


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


def drawn_of(paths, seed):
    """The bugs of each path in an order by chance; of all paths in turn."""
    every = []
    for path in paths:
        there = list(mutants_of([path]))
        every.append(random.Random("%d %s" % (seed, path)).sample(there, len(there)))
    return [drawn[i] for i in range(max(map(len, every))) for drawn in every if i < len(drawn)]


def again_of(log, every):
    """Those bugs that survived in an earlier run, where their lines are now."""
    with open(log, encoding="utf-8") as file:
        for line in file:
            match = re.match(r"survived (\S+?):(\d+) ¦ (.*?) ¦ (.*)$", line.rstrip("\n"))
            if match:
                there = [m for m in every if (m[0], m[2].strip(), m[3].strip()) == (match[1], match[3], match[4])]
                yield from sorted(there, key=lambda m, at=int(match[2]): abs(m[1] + 1 - at))[:1]


def run(command, seconds, **options):
    """Whether it succeeds (None: it took too long), and the processor's seconds that it took."""
    process = None
    while not process:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       start_new_session=True, **options)
        except BlockingIOError:  # the machine has too many processes
            time.sleep(1)
    end, status, used = time.monotonic() + seconds, None, None
    while status is None and time.monotonic() < end:
        pid, code, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            status = code
        else:
            time.sleep(0.01)
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        pass
    if status is None:
        os.waitpid(process.pid, 0)
        process.returncode = -9
        return None, seconds
    process.returncode = status
    return status == 0, used.ru_utime + used.ru_stime


def built(directory, targets):
    return subprocess.run(["ninja", "-C", directory] + sorted(targets), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0


def test_of(test, directory, seconds):
    environment = dict(os.environ, **test["env"])
    command = [os.path.join(directory, test["target"])] + test["cmd"][1:]
    return run(command, seconds, cwd=test.get("workdir") or directory, env=environment)


def prepare():
    """Both builds; the tests."""
    os.makedirs(TREE, exist_ok=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        source, target = os.path.join(ROOT, name), os.path.join(TREE, name)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copy(source, target)
    ends = os.path.join(WORK, "exit.o")
    subprocess.run(["gcc", "-c", "-O2", "-fPIC", "-o", ends, os.path.join(ROOT, "scripts", "coverage.c")], check=True)
    counting = ["-Dc_args=--coverage", "-Dc_link_args=--coverage -Wl,--wrap=_exit,--wrap=abort " + ends]
    for directory, options in ((BUILD, ["-Doptimization=1"]), (LINES, ["-Doptimization=0"] + counting)):
        if not os.path.exists(os.path.join(directory, "build.ninja")):
            subprocess.run(["meson", "setup", directory, TREE, "-Ddebug=false", "-Dchecks=true", "-Dnear=false"] + options, stdout=subprocess.DEVNULL,
                           env=dict(os.environ, CC="gcc"), check=True)
    tests = json.loads(subprocess.run(["meson", "introspect", "--tests", BUILD], capture_output=True, text=True, check=True).stdout)
    tests = [test for test in tests if SUITES & {suite.partition(":")[2] or suite for suite in test["suite"]}]
    for test in tests:
        test["target"] = os.path.relpath(test["cmd"][0], BUILD)
    tests = [test for test in tests if not test["target"].startswith("..")]
    for directory in (BUILD, LINES):
        if not built(directory, {test["target"] for test in tests}):
            sys.exit("mutate: the build failed: ninja -C %s" % directory)
    return tests


def counts_of():
    """{file: {line: times it ran}} of what has run in LINES since its counts were deleted."""
    found = {}
    files = [os.path.join(at, name) for at, _, names in os.walk(LINES) if "libfloor-" in at for name in names if name.endswith(".gcda")]
    if not files:
        return found
    output = subprocess.run(["gcov", "--json-format", "--stdout"] + files, cwd=LINES, capture_output=True, text=True, check=False).stdout
    for document in output.splitlines():
        for file in json.loads(document)["files"]:
            name = os.path.relpath(os.path.join(LINES, file["file"]), TREE)
            if name.startswith("src/"):
                lines = found.setdefault(name, {})
                for line in file["lines"]:
                    lines[line["line_number"]] = lines.get(line["line_number"], 0) + line["count"]
    return found


def look(test):
    """What a test runs without a bug, and how long it takes; None: it fails or is slow."""
    fine, seconds = test_of(test, BUILD, 6 * SLOWEST)
    if not fine or seconds > SLOWEST:
        return None
    subprocess.run(["find", LINES, "-name", "*.gcda", "-delete"], check=True)
    test_of(test, LINES, 20 * SLOWEST)
    lines = {name: [[n for n in sorted(counts) if counts[n]], sorted(counts)] for name, counts in counts_of().items()}
    return {"seconds": seconds, "lines": lines}


def baseline(tests):
    """The tests that pass and are quick, with their time and the lines that they run. Kept as long as a test's program is the same."""
    path = os.path.join(WORK, "lines.json")
    known = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            known = json.load(file)
    fresh = {}
    for test in tests:
        with open(os.path.join(LINES, test["target"]), "rb") as file:
            key = test["name"] + " " + hashlib.sha256(file.read()).hexdigest()
        fresh[key] = known[key] if key in known else look(test)
        test["seen"] = fresh[key]
        if not fresh[key]:
            print("# left out, as it fails or is slow without a bug: %s" % test["name"], flush=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(dict(known, **fresh), file)
    return sorted((test for test in tests if test["seen"]), key=lambda test: test["seen"]["seconds"])


def runs(test, name, number):
    """Whether a test runs a line, or the statement that goes on there."""
    ran, there = test["seen"]["lines"].get(name, ([], []))
    begin = max((line for line in there if line <= number), default=0)
    return begin in ran


def try_tests(tests):
    """The name of the first test that fails, "compiler", or None."""
    for size in BATCHES:
        batch, tests = tests[:size], tests[size:]
        if batch and not built(BUILD, {test["target"] for test in batch}):
            return "compiler"
        for test in batch:
            seconds = 12 + 12 * test["seen"]["seconds"]
            fine, _ = test_of(test, BUILD, seconds)
            if fine is False:  # a machine with too many processes fails tests, too: what is seen but once may be that
                fine, _ = test_of(test, BUILD, seconds)
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
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        there = [test for test in tests if runs(test, name, number + 1)]
        return try_tests(there) if there else None if built(BUILD, {tests[0]["target"]}) else "compiler"
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(right)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--seconds", type=int, default=0, help="no new bug is tried after that")
    parser.add_argument("--list", action="store_true", help="shows what would be planted")
    parser.add_argument("--only", help="bugs whose line, old or new, has this text")
    parser.add_argument("--again", help="what survived in the run that wrote this")
    parser.add_argument("paths", nargs="*", default=PATHS)
    options = parser.parse_args()
    every = drawn_of(options.paths, options.seed)
    drawn = list(again_of(options.again, every)) if options.again else every
    if options.only:
        drawn = [m for m in drawn if options.only in m[2] or options.only in m[3]]
    known = equivalents()
    drawn = [m for m in drawn if (m[0], m[2].strip(), m[3].strip()) not in known][:options.count]
    print("# %d places for a bug, %d of them drawn" % (len(every), len(drawn)), flush=True)
    if options.list:
        for name, number, old, new in drawn:
            print("%s:%d ¦ %s ¦ %s" % (name, number + 1, old.strip(), new.strip()))
        return 0
    os.nice(10)
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
