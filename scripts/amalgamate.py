#!/usr/bin/env python3
"""Puts the library into two files, and the pools that stand alone into two others.

    scripts/amalgamate.py [DIRECTORY]     writes tarn.h, tarn.c, tarn-pools.h, tarn-pools.c there (dist)

Each header is taken in once, where it is first needed; system headers that are included without a condition come first. What files name for
themselves keeps its name unless another file has the name, too: then it is file_name everywhere. Functions that files share, tarn__name, become
static. What a source file defines as a macro ends with it. The same sources give the same files, to the byte.
"""
import os
import re
import sys

import csource

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>]+>|"[^"]+")[^\n]*\n', re.M)
GNU_SOURCE = "#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif\n"
EXTERN_C = re.compile(r'#ifdef __cplusplus\n(extern "C" \{|\})\n#endif\n\n?')
GUARD = re.compile(r"^#ifndef (TARN_\w+_H)\n#define \1\n(.*)^#endif\n\Z", re.M | re.S)
FILE_DOC = re.compile(r"\A/\*\*\n \* @file (\w+\.h)\n \* ")
# What compilers call by name keeps it.
COMPILERS_OWN = {"memset", "memcpy", "memmove"}
# A system header inside a condition stays there: what it declares is not hidden.
SYSTEMS_OWN = "#pragma GCC visibility push(default)\n%s#pragma GCC visibility pop\n"

LIBRARY_WORDS = """\
 * All of libtarn, for a program that would rather compile it than install it. Compile tarn.c with the program:
 *
 *     cc -std=gnu11 -O2 -c tarn.c
 *     cc -o program program.c tarn.o -pthread
 *
 * Linux; gcc or clang. The interface is described in tarn.h. Not in here: libtarn-malloc, which replaces malloc for whole programs, and the headers
 * that give kernel source its own names (include/tarn/linux).
"""
POOLS_WORDS = """\
 * The pools that stand alone: region, class, level, block, bump. They need no operating system and no C library, only gcc or clang; memory comes from
 * the program's buffers, or from a struct tarn_source of its own. Compile tarn-pools.c with the program; on a bare machine:
 *
 *     arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -std=c11 -ffreestanding -Os -ffunction-sections -c tarn-pools.c
 *
 * and link with -Wl,--gc-sections, so that pools that nobody uses take no room. A compiler may call memset and memcpy wherever it likes; a program
 * without a C library defines them, should the linker ask.
"""
# What the pools need of source.h. The rest of it is other files' interface.
POOLS_SOURCE_WORDS = """\
/*
 * source.h: where memory comes from when a pool grows.
 *
 * A program that wants that keeps a struct tarn_source with two operations. acquire gives `size` bytes at a multiple of `align`, which read as zero, or NULL;
 * size is a multiple of 4096, and align a power of two, at least 4096. release takes back what acquire gave, whole, and returns 0. Both are called with no lock of the
 * pool held; the other operations are not called by pools and may be NULL. The struct must outlive what stands on it.
 */
"""


class Library:
    """What goes into one pair of files."""

    def __init__(self, name, words, headers, sources, part_of_source=False):
        self.name, self.words, self.headers, self.sources, self.part_of_source = name, words, headers, sources, part_of_source


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def libraries():
    """The two pairs, from the floors of meson.build: the one list of sources."""
    meson = read("meson.build")
    floors = dict(re.findall(r"'(\w+)': files\(([^)]*)\)", meson))
    sources = {name: re.findall(r"'([^']+)'", text) for name, text in floors.items()}
    pools = [path for path in sources["pool"] if not path.endswith(("/host.c", "/watch.c"))]
    alone = ["api.h", "pool.h", "source.h", "region.h", "classpool.h", "levelpool.h", "blockpool.h", "bump.h"]
    return (Library("tarn", LIBRARY_WORDS, ["tarn.h"], sum(sources.values(), [])),
            Library("tarn-pools", POOLS_WORDS, alone, sorted(pools + ["src/pool/bare.c"]), part_of_source=True))


