#!/usr/bin/env python3
"""Proves the arithmetic of headers: every contract in proof/*.c, by Frama-C's WP with cvc4 and z3, and what words.h takes for granted, by z3 alone.

    proof/prove.py [--mutants] [FILE.c...]

A function of a header is proved if a file declares it with a contract; others are taken in where they are called. What a file says of a loop (`loop of FUNCTION`), and
of a statement (`in FUNCTION before STATEMENT`), is put in front of it, in a copy of the header. With --mutants, errors are planted in the
headers, one at a time, and each must leave a goal unproved. The last line is `N of N goals proved`.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HEADERS = {"powers.c": ["base/scan.h", "base/bits.h"], "rounding.c": ["base/scan.h", "base/bits.h"], "logarithms.c": ["base/scan.h", "base/bits.h"],
           "classes.c": ["base/scan.h", "base/bits.h", "alloc/classes.h"], "halves.c": ["page/halves.h"],
           "bitmaps.c": ["base/scan.h", "base/bits.h"], "ranges.c": ["base/scan.h", "base/bits.h", "pool/bitmap.h"]}

# (proof, header, what is there, the error in its place), and of files with many contracts those functions in which the error must be noticed
MUTANTS = [
    ("powers.c", "base/bits.h", "return x != 0 && (x & (x - 1)) == 0;", "return (x & (x - 1)) == 0;"),
    ("rounding.c", "base/bits.h", "return (x + (align - 1)) & ~(align - 1);", "return (x + align) & ~(align - 1);"),
    ("rounding.c", "base/bits.h", "return x & ~(align - 1);", "return x & ~align;"),
    ("logarithms.c", "base/bits.h", "return x <= 1 ? 0 : tarn__log2_floor(x - 1) + 1;", "return x <= 1 ? 0 : tarn__log2_floor(x) + 1;"),
    ("classes.c", "alloc/classes.h", "(unsigned)((size - 1) >> (doubling - 3)) - 7", "(unsigned)(size >> (doubling - 3)) - 7", "class_17,class_40"),
    ("classes.c", "alloc/classes.h", "step = (number - 17) % 8 + 1;", "step = (number - 17) % 8;", "size_of_24,size_of_33"),
    ("bitmaps.c", "base/bits.h", "map[i / 64] |= UINT64_C(1) << (i % 64);", "map[i / 64] |= UINT64_C(1) << (i % 32);", "tarn__bit_set"),
    ("bitmaps.c", "base/bits.h", "map[i / 64] &= ~(UINT64_C(1) << (i % 64));", "map[i / 64] &= UINT64_C(1) << (i % 64);", "tarn__bit_clear"),
    ("bitmaps.c", "base/bits.h", "return map[i / 64] >> (i % 64) & 1;", "return map[i / 64] >> (i % 64) & 3;", "tarn__bit_test"),
    ("bitmaps.c", "base/bits.h", "if (end >= 64)", "if (end > 64)", "tarn__word_mask"),
    ("bitmaps.c", "base/bits.h", "first > low ? first - low : 0", "first > low ? first - low - 1 : 0", "tarn__word_mask"),
    ("bitmaps.c", "base/bits.h", "? tarn__scan_low(low) :", "? tarn__scan_low(low) + 1 :", "tarn__bit_lowest"),
    ("ranges.c", "base/bits.h", "map[w] |= tarn__word_mask(w, first, count);", "map[w] |= tarn__word_mask(w, first, count) << 1;", "tarn__bits_set"),
    ("ranges.c", "base/bits.h", "map[w] &= ~tarn__word_mask(w, first, count);", "map[w] &= tarn__word_mask(w, first, count);", "tarn__bits_clear"),
    ("ranges.c", "base/bits.h", "(map[w] & tarn__word_mask(w, first, count));", "(map[w]);", "tarn__bits_count"),
    ("ranges.c", "base/bits.h", "word = (value ? word : ~word) >> (from % 64);", "word = value ? word : ~word;", "tarn__bits_find"),
    ("ranges.c", "pool/bitmap.h", "from = (from / 64 + 1) * 64;", "from = from + 64;", "tarn__bitmap_next"),
    ("halves.c", "page/halves.h", "return index ^ (size_t)1 << order;", "return index ^ (size_t)2 << order;", "upper_3,lower_3"),
    ("halves.c", "page/halves.h", "return index & ~((size_t)1 << order);", "return index | (size_t)1 << order;", "whole_of_lower_3,whole_of_upper_3"),
]


def functions(proof, headers, source):
    """(those that are proved, those that are taken in)"""
    with open(os.path.join(ROOT, "proof", proof), encoding="utf-8") as file:
        text = file.read()
    declared = re.findall(r"^static inline .*?(\w+)\([^)]*\);", text, re.MULTILINE)
    defined = []
    for header in headers:
        with open(os.path.join(source, header), encoding="utf-8") as file:
            defined += re.findall(r"^static inline [\w *]*?(\w+)\(", file.read(), re.MULTILINE)
    only_elsewhere = {"tarn__scan_only"}  # for machines without an instruction
    return declared, [name for name in defined if name not in declared and name not in only_elsewhere]


def expanded(text):
    """The preprocessor puts no arguments into comments, and contracts are comments: so macros that a file defines are expanded here."""
    for name, parameters, body in re.findall(r"^#define (\w+)\((.*?)\)((?:.*\\\n)+.*\n)", text, re.MULTILINE):
        text = text.replace("#define %s(%s)%s" % (name, parameters, body), "")
        names = [parameter.strip() for parameter in parameters.split(",")]

        def expand(match, names=names, body=body):
            result = body.replace("\\\n", "\n")
            for key, value in zip(names, match[1].split(",")):
                result = re.sub(r"(?:##)?\b%s\b" % key, value.strip(), result.replace("##" + key, value.strip()))
            return result

        text = re.sub(r"^%s\((.*)\)$" % name, expand, text, flags=re.MULTILINE)
    return text


def annotated(text, proof):
    """What a proof says of loops, in front of the first loop of each function that it names; and steps, in front of the statements that it names."""
    with open(os.path.join(ROOT, "proof", proof), encoding="utf-8") as file:
        proof = file.read()
    places = [(name, r"(?:for|while) \(", lines) for name, lines in re.findall(r"/\* loop of (\w+)\n(.*?)\*/", proof, re.DOTALL)]
    places += [(name, re.escape(there), lines) for name, there, lines in re.findall(r"/\* in (\w+) before (.*?)\n(.*?)\*/", proof, re.DOTALL)]
    for name, there, lines in places:
        lines = lines.lstrip(" @")
        said = re.sub(r";\s*@ (?=assert)", "; */ /*@ ", "/*@ %s*/" % lines)
        text = re.sub(r"(^static inline [^\n]*\b%s\([^\n]*\n\{\n(?:(?!\n\}).)*?)(%s)" % (name, there), lambda match, said=said: "%s%s\n%s" % (match[1], said, match[2]),
                      text, count=1, flags=re.DOTALL | re.MULTILINE)
    return text


def prove(proof, source, only=None):
    """(proved, goals, what was not); of some functions only, without much patience, where an error is planted"""
    _, others = functions(proof, HEADERS[proof], source)
    with tempfile.TemporaryDirectory() as session:
        path = os.path.join(session, proof)
        with open(os.path.join(ROOT, "proof", proof), encoding="utf-8") as file, open(path, "w", encoding="utf-8") as copy:
            copy.write(expanded(file.read()))
        with_loops = os.path.join(session, "src")
        for header in HEADERS[proof]:
            os.makedirs(os.path.dirname(os.path.join(with_loops, header)), exist_ok=True)
            with open(os.path.join(source, header), encoding="utf-8") as file, open(os.path.join(with_loops, header), "w", encoding="utf-8") as copy:
                copy.write(annotated(file.read(), proof))
        command = ["frama-c", "-c11", "-machdep", "gcc_x86_64", "-cpp-extra-args=-I%s -I%s -I%s/include" % (ROOT, with_loops, ROOT), "-wp", "-wp-rte",
                   "-wp-prover", "cvc4,z3", "-wp-timeout", "5" if only else "40", "-wp-par", "2", "-wp-cache", "none", "-wp-session", session,
                   "-wp-skip-fct", ",".join(others), "-inline-calls", ",".join(others)]
        command += ["-wp-fct", only] if only else []
        command += [path]
        output = subprocess.run(command, capture_output=True, text=True, cwd=session, check=False).stdout
    total = re.search(r"Proved goals:\s+(\d+) / (\d+)", output)
    if not total:
        sys.exit(output + "prove: frama-c did not come to its end with %s" % proof)
    return int(total[1]), int(total[2]), re.findall(r"\[Failed\] Goal (\S+)", output)


def plant(source, header, right, wrong):
    """A copy of the sources' headers with an error in one."""
    target = tempfile.mkdtemp()
    for name in sorted(set(sum(HEADERS.values(), []))):
        with open(os.path.join(source, name), encoding="utf-8") as file:
            text = file.read()
        if name == header:
            if right not in text:
                sys.exit("prove: %s has no such line any more: %s" % (header, right))
            text = text.replace(right, wrong)
        os.makedirs(os.path.dirname(os.path.join(target, name)), exist_ok=True)
        with open(os.path.join(target, name), "w", encoding="utf-8") as file:
            file.write(text)
    return target


