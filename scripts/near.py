#!/usr/bin/env python3
"""near.py BUILD: writes scripts/near.ld anew, from what programs run through under valgrind.

BUILD is a build directory made with -Dnear=false, as valgrind knows only functions of the section .text. First come the functions that `true` runs
through, then those of small programs, then those of larger ones.
"""
import os
import re
import subprocess
import sys
import tempfile

GROUPS = (
    [["true"]],
    [["perl", "-e", "1"], ["sh", "-c", "true; echo"]],
    [["perl", "-e", "$h{$_} = 'x' x $_ for 1 .. 3000; delete $h{$_} for 1 .. 2000"],
     ["sqlite3", ":memory:", "create table t(x); insert into t select value from generate_series(1, 20000); select sum(x) from t;"]],
)
WIDTH = 128
HEAD = """/*
 * What a program that only allocates runs through lies together, at the beginning of the code; for the kernel maps 64 KiB of a file around
 * each fault, and all of that counts as resident. Names that do not exist are passed over, and what is missing here costs only place.
 * The large tables are behind all other data, of which so few pages are touched. Written by scripts/near.py.
 */
SECTIONS
{
    .text.near : {
        *crtbegin*.o(.text) KEEP(*(SORT_NONE(.fini)))
        *(.text.startup .text.startup.* .text.exit .text.exit.*)
        *libc_nonshared.a:pthread_atfork*(.text)
        *src_door_publish.c.o(.rodata.variable) *src_door_start.c.o(.rodata .rodata.*)
        *src_slab_slab.c.o(.rodata.cst*)
"""
TAIL = """    }
}
INSERT BEFORE .text;
SECTIONS
{
    .bss.tables (NOLOAD) : {
        *src_alloc_heap.c.o(.bss.tarn__heap .bss.shelves)
        *(.bss.tarn__sections .bss.taken .bss.depots .bss.tarn__cache_table .bss.first.* .bss.unborn .bss.ended)
    }
}
INSERT AFTER .bss;
"""


def functions_run(library, command):
    """Names of the library's functions that a command runs through."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "out")
        subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, *command], check=True, timeout=400,
                       env={**os.environ, "LD_PRELOAD": library}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        text = subprocess.run(["callgrind_annotate", "--threshold=100", out], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"/src/[\w/]+\.[ch]:([\w.]+)", text)
    return {name.split(".")[0] for name in found}


def functions_of(build):
    """The object files' functions: {file: names}."""
    functions = {}
    for directory, _, files in os.walk(build):
        for file in files:
            if re.search(r"libfloor-[a-z]+\.a\.p$", directory) and file.startswith("src_") and file.endswith(".o"):
                text = subprocess.run(["nm", os.path.join(directory, file)], check=True, capture_output=True, text=True).stdout
                functions[file] = {name.split(".")[0] for name in re.findall(r" [tT] ([\w.]+)$", text, re.MULTILINE)}
    return functions


def lines_for(file, names):
    line = f"        *{file}("
    for name in sorted(names):
        pattern = f".text.{name} .text.{name}.* "
        if len(line) + len(pattern) > WIDTH:
            yield line.rstrip()
            line = " " * 12
        line += pattern
    yield line.rstrip() + ")"


def main(build):
    library = os.path.abspath(os.path.join(build, "libtarn-malloc.so"))
    functions = functions_of(build)
    done = set()
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "near.ld"), "w", encoding="utf-8") as script:
        script.write(HEAD)
        for group in GROUPS:
            run = set().union(*(functions_run(library, command) for command in group)) - done
            done |= run
            for file in sorted(functions):
                if names := run & functions[file]:
                    script.writelines(line + "\n" for line in lines_for(file, names))
        script.write(TAIL)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