def version():
    return re.search(r"version: '([\d.]+)'", read("meson.build"))[1]


def opening(name, words):
    licence = read("LICENSE").strip().splitlines()
    copyright_line = next(line for line in licence if line.startswith("Copyright"))
    return ("/*\n * %s: tarn %s, memory pools. Made by `./dev amalgamate` from tarn's sources; changes belong there.\n *\n"
            " * SPDX-License-Identifier: MIT. %s. The licence's words are at the end of this file.\n *\n%s */\n"
            % (name, version(), copyright_line, words))


def closing():
    return "\n/*\n" + "".join((" * " + line).rstrip() + "\n" for line in read("LICENSE").strip().splitlines()) + " */\n"


def find(name, includer):
    for directory in (os.path.dirname(includer), "src", "include", ""):
        path = os.path.normpath(os.path.join(directory, name))
        if os.path.exists(os.path.join(ROOT, path)):
            return path
    raise SystemExit("amalgamate: %s includes %s, which is nowhere" % (includer, name))


def without_guard(text):
    """A header without its guard and without what it says to C++."""
    match = GUARD.search(text)
    if not match:
        return text
    return EXTERN_C.sub("", text[:match.start()] + match[2].lstrip("\n"))


def part_of_source(text):
    """The structs of source.h."""
    operations = text.index("struct tarn_source;")
    end = text.index("};\n", text.index("struct tarn_source {")) + 3
    return POOLS_SOURCE_WORDS + "\n" + text[operations:end]


class Gathering:
    """Files in the order in which a compiler needs them."""

    def __init__(self, library):
        self.library, self.texts, self.system, self.gnu, self.visited = library, {}, set(), False, set()

    def take(self, path):
        if path in self.visited:
            return
        self.visited.add(path)
        text = without_guard(read(path)) if path.endswith(".h") else read(path)
        if path == "include/tarn/source.h" and self.library.part_of_source:
            self.system |= {"<stdbool.h>", "<stddef.h>", "<stdint.h>"}
            text = part_of_source(text)
        if GNU_SOURCE in text:
            self.gnu, text = True, text.replace(GNU_SOURCE, "")
        self.texts[path] = self.without_includes(path, text)
        self.texts[path] = self.texts.pop(path)  # behind what it includes

    def without_includes(self, path, text):
        kept, at = [], 0
        for match in INCLUDE.finditer(text):
            before = text[:match.start()]
            conditions = len(re.findall(r"^[ \t]*#[ \t]*if", before, re.M)) - len(re.findall(r"^[ \t]*#[ \t]*endif", before, re.M))
            name = match[1]
            if conditions and name[0] == "<":
                kept += [text[at:match.start()], SYSTEMS_OWN % match[0]]
                at = match.end()
                continue
            if conditions:
                raise SystemExit("amalgamate: %s includes %s under a condition" % (path, name))
            if name[0] == "<":
                self.system.add(name)
            else:
                self.take(find(name[1:-1], path))
            kept.append(text[at:match.start()])
            at = match.end()
        return re.sub(r"\n{3,}", "\n\n", "".join(kept) + text[at:]).strip("\n") + "\n"


def system_lines(names):
    return "".join("#include %s\n" % name for name in sorted(names))


def make_header(library, gathering):
    for name in library.headers:
        gathering.take("include/tarn/" + name)
    public = {path: FILE_DOC.sub(r"/*\n * \1: ", text) for path, text in gathering.texts.items()}
    guard = library.name.upper().replace("-", "_") + "_AMALGAMATED_H"
    return "".join([
        opening(library.name + ".h", library.words), "#ifndef %s\n#define %s\n\n" % (guard, guard), system_lines(gathering.system),
        '\n#ifdef __cplusplus\nextern "C" {\n#endif\n\n', "\n".join(public.values()),
        "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n", closing()])