def main(arguments):
    source = os.path.join(ROOT, "src")
    mutants = "--mutants" in arguments
    proofs = [a for a in arguments if a != "--mutants"] or sorted(HEADERS)
    words = subprocess.run([os.path.join(ROOT, "proof", "words.py")], capture_output=True, text=True, check=False).stdout
    identities = [line for line in words.splitlines() if re.match(r"(not )?ok ", line)]
    proved, goals = sum(line.startswith("ok") for line in identities), len(identities)
    print("words.h: %d of %d identities" % (proved, goals), flush=True)
    for proof in proofs:
        right, there, failed = prove(proof, source)
        proved, goals = proved + right, goals + there
        print("%s: %d of %d%s" % (proof, right, there, "".join("\n  not proved: " + name for name in failed)), flush=True)
    missed = 0
    for proof, header, right, wrong, *only in MUTANTS if mutants else []:
        if proof in proofs:
            done, there, _ = prove(proof, plant(source, header, right, wrong), *only)
            missed += done == there
            print("%s mutant of %s: %s (%d of %d)" % ("not ok" if done == there else "ok", header, wrong, done, there), flush=True)
    print("%d of %d goals proved%s" % (proved, goals, ", %d mutants not noticed" % missed if missed else ""))
    return 0 if proved == goals and goals > 0 and not missed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
