#!/usr/bin/env python3
"""Runs an example and compares what it prints with what is expected; an `#` there stands for any number, and the room before it.

    examples/check.py PROGRAM FILE.expected
    examples/check.py --self-test
"""
import re
import subprocess
import sys


def differences(printed, expected):
    """Pairs of lines that differ, with "" where one of the two has ended."""
    count = max(len(printed), len(expected))
    for had, should in zip(printed + [""] * (count - len(printed)), expected + [""] * (count - len(expected))):
        pattern = re.sub(r"(?:\\ )*\\#", " *[0-9]+", re.escape(should))
        if not re.fullmatch(pattern, had):
            yield had, should


def self_test():
    same = [(["a 12", "b"], ["a #", "b"]), (["a  1 c"], ["a   # c"]), ([], [])]
    other = [(["a 12"], ["a 13"]), (["a"], ["a #"]), (["a"], ["a", "b"]), (["a", "b"], ["a"]), (["a.b"], ["a.c"]), (["axb"], ["a.b"])]
    wrong = [case for case in same if list(differences(*case))] + [case for case in other if not list(differences(*case))]
    for case in wrong:
        print("check: self-test:", case)
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    program, file = sys.argv[1:]
    done = subprocess.run([program], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=60)
    if done.returncode:
        print(done.stdout, end="")
        print(f"exit status {done.returncode}")
        return done.returncode if done.returncode == 77 else 1
    with open(file, encoding="utf-8") as lines:
        found = list(differences(done.stdout.splitlines(), lines.read().splitlines()))
    for had, should in found:
        print(f"printed:  {had}\nexpected: {should}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
