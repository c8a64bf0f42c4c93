#!/usr/bin/env python3
"""Checks the benchmark, not what it measures: every load runs, live pages are counted right, ratios are what they are said to be. Prints TAP.

    python3 bench/check.py BUILD/bench [LIBRARY]
"""
import contextlib
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the source directory stays as it is
import curves  # noqa: E402
import idle  # noqa: E402
import page  # noqa: E402
import readme  # noqa: E402
import report  # noqa: E402
import run  # noqa: E402
import workloads  # noqa: E402

PLACE, LIBRARY = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else ""


def tool(name, *arguments, library=""):
    done = subprocess.run([os.path.join(PLACE, name), *arguments], env=idle.environment(library), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    return done.returncode, done.stdout


def check_loads():
    """Each load, at a thousandth, does as much under every allocator."""
    names = tool("bench_loads", "--list")[1].split()[::2]
    assert len(names) > 20
    for name in [*names, "live:1000", "threads:3", "exchange:16"]:
        plain, under = (tool("bench_loads", name, "0.001", library=library) for library in ("", LIBRARY))
        assert plain[0] == 0 and under[0] == 0, name
        assert plain[1].split()[0] == "ops" and plain[1].split()[1] == under[1].split()[1], name
    for wrong in ("live:0", "threads:65", "live:x", "nothing:1", "nothing"):
        assert tool("bench_loads", wrong)[0] == 1, wrong


def check_idle_pages():
    """Objects of which each fills pages of its own, and objects of which many share one."""
    for lowest, highest, least, most in ((8192, 8192, 2.0, 3.0), (64, 64, 0.1, 0.2), (5000, 9000, 1.5, 3.5)):
        command = [os.path.join(PLACE, "bench_idle"), "idle", str(lowest), str(highest), "16", "10"]
        found = idle.observe(command, LIBRARY, 0.01)
        part = found["part"]
        assert found["full"]["bytes"] >= 16 << 20 and part["objects"] == found["full"]["objects"] // 10, found
        assert part["bytes"] / 4096 <= part["pages"], found
        assert least <= part["pages"] / part["objects"] <= most, found
        assert all(sample[1] > 0 for sample in part["series"]), found


def made_samples():
    """Two peers of which one takes twice as long and half the memory, and tarn at half the time of the better; three rounds of which one is slow for all."""
    def sample(wall, peak):
        return {"wall": wall, "user": wall, "system": 0.0, "peak": peak, "minor": 10, "pair_ns": 3.0, "floor_ns": 1.0, "floor_ratio": 3.0}
    rounds = [1.0, 1.0, 7.0]
    return {load: {"glibc": [sample(2 * r, 30000) for r in rounds], "other": [sample(4 * r, 15000) for r in rounds], "tarn": [sample(r, 60000) for r in rounds]}
            for load in ("pair", "gcc")}


def made_result():
    samples = made_samples()
    start = {name: [{"wall": 0.001, "peak": 1000, "minor": 50}] for name in ("glibc", "other", "tarn")}
    machine = {"cpu": "a processor", "cores": 2, "kernel": "6.1.2", "libc": "glibc 2", "huge_pages": "never", "load_average": [0.0], "date": "today",
               "allocators": {name: "x" for name in start}}
    return {"machine": machine, "rounds": 3, "scale": 1, "kinds": {"pair": "load", "gcc": "program"}, "start": start, "samples": samples,
            "calls": {"gcc": {"tarn": {"mmap": 3, "munmap": 4}}}, "curves": {}, "traces": {}}


def check_ratios():
    metrics = report.all_figures(made_samples())
    assert metrics["time"].best["gcc"] == "glibc" and metrics["memory"].best["gcc"] == "other"
    assert abs(metrics["time"].geomean("tarn")[0] - 0.5) < 1e-9 and abs(metrics["memory"].geomean("tarn")[0] - 4) < 1e-9
    assert abs(metrics["time"].geomean("other")[0] - 2) < 1e-9
    assert all(abs(v - 0.5) < 1e-9 for v in metrics["time"].round_spread("tarn"))
    assert not metrics["memory-over-20-MiB"].ratios  # the leanest needs less


def check_failure():
    samples = made_samples()
    samples["gcc"]["other"][1]["failure"] = "killed"
    assert "other" not in report.all_figures(samples)["time"].ratios["gcc"]
    assert report.print_failures(samples) == 1


def check_readme():
    """The table is put between the markers, twice the same, and nothing else changes."""
    result, allocators = made_result(), {"glibc": None, "other": "/x/libother.so", "tarn": "/x/libtarn.so"}
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "README.md")
        texts = ["before\n" + readme.BEGIN + "old\n" + readme.END + "after\n"]
        for _ in range(2):
            with open(path, "w", encoding="utf-8") as file:
                file.write(texts[-1])
            readme.rewrite(path, result, allocators)
            with open(path, encoding="utf-8") as file:
                texts.append(file.read())
    assert texts[1] == texts[2] and "old" not in texts[1]
    assert texts[1].startswith("before\n" + readme.BEGIN) and texts[1].endswith(readme.END + "after\n")
    assert "| time, all | 1.00 | 2.00 | **0.50** |" in texts[1], texts[1]
    assert "1 loads and 1 whole programs" in texts[1].replace("\n", " ")


def check_readme_without_markers():
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "README.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write("no markers\n")
        try:
            readme.rewrite(path, made_result(), {})
        except SystemExit:
            with open(path, encoding="utf-8") as file:
                assert file.read() == "no markers\n"
            return
    raise AssertionError("a file without markers was rewritten")


def check_counts():
    with tempfile.NamedTemporaryFile("w", suffix=".strace") as file:
        file.write("% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- ----------------\n"
                   " 50.00    0.000110          10        11         2 mmap\n 50.00    0.000010          10        70           munmap\n"
                   "100.00    0.000120          10        81         2 total\n")
        file.flush()
        assert run.read_counts(file.name) == {"mmap": 11, "munmap": 70}
    result = made_result()
    assert report.call_cell(result["calls"], result["samples"], "gcc", "tarn") == "7 10"
    assert report.call_cell(result["calls"], result["samples"], "gcc", "glibc") == "- 10"


def check_page():
    description = page.describe(made_result())
    chart = description["charts"][0]
    assert chart["labels"] == ["pair", "gcc"]
    assert {s["name"]: s["points"] for s in chart["series"]}["tarn"] == [[at, 0.5, 0.5, 0.5] for at in (0, 1)]


def check_curves():
    point = {"number": 1, "samples": [{"ns": v, "peak": 1} for v in (1, 2, 9)]}
    assert curves.summarise(point)["median"] == 2
    assert curves.summarise({"number": 1, "samples": [{"failure": "killed"}]}) is None


def check_outputs():
    """Of db_bench's output only what does not depend on the clock is compared."""
    one, two = (b"readrandom : %s micros/op (5 of 9 found)\n" % t for t in (b"1.0", b"2.0"))
    assert workloads.found_lines(one) == workloads.found_lines(two) != workloads.found_lines(one.replace(b"5 of", b"6 of"))


def main():
    checks = [(name[6:], check) for name, check in globals().items() if name.startswith("check_")]
    print("1..%d" % len(checks))
    failed = 0
    for number, (name, check) in enumerate(checks, 1):
        try:
            with contextlib.redirect_stdout(sys.stderr):
                check()
            print("ok %d - %s" % (number, name))
        except (Exception, SystemExit) as error:  # pylint: disable=broad-except
            failed += 1
            print("not ok %d - %s\n# %s: %s" % (number, name, type(error).__name__, str(error)[:2000].replace("\n", " ")))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