def prefixes_of(path, paths):
    """A file's words before its own names: its stem, unless two files have it; its directory and stem."""
    stem = os.path.splitext(os.path.basename(path))[0]
    alike = [other for other in paths if os.path.basename(other) == stem + ".c"]
    directory = os.path.basename(os.path.dirname(path))
    return ([stem] if len(alike) == 1 or directory == stem else []) + [directory + "_" + stem]


def make_unique(files, static):
    """Renames what two files have as their own, or one has and another uses for something else."""
    facts = {path: csource.Names(tokens, static) for path, tokens in files.items()}
    everything = set().union(*[fact.used | fact.tags_used | fact.own | fact.macros for fact in facts.values()])
    for path, fact in facts.items():
        if not path.endswith(".c"):
            continue
        others = [other for at, other in facts.items() if at != path]
        names = sorted(name for name in fact.own - COMPILERS_OWN if any(name in other.used or name in other.own for other in others))
        tags = sorted(tag for tag in fact.tags if not tag.startswith("tarn_") and any(tag in other.tags_used for other in others))
        for prefix in prefixes_of(path, list(files)):
            new = {name: prefix.upper() + "_" + name if name.isupper() else prefix + "_" + name for name in names}
            new_tags = {tag: prefix + "_" + tag for tag in tags}
            if not everything & (set(new.values()) | set(new_tags.values())):
                break
        else:
            raise SystemExit("amalgamate: %s: new names are taken: %s" % (path, everything & set(new.values())))
        files[path] = csource.rename(files[path], new, new_tags)


def make_static(tokens, static):
    """Shared functions, tarn__name, are static where there is only one file."""
    result, at = [], 0
    for first, last in csource.declarations(tokens):
        head = csource.head_of(tokens[first:last + 1])
        shared = any(function and name.startswith("tarn__") for name, function in csource.names_in_head(head))
        if shared and not (static | {"extern", "typedef"}) & set(head):
            result += tokens[at:first] + [csource.Token("name", "static"), csource.Token("space", " ")]
            at = first
    return result + tokens[at:]


def end_macros(path, text):
    """The macros of a source file end with it, but for stand-ins for a system's that lacks them."""
    names = []
    for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M):
        if not re.search(r"#[ \t]*ifndef[ \t]+%s\n\Z" % match[1], text[:match.start()]) and match[1] not in names:
            names.append(match[1])
    return text + ("\n" + "".join("#undef %s\n" % name for name in names) if names and path.endswith(".c") else "")


def make_source(library, gathering):
    public = set(gathering.texts)
    gathering.system = set()
    for path in library.sources:
        gathering.take(path)
    files = {path: csource.tokens_of(text) for path, text in gathering.texts.items()}
    static = csource.macros_for_static(files.values())
    make_unique(files, static)
    parts = []
    for path, tokens in files.items():
        if path not in public:
            text = end_macros(path, csource.text_of(make_static(tokens, static)))
            parts.append("\n/* ---- %s ---- */\n\n%s" % (path, text))
    return "".join([
        opening(library.name + ".c", library.words), GNU_SOURCE if gathering.gnu else "", '#include "%s.h"\n\n' % library.name,
        system_lines(gathering.system), "\n#define TARN__POOLS_ALONE\n" if library.part_of_source else "",
        '\n#ifndef TARN_VERSION\n#define TARN_VERSION "%s"\n#endif\n' % version(),
        "\n/* Not every part uses all of what the small headers have. What parts share is nobody else's. */\n"
        '#pragma GCC diagnostic ignored "-Wunused-function"\n#pragma GCC visibility push(hidden)\n',
        "".join(parts), "\n#pragma GCC visibility pop\n", closing()])


def main(arguments):
    directory = arguments[0] if arguments else os.path.join(ROOT, "dist")
    os.makedirs(directory, exist_ok=True)
    for library in libraries():
        gathering = Gathering(library)
        for suffix, make in ((".h", make_header), (".c", make_source)):
            with open(os.path.join(directory, library.name + suffix), "w", encoding="utf-8") as file:
                file.write(make(library, gathering))


if __name__ == "__main__":
    main(sys.argv[1:])
