#!/usr/bin/env python3
"""The examples in the manual pages are the programs of examples/, word for word. A page names its own in a comment before it:

    .\\" example: region.c
    .EX ... .EE

    scripts/man_examples.py            compares; exit status 1 when a page differs, or an example is in none
    scripts/man_examples.py --update   brings the pages up to date
    scripts/man_examples.py --self-test
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PART = re.compile(r'^\.\\" example: (\S+)\n(?:\.EX\n.*?^\.EE\n)?', re.MULTILINE | re.DOTALL)
ROFF = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def in_roff(text):
    """Text as a page has to have it, so that it is shown as it is."""
    text = "".join(ROFF.get(c, c) for c in text)
    return re.sub(r"^\.", r"\&.", text, flags=re.MULTILINE)


def updated(page, example):
    """The page with its examples as they are; `example` gives a program's text by its name."""
    return PART.sub(lambda part: f'.\\" example: {part[1]}\n.EX\n{in_roff(example(part[1]))}.EE\n', page)


def self_test():
    page = '.SH EXAMPLES\n.\\" example: a.c\n.EX\n%s.EE\n.SH SEE ALSO\n'
    program = "int a = '\\n' - `1^~;\n.b\n"
    shown = page % "int a = \\(aq\\en\\(aq \\- \\(ga1\\(ha\\(ti;\n\\&.b\n"
    assert updated(shown, lambda name: program) == shown
    for old in (page % "", page % "int b;\n", '.SH EXAMPLES\n.\\" example: a.c\n.SH SEE ALSO\n'):
        assert updated(old, lambda name: program) == shown and updated(old, lambda name: program) != old
    print("man_examples: self-test: what differs is found")
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found = 0
    missing = {path.name for path in (ROOT / "examples").glob("*.c*") if path.suffix in (".c", ".cpp")}

    def example(name):
        missing.discard(name)
        return (ROOT / "examples" / name).read_text(encoding="utf-8")

    for path in sorted((ROOT / "man").glob("*.[1-9]")):
        page = path.read_text(encoding="utf-8")
        new = updated(page, example)
        if new != page and sys.argv[1:] == ["--update"]:
            path.write_text(new, encoding="utf-8")
        elif new != page:
            print(f"man_examples: {path.relative_to(ROOT)}: its example is not as in examples/; scripts/man_examples.py --update")
            found = 1
    for name in sorted(missing):
        print(f"man_examples: {name}: no manual page shows it")
        found = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
